import { isJsonObject, type JsonObject } from '../../core/json-object.ts';
import { stringOf } from './wire.ts';

/** Arguments that come value by value. Objects are maps, so that keys keep the order in which they came. */
type Value = { text: string } | { leaf: string } | Value[] | Map<string, Value>;

/** A step of a JSON path: `$.a['b c'][0]`. @see https://datatracker.ietf.org/doc/html/rfc9535 */
const step = /\.([^.[\]]+)|\[(\d+)\]|\['((?:[^'\\]|\\.)*)'\]|\["((?:[^"\\]|\\.)*)"\]/y;

const maxIndex = 100_000;

function stepsOf(path: string): (string | number)[] | undefined {
  const steps: (string | number)[] = [];
  step.lastIndex = path.startsWith('$') ? 1 : 0;
  while (step.lastIndex < path.length) {
    const found = step.exec(path);
    if (found === null) return undefined;
    const [, name, index, single, double] = found;
    if (index !== undefined && Number(index) > maxIndex) return undefined;
    steps.push(index === undefined ? (name ?? (single ?? double ?? '').replaceAll(/\\(.)/g, '$1')) : Number(index));
  }
  return steps.length === 0 ? undefined : steps;
}

function leafOf(piece: JsonObject): Value | undefined {
  if (typeof piece['stringValue'] === 'string') return { text: piece['stringValue'] };
  if (typeof piece['numberValue'] === 'number') return { leaf: JSON.stringify(piece['numberValue']) };
  if (typeof piece['boolValue'] === 'boolean') return { leaf: String(piece['boolValue']) };
  return 'nullValue' in piece ? { leaf: 'null' } : undefined;
}

function print(value: Value | undefined): string {
  if (value === undefined) return 'null';
  if (Array.isArray(value)) return `[${Array.from(value, print).join(',')}]`;
  if (value instanceof Map) {
    return `{${Array.from(value, ([key, inner]) => `${JSON.stringify(key)}:${print(inner)}`).join(',')}}`;
  }
  return 'leaf' in value ? value.leaf : JSON.stringify(value.text);
}

export interface PartialArgs {
  /** False: the pieces are none, or contradict what came before. */
  add(pieces: unknown): boolean;
  /** The arguments so far, as JSON text. */
  print(): string;
}

/**
 * Puts together the arguments of a call that comes in pieces: each piece is a value at a path, or goes on with a text.
 * @see https://docs.cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling#streaming-fc
 */
export function createPartialArgs(): PartialArgs {
  const root = new Map<string, Value>();

  function addOne(piece: unknown): boolean {
    const steps = isJsonObject(piece) ? stepsOf(stringOf(piece['jsonPath']) ?? '') : undefined;
    const leaf = isJsonObject(piece) ? leafOf(piece) : undefined;
    if (steps === undefined || leaf === undefined) return false;
    let place: Value = root;
    for (const [at, key] of steps.entries()) {
      const next: string | number | undefined = steps[at + 1];
      const made: Value = next === undefined ? leaf : typeof next === 'number' ? [] : new Map<string, Value>();
      let inner: Value | undefined;
      if (Array.isArray(place) && typeof key === 'number') inner = place[key] ??= made;
      else if (place instanceof Map && typeof key === 'string') {
        inner = place.get(key);
        if (inner === undefined) place.set(key, (inner = made));
      } else return false;
      if (next === undefined && inner !== leaf) {
        if (!('text' in inner) || !('text' in leaf)) return false;
        inner.text += leaf.text;
      }
      place = inner;
    }
    return true;
  }

  return {
    add: (pieces) => Array.isArray(pieces) && pieces.every(addOne),
    print: () => print(root),
  };
}
