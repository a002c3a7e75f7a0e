import { isJsonObject, type JsonObject, parseJsonObject } from './json-object.ts';

/** Keys and array indexes, from the outermost in. */
export type JsonPath = readonly (string | number)[];

/** What texts have in common that differ in a string or two only. */
export interface FrameShape {
  /** How far the texts agree from their beginning: up to the first string that differs. */
  readonly headLength: number;
}

/** Reads the JSON texts of one stream, whose deltas repeat one another but for the words. */
export interface FrameReader {
  /**
   * The object that the text is; undefined: it is none. It is lent: the next call may write other strings into the same
   * object, so nobody keeps it (strings and objects taken out of it stay as they are). A text that was the last one too is
   * not read again: whoever else reads the same frames has the same reader.
   */
  read(text: string): JsonObject | undefined;
  /** Of the text that was read last; undefined: it was parsed, and nothing that comes can be told by it. */
  shape(): FrameShape | undefined;
}

interface Place {
  holder: Record<string | number, unknown>;
  key: string | number;
}

interface LearntShape extends FrameShape {
  object: JsonObject;
  head: string;
  /** In the order of the text, each with what stands between it and the next, or the end. */
  strings: (Place & { after: string })[];
}

/** What JSON escapes or forbids inside a string: where none of it is, the text between the quotes is the string. */
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const escaped = /[\\\u0000-\u001f]/;

/** Streams without a repetition are not searched for one for ever. */
const maxMisses = 16;

/**
 * Parses what it must. A text that is the one before, character by character, but for the strings at some of `paths` is
 * not parsed: the object is the same with these strings in it. What JSON.parse would give is what is given, always.
 */
export function createFrameReader(paths: readonly JsonPath[]): FrameReader {
  let learnt: LearntShape | undefined;
  let shape: LearntShape | undefined;
  let misses = 0;
  let lastText = '';
  let lastObject: JsonObject | undefined;

  return {
    read(text) {
      if (text === lastText) return lastObject;
      lastText = text;
      if (learnt !== undefined && fill(learnt, text)) {
        shape = learnt;
        misses = 0;
        lastObject = learnt.object;
        return lastObject;
      }
      lastObject = parseJsonObject(text);
      shape = lastObject === undefined || misses++ > maxMisses ? undefined : shapeOf(text, lastObject, paths);
      learnt = shape ?? learnt;
      return lastObject;
    },
    shape() {
      return shape;
    },
  };
}

/** False: the text has another shape. Slices are compared because V8 takes ten times as long for `startsWith`. */
function fill({ head, strings }: LearntShape, text: string): boolean {
  let at = head.length;
  if (text.slice(0, at) !== head) return false;
  for (const { holder, key, after } of strings) {
    const end = text.indexOf('"', at);
    // An empty string says something else than a word: it is looked at.
    if (end <= at) return false;
    const value = text.slice(at, end);
    at = end + after.length;
    if (escaped.test(value) || text.slice(end, at) !== after) return false;
    holder[key] = value;
  }
  return at === text.length;
}

/** Undefined: a place in the text cannot be told for sure. */
function shapeOf(text: string, object: JsonObject, paths: readonly JsonPath[]): LearntShape | undefined {
  const found: (Place & { at: number; end: number })[] = [];
  for (const path of paths) {
    const place = placeOf(object, path);
    const value = place?.holder[place.key];
    if (place === undefined || typeof value !== 'string' || value === '') continue;
    // Without an escape in the whole text the string stands there as it is, and where it stands once that is the place.
    if (found.length === 0 && escaped.test(text)) return undefined;
    const quoted = `"${value}"`;
    const at = text.indexOf(quoted) + 1;
    if (at !== text.lastIndexOf(quoted) + 1) return undefined;
    found.push({ ...place, at, end: at + value.length });
  }
  found.sort((one, other) => one.at - other.at);
  const [first] = found;
  if (first === undefined) return undefined;
  const strings = found.map(({ holder, key, end }, index) => ({
    holder,
    key,
    after: text.slice(end, found[index + 1]?.at),
  }));
  return { object, strings, head: text.slice(0, first.at), headLength: first.at };
}

function placeOf(object: JsonObject, path: JsonPath): Place | undefined {
  let holder: unknown = object;
  for (const step of path.slice(0, -1)) {
    const isHolder = Array.isArray(holder) || isJsonObject(holder);
    holder = isHolder ? (holder as Place['holder'])[step] : undefined;
  }
  const key = path.at(-1);
  return isJsonObject(holder) && key !== undefined ? { holder, key } : undefined;
}
