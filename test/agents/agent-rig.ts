import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll } from 'vitest';
import { connect } from '../../src/connect/connect.ts';
import { type SpawnedGateway, spawnGateway, temporaryFolder } from '../support/spawn-gateway.ts';
import { type BackendName, scriptedModel, type Scripted, type Shell } from './scripted-model.ts';

/** One gateway over a backend for the tests of a `describe`, and an agent's home folder and project of each test. */
export interface AgentRig {
  gateway: SpawnedGateway;
  upstream: Scripted;
  /** Turns of the store, oldest first. */
  turns(): { session: string; status: string; protocol: string }[];
  /** A home folder in which `turnpike connect` has written, and a project with files that hold a code each. */
  newProject(client: string): Promise<Project>;
}

interface Project {
  home: string;
  cwd: string;
  codes: string[];
}

export const agentKey = 'sk-of-the-agent';

/** @param model the gateway's name of it. */
export function agentRig(backend: BackendName, shell: Shell, model: string): AgentRig {
  const rig = {} as AgentRig;
  const folder = temporaryFolder();
  const cleanups: (() => void)[] = [];
  const onCleanup = (cleanup: () => void) => void cleanups.push(cleanup);

  beforeAll(async () => {
    const { upstream, entry } = await scriptedModel(backend, shell, onCleanup);
    const config = `
auth: { keys: [{ name: agent, key: ${agentKey}, team: alpha }] }
models: [{ name: "${model}", ${entry} }]
routing: { retries: 0 }
`;
    rig.upstream = upstream;
    rig.gateway = await spawnGateway({ config, folder, onCleanup });
  });
  afterAll(() => {
    for (const cleanup of cleanups) cleanup();
    rmSync(folder, { recursive: true, maxRetries: 10 });
  });

  rig.turns = () => {
    const db = new DatabaseSync(join(folder, 'turnpike.db'), { readOnly: true });
    const rows = db
      .prepare('SELECT session_id AS session, status, protocol FROM turns ORDER BY created_at_ms, id')
      .all();
    db.close();
    return rows as { session: string; status: string; protocol: string }[];
  };
  rig.newProject = async (client) => {
    const project = join(folder, randomBytes(4).toString('hex'));
    const home = join(project, 'home');
    const cwd = join(project, 'work');
    mkdirSync(home, { recursive: true });
    mkdirSync(cwd);
    const codes = [1, 2, 3].map((number) => {
      const code = `code-${randomBytes(4).toString('hex')}`;
      writeFileSync(join(cwd, `f${number}.txt`), `${code}\n`);
      return code;
    });
    const env = { HOME: home };
    await connect({ client, url: rig.gateway.url, key: agentKey, model, save: true, env, write: () => undefined });
    return { home, cwd, codes };
  };
  return rig;
}
