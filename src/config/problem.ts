/** Steps from the root of the file to a value. */
export type Path = readonly (string | number)[];

/** One thing that is wrong. Its texts hold names and places, never a configured value. */
export interface Problem {
  /** `FILE:LINE:COLUMN`, `command line` or `environment`. */
  where: string;
  /** `models[0].api_key`, `--host`, a variable's name; `syntax` where the file cannot be read as YAML. */
  path: string;
  message: string;
}

/** All problems of a configuration at once, one per line of the message: `WHERE: PATH: MESSAGE`. */
export class ConfigError extends Error {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(problems.map(({ where, path, message }) => `${where}: ${path}: ${message}`).join('\n'));
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** `models[0].headers["x.y"]`; the root is `(file)`. */
export function formatPath(path: Path): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (!/^[\w-]+$/.test(step)) text += `[${JSON.stringify(step)}]`;
    else text += text === '' ? step : `.${step}`;
  }
  return text === '' ? '(file)' : text;
}
