/** opencode itself, headless, in conversations of several turns whose answers hold what only its own tool has said. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { agentRig } from './agent-rig.ts';
import { programOf } from './programs.ts';
import { type Finished, runProgram } from './run-program.ts';
import { type BackendName, order, type Shell } from './scripted-model.ts';

const shell: Shell = { name: 'bash', argumentsOf: (command) => ({ command, description: 'what was ordered' }) };

function opencode({ home, cwd }: { home: string; cwd: string }, prompt: string, more: string[]): Promise<Finished> {
  const without = ['AUTOUPDATE', 'MODELS_FETCH', 'LSP_DOWNLOAD', 'DEFAULT_PLUGINS', 'SHARE'];
  const env = Object.fromEntries(without.map((name) => [`OPENCODE_DISABLE_${name}`, '1']));
  return runProgram(programOf('opencode'), ['run', ...more, prompt], { cwd, env: { HOME: home, ...env } });
}

/** The package of the AI SDK that it speaks through, the protocol that this is, and what stands behind. */
const ways: [npm: string, protocol: string, backend: BackendName][] = [
  ['@ai-sdk/openai', 'responses', 'anthropic'],
  ['@ai-sdk/openai', 'responses', 'openai'],
  ['@ai-sdk/openai', 'responses', 'openai-compatible'],
  ['@ai-sdk/anthropic', 'messages', 'openai'],
  ['@ai-sdk/openai-compatible', 'chat', 'anthropic'],
];

describe.each(ways)('%s, which speaks %s, over %s', (npm, protocol, backend) => {
  const rig = agentRig(backend, shell, 'gateway-model');

  // Each of its starts takes seconds of a whole processor.
  test('three turns with a tool, in one session', { timeout: 600_000 }, async () => {
    const project = await rig.newProject('opencode');
    // As `turnpike connect` has written it, but for the package.
    const config = join(project.home, '.config/opencode/opencode.json');
    writeFileSync(config, readFileSync(config, 'utf8').replace('"@ai-sdk/openai"', JSON.stringify(npm)));
    for (const [at, code] of project.codes.entries()) {
      const {
        code: status,
        out,
        err,
      } = await opencode(project, order(`cat f${at + 1}.txt`), at === 0 ? [] : ['--continue']);
      expect(rig.upstream.refusals).toEqual([]);
      expect([status, out], err).toEqual([0, expect.stringContaining(code)]);
      for (const earlier of project.codes.slice(0, at)) expect(out).toContain(earlier);
    }
    const turns = rig.turns();
    expect(turns.length).toBeGreaterThanOrEqual(6);
    expect(new Set(turns.map((turn) => `${turn.protocol} ${turn.status}`))).toEqual(new Set([`${protocol} completed`]));
    expect(new Set(turns.map(({ session }) => session)).size).toBe(1);
  });
});
