import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Config, providerNames } from './config.ts';
import { loadConfig, type LoadOptions } from './load.ts';
import { ConfigError } from './problem.ts';
import { summarise } from './summarise.ts';

let cwd: string;
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'turnpike-config-'));
});
afterEach(() => rm(cwd, { recursive: true, force: true }));

async function load(text: string | undefined, options: Partial<LoadOptions> = {}): Promise<Config> {
  if (text !== undefined) await writeFile(join(cwd, 'turnpike.yaml'), text);
  return loadConfig({ env: {}, cwd, ...options });
}

async function problemsOf(text: string | undefined, options: Partial<LoadOptions> = {}): Promise<string[]> {
  const error: unknown = await load(text, options).catch((reason: unknown) => reason);
  if (!(error instanceof ConfigError)) throw new Error('no ConfigError', { cause: error });
  return error.message.split('\n');
}

const model = 'models: [{ name: m, provider: simulator, model: s }]\n';

describe('a good file', () => {
  test('gives every field its place', async () => {
    const config = await load(
      `server: { host: 0.0.0.0, port: "\${PORT}", drain_seconds: 5, max_body_bytes: 1000 }
store: { url: "sqlite:x.db", secret: "${'0f'.repeat(32)}" }
auth: { master_key: "\${MASTER}", keys: [{ name: ci, key: "k-\${N:-1}", team: alpha }, { name: me, key: k2 }] }
models:
  - name: fast
    provider: anthropic
    model: claude-haiku-4-5
    api_key: "\${KEY}"
    headers: &common { x-team: a }
    timeouts: { connect_ms: 1, idle_ms: 3 }
    max_output_tokens: 100
    reasoning: budget
    price: { input: 1, output: 2.5, cache_read: 0 }
  - name: fast
    provider: openai-compatible
    model: qwen
    base_url: http://gpu:8000/v1//
    headers: *common
    weight: 2
    quirks:
      reasoning: reasoning_content
      max_tokens_field: max_tokens
      mid_conversation_system: "\${YES}"
      json_schema_output: false
      custom_tools: true
  - { name: gpt-*, provider: simulator, model: "*" }
aliases: { a: b, b: fast }
routing: { retries: 0, fallbacks: { a: [gpt-9] } }
retention: { content: 12h, metadata: never }
ledger: { content: always }
background: { max_running: 7, max_queued: 8, events_kept_seconds: 0, max_event_bytes: 9 }
files: { max_file_bytes: 5, max_total_bytes: 6 }
`,
      { env: { PORT: '8080', MASTER: 'mk', KEY: 'sk', YES: 'true' } },
    );
    expect(config).toEqual({
      file: 'turnpike.yaml',
      server: { host: '0.0.0.0', port: 8080, drainSeconds: 5, maxBodyBytes: 1000, workers: 1 },
      store: { url: 'sqlite:x.db', secret: Buffer.alloc(32, 0x0f), leaseSeconds: 15, timeoutMs: 800 },
      auth: {
        masterKey: 'mk',
        keys: [
          { name: 'ci', key: 'k-1', team: 'alpha', budgetNanoUsd: undefined },
          { name: 'me', key: 'k2', team: undefined, budgetNanoUsd: undefined },
        ],
        teams: [],
      },
      models: [
        {
          name: 'fast',
          provider: 'anthropic',
          model: 'claude-haiku-4-5',
          baseUrl: undefined,
          apiKey: 'sk',
          headers: { 'x-team': 'a' },
          timeouts: { connectMs: 1, firstByteMs: 600_000, idleMs: 3 },
          weight: 1,
          profile: { maxOutputTokens: 100, reasoning: 'budget' },
          price: { input: 1, output: 2.5, cacheRead: 0, cacheWrite: undefined },
          options: {},
        },
        {
          name: 'fast',
          provider: 'openai-compatible',
          model: 'qwen',
          baseUrl: 'http://gpu:8000/v1',
          apiKey: undefined,
          headers: { 'x-team': 'a' },
          timeouts: { connectMs: 5_000, firstByteMs: 600_000, idleMs: 300_000 },
          weight: 2,
          profile: {
            reasoningField: 'reasoning_content',
            maxTokensField: 'max_tokens',
            midConversationSystem: true,
            jsonSchemaOutput: false,
            customTools: true,
          },
          price: undefined,
          options: {},
        },
        {
          name: 'gpt-*',
          provider: 'simulator',
          model: '*',
          baseUrl: undefined,
          apiKey: undefined,
          headers: {},
          timeouts: { connectMs: 5_000, firstByteMs: 600_000, idleMs: 300_000 },
          weight: 1,
          profile: {},
          price: undefined,
          options: {},
        },
      ],
      aliases: { a: 'fast', b: 'fast' },
      routing: { retries: 0, fallbacks: { fast: ['gpt-9'] } },
      retention: { contentMs: 43_200_000, metadataMs: undefined },
      ledger: { content: 'always' },
      background: { maxRunning: 7, maxQueued: 8, eventsKeptSeconds: 0, maxEventBytes: 9 },
      files: { maxFileBytes: 5, maxTotalBytes: 6 },
    });
  });

  test('prompt caching is on, and off where the model or the file says so, the model first', async () => {
    const isOff = async (text: string) => {
      const { models } = await load(text);
      return models.map(({ profile }) => 'minCachedTokens' in profile && profile.minCachedTokens === undefined);
    };
    const models = ['', ', prompt_caching: off', ', prompt_caching: auto'].map(
      (field) => `  - { name: a, provider: simulator, model: x${field} }\n`,
    );
    const text = `models:\n${models.join('')}`;
    expect(await isOff(text)).toEqual([false, true, false]);
    expect(await isOff(`${text}prompt_caching: off\n`)).toEqual([true, true, false]);
    expect(new Set(await isOff('prompt_caching: off\n'))).toEqual(new Set([true]));
  });

  test.each(['', '# only a comment\n', 'server: {}\n', 'models: []\n'])('%j gives the defaults', async (text) => {
    expect(await load(text)).toEqual({ ...(await loadConfig({ env: {}, cwd: tmpdir() })), file: 'turnpike.yaml' });
  });

  test('what the command line says comes before the file', async () => {
    const { server } = await load(`server: { host: 127.0.0.1, port: 1 }\n${model}`, { host: 'localhost', port: 0 });
    expect([server.host, server.port]).toEqual(['localhost', 0]);
  });

  test('a store secret is 32 bytes in hexadecimal or base64', async () => {
    const secret = Buffer.from(Array.from({ length: 32 }, (_, index) => index * 8));
    for (const encoding of ['hex', 'base64', 'base64url'] as const) {
      const config = await load(`store: { secret: "${secret.toString(encoding)}" }\n`);
      expect(config.store.secret).toEqual(secret);
    }
  });

  test.each(['postgres', 'postgresql'])('a store may be in %s, with a secret', async (scheme) => {
    const url = `${scheme}://u:s3cr%40t@db.internal:6432/turnpike?sslmode=verify-full&password=s3cret`;
    const env = { URL: url, SECRET: '0f'.repeat(32) };
    const config = await load('store: { url: "${URL}", secret: "${SECRET}" }\n', { env });
    expect(config.store).toEqual({ url, secret: Buffer.alloc(32, 0x0f), leaseSeconds: 15, timeoutMs: 800 });
    expect(summarise(config)).toContain('store: postgres://db.internal:6432/turnpike\n');
  });

  test('a summary names the models and no secret', async () => {
    const config = await load(
      'auth: { master_key: s3cret, keys: [{ name: ci, key: s3cret2 }] }\n' +
        'models: [{ name: m, provider: anthropic, model: c, api_key: s3cret3, headers: { x-key: s3cret4 } }]\n' +
        'aliases: { other: m }\n',
    );
    expect(summarise(config)).toContain('  m -> anthropic c\n');
    expect(summarise(config)).toContain('  other -> m\n');
    expect(summarise(config)).not.toContain('s3cret');
  });
});

describe('no file', () => {
  const namesOf = (config: Config): string[] => config.models.map(({ name }) => name);

  test('gives the simulator on loopback', async () => {
    const config = await load(undefined);
    expect(config.file).toBeUndefined();
    expect(config.server.host).toBe('127.0.0.1');
    expect(namesOf(config)).toEqual(['simulator']);
  });

  test('gives the models of the keys in the environment', async () => {
    const config = await load(undefined, {
      env: { ANTHROPIC_API_KEY: 'a', OPENAI_API_KEY: 'o\n', ANTHROPIC_BASE_URL: 'http://proxy/', OPENAI_BASE_URL: '' },
    });
    expect(namesOf(config)).toEqual(['claude-*', 'gpt-*', 'o1*', 'o3*', 'o4*', 'simulator']);
    expect(config.models.map(({ baseUrl }) => baseUrl).slice(0, 2)).toEqual(['http://proxy', undefined]);
    expect(config.models.map(({ provider }) => provider).slice(0, 2)).toEqual(['anthropic', 'openai']);
    expect(config.models.map(({ apiKey }) => apiKey).slice(0, 2)).toEqual(['a', 'o']);
  });

  test.each([
    [{ GEMINI_API_KEY: 'g' }, 'g', undefined],
    [{ GOOGLE_API_KEY: 'o', GEMINI_BASE_URL: 'http://proxy/' }, 'o', 'http://proxy'],
    [{ GEMINI_API_KEY: 'g', GOOGLE_API_KEY: 'o' }, 'g', undefined],
  ])('%j gives the models of Google', async (env, apiKey, baseUrl) => {
    const config = await load(undefined, { env });
    expect(config.models[0]).toMatchObject({ name: 'gemini-*', provider: 'gemini', model: '*', apiKey, baseUrl });
  });

  test('an empty key is none', async () => {
    expect(namesOf(await load(undefined, { env: { ANTHROPIC_API_KEY: '', OPENAI_API_KEY: ' ' } }))).toEqual([
      'simulator',
    ]);
  });

  test('models in a file take the place of all of them', async () => {
    expect(namesOf(await load(model, { env: { ANTHROPIC_API_KEY: 'a' } }))).toEqual(['m']);
  });

  test.each([
    [{ ANTHROPIC_BASE_URL: 'ftp://x' }, 'environment: ANTHROPIC_BASE_URL: must be an http:// or https:// URL'],
    [
      { ANTHROPIC_BASE_URL: 'http://localhost:4000' },
      'environment: ANTHROPIC_BASE_URL: is this gateway itself; unset it for the gateway',
    ],
    [
      { OPENAI_BASE_URL: 'http://u:pw@h/v1' },
      'environment: OPENAI_BASE_URL: must not hold credentials; use api_key or headers',
    ],
    ...['proxy.internal:3128', 'http://user:100%@proxy.internal:3128'].map((proxy): [object, string] => [
      { HTTPS_PROXY: proxy },
      'environment: HTTPS_PROXY: must be an http:// or https:// URL, since calls to upstreams go through it; in a password % is written %25',
    ]),
    [
      { GROQ_API_KEY: 'two\nlines' },
      'environment: GROQ_API_KEY: must be printable ASCII without spaces or line breaks',
    ],
  ])('%j is refused', async (env, line) => {
    expect(await problemsOf(undefined, { env: { ANTHROPIC_API_KEY: 'a', OPENAI_API_KEY: 'o', ...env } })).toEqual([
      line,
    ]);
  });

  test('a file that is named must be there', async () => {
    expect(await problemsOf(undefined, { file: 'other.yaml' })).toEqual(['other.yaml: (file): there is no such file']);
  });
});

test('a reference without quotes inside of brackets is told once, and by its name', async () => {
  const text = 'auth: { master_key: ${KEY} }\nmodels: [{ name: a, provider: simulator, model: x }]\n';
  expect(await problemsOf(text)).toEqual([
    'turnpike.yaml:1:22: syntax: inside {…} or […] a text with ${…} must be in quotes',
  ]);
});

describe('problems', () => {
  // Each text is put behind one line of `model`, so that it begins on line 2.
  test.each([
    [
      'server: { prot: 1 }',
      '2:11: server.prot: unknown key; known here: host, port, drain_seconds, max_body_bytes, workers',
    ],
    [
      'retentions: { content: 30d }',
      '2:1: retentions: unknown key; known here: server, store, auth, models, prompt_caching, aliases, background, retention, ledger, files, routing',
    ],
    ['server: { port: abc }', '2:17: server.port: must be a number'],
    ['server: { port: "4000" }', '2:17: server.port: must be a number'],
    ['server: { port: 70000 }', '2:17: server.port: must be at most 65535'],
    ['server: { port: 1.5 }', '2:17: server.port: must be a whole number'],
    ['server:', '2:8: server: is empty: give it a value, or remove the key'],
    ['server: [1]', '2:9: server: must be a mapping'],
    [
      'auth:\n  master_key: 123',
      '3:15: auth.master_key: must be a string (put it in quotes if it looks like a number)',
    ],
    ['auth: { master_key: "" }', '2:21: auth.master_key: must not be empty'],
    ['auth: { master_key: "${NONE}" }', '2:21: auth.master_key: the environment variable NONE is not set'],
    ['auth: { master_key: "${LINE}" }', '2:21: auth.master_key: must be printable ASCII without spaces or line breaks'],
    [
      'auth: { master_key: "${" }',
      '2:21: auth.master_key: write ${NAME} or ${NAME:-default}; a literal ${ is written $${',
    ],
    ['auth: { keys: [{ name: a }] }', '2:16: auth.keys[0].key: is missing'],
    [
      'auth: { keys: [{ name: a, key: x }, { name: a, key: y }] }',
      '2:45: auth.keys[1].name: another key has this name',
    ],
    [
      'auth: { keys: [{ name: a, key: x }, { name: b, key: x }] }',
      '2:53: auth.keys[1].key: another entry has the same key',
    ],
    ['auth: { master_key: x, keys: [{ name: a, key: x }] }', '2:47: auth.keys[0].key: must differ from the master key'],
    [
      'store: { url: "postgres://u:pw@h/d" }',
      '2:8: store.secret: is missing: every process that uses the database needs the same one, and there is no file beside it to keep it in; make one with `openssl rand -hex 32`',
    ],
    ...['mysql://u:pw@h/d', 'postgres:u', 'postgres://u:pw@:1/d', 'sqlite:'].map((url): [string, string] => [
      `store: { url: "${url}" }`,
      '2:15: store.url: must be sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE',
    ]),
    ...['prefer', 'allow', 'verify_full', ''].map((mode): [string, string] => [
      `store: { url: "postgres://u:pw@h/d?sslmode=${mode}", secret: "${'0f'.repeat(32)}" }`,
      '2:15: store.url: must have one of these as its sslmode: disable, require, verify-ca, verify-full, no-verify',
    ]),
    ['store: { secret: "00" }', '2:18: store.secret: must be 32 bytes: 64 hexadecimal digits, or base64'],
    ['store: { lease_seconds: 0 }', '2:25: store.lease_seconds: must be at least 1'],
    ['store: { timeout_ms: 99 }', '2:22: store.timeout_ms: must be at least 100'],
    [
      'retention: { content: 30m }',
      '2:23: retention.content: must be never, or a time such as 12h or 30d, an hour at least',
    ],
    [
      'retention: { metadata: 3x }',
      '2:24: retention.metadata: must be never, or a time such as 12h or 30d, an hour at least',
    ],
    ['retention: { content: 401d }', '2:12: retention.metadata: must not be shorter than content'],
    ['routing: { retries: 1, retries: 2 }', '2:24: routing.retries: the key is there twice'],
    ['routing: { fallbacks: { ghost: [m] } }', '2:32: routing.fallbacks.ghost: there is no model named ghost'],
    ['routing: { fallbacks: { m: [ghost] } }', '2:29: routing.fallbacks.m[0]: there is no model named ghost'],
    [
      'aliases: { a: m }\nrouting: { fallbacks: { m: [a] } }',
      '3:29: routing.fallbacks.m[0]: a model cannot fall back to itself',
    ],
    ['aliases: { a: ghost }', '2:15: aliases.a: there is no model named ghost'],
    [
      'auth: { keys: [{ name: a, key: k, team: default }] }',
      "2:41: auth.keys[0].team: stands for another tenant: the master key's is default, and key_ begins those of keys",
    ],
    [
      'auth: { keys: [{ name: a, key: k, team: key_b }] }',
      "2:41: auth.keys[0].team: stands for another tenant: the master key's is default, and key_ begins those of keys",
    ],
    ['aliases: { "gpt-*": m }', '2:21: aliases["gpt-*"]: an alias is one name, and this is a pattern'],
    ['aliases: { a: "m*" }', '2:15: aliases.a: must name one model, and m* is a pattern'],
    ['routing: { fallbacks: { m: ["m*"] } }', '2:29: routing.fallbacks.m[0]: must name one model, and m* is a pattern'],
    ['routing: { fallbacks: { "m*": [m] } }', '2:31: routing.fallbacks["m*"]: there is no model named m*'],
    ['aliases: { m: m }', '2:15: aliases.m: a model has this name already'],
    ['aliases: { a: a }', '2:15: aliases.a: the aliases go round in a circle'],
    [
      'aliases: { a: *b }',
      '2:15: aliases.a: the alias names no anchor before it; a text that begins with * must be in quotes',
    ],
    ['aliases: { a: "x }', '2:15: syntax: this " is not closed: a " is missing before line 3, column 1'],
    ["aliases: { a: 'x }", "2:15: syntax: this ' is not closed: a ' is missing before line 3, column 1"],
    ['aliases: { a: "', '2:15: syntax: this " is not closed: a " is missing before line 3, column 1'],
    ['aliases: { a: {b: c}', '2:10: syntax: this { is not closed: a } is missing before line 3, column 1'],
    ['aliases: { a: m\nfiles: {}', '2:10: syntax: this { is not closed: a } is missing before line 3, column 1'],
    ['routing: [1, 2}', '2:10: syntax: this [ is not closed: a ] is missing before line 2, column 15'],
    ['aliases: { "a""b" }', '2:15: syntax: a character is missing here: a comma, a colon or a space'],
    [
      'server: { host: 0.0.0.0 }',
      '2:17: server.host: must be a loopback address (127.0.0.1, ::1, localhost) while no key is configured, since whoever reaches the gateway could spend your money; set auth.master_key or auth.keys to listen elsewhere',
    ],
  ])('%s', async (text, line) => {
    const lines = await problemsOf(`${model}${text}\n`, { env: { LINE: 'x\n' } });
    expect(lines).toContain(`turnpike.yaml:${line}`);
  });

  const fields: [string, string][] = [
    ['name: "a*b", provider: simulator, model: x', 'name: can have one * only, at its end'],
    ['name: a, provider: openia, model: x', `provider: must be one of: ${providerNames.join(', ')}`],
    ['name: a, provider: simulator', 'model: is missing'],
    ['name: a, provider: simulator, model: "*"', 'model: can be * only where the name ends in *'],
    [
      'name: a, provider: openai-compatible, model: x',
      'base_url: is missing: openai-compatible has no address of its own',
    ],
    ['name: a, provider: anthropic, model: x, base_url: "http://localhost:4000"', 'base_url: is this gateway itself'],
    ['name: a, provider: anthropic, model: x, base_url: "file:///x"', 'base_url: must be an http:// or https:// URL'],
    [
      'name: a, provider: anthropic, model: x, base_url: "http://u:pw@h"',
      'base_url: must not hold credentials; use api_key or headers',
    ],
    ['name: a, provider: anthropic, model: x, base_url: "http://h/?"', 'base_url: must not have a query or a fragment'],
    [
      'name: a, provider: anthropic, model: x, base_url: "http://h/#a"',
      'base_url: must not have a query or a fragment',
    ],
    ['name: a, provider: simulator, model: x, weight: 0', 'weight: must be more than 0'],
    [
      'name: a, provider: simulator, model: x, headers: { Host: y }',
      'headers.Host: is set by the gateway itself and cannot be configured',
    ],
    [
      'name: a, provider: simulator, model: x, headers: { Keep-Alive: y }',
      'headers.Keep-Alive: is set by the gateway itself and cannot be configured',
    ],
    ['name: a, provider: simulator, model: x, headers: { "a b": y }', 'headers["a b"]: is not a header name'],
    [
      'name: a, provider: simulator, model: x, headers: { a: "y\\n" }',
      'headers.a: must be printable ASCII on one line',
    ],
    ['name: a, provider: azure, model: x', 'base_url: is missing: azure has no address of its own'],
    [
      'name: a, provider: groq, model: x, region: r',
      'region: means nothing to groq; it is for bedrock, vertex, vertex-gemini',
    ],
    ['name: a, provider: bedrock, model: x, api_key: k', 'region: is missing: where the models are, such as us-east-1'],
    [
      'name: a, provider: bedrock, model: x, region: r',
      'aws: or api_key must be there, and not both: the one signs requests, the other is a bearer token',
    ],
    ['name: a, provider: vertex, model: x, region: r', 'project: is missing: whose models they are'],
    [
      'name: a, provider: vertex, model: x, project: p, region: "a.evil/"',
      'region: must be small letters, digits and hyphens',
    ],
    ['name: a, provider: simulator, model: x, price: { input: -1, output: 1 }', 'price.input: must be at least 0'],
    ['name: a, provider: simulator, model: x, timeouts: { idle_ms: 0 }', 'timeouts.idle_ms: must be at least 1'],
  ];
  test.each(fields)('models: [{ %s }]', async (text, line) => {
    const lines = await problemsOf(`models:\n  - { ${text} }\n`);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^turnpike\.yaml:2:\d+: models\[0\]\./);
    expect(lines[0]?.endsWith(`: models[0].${line}`)).toBe(true);
  });

  test.each(['content: 30x', 'content: 3d, metadata: 30x'])(
    'retention: { %s } has one problem: the age',
    async (text) => {
      const lines = await problemsOf(`${model}retention: { ${text} }\n`);
      expect(lines).toEqual([expect.stringContaining('must be never, or a time such as 12h or 30d, an hour at least')]);
    },
  );

  test('of a bracket that is not closed nothing else is told than what stands before it', async () => {
    expect(await problemsOf('a: {b: "c"d}\nmodels: [{ name: m\nserver: { port: 1 }\n')).toEqual([
      expect.stringContaining('yaml:1:11: syntax: '),
      expect.stringContaining('yaml:2:9: syntax: this [ is not closed: a ] '),
      expect.stringContaining('yaml:2:10: syntax: this { is not closed: a } '),
    ]);
  });

  test('all are told at once, each once, in the order of the file', async () => {
    const lines = await problemsOf(
      `server: { host: 0.0.0.0, port: x, y: 1 }
auth: { keys: [{ name: a, key: "\${NONE}" }, { name: a, key: 1 }] }
models:
  - { name: m, provider: openai-compatible, model: 1 }
aliases: { a: ghost }
extra: 1
`,
    );
    expect(lines.map((line) => line.split(': ')[1])).toEqual([
      'server.port',
      'server.y',
      'auth.keys[0].key',
      'auth.keys[1].name',
      'auth.keys[1].key',
      'models[0].base_url',
      'models[0].model',
      'aliases.a',
      'extra',
    ]);
  });

  test('never quote a value', async () => {
    const lines = await problemsOf(
      `server: { port: "\${S}", host: "\${S}" }
store: { url: "\${S}", secret: "\${S}" }
auth: { master_key: "\${S} \${S}", keys: "\${S}" }
models:
  - { name: m, provider: "\${S}", model: x, base_url: "http://a:\${S}@h", weight: "\${S}", price: "\${S}" }
  - "\${S}"
`,
      { env: { S: 'hunter2' } },
    );
    expect(lines).toHaveLength(10);
    expect(lines.join('\n')).not.toContain('hunter2');
    expect((await problemsOf('auth: { master_key: "hunter2\n')).join('\n')).not.toContain('hunter2');
    expect((await problemsOf('auth: { master_key: @hunter2 }\n!!hunter2 a: !hunter2 b\n')).join('\n')).not.toContain(
      'hunter2',
    );
  });

  test('several workers need Postgres, and are blamed on where they were asked for', async () => {
    const postgres = `store: { url: "postgres://h/d", secret: "${'0f'.repeat(32)}" }\n`;
    const config = await load(`server: { workers: 3 }\n${postgres}${model}`);
    expect(config.server.workers).toBe(3);
    expect(summarise(config)).toMatch(/^listen: .*, 3 workers$/m);
    expect((await load(`${postgres}${model}`, { workers: 2 })).server.workers).toBe(2);
    const [asked] = await problemsOf(`server: { workers: 3 }\n${model}`);
    expect(asked).toMatch(/1:20: server\.workers: must be 1 with SQLite/);
    const [told] = await problemsOf(model, { workers: 2 });
    expect(told).toMatch(/^command line: --workers: must be 1 with SQLite/);
  });

  test('an open host is allowed as soon as one key is there, and blamed on the flag that asks for it', async () => {
    expect((await load(`auth: { keys: [{ name: a, key: b }] }\n${model}`, { host: '0.0.0.0' })).server.host).toBe(
      '0.0.0.0',
    );
    const [line] = await problemsOf(model, { host: '0.0.0.0' });
    expect(line).toMatch(/^command line: --host: must be a loopback address/);
  });

  test.each(['127.0.0.1', '127.9.9.9', 'localhost', '::1', '[::1]'])('%s is loopback', async (host) => {
    expect((await load(model, { host })).server.host).toBe(host);
  });

  test.each(['0.0.0.0', '::', '10.0.0.1', '127.evil.example', 'localhost.example', '1.127.0.0'])(
    '%s is not',
    async (host) => {
      expect(await problemsOf(model, { host })).toHaveLength(1);
    },
  );
});
