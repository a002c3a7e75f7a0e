import type { Check, Need } from './check.ts';
import { Failure, Skip } from './expect.ts';
import { backgroundChecks } from './checks/background.ts';
import { compactionChecks } from './checks/compaction.ts';
import { conversationChecks } from './checks/conversations.ts';
import { customToolChecks } from './checks/custom-tools.ts';
import { errorChecks } from './checks/errors.ts';
import { isolationChecks } from './checks/isolation.ts';
import { responseChecks } from './checks/responses.ts';
import { socketChecks } from './checks/sockets.ts';
import { stateChecks } from './checks/state.ts';
import { streamChecks } from './checks/streams.ts';
import { toolChecks } from './checks/tools.ts';
import { createTarget, type TargetOptions } from './target.ts';

export interface Result {
  check: Check;
  outcome: 'passed' | 'failed' | 'skipped';
  /** Why it failed or was skipped. */
  detail: string | undefined;
  milliseconds: number;
}

export interface RunOptions extends Omit<TargetOptions, 'signal'> {
  /** Checks whose names begin with one of these; empty: all. */
  only: readonly string[];
  /** After this long a check has failed. */
  timeoutMs: number;
  onResult: (result: Result) => void;
}

/** Those that restart the server come last: what else runs beside it must not notice. */
export const checks: readonly Check[] = [
  ...responseChecks,
  ...stateChecks,
  ...toolChecks,
  ...customToolChecks,
  ...compactionChecks,
  ...streamChecks,
  ...errorChecks,
  ...isolationChecks,
  ...conversationChecks,
  ...backgroundChecks,
  ...socketChecks,
].toSorted((a, b) => Number(needs(a, 'restart')) - Number(needs(b, 'restart')));

function needs(check: Check, need: Need): boolean {
  return check.needs?.includes(need) ?? false;
}

const given: Record<Need, [option: string, isGiven: (options: RunOptions) => boolean]> = {
  key2: ['--key2', ({ key2 }) => key2 !== undefined],
  model2: ['--model2', ({ model2 }) => model2 !== undefined],
  restart: ['--restart-cmd', ({ restartCommand }) => restartCommand !== undefined],
};

/** Runs the checks one after the other. */
export async function runChecks(options: RunOptions): Promise<Result[]> {
  const { only, onResult } = options;
  const results: Result[] = [];
  for (const check of checks) {
    if (only.length > 0 && !only.some((start) => check.name.startsWith(start))) continue;
    const result = await runCheck(check, options);
    results.push(result);
    onResult(result);
  }
  return results;
}

/**
 * No check run is no check passed.
 * @throws Error whose message is for the user, where nothing bears a name that was asked for.
 */
export function refuseUnknownCheck(start: string): void {
  if (start === '') throw new Error('--only has an empty name');
  const names = checks.map(({ name }) => name);
  if (names.some((name) => name.startsWith(start))) return;
  const group = (name: string) => name.replace(/\/.*/, '');
  const siblings = names.filter((name) => group(name) === group(start));
  const known = siblings.length > 0 ? siblings : [...new Set(names.map(group))];
  throw new Error(`--only ${start}: no check has a name that begins so; known: ${known.toSorted().join(', ')}`);
}

async function runCheck(check: Check, options: RunOptions): Promise<Result> {
  const missing = (check.needs ?? []).filter((need) => !given[need][1](options));
  if (missing.length > 0) {
    const detail = `needs ${missing.map((need) => given[need][0]).join(', ')}`;
    return { check, outcome: 'skipped', detail, milliseconds: 0 };
  }
  const startedAt = performance.now();
  const end = (outcome: Result['outcome'], detail?: string): Result => ({
    check,
    outcome,
    detail,
    milliseconds: Math.round(performance.now() - startedAt),
  });
  const signal = AbortSignal.timeout(options.timeoutMs);
  const late = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(new Failure(`it did not end within ${options.timeoutMs} ms`)));
  });
  try {
    await Promise.race([check.run(createTarget({ ...options, signal })), late]);
    return end('passed');
  } catch (thrown) {
    if (thrown instanceof Skip) return end('skipped', thrown.message);
    return end('failed', messageOf(thrown));
  }
}

function messageOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const cause = thrown.cause instanceof Error ? ` (${thrown.cause.message})` : '';
  return `${thrown.message}${cause}`;
}
