import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';

const url = new URL('./crash-point.ts', import.meta.url).href;
const code = `
  const { crashPoint } = await import('${url}');
  for (let pass = 1; pass <= 3; pass += 1) {
    crashPoint('admitted');
    process.stdout.write('admitted ' + pass + '\\n');
    crashPoint('first-byte');
  }`;

function passes(env: Record<string, string>): { signal: string | null; lines: string[] } {
  const { signal, stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', code], {
    env,
    encoding: 'utf8',
  });
  return { signal, lines: stdout.split('\n').slice(0, -1) };
}

describe('a crash point', () => {
  const all = ['admitted 1', 'admitted 2', 'admitted 3'];

  test('does nothing where none is named', () => {
    expect(passes({})).toEqual({ signal: null, lines: all });
  });

  test('ends the process at the pass that is named, and at no other point', () => {
    expect(passes({ TURNPIKE_CRASH_AT: 'admitted:3' })).toEqual({ signal: 'SIGKILL', lines: all.slice(0, 2) });
    expect(passes({ TURNPIKE_CRASH_AT: 'first-byte:2' })).toEqual({ signal: 'SIGKILL', lines: all.slice(0, 2) });
    expect(passes({ TURNPIKE_CRASH_AT: 'stream-ended:1' })).toEqual({ signal: null, lines: all });
  });
});
