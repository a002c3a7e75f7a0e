import { isJsonObject, type JsonObject } from '../../core/json-object.ts';

/** What an answer that was asked for several times (`n`) is kept as beside the first: an extension item each. */
export const choiceType = 'chat:choice';

/** Gathers the choices of an answer beside the first, of chunks as well as of a plain reply. */
export interface OtherChoices {
  read(choice: JsonObject): void;
  /** Each as a plain reply has it, in the order of their indexes. */
  all(): JsonObject[];
}

export function createOtherChoices(): OtherChoices {
  const choices = new Map<number, JsonObject>();
  return {
    read({ index, delta, message, ...rest }) {
      if (typeof index !== 'number') return;
      const before = choices.get(index) ?? {};
      choices.set(index, merged(before, { ...rest, message: message ?? delta }));
    },
    all() {
      return [...choices]
        .toSorted(([a], [b]) => a - b)
        .map(([index, { message, ...rest }]) => ({ index, message: withoutPlaces(message), ...rest }));
    },
  };
}

/** Said once, and not in pieces. */
const names: ReadonlySet<string> = new Set(['role', 'type', 'id', 'name', 'finish_reason']);

function merged(before: JsonObject, delta: JsonObject): JsonObject {
  const after = { ...before };
  for (const [field, value] of Object.entries(delta)) {
    const known = Object.hasOwn(after, field) ? after[field] : undefined;
    if (value === undefined || (value === null && known !== undefined)) continue;
    if (typeof known === 'string' && typeof value === 'string' && !names.has(field)) after[field] = known + value;
    else if (Array.isArray(known) && Array.isArray(value)) after[field] = mergedLists(known, value);
    // A copy too where it is the first: what a stream's frame holds is lent, and has other words in the next.
    else if (isJsonObject(value)) after[field] = merged(isJsonObject(known) ? known : {}, value);
    else after[field] = value;
  }
  return after;
}

/** Elements with an index go on where the one of the same index ended; others follow. */
function mergedLists(before: readonly unknown[], more: readonly unknown[]): unknown[] {
  const after = [...before];
  for (const element of more) {
    const place = isJsonObject(element) && typeof element['index'] === 'number' ? element['index'] : undefined;
    const at = place === undefined ? -1 : after.findIndex((each) => isJsonObject(each) && each['index'] === place);
    const known = after[at];
    if (isJsonObject(known) && isJsonObject(element)) after[at] = merged(known, element);
    else after.push(element);
  }
  return after;
}

/** A plain reply's calls have no index. */
function withoutPlaces(message: unknown): unknown {
  if (!isJsonObject(message) || !Array.isArray(message['tool_calls'])) return message;
  const calls: unknown[] = message['tool_calls'];
  return {
    ...message,
    tool_calls: calls.map((call) => {
      if (!isJsonObject(call)) return call;
      const { index: _, ...rest } = call;
      return rest;
    }),
  };
}
