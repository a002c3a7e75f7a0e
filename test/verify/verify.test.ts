/** `turnpike verify` against this gateway over each backend, and against servers with one fault each. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { checks, runChecks, type RunOptions } from '../../src/verify/run-checks.ts';
import { fakeUpstream } from '../support/fake-upstream.ts';
import { geminiUpstream } from '../support/gemini-upstream.ts';
import { openAiUpstream } from '../support/openai-upstream.ts';
import { spawnGateway, temporaryFolder } from '../support/spawn-gateway.ts';
import { mutantProxy, restartCommand } from './mutant-proxy.ts';
import { mutants } from './mutants.ts';
import { answerAsChat, answerAsGemini, answerAsResponses, createMessagesAnswer } from './order-model.ts';

const master = 'sk-test-master';
const auth = `auth: { master_key: ${master}, keys: [{ name: other, key: sk-test-other, team: others }] }`;

const entries = {
  simulator: () => Promise.resolve('provider: simulator, model: any'),
  async anthropic(onCleanup?: (cleanup: () => void) => void) {
    const { url } = await fakeUpstream(createMessagesAnswer(), onCleanup);
    return `provider: anthropic, model: claude-haiku-4-5, base_url: "${url}", api_key: k`;
  },
  async chat(onCleanup?: (cleanup: () => void) => void) {
    const { url } = await fakeUpstream(answerAsChat, onCleanup);
    return `provider: openai-compatible, model: small-model, base_url: "${url}/v1", api_key: k`;
  },
  async openai(onCleanup?: (cleanup: () => void) => void) {
    const upstream = await openAiUpstream(onCleanup);
    upstream.answer = answerAsResponses;
    return `provider: openai, model: gpt-4.1, base_url: "${upstream.url}/v1", api_key: k`;
  },
  async gemini(onCleanup?: (cleanup: () => void) => void) {
    const upstream = await geminiUpstream(onCleanup);
    upstream.answer = answerAsGemini;
    return `provider: gemini, model: gemini-3-flash-preview, base_url: "${upstream.url}", api_key: k`;
  },
  async bridge(onCleanup?: (cleanup: () => void) => void) {
    const { url } = await fakeUpstream(createMessagesAnswer(), onCleanup);
    return `provider: ai-sdk, package: "@ai-sdk/anthropic", model: claude-haiku-4-5, base_url: "${url}/v1", api_key: k`;
  },
};

/** A model that answers at once leaves no time for them; a computer is Anthropic's here. */
const isMissed = (name: string, backend: string) =>
  (name === 'background/cancel' && backend === 'simulator') ||
  name === 'state/unfinished-parent' ||
  (name === 'tools/computer' && backend !== 'anthropic' && backend !== 'simulator');

const options = (baseUrl: string): RunOptions => ({
  baseUrl,
  key: master,
  key2: 'sk-test-other',
  model: 'm',
  model2: 'n',
  restartCommand: undefined,
  only: [],
  timeoutMs: 60_000,
  onResult: () => {},
});

test('every check has a name of its own, a reason and a rule', () => {
  expect(new Set(checks.map(({ name }) => name)).size).toBe(checks.length);
  for (const { name, reason, rule } of checks) {
    expect(name).toMatch(/^[a-z]+\/[a-z-]+$/);
    expect(reason.length).toBeGreaterThan(20);
    expect(rule).toMatch(/^https:\/\//);
  }
});

test.each(Object.entries(entries))('this gateway over %s passes', async (backend, entry) => {
  const config = `${auth}
models: [{ name: m, ${await entry()} }, { name: n, ${await entries[backend === 'chat' ? 'simulator' : 'chat']()} }]
`;
  const folder = temporaryFolder();
  let gateway = await spawnGateway({ folder, config });
  const results = await runChecks({
    ...options(gateway.url),
    only: checks.filter(({ needs }) => !needs?.includes('restart')).map(({ name }) => name),
  });
  const port = new URL(gateway.url).port;
  const failed = results
    .filter(({ outcome }) => outcome === 'failed')
    .map(({ check, detail }) => `${check.name}: ${detail}`);
  expect(failed).toEqual([]);
  expect(results.filter(({ outcome, check }) => outcome === 'skipped' && !isMissed(check.name, backend))).toEqual([]);

  // The command sees only that the server comes back; here it is killed and started anew on its port.
  const restarting = { ...options(gateway.url), restartCommand: 'true' };
  const restart = async () => {
    await gateway.kill('SIGKILL');
    gateway = await spawnGateway({ folder, config, arguments: ['--port', port] });
  };
  for (const { name, run } of checks.filter(
    (check) => check.needs?.includes('restart') && !isMissed(check.name, backend),
  )) {
    const { createTarget } = await import('../../src/verify/target.ts');
    await expect(run({ ...createTarget(restarting), restart }), name).resolves.toBeUndefined();
  }
});

test('every check catches a fault', () => {
  const caught = new Set(mutants.map(({ caughtBy }) => caughtBy));
  expect(checks.map(({ name }) => name).filter((name) => !caught.has(name))).toEqual([]);
});

describe('a server with a fault is caught', () => {
  const cleanups: (() => void)[] = [];
  let url = '';
  beforeAll(async () => {
    const onCleanup = (cleanup: () => void) => void cleanups.push(cleanup);
    const [model, model2] = [await entries.anthropic(onCleanup), await entries.chat(onCleanup)];
    const config = `${auth}\nmodels: [{ name: m, ${model} }, { name: n, ${model2} }]\n`;
    ({ url } = await spawnGateway({ folder: temporaryFolder(), config, onCleanup }));
    return () => {
      for (const cleanup of cleanups) cleanup();
    };
  });

  test.each(mutants.map((mutant) => [mutant.name, mutant] as const))('%s', async (_name, { caughtBy, make }) => {
    const proxy = await mutantProxy(url, make());
    const run = { ...options(proxy), restartCommand: restartCommand(proxy), only: [caughtBy] };
    const results = await runChecks(run);
    expect(results.find(({ check }) => check.name === caughtBy)?.outcome).toBe('failed');
  });

  test.each([...new Set(mutants.map(({ caughtBy }) => caughtBy))])('without one it passes %s', async (name) => {
    const proxy = await mutantProxy(url, {});
    const run = { ...options(proxy), restartCommand: restartCommand(proxy), only: [name] };
    const result = (await runChecks(run)).find(({ check }) => check.name === name);
    // The proxy hands a stream on once it is over.
    const outcome = name === 'state/unfinished-parent' ? 'skipped' : 'passed';
    expect(result).toMatchObject({ outcome });
  });
});

test('the command prints a table, and writes JSON and JUnit', async () => {
  const folder = temporaryFolder();
  const config = `${auth}\nmodels: [{ name: m, ${await entries.simulator()} }]\n`;
  const { url } = await spawnGateway({ folder, config });
  const files = { json: join(folder, 'report.json'), junit: join(folder, 'report.xml') };
  const run = promisify(execFile);
  const main = new URL('../../src/main.ts', import.meta.url).pathname;
  const args = [
    main,
    'verify',
    url,
    '--key',
    master,
    '--only',
    'errors/shape,isolation/get,state/failed',
    '--model',
    'm',
  ];
  const { stdout } = await run(process.execPath, [...args, '--json', files.json, '--junit', files.junit]);
  expect(stdout).toMatch(/pass +errors\/shape/);
  expect(stdout).toContain('needs --key2');
  expect(stdout.trimEnd().split('\n').at(-1)).toMatch(/^\d+ passed, 0 failed, \d+ skipped$/);
  const { results } = JSON.parse(readFileSync(files.json, 'utf8')) as { results: { name: string; outcome: string }[] };
  expect(results.find(({ name }) => name === 'errors/shape')?.outcome).toBe('passed');
  expect(readFileSync(files.junit, 'utf8')).toContain('<testcase classname="errors" name="shape"');

  const { make } = mutants.find(({ caughtBy }) => caughtBy === 'errors/shape')!;
  const faulty = await mutantProxy(url, make());
  const wrong = run(process.execPath, [
    main,
    'verify',
    faulty,
    '--key',
    master,
    '--only',
    'errors/shape',
    '--model',
    'm',
  ]);
  await expect(wrong).rejects.toMatchObject({ code: 1, stdout: expect.stringContaining('FAIL') as string });
});

describe('what verify cannot do is said in one line', () => {
  const cleanups: (() => void)[] = [];
  let url = '';
  beforeAll(async () => {
    const config = `${auth}\nmodels: [{ name: "m*", ${await entries.simulator()} }]\n`;
    const onCleanup = (cleanup: () => void) => void cleanups.push(cleanup);
    ({ url } = await spawnGateway({ folder: temporaryFolder(), config, onCleanup }));
    return () => {
      for (const cleanup of cleanups) cleanup();
    };
  });

  const withKey = ['--key', master];
  test.each<[string, (base: string) => string[], string]>([
    [
      'no check',
      (base) => [base, ...withKey, '--model', 'm', '--only', 'errors,typo'],
      '--only typo: no check has a name that begins so; known: background, ',
    ],
    ['no check of a group', (base) => [base, ...withKey, '--model', 'm', '--only', 'errors/typo'], 'known: errors/'],
    ['an empty name', (base) => [base, ...withKey, '--model', 'm', '--only', 'errors,'], '--only has an empty name'],
    ['no key', (base) => [base], ' wants a key: give --key, or set VERIFY_KEY'],
    ['a wrong key', (base) => [base, '--key', 'sk-wrong'], ' wants another key'],
    ['a wrong key for a model', (base) => [base, '--key', 'sk-wrong', '--model', 'm'], ' wants another key'],
    ['no model', (base) => [base, ...withKey], ' lists no model: name one with --model'],
    ['no list', (base) => [`${base}/nowhere`, ...withKey], ' answered 404 to GET /models: name a model with --model'],
    ['no check and nobody there', () => ['http://127.0.0.1:9', '--only', 'typo'], '--only typo: no check has a name'],
    ['nobody there', () => ['http://127.0.0.1:9', '--model', 'm'], 'http://127.0.0.1:9 cannot be reached ('],
    ['no address', () => ['nowhere', '--model', 'm'], 'BASE-URL must be an http:// or https:// URL'],
    ['another protocol', () => ['ftp://127.0.0.1'], 'BASE-URL must be an http:// or https:// URL'],
    [
      'no place',
      (base) => [base, ...withKey, '--model', 'm', '--json', '/nowhere/a.json'],
      '--json /nowhere/a.json cannot be written: ENOENT: no such file or directory',
    ],
    [
      'a folder',
      (base) => [base, ...withKey, '--model', 'm', '--junit', '/tmp'],
      '--junit /tmp cannot be written: EISDIR: illegal operation on a directory',
    ],
  ])('%s', async (_name, args, message) => {
    const main = new URL('../../src/main.ts', import.meta.url).pathname;
    const run = promisify(execFile)(process.execPath, [main, 'verify', ...args(url)], { env: { NO_COLOR: '1' } });
    const { code, stdout, stderr } = await run.then(
      (output) => ({ code: 0, ...output }),
      (error: { code: number; stdout: string; stderr: string }) => error,
    );
    expect(stderr).toMatch(/^turnpike: [^\n]+\n$/);
    expect(stderr).toContain(message);
    expect([code, stdout]).toEqual([1, '']);
  });
});
