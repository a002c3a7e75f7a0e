import type { JsonObject } from '../../core/json-object.ts';

/** What is taken down of a client's request while it is decoded, beside what it says. */
export interface RequestNotes {
  readonly extra: JsonObject;
  readonly places: Record<string, string>;
  /** @param at where the value stands in our request, @param path where in the client's. */
  place(at: string, path: string): void;
  /** Fields of an object that the decoder has no word for, but null. */
  keepUnknown(value: JsonObject, known: readonly string[], path: string): void;
}

export function createRequestNotes(): RequestNotes {
  const extra: JsonObject = {};
  const places: Record<string, string> = {};
  return {
    extra,
    places,
    place(at, path) {
      places[at] = path;
    },
    keepUnknown(value, known, path) {
      for (const key of Object.keys(value)) {
        if (value[key] !== null && !known.includes(key)) extra[path === '' ? key : `${path}.${key}`] = value[key];
      }
    },
  };
}
