/**
 * Raw slices of JSON text. What goes through JSON.parse and back loses 2^64, 1.0 and the order of integer-like keys, so
 * what must return to an upstream value for value is cut out of the text instead. Every function takes valid JSON text
 * (that JSON.parse has accepted) and reads it once; where a key is given twice the last one counts, as in JSON.parse.
 */

const quote = 0x22;
const comma = 0x2c;
const backslash = 0x5c;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}

function skipSpace(text: string, at: number): number {
  while (isSpace(text.charCodeAt(at))) at++;
  return at;
}

/** @param at the opening quote. @returns the index after the closing one. */
function endOfString(text: string, at: number): number {
  for (let end = text.indexOf('"', at + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let before = end - 1;
    while (text.charCodeAt(before) === backslash) before--;
    if ((end - before) % 2 === 1) return end + 1;
  }
  return text.length;
}

function endOfValue(text: string, at: number): number {
  const first = text.charCodeAt(at);
  if (first === quote) return endOfString(text, at);
  if (first !== openBrace && first !== openBracket) {
    while (at < text.length) {
      const code = text.charCodeAt(at);
      if (code === comma || code === closeBrace || code === closeBracket || isSpace(code)) return at;
      at++;
    }
    return at;
  }
  let depth = 0;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === quote) {
      at = endOfString(text, at);
      continue;
    }
    at++;
    if (code === openBrace || code === openBracket) depth++;
    else if (code === closeBrace || code === closeBracket) {
      depth--;
      if (depth === 0) return at;
    }
  }
  return at;
}

/** False: the text is no object's. */
function eachMember(text: string, visit: (key: string, start: number, end: number) => void): boolean {
  let at = skipSpace(text, 0);
  if (text.charCodeAt(at) !== openBrace) return false;
  at = skipSpace(text, at + 1);
  while (text.charCodeAt(at) === quote) {
    const keyEnd = endOfString(text, at);
    const raw = text.slice(at + 1, keyEnd - 1);
    const key = raw.includes('\\') ? String(JSON.parse(`"${raw}"`)) : raw;
    const valueStart = skipSpace(text, skipSpace(text, keyEnd) + 1);
    const valueEnd = endOfValue(text, valueStart);
    visit(key, valueStart, valueEnd);
    at = skipSpace(text, valueEnd);
    if (text.charCodeAt(at) !== comma) break;
    at = skipSpace(text, at + 1);
  }
  return true;
}

/** The members of a JSON object in the order of their keys' first appearance, values raw; undefined: not an object. */
export function objectMembers(text: string): Map<string, string> | undefined {
  const members = new Map<string, string>();
  return eachMember(text, (key, start, end) => members.set(key, text.slice(start, end))) ? members : undefined;
}

/** The text of a JSON object with other raw values in place of those that it has under these keys; all else is as it was. */
export function replaceMembers(text: string, values: ReadonlyMap<string, string>): string {
  let replaced = '';
  let copied = 0;
  eachMember(text, (key, start, end) => {
    const value = values.get(key);
    if (value === undefined) return;
    replaced += text.slice(copied, start) + value;
    copied = end;
  });
  return replaced + text.slice(copied);
}

/** The elements of a JSON array, raw; undefined: not an array. */
export function arrayElements(text: string): string[] | undefined {
  let at = skipSpace(text, 0);
  if (text.charCodeAt(at) !== openBracket) return undefined;
  const elements: string[] = [];
  at = skipSpace(text, at + 1);
  while (at < text.length && text.charCodeAt(at) !== closeBracket) {
    const end = endOfValue(text, at);
    elements.push(text.slice(at, end));
    at = skipSpace(text, end);
    if (text.charCodeAt(at) !== comma) break;
    at = skipSpace(text, at + 1);
  }
  return elements;
}

/** The raw text of the value at `path` (keys and array indexes); undefined: there is none. */
export function sliceJson(text: string, path: readonly (string | number)[]): string | undefined {
  let value: string | undefined = text.trim();
  for (const step of path) {
    if (value === undefined) return undefined;
    value = typeof step === 'number' ? arrayElements(value)?.[step] : objectMembers(value)?.get(step);
  }
  return value;
}

/** Members, raw, as the text of one JSON object. */
export function printMembers(members: ReadonlyMap<string, string>): string {
  let text = '{';
  for (const [key, value] of members) text += `${text === '{' ? '' : ','}${JSON.stringify(key)}:${value}`;
  return `${text}}`;
}

/** The same JSON without the white space between its tokens. */
export function compactJson(text: string): string {
  return text.replace(/"(?:[^"\\]|\\.)*"|\s+/g, (token) => (token.startsWith('"') ? token : ''));
}
