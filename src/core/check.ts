import { z } from 'zod';
import { GatewayError } from './errors.ts';

/**
 * The value itself, once the schema has passed it: zod's own output is a copy that loses `__proto__`, unknown keys and
 * the order of keys, and a client's items and schemas must travel whole.
 * @param path where the value stands in the request, in OpenAI's spelling; '' for the body.
 * @throws GatewayError with OpenAI's message and param for the first thing that is wrong.
 */
export function check<T>(schema: z.ZodType<T>, value: unknown, path: string): T {
  if (passes(schema, value)) return value;
  const issue = schema.safeParse(value).error?.issues[0];
  throw issue === undefined ? invalidType(path, 'another value', value) : errorOf(issue, value, path);
}

function passes<T>(schema: z.ZodType<T>, value: unknown): value is T {
  return schema.safeParse(value).success;
}

/** Of ids, tools and schemas: what OpenAI, and every vendor behind us, takes for a name. */
export function nameSchema(maxLength: number) {
  return z
    .string()
    .min(1)
    .max(maxLength)
    .regex(/^[a-zA-Z0-9_-]+$/);
}

export function missing(param: string): GatewayError {
  return new GatewayError('missing_required_parameter', `Missing required parameter: '${param}'.`, { param });
}

/** @param expected with its article: `a string`, `one of 'a' or 'b'`. */
export function invalidType(param: string, expected: string, value: unknown): GatewayError {
  const where = param === '' ? 'the request body' : `'${param}'`;
  const message = `Invalid type for ${where}: expected ${expected}, but got ${kindOf(value)} instead.`;
  return new GatewayError('invalid_type', message, param === '' ? {} : { param });
}

/** For a value out of a closed list; of another type than the list's, it is a matter of type. */
export function invalidChoice(param: string, value: unknown, choices: readonly string[]): GatewayError {
  if (typeof value !== 'string') {
    return invalidType(param, choices.length === 1 ? quoted(choices, '') : `one of ${quoted(choices, 'or')}`, value);
  }
  const message = `Invalid value: '${shortened(value)}'. Supported values are: ${quoted(choices, 'and')}.`;
  return new GatewayError('invalid_value', message, { param });
}

/** For what OpenAI takes and we do not yet. */
export function unsupportedValue(param: string, value: string, why: string): GatewayError {
  return new GatewayError('unsupported_value', `Unsupported value: '${shortened(value)}'. ${why}`, { param });
}

export function emptyArray(param: string): GatewayError {
  return invalidValue(param, 'empty array. Expected an array with minimum length 1, but got an empty array instead');
}

export function outOfRange(param: string, value: unknown, bound: 'above maximum' | 'below minimum', limit: number) {
  const kind = decimals.has(param) ? 'decimal' : 'integer';
  const sign = bound === 'above maximum' ? '<=' : '>=';
  const message = `Invalid '${param}': ${kind} ${bound} value. Expected a value ${sign} ${limit}, but got ${String(value)} instead.`;
  return new GatewayError(kind === 'decimal' ? 'decimal_out_of_range' : 'integer_out_of_range', message, { param });
}

export function tooMany(param: string, limit: number, length: number): GatewayError {
  const message = `Invalid '${param}': array too long. Expected an array with maximum length ${limit}, but got an array with length ${length} instead.`;
  return new GatewayError('array_above_max_length', message, { param });
}

/** @param what names the measured string: `string`, or `property name`. */
export function tooLong(param: string, what: string, limit: number, length: number): GatewayError {
  const message = `Invalid '${param}': ${what} too long. Expected a string with maximum length ${limit}, but got a string with length ${length} instead.`;
  return new GatewayError('string_above_max_length', message, { param });
}

/** The parameters that are not whole numbers; a bound alone does not say which it is. */
const decimals: ReadonlySet<string> = new Set([
  'temperature',
  'top_p',
  'presence_penalty',
  'frequency_penalty',
  'budget_usd',
]);

const expectedWords: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  int: 'an integer',
  boolean: 'a boolean',
  array: 'an array',
  object: 'an object',
};

/** An integer's schema calls what is no number at all by its base. */
function expectedWord(expected: string, param: string): string {
  if (expected === 'number' && !decimals.has(param)) return 'an integer';
  return expectedWords[expected] ?? expected;
}

function errorOf(issue: z.core.$ZodIssue, root: unknown, base: string): GatewayError {
  let value = root;
  let param = base;
  for (const key of issue.path) {
    value = value instanceof Object ? Reflect.get(value, key) : undefined;
    param = typeof key === 'number' ? `${param}[${key}]` : param === '' ? String(key) : `${param}.${String(key)}`;
  }
  if (value === undefined) return missing(param);
  switch (issue.code) {
    case 'invalid_type':
      return invalidType(param, expectedWord(issue.expected, param), value);
    case 'invalid_value':
      return invalidChoice(param, value, issue.values.map(String));
    case 'too_big':
      return typeof value === 'string'
        ? tooLong(param, 'string', Number(issue.maximum), value.length)
        : outOfRange(param, value, 'above maximum', Number(issue.maximum));
    case 'too_small':
      return typeof value === 'string'
        ? emptyString(param)
        : outOfRange(param, value, 'below minimum', Number(issue.minimum));
    case 'invalid_format':
      return wrongPattern(param, issue.pattern ?? '');
    case 'invalid_union':
    case 'invalid_key':
    case 'invalid_element':
    case 'not_multiple_of':
    case 'unrecognized_keys':
    case 'custom':
      return invalidValue(param, 'unexpected value');
  }
}

function emptyString(param: string): GatewayError {
  const fault = 'empty string. Expected a string with minimum length 1, but got an empty string instead';
  return invalidValue(param, fault);
}

function wrongPattern(param: string, pattern: string): GatewayError {
  const shown = pattern.replace(/^\/|\/[a-z]*$/g, '');
  const fault = `string does not match pattern. Expected a string that matches the pattern '${shown}'`;
  return invalidValue(param, fault);
}

function invalidValue(param: string, fault: string): GatewayError {
  return new GatewayError('invalid_value', `Invalid '${param}': ${fault}.`, { param });
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value !== 'number') return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
  return Number.isInteger(value) ? 'an integer' : Number.isFinite(value) ? 'a decimal number' : 'a number out of range';
}

/** `'a'`, `'a' and 'b'`, `'a', 'b', and 'c'`. */
function quoted(words: readonly string[], conjunction: string): string {
  const all = words.map((word) => `'${word}'`);
  if (all.length < 3) return all.join(` ${conjunction} `);
  return `${all.slice(0, -1).join(', ')}, ${conjunction} ${all.at(-1)}`;
}

/** A message repeats what the client sent only so far as a person would read it. */
function shortened(value: string): string {
  return value.length > 100 ? `${value.slice(0, 100)}…` : value;
}
