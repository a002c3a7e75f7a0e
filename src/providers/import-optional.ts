import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { GatewayError } from '../core/errors.ts';

/**
 * A package that only some deployments need, and that whoever has one of those installs: beside the gateway, or in the
 * folder that it runs in.
 * @param why is said after what is missing.
 */
export async function importOptional(name: string, why: string): Promise<unknown> {
  try {
    return await import(name);
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
  try {
    return await import(pathToFileURL(createRequire(join(process.cwd(), 'package.json')).resolve(name)).href);
  } catch (cause) {
    if (!isNotFound(cause)) throw cause;
    const message = `The package ${name} is not installed where the gateway runs: npm install ${name}. ${why}`;
    throw new GatewayError('internal_error', message, { cause });
  }
}

function isNotFound(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND';
}
