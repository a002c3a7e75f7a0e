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
function closingQuote(bytes: Buffer, start: number): number {
  for (let at = bytes.indexOf(quote, start + 1); at !== -1; at = bytes.indexOf(quote, at + 1)) {
    let escapes = 0;
    while (bytes[at - 1 - escapes] === backslash) escapes += 1;
    if (escapes % 2 === 0) return at;
  }
  return bytes.length;
}

/** The key as JSON.parse would read it; undefined where it would not. */
function keyAt(bytes: Buffer, start: number, end: number): string | undefined {
  const text = bytes.toString('utf8', start, end + 1);
  if (!text.includes('\\')) return text.slice(1, -1);
  try {
    return String(JSON.parse(text));
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
export function checkJson(bytes: Buffer, { maxDepth, maxValues }: JsonLimits = defaultLimits): void {
  const keys = new Set<string>();
  let depth = 0;
  let values = 1;
  let justOpened = false;
  let topIsObject = false;
  let keyMayFollow = false;
  for (let i = 0; i < bytes.length; i += 1) {
    const byte = bytes[i] ?? 0;
    if (byte <= highestSpace) continue;
    if (byte === closeBrace || byte === closeBracket) {
      depth -= 1;
      justOpened = false;
      continue;
    }
    if (justOpened) values += 1;
    justOpened = false;
    if (byte === quote) {
      const end = closingQuote(bytes, i);
      if (keyMayFollow && depth === 1) {
        const key = keyAt(bytes, i, end);
        if (key !== undefined && keys.has(key)) {
          throw new GatewayError('invalid_json', 'The request body has the same key twice.', {
            param: key.slice(0, 64),
          });
        }
        if (key !== undefined) keys.add(key);
      }
      keyMayFollow = false;
      i = end;
    } else if (byte === openBrace || byte === openBracket) {
      depth += 1;
      justOpened = true;
      if (depth > maxDepth) {
        throw new GatewayError('invalid_value', `The request body is nested deeper than ${maxDepth} levels.`);
      }
      if (depth === 1) topIsObject = byte === openBrace;
      keyMayFollow = topIsObject;
    } else if (byte === comma) {
      values += 1;
      keyMayFollow = topIsObject;
    }
    if (values > maxValues) {
      throw new GatewayError('invalid_value', `The request body has more than ${maxValues} values.`);
    }
  }
}

/**
 * A request body as JSON.
 * @throws GatewayError invalid_json, which repeats nothing of the body, and what `checkJson` throws.
 */
export function parseJson(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) throw new GatewayError('invalid_json', 'The request body is not valid UTF-8.');
  checkJson(bytes);
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new GatewayError('invalid_json', 'We could not parse the JSON body of your request.');
  }
}
