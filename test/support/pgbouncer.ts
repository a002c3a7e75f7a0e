import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, queryDatabase } from './postgres.ts';

/** A real PgBouncer in transaction mode, of the machine's own package (`apt-get install pgbouncer`). */
export interface PgBouncer {
  /** The database as it is reached through it. */
  url: string;
  /** Resolves when the database answers through it. */
  ready(): Promise<void>;
  /** SIGKILL, and a start. */
  restart(): Promise<void>;
  stop(): void;
}

export async function startPgBouncer(databaseUrl: string): Promise<PgBouncer> {
  const folder = mkdtempSync(join(tmpdir(), 'turnpike-pgbouncer-'));
  chmodSync(folder, 0o755);
  const direct = new URL(databaseUrl);
  const port = await freePort();
  writeFileSync(join(folder, 'users'), `"${direct.username}" "${decodeURIComponent(direct.password)}"\n`);
  const config = join(folder, 'pgbouncer.ini');
  writeFileSync(
    config,
    `[databases]
* = host=${direct.hostname} port=${direct.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${join(folder, 'users')}
pool_mode = transaction
max_client_conn = 200
default_pool_size = 20
server_login_retry = 1
`,
  );
  const own = new URL(databaseUrl);
  own.host = `127.0.0.1:${port}`;
  let child: ChildProcess | undefined;
  let output = '';
  let failure: Error | undefined;

  async function start(): Promise<void> {
    // It refuses to be root.
    const user = process.getuid?.() === 0 ? ['-u', 'postgres'] : [];
    const started = spawn('pgbouncer', [...user, config], { stdio: ['ignore', 'pipe', 'pipe'] });
    child = started;
    started.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
    started.on('error', (error) => (failure = error));
    await ready();
  }

  async function ready(): Promise<void> {
    for (;;) {
      const answer = await queryDatabase(own.href, 'SELECT 1').catch((error: unknown) => error);
      if (!(answer instanceof Error)) return;
      if (failure !== undefined || child?.exitCode !== null) {
        throw new Error(`PgBouncer does not run: ${output}`, { cause: failure ?? answer });
      }
    }
  }

  await start();
  return {
    url: own.href,
    ready,
    async restart() {
      if (child === undefined) return;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
      await start();
    },
    stop() {
      child?.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
