import {
  allButNewline,
  allChars,
  anyOf,
  bothOf,
  type CharSet,
  charOf,
  charsBetween,
  ignoringCase,
  not,
  posixClass,
  shorthands,
  unicodeClass,
  without,
} from './char-set.ts';
import { choiceOf, type Edge, type Expression, sequenceOf } from './expression.ts';
import { GrammarError, maxNesting } from './grammar-error.ts';

interface Flags {
  ignoreCase: boolean;
  dotAll: boolean;
  lines: boolean;
  spaced: boolean;
}

const flagNames: Record<string, keyof Flags | 'ignored'> = {
  i: 'ignoreCase',
  s: 'dotAll',
  m: 'lines',
  x: 'spaced',
  // Which match is preferred, and whether classes are Unicode's, which they are.
  U: 'ignored',
  u: 'ignored',
};

const edges: Record<string, Edge> = { A: 'text-start', z: 'text-end', b: 'word', B: 'no-word' };
const controls: Record<string, number> = { n: 10, r: 13, t: 9, f: 12, v: 11, a: 7 };
const hexLengths: Record<string, number> = { x: 2, u: 4, U: 8 };
export const maxRepeats = 1000;

/**
 * A regular expression in the syntax of Rust's `regex`, which is OpenAI's.
 * @param flags those behind `/…/` in a Lark grammar.
 * @throws GrammarError for what is none, and for what no automaton can do: looking around, and back.
 * @see https://docs.rs/regex/latest/regex/#syntax
 */
export function readRegex(pattern: string, flags = ''): Expression {
  const chars = Array.from(pattern, (char) => char.codePointAt(0) ?? 0);
  const text = (at: number): string => (at < chars.length ? String.fromCodePoint(chars[at] ?? 0) : '');
  let at = 0;
  let depth = 0;

  const atEnd = (): boolean => at >= chars.length;
  const peek = (): string => text(at);
  const next = (): number => {
    const char = chars[at];
    if (char === undefined) throw new GrammarError('a regular expression ends too early');
    at++;
    return char;
  };
  const take = (expected: string): boolean => {
    for (let i = 0; i < expected.length; i++) if (text(at + i) !== expected[i]) return false;
    at += expected.length;
    return true;
  };
  const until = (end: string): string => {
    let read = '';
    while (!take(end)) read += String.fromCodePoint(next());
    return read;
  };
  const within = <T>(read: () => T): T => {
    if (++depth > maxNesting) throw new GrammarError('a regular expression is nested too deeply');
    const value = read();
    depth--;
    return value;
  };

  function readFlags(names: string, before: Flags): Flags {
    const after = { ...before };
    let on = true;
    for (const name of names) {
      const flag = Object.hasOwn(flagNames, name) ? flagNames[name] : undefined;
      if (name === '-') on = false;
      else if (flag === undefined) throw new GrammarError(`the flag '${name}' of a regular expression is not known`);
      else if (flag !== 'ignored') after[flag] = on;
    }
    return after;
  }

  const oneOf = (set: CharSet, { ignoreCase }: Flags): Expression => ({
    kind: 'chars',
    chars: ignoreCase ? ignoringCase(set) : set,
  });

  function readChoice(given: Flags): Expression {
    let now = given;
    const options: Expression[] = [];
    let parts: Expression[] = [];
    for (;;) {
      if (atEnd() || peek() === ')') break;
      if (take('|')) {
        options.push(sequenceOf(parts));
        parts = [];
        continue;
      }
      if (now.spaced && skipSpace()) continue;
      if (take('(?')) {
        const group = readSpecialGroup(now);
        if ('flags' in group) {
          now = group.flags;
          continue;
        }
        parts.push(readRepeats(group.inner));
        continue;
      }
      parts.push(readRepeats(readAtom(now)));
    }
    options.push(sequenceOf(parts));
    return choiceOf(options);
  }

  function skipSpace(): boolean {
    if (take('#')) {
      while (!atEnd() && !take('\n')) at++;
      return true;
    }
    if (!/^\s$/.test(peek())) return false;
    at++;
    return true;
  }

  function closeGroup(flags: Flags): Expression {
    const inner = within(() => readChoice(flags));
    if (!take(')')) throw new GrammarError('a group of a regular expression is not closed');
    return inner;
  }

  function readSpecialGroup(flags: Flags): { inner: Expression } | { flags: Flags } {
    if (take('=') || take('!') || take('<=') || take('<!'))
      throw new GrammarError('regular expressions cannot look around');
    if (take('P<') || take('<')) {
      if (!/^[\p{Alphabetic}_][\w.[\]]*$/u.test(until('>'))) throw new GrammarError('a group has no proper name');
      return { inner: closeGroup(flags) };
    }
    let names = '';
    while (!atEnd() && peek() !== ':' && peek() !== ')') names += String.fromCodePoint(next());
    const changed = readFlags(names, flags);
    if (take(')')) return { flags: changed };
    next();
    return { inner: closeGroup(changed) };
  }

  function readRepeats(of: Expression): Expression {
    let read = of;
    for (;;) {
      let bounds: { least: number; most: number | undefined } | undefined;
      if (take('*')) bounds = { least: 0, most: undefined };
      else if (take('+')) bounds = { least: 1, most: undefined };
      else if (take('?')) bounds = { least: 0, most: 1 };
      else if (peek() === '{') bounds = readBounds();
      if (bounds === undefined) return read;
      // Lazy or not, the same texts match.
      take('?');
      read = { kind: 'repeat', of: read, ...bounds };
    }
  }

  function readBounds(): { least: number; most: number | undefined } {
    next();
    const match = /^(\d{1,6})(?:(,)(\d{1,6})?)?$/.exec(until('}').replaceAll(' ', ''));
    const least = Number(match?.[1]);
    const most = match?.[2] === undefined ? least : match[3] === undefined ? undefined : Number(match[3]);
    if (match === null || (most ?? least) < least || (most ?? least) > maxRepeats)
      throw new GrammarError(`a repetition is not of the form {1,2}, or more than ${maxRepeats} times`);
    return { least, most };
  }

  function readAtom(flags: Flags): Expression {
    const char = next();
    switch (String.fromCodePoint(char)) {
      case '(':
        return closeGroup(flags);
      case '[':
        return oneOf(readClass(), flags);
      case '.':
        return { kind: 'chars', chars: flags.dotAll ? allChars : allButNewline };
      case '^':
        return { kind: 'edge', edge: flags.lines ? 'line-start' : 'text-start' };
      case '$':
        return { kind: 'edge', edge: flags.lines ? 'line-end' : 'text-end' };
      case '*':
      case '+':
      case '?':
      case '{':
        throw new GrammarError('a repetition stands behind nothing');
      case '\\': {
        const edge = Object.hasOwn(edges, peek()) ? edges[peek()] : undefined;
        if (edge !== undefined) {
          at++;
          return { kind: 'edge', edge };
        }
        return oneOf(readEscape(), flags);
      }
      default:
        return oneOf(charOf(char), flags);
    }
  }

  /** Behind the backslash. */
  function readEscape(): CharSet {
    const char = next();
    const name = String.fromCodePoint(char);
    if (Object.hasOwn(shorthands, name)) return shorthands[name] ?? allChars;
    if (name === 'p' || name === 'P') {
      const found = unicodeClass(take('{') ? until('}') : String.fromCodePoint(next()));
      return name === 'p' ? found : not(found);
    }
    return charOf(escapedChar(name, char));
  }

  function escapedChar(name: string, char: number): number {
    if (Object.hasOwn(controls, name)) return controls[name] ?? 0;
    if (Object.hasOwn(hexLengths, name)) return readHex(hexLengths[name] ?? 2);
    if (/^[\w]$/.test(name)) throw new GrammarError(`'\\${name}' of a regular expression is not known`);
    return char;
  }

  function readHex(length: number): number {
    let digits = '';
    if (take('{')) digits = until('}');
    else for (let i = 0; i < length; i++) digits += String.fromCodePoint(next());
    const char = /^[\da-fA-F]{1,8}$/.test(digits) ? Number.parseInt(digits, 16) : Number.NaN;
    if (!(char <= 0x10_ff_ff)) throw new GrammarError(`'${digits}' is no character`);
    return char;
  }

  /** Behind the opening bracket. */
  function readClass(): CharSet {
    const isNegated = take('^');
    let sets: CharSet[] = [];
    let left: { set: CharSet; join: (a: CharSet, b: CharSet) => CharSet } | undefined;
    const joined = (): CharSet => (left === undefined ? anyOf(sets) : left.join(left.set, anyOf(sets)));
    for (let isFirst = true; ; isFirst = false) {
      if (!isFirst && take(']')) break;
      const join = take('&&') ? bothOf : take('--') ? without : undefined;
      if (join !== undefined) {
        left = { set: joined(), join };
        sets = [];
        continue;
      }
      if (take('~~')) throw new GrammarError("'~~' in a class is not known");
      sets.push(readMember());
    }
    return isNegated ? not(joined()) : joined();
  }

  function readMember(): CharSet {
    if (take('[:')) {
      const isNegated = take('^');
      const found = posixClass(until(':]'));
      return isNegated ? not(found) : found;
    }
    if (take('[')) return within(readClass);
    const first = readBound();
    if (typeof first !== 'number' || peek() !== '-' || [']', '-', ''].includes(text(at + 1))) {
      return typeof first === 'number' ? charOf(first) : first;
    }
    at++;
    const last = readBound();
    if (typeof last !== 'number' || last < first) throw new GrammarError('a class has a range that is none');
    return charsBetween(first, last);
  }

  /** A character, or a class of its own. */
  function readBound(): number | CharSet {
    const char = next();
    if (char !== 0x5c) return char;
    const name = peek();
    if (Object.hasOwn(shorthands, name) || name === 'p' || name === 'P') return readEscape();
    return escapedChar(name, next());
  }

  const noFlags: Flags = { ignoreCase: false, dotAll: false, lines: false, spaced: false };
  const read = readChoice(readFlags(flags, noFlags));
  if (!atEnd()) throw new GrammarError('a regular expression closes a group that was never opened');
  return read;
}
