import { type ChildProcessByStdio, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

/** As a newcomer has it: no key of a vendor, and this Node first in the PATH, whatever the machine's own is. */
const env = {
  PATH: [dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter),
  HOME: process.env['HOME'] ?? root,
};

interface Running {
  url: string;
  pid: number;
  stdout(): string;
  /** @returns the exit code of the process that was started, be it npm. */
  stop(): Promise<number | null>;
}

/** Starts a command in a folder and waits for its first line on stdout. */
async function start(command: string, args: string[], cwd: string): Promise<Running> {
  // A group of its own: what a failed test leaves behind can be ended with all that it started.
  const child: ChildProcessByStdio<null, Readable, Readable> = spawn(command, args, {
    cwd,
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'exit') as Promise<[number | null]>;
  onTestFinished(() => {
    try {
      process.kill(-(child.pid ?? 0), 'SIGKILL');
    } catch (error) {
      // ESRCH: nothing was left.
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
    }
  });
  let stdout = '';
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      const ready = /^turnpike ready on (http:\/\/\S+)$/m.exec(stdout)?.[1];
      if (ready !== undefined) resolve(ready);
    });
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`ended with ${code} before it was ready: ${stdout}${stderr}`)));
  });
  return {
    url,
    pid: child.pid ?? 0,
    stdout: () => stdout,
    async stop() {
      child.kill('SIGTERM');
      return (await exited)[0];
    },
  };
}

async function expectServingThenGone(running: Running): Promise<void> {
  expect(running.url).toMatch(/^http:\/\/127\.0\.0\.1:[1-9]\d*$/);
  const health = await fetch(`${running.url}/health/live`);
  expect(health.status).toBe(200);
  await health.arrayBuffer();
  expect(await running.stop()).toBe(0);
  await expect(fetch(`${running.url}/health/live`)).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } });
}

describe('the published package', () => {
  const folder = mkdtempSync(join(tmpdir(), 'turnpike-package-'));
  const program = join(folder, 'node_modules/.bin/turnpike');
  let files: string[] = [];
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  beforeAll(() => {
    const run = (command: string, args: string[], cwd: string): string =>
      execFileSync(command, args, { cwd, encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'inherit'] });
    run(join(root, 'node_modules/.bin/tsdown'), ['--silent'], root);
    // Scripts are off in this project, so that `prepack` would not have built it.
    const packed = run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], root);
    const [tarball] = JSON.parse(packed) as { filename: string; files: { path: string }[] }[];
    files = tarball?.files.map(({ path }) => path) ?? [];
    run('npm', ['init', '--yes'], folder);
    // Everything is bundled, so that there is nothing to fetch.
    run('npm', ['install', '--ignore-scripts', '--offline', `./${tarball?.filename ?? ''}`], folder);
  });

  test('holds the program, and neither sources nor tests', () => {
    const allowed = /^(bin\/turnpike\.js|dist\/[\w.-]+\.(mjs|txt)|package\.json|README\.md|LICENSE|CHANGELOG\.md)$/;
    expect(files.filter((file) => !allowed.test(file))).toEqual([]);
    for (const file of [
      'bin/turnpike.js',
      'dist/main.mjs',
      'dist/worker.mjs',
      'dist/writer-thread.mjs',
      'dist/checkpoint-thread.mjs',
      'dist/price-list.mjs',
      'dist/THIRD-PARTY-LICENSES.txt',
    ]) {
      expect(files).toContain(file);
    }
    expect(files).toContain('LICENSE');
  });

  test('takes little room, and brings nothing along', () => {
    const packages = readdirSync(join(folder, 'node_modules')).filter((name) => !name.startsWith('.'));
    expect(packages).toEqual(['turnpike']);
    const own = join(folder, 'node_modules/turnpike');
    const paths = readdirSync(own, { recursive: true, encoding: 'utf8' });
    expect(paths).not.toContain('node_modules');
    const bytes = paths.reduce((sum, path) => sum + statSync(join(own, path)).size, 0);
    expect(bytes).toBeGreaterThan(1_000_000);
    expect(bytes).toBeLessThan(10_000_000);
  });

  test('has no crash points', () => {
    const dist = join(folder, 'node_modules/turnpike/dist');
    const texts = readdirSync(dist).map((file) => readFileSync(join(dist, file), 'utf8'));
    expect(texts.length).toBeGreaterThan(2);
    expect(texts.filter((text) => /TURNPIKE_CRASH_AT|crash-?point/i.test(text))).toEqual([]);
  });

  test('tells its version', () => {
    const version = execFileSync(program, ['--version'], { cwd: folder, env, encoding: 'utf8' });
    expect(version).toMatch(/^\d+\.\d+\.\d+\S*\n$/);
  });

  test('serves with no configuration, prints one line, and ends at SIGTERM', async () => {
    const empty = mkdtempSync(join(folder, 'empty-'));
    const running = await start(program, ['serve', '--port', '0'], empty);
    const commandLine = execFileSync('ps', ['-o', 'args=', '-p', `${running.pid}`], { encoding: 'utf8' });
    expect(commandLine).toMatch(/ --max-semi-space-size=16 --heap-growing-percent=60 \S+turnpike serve /);
    await expectServingThenGone(running);
    expect(running.stdout()).toBe(`turnpike ready on ${running.url}\n`);
  });

  test('has nothing compiled by the compiler in the middle, once it serves', async () => {
    const empty = mkdtempSync(join(folder, 'empty-'));
    const traced = join(empty, 'compiled');
    // Not on stdout, where another thread's line may part the one that says that it serves.
    const flags = ['--trace-opt', '--redirect-code-traces', `--redirect-code-traces-to=${traced}`];
    const running = await start(process.execPath, [...flags, program, 'serve', '--port', '0'], empty);
    const before = readFileSync(traced, 'utf8').length;
    for (let each = 0; each < 1500; each += 1) await (await fetch(`${running.url}/health/live`)).arrayBuffer();
    expect(await running.stop()).toBe(0);
    const compiled = readFileSync(traced, 'utf8')
      .slice(before)
      .matchAll(/\[completed compiling .*\(target (\w+)\)/g);
    expect([...new Set([...compiled].map(([, compiler]) => compiler))]).toEqual(['TURBOFAN_JS']);
  });

  test('finds the program of its workers', () => {
    const empty = mkdtempSync(join(folder, 'empty-'));
    // Nobody listens on port 1: it is a worker that says so.
    const store = `store: { url: "postgres://127.0.0.1:1/x", secret: "${'0f'.repeat(32)}" }\n`;
    writeFileSync(join(empty, 'turnpike.yaml'), store);
    const { status, stderr } = spawnSync(program, ['serve', '--workers', '2'], { cwd: empty, env, encoding: 'utf8' });
    expect(stderr).toMatch(/^turnpike: The store postgres:\/\/127\.0\.0\.1:1\/x cannot be opened: /);
    expect(status).toBe(1);
  });
});

describe('a clone', () => {
  test('serves by npm start, and ends when npm is told to', async () => {
    const store = mkdtempSync(join(tmpdir(), 'turnpike-clone-'));
    onTestFinished(() => rmSync(store, { recursive: true, force: true }));
    // The clone's own folder may hold the store of somebody who is trying it out.
    const config = join(store, 'turnpike.yaml');
    writeFileSync(config, `store: { url: "sqlite:${join(store, 'turnpike.db')}" }\n`);
    await expectServingThenGone(await start('npm', ['start', '--', '--port', '0', '--config', config], root));
  });
});
