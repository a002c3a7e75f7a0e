import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';

/** What a process and its descendants have used and hold. Linux only: read from /proc. */
export interface Footprint {
  /** User and kernel, all threads. The clock ticks every 10 ms. */
  cpuSeconds: number;
  /** Resident, in MB; pages that processes share count in each. */
  memoryMb: number;
}

function fieldsOf(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

/** A process that has gone has used what its parent counts. */
function statOf(pid: number): string[] | undefined {
  try {
    return fieldsOf(pid);
  } catch {
    return undefined;
  }
}

function familyOf(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    const parent = /^\d+$/.test(name) ? Number(statOf(Number(name))?.[1]) : Number.NaN;
    if (!Number.isNaN(parent)) children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const family = [pid];
  for (const member of family) family.push(...(children.get(member) ?? []));
  return family;
}

export function footprint(pid: number): Footprint {
  let ticks = 0;
  let pages = 0;
  for (const member of familyOf(pid)) {
    const fields = statOf(member) ?? [];
    for (const at of [11, 12]) ticks += Number(fields[at] ?? 0);
    pages += Number(fields[21] ?? 0);
  }
  return { cpuSeconds: ticks / 100, memoryMb: (pages * 4096) / 1e6 };
}

/** A child that prints a line when it is ready. */
export async function start(
  command: string,
  args: string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<{ child: ChildProcess; line: string }> {
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`${command} ${args.join(' ')} ended with ${String(code)} before it was ready`);
  });
  const [text] = (await Promise.race([once(child.stdout, 'data'), ended])) as [Buffer];
  ended.catch(() => {});
  return { child, line: text.toString('utf8').trim() };
}

export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
}
