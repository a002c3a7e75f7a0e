import type { Pace } from './pace.ts';

/** Shorter strings are printed as fast as they would be found again. */
const longCharacters = 4096;
const stretchCharacters = 128 * 1024;

/** The JSON of long strings, by the object that holds them and its key: the store and the upstream get the same. */
const known = new WeakMap<object, Map<string, Printed>>();

interface Printed {
  text: string;
  json: string;
}

/** The JSON of a string. @param holder what has it at `key`. */
export function printedAt(holder: object, key: string, text: string): string {
  const long = known.get(holder)?.get(key);
  return long?.text === text ? long.json : JSON.stringify(text);
}

/** What JSON.stringify gives, of a value as JSON.parse gives it. */
export function printed(value: object): string {
  return known.has(value) ? printedBelow(value) : JSON.stringify(value);
}

function printedBelow(value: unknown): string {
  if (!isObject(value) || !holdsLong(value)) return JSON.stringify(value);
  // Not joined, which would copy what is long once more at each level.
  let text = '';
  if (Array.isArray(value)) {
    for (const element of value) text += `${text === '' ? '[' : ','}${printedBelow(element)}`;
    return `${text}]`;
  }
  for (const [key, field] of Object.entries(value)) {
    if (field === undefined) continue;
    const json = typeof field === 'string' ? printedAt(value, key, field) : printedBelow(field);
    text += `${text === '' ? '{' : ','}${JSON.stringify(key)}:${json}`;
  }
  return `${text}}`;
}

function holdsLong(value: object): boolean {
  return known.has(value) || Object.values(value).some((field) => isObject(field) && holdsLong(field));
}

/** A copy that has the same strings at the same keys. */
export function printedToo(value: object, copy: object): void {
  const long = known.get(value);
  if (long !== undefined) known.set(copy, long);
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

/**
 * Prints the long strings of a value ahead, a stretch at a time: V8 takes 3 to 9 ms for a megabyte.
 * @returns undefined: there was little to wait for.
 */
export function printAhead(value: object, pace: Pace): Promise<void> | undefined {
  const long: Long[] = [];
  findLong(value, long);
  if (long.length === 0) return undefined;
  known.set(value, new Map());
  return printAll(long, pace);
}

interface Long {
  holder: object;
  key: string;
  text: string;
}

/** Not by `for … in`: what V8 makes of that for objects of many shapes it drops at the next shape, and makes again, for ever. */
function findLong(value: object, found: Long[]): void {
  for (const key of Object.keys(value)) {
    const field: unknown = (value as Record<string, unknown>)[key];
    if (isObject(field)) findLong(field, found);
    else if (typeof field === 'string' && field.length >= longCharacters && !Array.isArray(value))
      found.push({ holder: value, key, text: field });
  }
}

async function printAll(long: readonly Long[], pace: Pace): Promise<void> {
  for (const { holder, key, text } of long) {
    let json = '"';
    for (let from = 0; from < text.length;) {
      const to = stretchEnd(text, from);
      const piece = JSON.stringify(text.slice(from, to));
      json += piece.slice(1, -1);
      from = to;
      const pause = pace.after(piece.length);
      if (pause !== undefined) await pause;
    }
    const ofHolder = known.get(holder);
    const whole = { text, json: `${json}"` };
    if (ofHolder === undefined) known.set(holder, new Map([[key, whole]]));
    else ofHolder.set(key, whole);
  }
}

/** Not between the halves of a character. */
function stretchEnd(text: string, from: number): number {
  const to = from + stretchCharacters;
  const isParted = (text.charCodeAt(to - 1) & 0xfc00) === 0xd800 && (text.charCodeAt(to) & 0xfc00) === 0xdc00;
  return isParted ? to + 1 : to;
}
