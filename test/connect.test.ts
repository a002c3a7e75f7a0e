/** Coding agents are pointed at a gateway and back, in home folders of the tests' own. */
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:http';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import * as fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { clientNames, connect, disconnect } from '../src/connect/connect.ts';
import { type SpawnedGateway, spawnGateway, temporaryFolder } from './support/spawn-gateway.ts';

const files: Record<string, string> = {
  codex: '.codex/config.toml',
  'claude-code': '.claude/settings.json',
  opencode: '.config/opencode/opencode.json',
};
const key = 'sk-a-key-of-the-test';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'turnpike-connect-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const pathOf = (client: string) => join(home, files[client] ?? '');
const contentOf = (client: string) => readFileSync(pathOf(client), 'utf8');

function put(client: string, content: string | Uint8Array, mode = 0o640): void {
  mkdirSync(dirname(pathOf(client)), { recursive: true });
  writeFileSync(pathOf(client), content);
  chmodSync(pathOf(client), mode);
}

/** Every file below the home folder with its bytes and mode. */
function snapshot(): Record<string, string> {
  const names = readdirSync(home, { recursive: true, encoding: 'utf8' });
  const all = names.filter((name) => lstatSync(join(home, name)).isFile());
  return Object.fromEntries(
    all.map((name) => {
      const path = join(home, name);
      return [name, `${(statSync(path).mode & 0o777).toString(8)} ${readFileSync(path).toString('base64')}`];
    }),
  );
}

async function run(client: string, fields: { save?: boolean; key?: string; model?: string; url?: string } = {}) {
  let said = '';
  const write = (text: string) => void (said += text);
  const { url = 'http://127.0.0.1:4000/v1/', model = 'qwen', save = true } = fields;
  await connect({ client, url, key: fields.key, model, save, env: { HOME: home }, write });
  return said;
}
function undo(client: string, force = false): string {
  let said = '';
  disconnect({ client, force, env: { HOME: home }, write: (text) => void (said += text) });
  return said;
}

/** Settings that users have, for each kind of file. */
const settings: Record<string, string[]> = {
  codex: [
    '',
    'model = "gpt-9"\n',
    '# mine\nmodel="gpt-9" # best\nmodel_provider = \'openai\'\napproval_policy = "never"\n\n[projects."/a"]\ntrust_level = "trusted"\nmodel = "kept"\n',
    '[tui]\r\ntheme = "dark"\r\n',
    '\ufeffmodel_reasoning_effort = "high"',
    'notify = [\n  "say",\n  ["x"],\n]\nmodel = "gpt-9"\n[mcp_servers.a]\ncommand = "b"',
  ],
  'claude-code': [
    '',
    '{}',
    '{\n\t"model": "opus",\n\t"env": { "A": "b" },\n\t"permissions": { "allow": ["Bash(ls)"] }\n}',
    '{"b":1}\r\n',
  ],
  opencode: [
    '{}\n',
    '{\n  "theme": "x",\n  "provider": { "openai": { "options": {} } },\n  "model": "openai/gpt"\n}\n',
  ],
};
const cases = Object.entries(settings).flatMap(([client, texts]) => texts.map((content) => [client, content] as const));

describe.each(clientNames)('%s', (client) => {
  test('is only shown without --write, with no more of the key than tells it from others', async () => {
    const said = await run(client, { save: false, key });
    expect(said).toContain(pathOf(client));
    expect(said).toContain('http://127.0.0.1:4000');
    expect(said).not.toContain(key);
    expect(said).toContain('sk-…test');
    expect(snapshot()).toEqual({});
  });

  test('is connected where there is no file, in one that others cannot read, and disconnected again', async () => {
    const said = await run(client, { key });
    expect(said).not.toContain(key);
    expect(contentOf(client)).toContain(key);
    expect(contentOf(client)).toContain('http://127.0.0.1:4000');
    expect(statSync(pathOf(client)).mode & 0o777).toBe(0o600);
    undo(client);
    expect(snapshot()).toEqual({});
  });

  test('is connected twice as once, and to another gateway in place of the first', async () => {
    put(client, settings[client]?.at(-1) ?? '');
    const before = snapshot();
    await run(client);
    const once = snapshot();
    await run(client);
    expect(snapshot()).toEqual(once);
    await run(client, { url: 'http://gateway:1', model: 'other' });
    expect(contentOf(client)).not.toContain('127.0.0.1:4000');
    expect(contentOf(client)).not.toContain('qwen');
    undo(client);
    expect(snapshot()).toEqual(before);
  });

  test('is not disconnected from a file that was changed, but by force, and then the change is kept', async () => {
    put(client, settings[client]?.at(-1) ?? '');
    const before = snapshot();
    await run(client);
    const changed = `${contentOf(client)}\n`;
    put(client, changed);
    expect(() => undo(client)).toThrow(/was changed since it was connected; --force/);
    await expect(run(client)).rejects.toThrow('was changed since it was connected');
    expect(contentOf(client)).toBe(changed);
    expect(undo(client, true)).toContain('.changed');
    const kept = `${files[client]}.changed`;
    expect(readFileSync(join(home, kept), 'utf8')).toBe(changed);
    const { [kept]: _, ...rest } = snapshot();
    expect(rest).toEqual(before);
  });

  test('is not disconnected where it is not connected, nor from a backup that is gone', async () => {
    expect(() => undo(client)).toThrow('it is not connected');
    put(client, settings[client]?.[1] ?? '{}');
    const before = snapshot();
    expect(() => undo(client, true)).toThrow('it is not connected');
    expect(snapshot()).toEqual(before);
    await run(client);
    rmSync(`${pathOf(client)}.before-turnpike`);
    expect(() => undo(client, true)).toThrow('was changed or is gone');
  });

  test('a link stays one', async () => {
    const real = join(home, 'dotfile');
    writeFileSync(real, settings[client]?.at(-1) ?? '');
    mkdirSync(dirname(pathOf(client)), { recursive: true });
    symlinkSync(real, pathOf(client));
    const before = snapshot();
    await run(client);
    expect(lstatSync(pathOf(client)).isSymbolicLink()).toBe(true);
    expect(readFileSync(real, 'utf8')).toContain('127.0.0.1');
    undo(client);
    expect(lstatSync(pathOf(client)).isSymbolicLink()).toBe(true);
    expect(snapshot()).toEqual(before);
  });

  test('a file that is not UTF-8 is left alone', async () => {
    put(client, Buffer.from([0x7b, 0xff, 0x7d]));
    const before = snapshot();
    await expect(run(client)).rejects.toThrow('it is not UTF-8');
    expect(snapshot()).toEqual(before);
  });

  test('whoever can read the key is told', async () => {
    put(client, settings[client]?.at(-1) ?? '', 0o644);
    expect(await run(client, { key })).toContain('chmod 600');
    expect(statSync(pathOf(client)).mode & 0o777).toBe(0o644);
  });
});

test.each(cases)('%s: %j keeps what is in it, and comes back byte for byte', async (client, content) => {
  put(client, content);
  const before = snapshot();
  await run(client);
  const after = contentOf(client);
  if (client === 'codex') {
    const own = content.replace(/^\ufeff/, '').split(/\r?\n/);
    const kept = after
      .replace(/^\ufeff/, '')
      .split(/\r?\n/)
      .map((line) => line.replace('# replaced by turnpike connect: ', ''));
    expect(kept.join('\n')).toContain(own.join('\n'));
  } else if (content !== '') {
    const { env: _, model, provider, ...rest } = JSON.parse(content);
    expect(JSON.parse(after)).toMatchObject({
      ...rest,
      ...(client === 'claude-code' && model !== undefined ? { model } : {}),
    });
    if (provider !== undefined) expect(JSON.parse(after).provider).toMatchObject(provider);
  }
  undo(client);
  expect(snapshot()).toEqual(before);
});

test('connecting and disconnecting gives back the very bytes and the mode, whatever they were', async () => {
  const lines = fc.constantFrom(
    'model = "a"',
    '# b',
    '[t]',
    'x = 1',
    '"model" = 2',
    '[[u.v]]',
    '',
    'é = "\u{1f600}"',
    ' model_provider="x"',
  );
  const toml = fc
    .tuple(fc.array(lines, { maxLength: 8 }), fc.constantFrom('\n', '\r\n'))
    .map(([all, end]) => all.join(end));
  const json = fc
    .tuple(
      fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 })),
      fc.constantFrom(0, 2, 4, '\t'),
      fc.constantFrom('', '\n', ' \r\n'),
    )
    .map(([value, indent, end]) => JSON.stringify(value, null, indent) + end);
  const anything = fc.oneof(toml, json, fc.string());
  const property = fc.asyncProperty(
    fc.constantFrom(...clientNames),
    fc.oneof(anything, fc.constant(undefined)),
    fc.constantFrom(0o600, 0o644, 0o400),
    async (client, content, mode) => {
      rmSync(dirname(pathOf(client)), { recursive: true, force: true });
      if (content !== undefined) put(client, content, mode);
      const before = snapshot();
      const written = await run(client).then(
        () => true,
        // What cannot be edited is refused, and left as it was.
        () => false,
      );
      if (written) undo(client);
      expect(snapshot()).toEqual(before);
    },
  );
  await fc.assert(property, { numRuns: 300 });
});

describe('what cannot be edited without touching what is the user’s is refused, and shown', () => {
  test.each([
    ['codex', 'developer_instructions = """\nmodel = x\n"""\n', 'text of several lines'],
    ['codex', '[model_providers.turnpike]\nname = "mine"\n', 'has a [model_providers.turnpike] already'],
    ['codex', 'model_providers.turnpike.name = "mine"\n', "sets 'model_providers'"],
    ['claude-code', '{ "env": [] }', "'env' in it is no object"],
    ['claude-code', '// mine\n{}', 'it is not plain JSON'],
    ['opencode', '[]', 'it is no JSON object'],
  ])('%s: %j', async (client, content, message) => {
    put(client, content);
    const before = snapshot();
    await expect(run(client)).rejects.toThrow(message);
    expect(snapshot()).toEqual(before);
  });

  test('an opencode.jsonc, which comes before opencode.json', async () => {
    put('opencode', '{}');
    writeFileSync(`${pathOf('opencode')}c`, '{}');
    await expect(run('opencode')).rejects.toThrow('comes before it');
  });
});

describe('the command line', () => {
  const cleanups: (() => void)[] = [];
  let gateway: SpawnedGateway;
  beforeAll(async () => {
    const config = `
auth: { master_key: sk-test-of-a-gateway }
models:
  - { name: simulator, provider: simulator, model: simulator }
  - { name: qwen, provider: simulator, model: qwen }
`;
    gateway = await spawnGateway({ config, folder: temporaryFolder(), onCleanup: (end) => cleanups.push(end) });
  });
  afterAll(() => {
    for (const cleanup of cleanups) cleanup();
  });

  async function turnpike(...args: string[]): Promise<{ code: number; out: string; err: string }> {
    const main = new URL('../src/main.ts', import.meta.url).pathname;
    const child = spawn(process.execPath, [main, ...args], { env: { HOME: home, NO_COLOR: '1' } });
    const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
    return { code, out, err };
  }

  test('takes the first model that the gateway lists, and says how to start', async () => {
    const args = ['codex', '--url', gateway.url, '--key', 'sk-test-of-a-gateway', '--write'];
    const { code, out, err } = await turnpike('connect', ...args);
    expect([code, err]).toEqual([0, '']);
    expect(out).toContain('the model qwen');
    expect(contentOf('codex')).toContain('model = "qwen"');
    expect((await turnpike('disconnect', 'codex')).code).toBe(0);
    expect(snapshot()).toEqual({});
  });

  test('takes the simulator of a gateway that lists nothing else, and says so', async () => {
    const fresh = await spawnGateway({ folder: temporaryFolder() });
    const { code, out, err } = await turnpike('connect', 'codex', '--url', fresh.url, '--write');
    expect([code, err]).toEqual([0, '']);
    expect(out).toContain('the model simulator');
    expect(out).toContain('lists no model but the simulator; --model names another');
    expect(contentOf('codex')).toContain('model = "simulator"');
  });

  test('says what is wrong in one line', async () => {
    const line = async (...args: string[]) => {
      const { code, err } = await turnpike(...args);
      expect(code).toBe(1);
      expect(err.trimEnd().split('\n')).toHaveLength(1);
      return err;
    };
    expect(await line('connect', 'vim')).toContain('unknown client vim; known: codex, claude-code, opencode');
    expect(await line('connect', 'codex', '--url', gateway.url)).toContain('wants a key: give --key');
    expect(await line('connect', 'codex', '--url', gateway.url, '--key', 'sk-other')).toContain('wants another key');
    expect(await line('connect', 'codex', '--url', 'http://127.0.0.1:1')).toContain('cannot be asked for its models');
    const page = createServer((_request, response) => response.end('<html>'));
    await once(page.listen(0, '127.0.0.1'), 'listening');
    const { port } = page.address() as AddressInfo;
    expect(await line('connect', 'codex', '--url', `http://127.0.0.1:${port}`)).toContain('with what is no JSON');
    page.close();
    expect(await line('connect', 'codex', '--url', 'ftp://a')).toContain('must be an http:// or https:// URL');
    expect(await line('connect', 'codex', '--wirte')).toContain('unknown option --wirte');
    expect(await line('disconnect', 'codex')).toContain('it is not connected');
  });
});
