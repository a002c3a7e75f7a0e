import { z } from 'zod';
import type { Path } from './problem.ts';
import { type FileConfig, fileSchema } from './schema.ts';

export interface SchemaProblem {
  path: Path;
  message: string;
  /** True: the key is wrong, not what it holds. */
  atKey: boolean;
}

type RawIssue = Parameters<z.core.$ZodErrorMap>[0];

const typeNames: Record<string, string> = {
  string: 'a string (put it in quotes if it looks like a number)',
  int: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping',
  record: 'a mapping',
};

function knownKeys(issue: RawIssue): string[] {
  return issue.inst instanceof z.ZodObject ? Object.keys(issue.inst.shape) : [];
}

/** Zod's own words, but for these, talk about programs; and they must never quote the value, which may be a secret. */
function describe(issue: RawIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.input === undefined) return 'is missing';
      return issue.input === null
        ? 'is empty: give it a value, or remove the key'
        : `must be ${typeNames[issue.expected] ?? issue.expected}`;
    case 'invalid_value':
      return issue.input === undefined ? 'is missing' : `must be one of: ${issue.values.map(String).join(', ')}`;
    case 'unrecognized_keys':
      return `unknown key; known here: ${knownKeys(issue).join(', ')}`;
    case 'too_small':
      if (issue.origin === 'string') return 'must not be empty';
      return `must be ${issue.inclusive === true ? 'at least' : 'more than'} ${issue.minimum}`;
    case 'too_big':
      return `must be at most ${issue.maximum}`;
    default:
      return 'is not valid';
  }
}

function coerce(value: unknown, expected: string): unknown {
  if (typeof value !== 'string') return value;
  if (expected === 'boolean') return value === 'true' ? true : value === 'false' ? false : value;
  if (expected !== 'number' && expected !== 'int') return value;
  return /^-?\d+(\.\d+)?$/.test(value) ? Number(value) : value;
}

/** The root with the value at `path` exchanged. The containers on the way are known to exist. */
function withValue(root: unknown, path: Path, change: (value: unknown) => unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return change(root);
  if (Array.isArray(root)) return root.map((item, index) => (index === step ? withValue(item, rest, change) : item));
  return typeof root === 'object' && root !== null
    ? Object.fromEntries(
        Object.entries(root).map(([key, value]) => [key, key === step ? withValue(value, rest, change) : value]),
      )
    : root;
}

function problemsOf(issue: z.core.$ZodIssue): SchemaProblem[] {
  const path = issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step));
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: [...path, key], message: issue.message, atKey: true }));
  }
  if (issue.code === 'invalid_key') {
    return [{ path, message: issue.issues[0]?.message ?? issue.message, atKey: true }];
  }
  return [{ path, message: issue.message, atKey: false }];
}

/**
 * Checks each field by itself.
 * @param isFromEnvironment whether the value at a path was given by an environment variable: such a string may stand
 * where the schema wants a number or a boolean.
 */
export function checkSchema(
  raw: unknown,
  isFromEnvironment: (path: Path) => boolean,
): { file: FileConfig | undefined; problems: SchemaProblem[]; raw: unknown } {
  let value = raw;
  let result = fileSchema.safeParse(value, { error: describe });
  if (!result.success) {
    for (const issue of result.error.issues) {
      const [problem] = problemsOf(issue);
      if (issue.code === 'invalid_type' && problem !== undefined && isFromEnvironment(problem.path)) {
        value = withValue(value, problem.path, (text) => coerce(text, issue.expected));
      }
    }
    if (value !== raw) result = fileSchema.safeParse(value, { error: describe });
  }
  return result.success
    ? { file: result.data, problems: [], raw: value }
    : { file: undefined, problems: result.error.issues.flatMap(problemsOf), raw: value };
}
