/** Codex itself, headless, in conversations of several turns whose answers hold what only its own tool has said. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { agentKey, agentRig } from './agent-rig.ts';
import { programOf } from './programs.ts';
import { type Finished, runProgram } from './run-program.ts';
import { backends, order, type Shell } from './scripted-model.ts';

const shell: Shell = { name: 'exec_command', argumentsOf: (cmd) => ({ cmd }) };
/** Models that Codex knows write JavaScript in place of calls. */
const codeMode: Shell = {
  name: 'exec',
  namespace: 'functions',
  argumentsOf: (cmd) => ({ input: `text(await tools.exec_command({cmd:${JSON.stringify(cmd)}}))` }),
};

interface Where {
  home: string;
  cwd: string;
}

/** @param resume the newest session. */
function codex(
  { home, cwd }: Where,
  prompt: string,
  { resume = false, config = [] as string[] } = {},
): Promise<Finished> {
  const settings = ['analytics.enabled=false', 'check_for_update_on_startup=false', ...config];
  return runProgram(
    programOf('codex'),
    [
      'exec',
      ...(resume ? ['resume', '--last'] : []),
      '--skip-git-repo-check',
      '--dangerously-bypass-approvals-and-sandbox',
      ...settings.flatMap((setting) => ['-c', setting]),
      prompt,
    ],
    { cwd, env: { HOME: home } },
  );
}

const transports = { http: ['model_providers.turnpike.supports_websockets=false'], websocket: [] };
const models = { 'gateway-model': shell, 'gpt-6.1-sol': codeMode };

for (const backend of backends) {
  for (const [model, tool] of Object.entries(models)) {
    describe(`${model} over ${backend}`, () => {
      const rig = agentRig(backend, tool, model);

      test.each(Object.entries(transports))('over %s', async (_, config) => {
        const before = rig.turns().length;
        const project = await rig.newProject('codex');
        for (const [at, code] of project.codes.entries()) {
          const {
            code: status,
            out,
            err,
          } = await codex(project, order(`cat f${at + 1}.txt`), { resume: at > 0, config });
          expect(rig.upstream.refusals).toEqual([]);
          expect([status, out], err).toEqual([0, expect.stringContaining(code)]);
          // What was said before is still known.
          for (const earlier of project.codes.slice(0, at)) expect(out).toContain(earlier);
        }
        const turns = rig.turns().slice(before);
        expect(turns.length).toBeGreaterThanOrEqual(6);
        expect(new Set(turns.map(({ status }) => status))).toEqual(new Set(['completed']));
        expect(new Set(turns.map(({ session }) => session)).size).toBe(1);
      });
    });
  }
}

/** With the provider that is built in, Codex has the server compact what has become too long. */
test.each(backends.map((backend) => [backend, agentRig(backend, shell, 'gateway-model')] as const))(
  'compaction over %s',
  async (_, rig) => {
    const project = await rig.newProject('codex');
    const login = { auth_mode: 'apikey', OPENAI_API_KEY: agentKey };
    writeFileSync(join(project.home, '.codex/auth.json'), JSON.stringify(login));
    // The limit is less than any answer of the upstream counts.
    const address = `openai_base_url="${rig.gateway.url}/v1"`;
    const config = ['model_provider="openai"', address, 'model_auto_compact_token_limit=10'];
    for (const [at, code] of project.codes.entries()) {
      const { code: status, out, err } = await codex(project, order(`cat f${at + 1}.txt`), { resume: at > 0, config });
      expect(rig.upstream.refusals).toEqual([]);
      expect([status, out], err).toEqual([0, expect.stringContaining(code)]);
      expect(err).toContain('context compacted');
      for (const earlier of project.codes.slice(0, at)) expect(out).toContain(earlier);
    }
  },
);
