import { GrammarError } from './grammar-error.ts';

/** A set of characters, which are code points. */
export interface CharSet {
  has(char: number): boolean;
}

const asciiSize = 128;

/** What most texts are made of is looked up, whatever the set is made from. */
export function charSet(has: (char: number) => boolean): CharSet {
  const ascii = Uint8Array.from({ length: asciiSize }, (_, char) => (has(char) ? 1 : 0));
  return { has: (char) => (char < asciiSize ? ascii[char] === 1 : has(char)) };
}

export const charOf = (char: number): CharSet => ({ has: (other) => other === char });
export const charsBetween = (first: number, last: number): CharSet => ({
  has: (char) => char >= first && char <= last,
});
export const allButNewline: CharSet = { has: (char) => char !== 10 };
export const allChars: CharSet = { has: () => true };
export const not = (set: CharSet): CharSet => charSet((char) => !set.has(char));
export const anyOf = (sets: readonly CharSet[]): CharSet => charSet((char) => sets.some((set) => set.has(char)));
export const bothOf = (a: CharSet, b: CharSet): CharSet => charSet((char) => a.has(char) && b.has(char));
export const without = (a: CharSet, b: CharSet): CharSet => charSet((char) => a.has(char) && !b.has(char));

/** The same in either case. */
export function ignoringCase(set: CharSet): CharSet {
  return charSet((char) => {
    const upper = upperOf(char);
    const lower = lowerOf(char);
    return [char, upper, lower, lowerOf(upper), upperOf(lower)].some((same) => set.has(same));
  });
}

const upperOf = (char: number) => onlyChar(String.fromCodePoint(char).toUpperCase(), char);
const lowerOf = (char: number) => onlyChar(String.fromCodePoint(char).toLowerCase(), char);

function onlyChar(text: string, otherwise: number): number {
  const char = text.codePointAt(0) ?? otherwise;
  return String.fromCodePoint(char) === text ? char : otherwise;
}

/** One character at a time, so that the engine's own matcher has no room to search. */
function ofPattern(pattern: string): CharSet {
  const matcher = new RegExp(`^${pattern}$`, 'u');
  return charSet((char) => matcher.test(String.fromCodePoint(char)));
}

const digits = ofPattern(String.raw`\p{Nd}`);
export const wordChars = ofPattern(String.raw`[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]`);
const spaces = ofPattern(String.raw`\p{White_Space}`);

/** `\d` and its like, as Unicode has them. */
export const shorthands: Record<string, CharSet> = {
  d: digits,
  D: not(digits),
  w: wordChars,
  W: not(wordChars),
  s: spaces,
  S: not(spaces),
};

/** `[:alpha:]` and its like, which are ASCII. */
const posix: Record<string, string> = {
  alnum: '[A-Za-z0-9]',
  alpha: '[A-Za-z]',
  ascii: String.raw`[\0-\x7f]`,
  blank: String.raw`[ \t]`,
  cntrl: String.raw`[\0-\x1f\x7f]`,
  digit: '[0-9]',
  graph: '[!-~]',
  lower: '[a-z]',
  print: '[ -~]',
  punct: String.raw`[!-\/:-@\[-\x60\{-~]`,
  space: String.raw`[\t-\r ]`,
  upper: '[A-Z]',
  word: '[A-Za-z0-9_]',
  xdigit: '[A-Fa-f0-9]',
};

export function posixClass(name: string): CharSet {
  const pattern = Object.hasOwn(posix, name) ? posix[name] : undefined;
  if (pattern === undefined) throw new GrammarError(`there is no class '[:${name}:]'`);
  return ofPattern(pattern);
}

/** @param name what stands in `\p{…}`: `L`, `Greek`, `Script=Greek`. */
export function unicodeClass(name: string): CharSet {
  if (/^[\w=]+$/.test(name)) {
    for (const property of [name, `Script=${name}`]) {
      try {
        return ofPattern(`\\p{${property}}`);
      } catch {
        // No property of Unicode is called so.
      }
    }
  }
  throw new GrammarError(`there is no class '\\p{${name}}'`);
}
