import { isJsonObject, type JsonObject } from '../../core/json-object.ts';
import { textOf } from './wire.ts';

/**
 * What clients cannot read a tool call without, and what some servers leave out: `type`, and in a stream `index`.
 * @see https://docs.mistral.ai/api/endpoint/chat whose calls have neither where they come whole
 */
export function createCallCompleter(): (choices: readonly JsonObject[]) => JsonObject[] | undefined {
  /** How many calls each choice has begun. */
  const begun = new Map<unknown, number>();

  function complete(call: unknown, choice: unknown): unknown {
    if (!isJsonObject(call)) return call;
    const isNew = textOf(call['id']) !== undefined;
    const next = begun.get(choice) ?? 0;
    const index = call['index'] ?? Math.max(isNew ? next : next - 1, 0);
    begun.set(choice, Math.max(next, Number(index) + 1));
    const type =
      isNew && (call['type'] ?? undefined) === undefined
        ? isJsonObject(call['custom'])
          ? 'custom'
          : 'function'
        : undefined;
    if (call['index'] === index && type === undefined) return call;
    return { ...call, index, ...(type === undefined ? {} : { type }) };
  }

  return (choices) => {
    let isChanged = false;
    const completed = choices.map((choice) => {
      const field = isJsonObject(choice['delta']) ? 'delta' : 'message';
      const said = choice[field];
      const calls = isJsonObject(said) ? said['tool_calls'] : undefined;
      if (!isJsonObject(said) || !Array.isArray(calls)) return choice;
      const whole = calls.map((call) => complete(call, choice['index'] ?? 0));
      if (whole.every((call, at) => call === calls[at])) return choice;
      isChanged = true;
      return { ...choice, [field]: { ...said, tool_calls: whole } };
    });
    return isChanged ? completed : undefined;
  };
}
