import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const launcher = fileURLToPath(new URL('../bin/turnpike.js', import.meta.url));

let cwd: string;
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'turnpike-cli-'));
});
afterEach(() => rm(cwd, { recursive: true, force: true }));

async function turnpike(
  args: string[],
  env: Record<string, string> = {},
): Promise<{ code: number; out: string; err: string }> {
  const child = spawn(process.execPath, [launcher, ...args], { cwd, env: { NO_COLOR: '1', ...env } });
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  return { code, out, err };
}

describe('the command line', () => {
  test('--version is the version of the package', async () => {
    const { code, out } = await turnpike(['--version']);
    expect(out).toMatch(/^\d+\.\d+\.\d+\S*\n$/);
    expect(code).toBe(0);
  });

  test.each([['--help'], ['-h'], ['serve', '--help']])('%s %s shows the usage', async (...args) => {
    const { code, out } = await turnpike(args.filter((arg) => arg !== undefined));
    expect(out).toContain('USAGE turnpike');
    expect(code).toBe(0);
  });

  test('what goes into a pipe has no colours', async () => {
    const plain = { NO_COLOR: '' };
    for (const args of [['--help'], ['check', '--help']])
      expect((await turnpike(args, plain)).out).not.toContain('\x1b');
    expect((await turnpike(['store', 'nope'], plain)).err).toBe('turnpike: Unknown command nope\n');
  });

  test('a reader that leaves before the end breaks nothing off', async () => {
    const child = spawn(process.execPath, [launcher, 'check'], { cwd, env: {} });
    child.stdout.destroy();
    const [err, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
    expect(err).toBe('');
    expect(code).toBe(0);
  });

  test('check says what there is', async () => {
    const { code, out } = await turnpike(['check'], { ANTHROPIC_API_KEY: 's3cret' });
    expect(out).toMatch(/^ok\n/);
    expect(out).toContain('claude-* -> anthropic *');
    expect(out).not.toContain('s3cret');
    expect(code).toBe(0);
  });

  test('check names the models whose price is not known', async () => {
    const entries = [
      'name: priced, provider: openai-compatible, model: qwen, base_url: "http://h/v1", price: { input: 1, output: 2 }',
      'name: free, provider: openai-compatible, model: qwen, base_url: "http://h/v1"',
      'name: known, provider: anthropic, model: claude-haiku-4-5, api_key: k',
      'name: unheard-of, provider: anthropic, model: no-such-model, api_key: k',
      'name: "claude-*", provider: anthropic, model: "*", api_key: k',
      'name: "local/*", provider: ollama, model: "*"',
      'name: simulator, provider: simulator, model: simulator',
    ];
    await writeFile(join(cwd, 'turnpike.yaml'), `models:\n${entries.map((entry) => `  - { ${entry} }\n`).join('')}`);
    const { code, out } = await turnpike(['check']);
    expect(out.split('without a price, so that their cost is not known and no budget limits them:\n')[1]).toBe(
      '  free -> openai-compatible qwen at http://h/v1\n' +
        '  unheard-of -> anthropic no-such-model\n' +
        '  local/* -> ollama *\n',
    );
    expect(code).toBe(0);
  });

  test.each(['check', 'serve'])('%s prints each problem of the configuration and ends with 1', async (command) => {
    await writeFile(join(cwd, 'c.yaml'), 'server: { port: x }\nextra: 1\n');
    const { code, out, err } = await turnpike([command, '--config', 'c.yaml']);
    expect(err.split('\n')).toEqual([
      'c.yaml:1:17: server.port: must be a number',
      expect.stringMatching(/^c\.yaml:2:1: extra: unknown key; known here: server, store, /),
      '',
    ]);
    expect(out).toBe('');
    expect(code).toBe(1);
  });

  test.each([
    [['nope'], 'unknown command nope'],
    [['serve', 'nope'], 'unexpected argument nope'],
    [['--prot', '1'], 'unknown option --prot'],
    [['--Port', '1'], 'unknown option --Port'],
    [['--port', 'x'], '--port must be a number'],
    [['--port', '65536'], '--port must be a number'],
    [['--port'], '--port needs a value'],
    [['--workers', '0'], '--workers must be a number from 1 to 256'],
    [['--workers', '2'], 'command line: --workers: must be 1 with SQLite'],
    [['--no-host'], '--host needs a value'],
    [['--host', '0.0.0.0'], '--host: must be a loopback address'],
  ])('%j is refused in one line', async (args, message) => {
    const { code, out, err } = await turnpike(args);
    expect(err.trimEnd().split('\n')).toEqual([expect.stringContaining(message)]);
    expect(out).toBe('');
    expect(code).toBe(1);
  });

  test('a log level that does not exist is refused', async () => {
    const { code, err } = await turnpike(['serve', '--port', '0'], { TURNPIKE_LOG_LEVEL: 'loud' });
    expect(err).toMatch(/^turnpike: TURNPIKE_LOG_LEVEL must be one of: .*\n$/);
    expect(code).toBe(1);
  });
});
