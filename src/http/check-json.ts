import { isUtf8 } from 'node:buffer';
import { GatewayError } from '../core/errors.ts';

interface JsonLimits {
  maxDepth: number;
  maxValues: number;
}

const defaultLimits: JsonLimits = { maxDepth: 100, maxValues: 200_000 };

const quote = 0x22;
const comma = 0x2c;
const backslash = 0x5c;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const highestSpace = 0x20;

/** Where the string that begins at `start` has its closing quote; the length where it has none. */
function closingQuote(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let escapes = 0;
    while (text.charCodeAt(at - 1 - escapes) === backslash) escapes += 1;
    if (escapes % 2 === 0) return at;
  }
  return text.length;
}

/** The key as JSON.parse would read it; undefined where it would not. */
function keyAt(text: string, start: number, end: number): string | undefined {
  const key = text.slice(start, end + 1);
  if (!key.includes('\\')) return key.slice(1, -1);
  try {
    return String(JSON.parse(key));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/**
 * One pass over a body before it is parsed: how deep it nests, how many values it has, and whether a top-level key comes
 * twice, which two readers would read in two ways. What is not JSON at all passes: JSON.parse says so.
 * @throws GatewayError invalid_value, invalid_json.
 */
export function checkJson(text: string, { maxDepth, maxValues }: JsonLimits = defaultLimits): void {
  const keys = new Set<string>();
  let depth = 0;
  let values = 1;
  let justOpened = false;
  let topIsObject = false;
  let keyMayFollow = false;
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code <= highestSpace) continue;
    if (code === closeBrace || code === closeBracket) {
      depth -= 1;
      justOpened = false;
      continue;
    }
    if (justOpened) values += 1;
    justOpened = false;
    if (code === quote) {
      const end = closingQuote(text, i);
      if (keyMayFollow && depth === 1) {
        const key = keyAt(text, i, end);
        if (key !== undefined && keys.has(key)) {
          throw new GatewayError('invalid_json', 'The request body has the same key twice.', {
            param: key.slice(0, 64),
          });
        }
        if (key !== undefined) keys.add(key);
      }
      keyMayFollow = false;
      i = end;
    } else if (code === openBrace || code === openBracket) {
      depth += 1;
      justOpened = true;
      if (depth > maxDepth) {
        throw new GatewayError('invalid_value', `The request body is nested deeper than ${maxDepth} levels.`);
      }
      if (depth === 1) topIsObject = code === openBrace;
      keyMayFollow = topIsObject;
    } else if (code === comma) {
      values += 1;
      keyMayFollow = topIsObject;
    }
    if (values > maxValues) {
      throw new GatewayError('invalid_value', `The request body has more than ${maxValues} values.`);
    }
  }
}

/** @throws GatewayError invalid_json. */
export function utf8Text(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw new GatewayError('invalid_json', 'The request body is not valid UTF-8.');
  return bytes.toString('utf8');
}

/**
 * The text of a request body that may be parsed.
 * @throws GatewayError invalid_json, and what `checkJson` throws.
 */
export function jsonText(bytes: Buffer): string {
  const text = utf8Text(bytes);
  checkJson(text);
  return text;
}

/**
 * A request body as JSON.
 * @param text as `jsonText` gives it.
 * @throws GatewayError invalid_json, which repeats nothing of the body.
 */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new GatewayError('invalid_json', 'We could not parse the JSON body of your request.');
  }
}
