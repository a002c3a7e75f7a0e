import { writeFile } from 'node:fs/promises';
import { jsonOf, junitOf, tableOf } from './report.ts';
import { runChecks, type RunOptions } from './run-checks.ts';
import { createTarget } from './target.ts';

export interface VerifyOptions extends Omit<RunOptions, 'onResult' | 'model'> {
  /** Undefined: the first that the server lists. */
  model: string | undefined;
  /** Files to write the report to. */
  json: string | undefined;
  junit: string | undefined;
  write: (text: string) => void;
  /** What tells how far it has come; not part of the report. */
  progress: (text: string) => void;
}

/** Checks a Responses server from outside, and reports. @returns whether nothing has failed. */
export async function verify({ json, junit, write, progress, ...options }: VerifyOptions): Promise<boolean> {
  const model = options.model ?? (await firstModel(options));
  const results = await runChecks({
    ...options,
    model,
    onResult: ({ check, outcome }) => progress(`${outcome} ${check.name}\n`),
  });
  write(tableOf(results));
  if (json !== undefined) await writeFile(json, jsonOf(options.baseUrl, results));
  if (junit !== undefined) await writeFile(junit, junitOf(options.baseUrl, results));
  return results.every(({ outcome }) => outcome !== 'failed');
}

async function firstModel(options: Omit<VerifyOptions, 'json' | 'junit' | 'write' | 'progress'>): Promise<string> {
  const { status, body } = await createTarget({ ...options, model: '' }).request('GET', '/models');
  const id: unknown = body?.data?.[0]?.id;
  if (status !== 200 || typeof id !== 'string')
    throw new Error(`GET /models answered ${status}: name a model with --model`);
  return id;
}
