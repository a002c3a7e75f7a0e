/** Claude Code itself, headless, in conversations of several turns whose answers hold what only its own tool has said. */
import { describe, expect, test } from 'vitest';
import { agentRig } from './agent-rig.ts';
import { programOf } from './programs.ts';
import { type Finished, runProgram } from './run-program.ts';
import { backends, order, type Shell } from './scripted-model.ts';

const shell: Shell = { name: 'Bash', argumentsOf: (command) => ({ command, description: 'what was ordered' }) };

/** @param more arguments. */
function claude({ home, cwd }: { home: string; cwd: string }, prompt: string, more: string[]): Promise<Finished> {
  return runProgram(
    programOf('claude'),
    ['-p', '--dangerously-skip-permissions', '--output-format', 'json', ...more, prompt],
    {
      cwd,
      // As root it skips permissions only where it is told that nothing can come of it.
      env: { HOME: home, IS_SANDBOX: '1', DISABLE_AUTOUPDATER: '1', CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1' },
    },
  );
}

interface Result {
  is_error: boolean;
  result: string;
  num_turns: number;
  session_id: string;
}

describe.each(backends)('over %s', (backend) => {
  const rig = agentRig(backend, shell, 'gateway-model');

  test('three turns with a tool, in one session', { timeout: 300_000 }, async () => {
    const project = await rig.newProject('claude-code');
    let session = '';
    for (const [at, code] of project.codes.entries()) {
      const more = at === 0 ? [] : ['--continue'];
      const { code: status, out, err } = await claude(project, order(`cat f${at + 1}.txt`), more);
      expect(rig.upstream.refusals).toEqual([]);
      expect(status, err + out).toBe(0);
      const said = JSON.parse(out) as Result;
      expect(said).toMatchObject({ is_error: false, num_turns: 2, result: expect.stringContaining(code) });
      for (const earlier of project.codes.slice(0, at)) expect(said.result).toContain(earlier);
      session = said.session_id;
    }
    const turns = rig.turns();
    expect(turns.length).toBeGreaterThanOrEqual(6);
    expect(new Set(turns.map(({ status, protocol }) => `${protocol} ${status}`))).toEqual(
      new Set(['messages completed']),
    );
    expect(new Set(turns.map(({ session: each }) => each))).toEqual(new Set([session]));
  });

  test('what has become long is compacted', { timeout: 300_000 }, async () => {
    const project = await rig.newProject('claude-code');
    const [code = ''] = project.codes;
    expect((await claude(project, order('cat f1.txt'), [])).out).toContain(code);
    const compacted = await claude(project, '/compact', ['--continue']);
    expect([compacted.code, rig.upstream.refusals], compacted.out + compacted.err).toEqual([0, []]);
    const { out } = await claude(project, 'What did it say?', ['--continue']);
    expect(JSON.parse(out)).toMatchObject({ is_error: false, result: expect.stringContaining(code) });
  });

  test('a stream of its events', async () => {
    const project = await rig.newProject('claude-code');
    const [code = ''] = project.codes;
    const more = ['--output-format', 'stream-json', '--verbose', '--include-partial-messages'];
    const { out, err } = await claude(project, order('cat f1.txt'), more);
    const lines = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string; result?: string });
    expect(lines.at(-1), err).toMatchObject({ type: 'result', is_error: false, result: expect.stringContaining(code) });
    expect(lines.filter(({ type }) => type === 'stream_event').length).toBeGreaterThan(4);
  });
});
