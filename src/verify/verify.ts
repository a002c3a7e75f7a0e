import { open, writeFile } from 'node:fs/promises';
import { fileFault } from '../core/file-fault.ts';
import { reasonOf } from '../core/reason-of.ts';
import { serverAddress } from '../core/server-address.ts';
import { jsonOf, junitOf, tableOf } from './report.ts';
import { refuseUnknownCheck, runChecks, type RunOptions } from './run-checks.ts';
import { createTarget } from './target.ts';

interface Output {
  /** Files to write the report to. */
  json: string | undefined;
  junit: string | undefined;
  write: (text: string) => void;
  /** What tells how far it has come; not part of the report. */
  progress: (text: string) => void;
}

export interface VerifyOptions extends Output, Omit<RunOptions, 'onResult' | 'model'> {
  /** Undefined: the first that the server lists. */
  model: string | undefined;
}

/**
 * Checks a Responses server from outside, and reports.
 * @returns whether nothing has failed.
 * @throws Error whose message is for the user.
 */
export async function verify({ json, junit, write, progress, ...options }: VerifyOptions): Promise<boolean> {
  const baseUrl = serverAddress(options.baseUrl, 'BASE-URL');
  for (const start of options.only) refuseUnknownCheck(start);
  const model = await findModel({ ...options, baseUrl });
  await refuseUnwritable('--json', json);
  await refuseUnwritable('--junit', junit);
  const results = await runChecks({
    ...options,
    baseUrl,
    model,
    onResult: ({ check, outcome }) => progress(`${outcome} ${check.name}\n`),
  });
  write(tableOf(results));
  if (json !== undefined) await writeFile(json, jsonOf(options.baseUrl, results));
  if (junit !== undefined) await writeFile(junit, junitOf(options.baseUrl, results));
  return results.every(({ outcome }) => outcome !== 'failed');
}

/** Before the checks: they take minutes, and may cost money. */
async function refuseUnwritable(option: string, file: string | undefined): Promise<void> {
  if (file === undefined) return;
  try {
    await (await open(file, 'a')).close();
  } catch (error) {
    throw new Error(`${option} ${file} cannot be written: ${fileFault(error)}`, { cause: error });
  }
}

/** Asks for the list even where the model is named: of a server that is not there, or a wrong key, every check would say so again. */
async function findModel({ model, ...options }: Omit<VerifyOptions, keyof Output>): Promise<string> {
  const { baseUrl, key, timeoutMs } = options;
  const target = createTarget({ ...options, model: '', signal: AbortSignal.timeout(timeoutMs) });
  const { status, body } = await target.request('GET', '/models').catch((error: unknown) => {
    throw new Error(`${baseUrl} cannot be reached (${reasonOf(error)})`, { cause: error });
  });
  if (status === 401) {
    throw new Error(`${baseUrl} wants ${key === undefined ? 'a key: give --key, or set VERIFY_KEY' : 'another key'}`);
  }
  if (model !== undefined) return model;
  if (status !== 200) throw new Error(`${baseUrl} answered ${status} to GET /models: name a model with --model`);
  const id: unknown = body?.data?.[0]?.id;
  if (typeof id !== 'string') throw new Error(`${baseUrl} lists no model: name one with --model`);
  return id;
}
