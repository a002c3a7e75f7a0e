/** The documents are tests: what they show is run as printed, what they list is what there is. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { fileSchema } from '../src/config/schema.ts';
import { errorKinds } from '../src/core/errors.ts';
import { spawnGateway, temporaryFolder } from './support/spawn-gateway.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const launcher = join(root, 'bin/turnpike.js');
const documents = [
  'README.md',
  'CONTRIBUTING.md',
  'ARCHITECTURE.md',
  'SECURITY.md',
  'AGENTS.md',
  'CHANGELOG.md',
].concat(
  readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md'))
    .map((file) => join('docs', file)),
);

const read = (file: string) => readFileSync(join(root, file), 'utf8');
const readme = read('README.md');

/** What stands between fences of the language, block by block. */
function blocks(markdown: string, language: string): string[] {
  return [...markdown.matchAll(/^```(\w+)\n([^]*?)^```$/gm)].flatMap(([, name, code]) =>
    name === language && code !== undefined ? [code] : [],
  );
}

/** The rows of every table, as the texts of their cells; `\|` is not used. */
function tableRows(markdown: string): string[][] {
  return [...markdown.matchAll(/^\| (.+) \|$/gm)].map(([, row = '']) => row.split(' | '));
}

async function run(command: string, args: string[], cwd: string, env: Record<string, string> = {}) {
  const { PATH = '' } = process.env;
  const child = spawn(command, args, {
    cwd,
    env: { PATH: `${dirname(process.execPath)}:${PATH}`, HOME: cwd, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  return { out, err, code: code as number };
}

/** The example, for a gateway on another port; what it says of the address is all that changes. */
function at(url: string, code: string): string {
  expect(code).toContain('http://127.0.0.1:4000');
  return code.replaceAll('http://127.0.0.1:4000', url);
}

describe('README.md', () => {
  test('the conversation with curl', async () => {
    const folder = temporaryFolder();
    const gateway = await spawnGateway({ folder });
    const script = blocks(readme, 'sh').filter((code) => code.includes('curl'));
    expect(script).toHaveLength(4);
    // One shell for all blocks, as a reader has.
    const shown = script.map((code) => at(gateway.url, code)).join('\necho; echo =====\n');
    const { out, err, code } = await run('bash', ['--norc', '-euo', 'pipefail', '-c', shown], folder);
    expect(err).toBe('');
    expect(code).toBe(0);
    const [first = '', second = '', stream = '', chat = ''] = out.split('=====\n');
    const call = { type: 'function_call', name: 'get_weather', arguments: '{"city":"Paris"}' };
    expect(JSON.parse(first).output).toMatchObject([call]);
    expect(JSON.parse(second).output[0].content[0].text).toContain('18 °C and sunny');
    expect(stream).toContain('event: response.completed\n');
    expect(stream).toContain('18 °C and sunny');
    expect(JSON.parse(chat).output[0].content[0].text).toContain('kestrel');
  });

  test('the example of the OpenAI SDK', async () => {
    const folder = temporaryFolder();
    const gateway = await spawnGateway({ folder });
    const [example = ''] = blocks(readme, 'js');
    writeFileSync(join(folder, 'chat.mjs'), at(gateway.url, example));
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    const { out, err, code } = await run(process.execPath, ['chat.mjs'], folder);
    expect(err).toBe('');
    expect(out).toContain('Paris: 18 °C and sunny');
    expect(out).toContain('Rome: 18 °C and sunny');
    expect(code).toBe(0);
  });

  test('the configuration is valid, and gives what it names', async () => {
    const folder = temporaryFolder();
    const [yaml = ''] = blocks(readme, 'yaml');
    writeFileSync(join(folder, 'turnpike.yaml'), yaml);
    const names = [...yaml.matchAll(/\$\{(\w+)\}/g)].map(([, name = '']) => name);
    const env = Object.fromEntries(names.map((name) => [name, `value-of-${name}`]));
    const { out, err, code } = await run(process.execPath, [launcher, 'check'], folder, env);
    expect(err).toBe('');
    expect(out).toMatch(/^ok\n/);
    for (const line of ['gpt-4o-mini -> fast', 'fast -> smart', 'ci (alpha)']) expect(out).toContain(line);
    expect(code).toBe(0);
  });

  test('the configuration for several processes is valid', async () => {
    const folder = temporaryFolder();
    const [, yaml = ''] = blocks(readme, 'yaml');
    writeFileSync(join(folder, 'turnpike.yaml'), yaml);
    const env = { PGPASSWORD: 'p', TURNPIKE_SECRET: '0f'.repeat(32) };
    const { out, err } = await run(process.execPath, [launcher, 'check'], folder, env);
    expect(err).toBe('');
    expect(out).toContain('4 workers\nstore: postgres://db.internal/turnpike\n');
  });

  test('turnpike demo, as shown', async () => {
    const folder = temporaryFolder();
    const gateway = await spawnGateway({ folder });
    const command = blocks(readme, 'sh').find((code) => code.startsWith('npx turnpike demo')) ?? '';
    const args = at(gateway.url, command).trim().split(' ').slice(2);
    const { out, err, code } = await run(process.execPath, [launcher, ...args], folder);
    expect(err).toBe('');
    expect(out).toContain('What the store holds');
    expect(code).toBe(0);
  });

  test('its own start command and checks are those of the package', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    for (const name of ['start', 'test']) expect(scripts).toHaveProperty(name);
    for (const [, name = ''] of documents.flatMap((file) => [...read(file).matchAll(/npm run ([\w:-]+)/g)])) {
      expect(scripts).toHaveProperty([name]);
    }
  });
});

test('every command of turnpike that a document names is there', () => {
  const usage = execFileSync(process.execPath, [launcher, '--help'], { encoding: 'utf8', env: { NO_COLOR: '1' } });
  const commands = new Set(
    documents.flatMap((file) =>
      [...read(file).matchAll(/(?:`|npx |^)turnpike ([a-z]+)\b/gm)].flatMap(([, name]) => name ?? []),
    ),
  );
  expect(commands).toContain('check');
  expect(commands).toContain('demo');
  for (const name of commands) {
    // The line that the gateway prints when it is ready is no command.
    if (name !== 'ready') expect(usage).toMatch(new RegExp(`^ +${name} `, 'm'));
  }
});

test.each(documents)('the links of %s lead to files', (file) => {
  const links = [...read(file).matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, path = '']) => path);
  expect(links.filter((path) => !existsSync(join(root, dirname(file), path)))).toEqual([]);
});

test('docs/errors.md lists every error, with its status, type and code', () => {
  const listed = tableRows(read('docs/errors.md')).flatMap(([name, status, type, code]) =>
    name?.startsWith('`') === true ? [[name, status, type, code]] : [],
  );
  const quoted = (value: string | null) => (value === null ? 'null' : `\`${value}\``);
  expect(listed).toEqual(
    Object.entries(errorKinds).map(([name, { status, type, wireCode }]) => [
      quoted(name),
      String(status),
      quoted(type),
      quoted(wireCode),
    ]),
  );
});

test('docs/configuration.md lists every key', () => {
  const listed = tableRows(read('docs/configuration.md')).flatMap(([name]) => {
    const key = /^`([a-z][\w.[\]]*)`$/.exec(name ?? '')?.[1];
    return key === undefined ? [] : [key];
  });
  expect(listed).toEqual(keysOf(fileSchema, ''));
});

/** Dotted names of everything that the schema takes; a list's elements are `name[]`. */
function keysOf(schema: unknown, path: string): string[] {
  if (schema instanceof z.ZodOptional) return keysOf(schema.unwrap(), path);
  if (schema instanceof z.ZodArray) return keysOf(schema.element, `${path}[]`);
  if (!(schema instanceof z.ZodObject)) return [path];
  return Object.entries(schema.shape).flatMap(([name, value]) => keysOf(value, path === '' ? name : `${path}.${name}`));
}
