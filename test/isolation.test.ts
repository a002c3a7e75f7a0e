/**
 * Whose objects a key reaches: for everybody else an object is answered as one that was never there, byte for byte, on
 * every route, under every spelling of its path, before and after a restart.
 */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Config } from '../src/config/config.ts';
import { startGateway } from '../src/gateway.ts';
import type * as app from '../src/http/app.ts';
import type { Route } from '../src/http/route.ts';
import { type RawCall, rawUpstream, sendBody } from './support/raw-upstream.ts';
import { type SpawnedGateway, spawnGateway, temporaryFolder } from './support/spawn-gateway.ts';

const served: Route[] = [];
vi.mock('../src/http/app.ts', async (importOriginal) => {
  const original = await importOriginal<typeof app>();
  const createApp: typeof original.createApp = (options) => {
    const created = original.createApp(options);
    served.push(...created.routes);
    return created;
  };
  return { ...original, createApp };
});

const cleanups: (() => void)[] = [];
const calls: RawCall[] = [];
const folder = temporaryFolder();
let config: string;
let gateway: SpawnedGateway;

const thought = 'What does alpha want?';
const reply = JSON.stringify({
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'claude-haiku-4-5-20251001',
  content: [
    { type: 'thinking', thinking: thought, signature: 'c2lnbmVk' },
    { type: 'text', text: 'canary of alpha' },
  ],
  stop_reason: 'end_turn',
  usage: { input_tokens: 9, output_tokens: 7 },
});

const keys = {
  a: 'sk-a',
  a2: 'sk-a2',
  b: 'sk-b',
  loner: 'sk-loner',
  master: 'sk-master',
  // Made through the admin API, the second for a team that has the name of another.
  virtual: '',
  member: '',
};
type Key = keyof typeof keys;
const foreigners: Key[] = ['b', 'loner', 'master', 'virtual', 'member'];

beforeAll(async () => {
  const upstream = await rawUpstream((call) => {
    calls.push(call);
    sendBody(call, reply);
  });
  cleanups.push(upstream.close);
  config = [
    'auth:',
    `  master_key: ${keys.master}`,
    '  keys:',
    `    - { name: a, key: ${keys.a}, team: alpha }`,
    `    - { name: a2, key: ${keys.a2}, team: alpha }`,
    `    - { name: b, key: ${keys.b}, team: beta }`,
    `    - { name: loner, key: ${keys.loner} }`,
    `models: [{ name: m, provider: anthropic, model: claude-haiku-4-5, base_url: "${upstream.url}", api_key: k }]`,
  ].join('\n');
  gateway = await start();
  const made = async (path: string, body: object) => JSON.parse((await send('POST', path, 'master', body)).text);
  const team = await made('/admin/v1/teams', { name: 'alpha' });
  keys.virtual = (await made('/admin/v1/keys', { name: 'a' })).key;
  keys.member = (await made('/admin/v1/keys', { name: 'a', team_id: team.id })).key;
});
afterAll(() => {
  for (const cleanup of cleanups) cleanup();
});

function start(): Promise<SpawnedGateway> {
  return spawnGateway({ config, folder, onCleanup: (end) => cleanups.push(end) });
}

async function restart(): Promise<void> {
  expect(await gateway.kill('SIGTERM')).toBe(0);
  gateway = await start();
}

interface Answer {
  status: number;
  /** Without what differs from one answer to the next. */
  headers: Record<string, string>;
  text: string;
}

async function send(method: string, path: string, key: Key | undefined, body?: object): Promise<Answer> {
  const reply = await fetch(`${gateway.url}${path}`, {
    method,
    headers: {
      ...(key === undefined ? {} : { authorization: `Bearer ${keys[key]}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const headers = Object.fromEntries(reply.headers);
  delete headers['date'];
  const { 'x-request-id': requestId = '' } = headers;
  expect(requestId).toMatch(/^req_/);
  delete headers['x-request-id'];
  delete headers['request-id'];
  // Anthropic's clients are told it in the body too.
  const text = (await reply.text()).replaceAll(requestId, 'req_'.padEnd(requestId.length, '0'));
  return { status: reply.status, headers, text };
}

async function create(key: Key, fields: object = {}): Promise<{ id: string; output: { id: string; type: string }[] }> {
  const { status, text } = await send('POST', '/v1/responses', key, {
    model: 'm',
    input: 'the secret of alpha',
    ...fields,
  });
  expect(status, text).toBe(200);
  return JSON.parse(text);
}

/** One way to name an object, with an id in its place. */
interface Way {
  method: string;
  path: (id: string) => string;
  /** What the id is one of; absent: a response, or one of its items. */
  of?: 'conversation' | 'item' | 'file';
  /** Behind the path, however that is spelled. */
  query?: string;
  body?: (id: string) => object;
  /** Status of the answer to an id that is not there. */
  unknown: number;
}

const response = (id: string) => `/v1/responses/${id}`;
const file = (id: string) => `/v1/files/${id}`;
const conversation = (id: string) => `/v1/conversations/${id}`;
/** `id` is the conversation's and the item's. */
const itemOf = (id: string) => `/v1/conversations/${id.replace(' ', '/items/')}`;

/** Every route with an id in its path. A route without an entry fails a test. */
const routesWithId: Record<string, Way> = {
  'GET /v1/responses/{id}': { method: 'GET', path: response, unknown: 404 },
  'DELETE /v1/responses/{id}': { method: 'DELETE', path: response, unknown: 404 },
  'POST /v1/responses/{id}/cancel': { method: 'POST', path: (id) => `${response(id)}/cancel`, unknown: 404 },
  'GET /v1/responses/{id}/input_items': { method: 'GET', path: (id) => `${response(id)}/input_items`, unknown: 404 },
  'GET /v1/files/{id}': { method: 'GET', path: file, of: 'file', unknown: 404 },
  'GET /v1/files/{id}/content': { method: 'GET', path: (id) => `${file(id)}/content`, of: 'file', unknown: 404 },
  'DELETE /v1/files/{id}': { method: 'DELETE', path: file, of: 'file', unknown: 404 },
  'GET /v1/conversations/{id}': { method: 'GET', path: conversation, of: 'conversation', unknown: 404 },
  'POST /v1/conversations/{id}': {
    method: 'POST',
    path: conversation,
    body: () => ({ metadata: { by: 'a stranger' } }),
    of: 'conversation',
    unknown: 404,
  },
  'DELETE /v1/conversations/{id}': { method: 'DELETE', path: conversation, of: 'conversation', unknown: 404 },
  'GET /v1/conversations/{id}/items': {
    method: 'GET',
    path: (id) => `${conversation(id)}/items`,
    of: 'conversation',
    unknown: 404,
  },
  'POST /v1/conversations/{id}/items': {
    method: 'POST',
    path: (id) => `${conversation(id)}/items`,
    body: () => ({ items: [{ role: 'user', content: 'by a stranger' }] }),
    of: 'conversation',
    unknown: 404,
  },
  'GET /v1/conversations/{id}/items/{item}': { method: 'GET', path: itemOf, of: 'item', unknown: 404 },
  'DELETE /v1/conversations/{id}/items/{item}': { method: 'DELETE', path: itemOf, of: 'item', unknown: 404 },
};

/** The same route, asked for something else. */
const queriesWithId: Record<string, Way> = {
  'a stream': { method: 'GET', path: response, query: 'stream=true', unknown: 404 },
  'a stream that is resumed': { method: 'GET', path: response, query: 'stream=true&starting_after=3', unknown: 404 },
};

const counting = '/v1/responses/input_tokens';
const compacting = '/v1/responses/compact';

const bodyWith = (fields: (id: string) => object, unknown: number, path = '/v1/responses'): Way => ({
  method: 'POST',
  path: () => path,
  body: (id) => ({ model: 'm', input: 'go on', ...fields(id) }),
  unknown,
});

const messageWith = (file_id: string) => ({
  max_tokens: 9,
  messages: [{ role: 'user', content: [{ type: 'document', source: { type: 'file', file_id } }] }],
});

/** Every place of a body that names an object. */
const bodiesWithId: Record<string, Way> = {
  previous_response_id: bodyWith((previous_response_id) => ({ previous_response_id }), 400),
  'previous_response_id of a stream': bodyWith((previous_response_id) => ({ previous_response_id, stream: true }), 400),
  'previous_response_id, not stored': bodyWith((previous_response_id) => ({ previous_response_id, store: false }), 400),
  'previous_response_id, in the background': bodyWith(
    (previous_response_id) => ({ previous_response_id, background: true }),
    400,
  ),
  'an item reference': bodyWith((id) => ({ input: [{ type: 'item_reference', id }] }), 404),
  'an item reference without a type': bodyWith((id) => ({ input: [{ id }] }), 404),
  'previous_response_id of a count': bodyWith((id) => ({ previous_response_id: id }), 400, counting),
  'an item reference in a count': bodyWith((id) => ({ input: [{ id }] }), 404, counting),
  'previous_response_id of a compaction': bodyWith((id) => ({ previous_response_id: id }), 400, compacting),
  'an item reference in a compaction': bodyWith((id) => ({ input: [{ id }] }), 404, compacting),
  'a file': {
    ...bodyWith((id) => ({ input: [{ role: 'user', content: [{ type: 'input_file', file_id: id }] }] }), 400),
    of: 'file',
  },
  'a file in a count': {
    ...bodyWith(
      (id) => ({ input: [{ role: 'user', content: [{ type: 'input_image', file_id: id }] }] }),
      400,
      counting,
    ),
    of: 'file',
  },
  'a file in a message': { ...bodyWith(messageWith, 400, '/v1/messages'), of: 'file' },
  'a file in a chat': {
    ...bodyWith(
      (file_id) => ({ messages: [{ role: 'user', content: [{ type: 'file', file: { file_id } }] }] }),
      400,
      '/v1/chat/completions',
    ),
    of: 'file',
  },
  'a file in a message that is counted': { ...bodyWith(messageWith, 400, '/v1/messages/count_tokens'), of: 'file' },
  conversation: { ...bodyWith((id) => ({ conversation: id }), 404), of: 'conversation' },
  'conversation of a count': { ...bodyWith((id) => ({ conversation: id }), 404, counting), of: 'conversation' },
  'conversation as an object, of a stream': {
    ...bodyWith((id) => ({ conversation: { id }, stream: true }), 404),
    of: 'conversation',
  },
};

/** Routes that only the master key reaches, whose objects belong to no tenant; each with what such a request may send. */
const adminRoutes: Record<string, object | undefined> = {
  'POST /admin/v1/teams': { name: 'made by a stranger' },
  'GET /admin/v1/teams': undefined,
  'GET /admin/v1/teams/{id}': undefined,
  'PATCH /admin/v1/teams/{id}': { name: 'renamed by a stranger' },
  'DELETE /admin/v1/teams/{id}': undefined,
  'POST /admin/v1/keys': { name: 'made by a stranger' },
  'GET /admin/v1/keys': undefined,
  'GET /admin/v1/keys/{id}': undefined,
  'PATCH /admin/v1/keys/{id}': { blocked: true },
  'POST /admin/v1/keys/{id}/rotate': {},
  'DELETE /admin/v1/keys/{id}': undefined,
};

/** Routes without the id of an object in their path: a model is no tenant's. What a body of theirs can name is above. */
const routesWithoutId = [
  'POST /v1/responses',
  'POST /v1/responses/input_tokens',
  'POST /v1/responses/compact',
  'POST /v1/conversations',
  'POST /v1/files',
  'GET /v1/files',
  'GET /v1/models',
  'GET /v1/models/{id}',
  'POST /v1/embeddings',
  'POST /v1/messages',
  'POST /v1/messages/count_tokens',
  'POST /v1/chat/completions',
];

const ways = Object.entries({ ...routesWithId, ...queriesWithId, ...bodiesWithId });
const waysOfResponses = ways.filter(([, way]) => way.of === undefined);
const waysOfFiles = ways.filter(([, way]) => way.of === 'file');
const waysOfConversations = ways.filter(([, way]) => way.of === 'conversation' || way.of === 'item');

function ask({ method, path, query, body }: Way, key: Key | undefined, id: string, spell = (plain: string) => plain) {
  const spelled = spell(path(id));
  const asked = query === undefined ? spelled : `${spelled}${spelled.includes('?') ? '&' : '?'}${query}`;
  return send(method, asked, key, body?.(id));
}

/** The answer with a placeholder for the id, so that two can be compared. */
function masked(answer: Answer, id: string): Answer {
  const { 'content-length': length, ...headers } = answer.headers;
  expect(length).toBe(String(Buffer.byteLength(answer.text)));
  return { ...answer, headers, text: answer.text.replaceAll(id, '{id}') };
}

/** As `masked`, of a conversation's id and an item's. */
function maskedBoth(answer: Answer, ids: string): Answer {
  const [id = '', item] = ids.split(' ');
  const once = masked(answer, id);
  return item === undefined ? once : { ...once, text: once.text.replaceAll(item, '{item}') };
}

/** An id that was never given out, of the same shape. */
const neverGiven = (id: string) => id.replace(/[0-9a-f]{30}$/, 'f'.repeat(30));

const spellings: Record<string, (path: string) => string> = {
  'without /v1': (path) => path.replace('/v1', ''),
  'with a slash at the end': (path) => `${path}/`,
  'with doubled slashes': (path) => path.replaceAll('/', '//'),
  'with a query': (path) => `${path}?x=1`,
};

test('every route has its case here', async () => {
  const quiet = () => undefined;
  const own = temporaryFolder();
  const inProcess = await startGateway(minimalConfig(own), { log: { info: quiet, warn: quiet, error: quiet } });
  await inProcess.close();
  const names = served.map(({ method, path }) => `${method} ${path}`);
  const known = [...Object.keys(routesWithId), ...routesWithoutId];
  const aliases = known.map((name) => name.replace('/v1/', '/'));
  const open = served.filter(({ auth }) => auth === 'none').map(({ method, path }) => `${method} ${path}`);
  expect(open.every((name) => name.startsWith('GET /health/') || name === 'HEAD /')).toBe(true);
  const admin = Object.keys(adminRoutes);
  expect(names.toSorted()).toEqual([...known, ...aliases, ...admin, ...open].toSorted());
  const masters = served.filter(({ auth }) => auth === 'master').map(({ method, path }) => `${method} ${path}`);
  expect(masters.toSorted()).toEqual(admin.toSorted());
});

function minimalConfig(own: string): Config {
  return {
    file: undefined,
    server: { host: '127.0.0.1', port: 0, drainSeconds: 0, maxBodyBytes: undefined, workers: 1 },
    store: { url: `sqlite:${own}/turnpike.db`, secret: undefined, leaseSeconds: 15, timeoutMs: 800 },
    auth: { masterKey: 'sk', keys: [], teams: [] },
    models: [
      {
        name: 'm',
        provider: 'simulator',
        model: 'simulator',
        baseUrl: undefined,
        apiKey: undefined,
        headers: {},
        timeouts: { connectMs: 1, firstByteMs: 1, idleMs: 1 },
        weight: 1,
        profile: {},
        options: {},
        price: undefined,
      },
    ],
    aliases: {},
    routing: { retries: 0, fallbacks: {} },
    retention: { contentMs: undefined, metadataMs: undefined },
    ledger: { content: 'request' },
    background: { maxRunning: 1, maxQueued: 1, eventsKeptSeconds: 1, maxEventBytes: 1 },
    files: { maxFileBytes: 1, maxTotalBytes: 1 },
  };
}

/** Objects of key a, by what they are. */
interface Objects {
  response: string;
  child: string;
  message: string;
  reasoning: string;
  input: string;
  deleted: string;
  unstored: string;
}

async function createObjects(): Promise<Objects> {
  const first = await create('a');
  const child = await create('a', { previous_response_id: first.id });
  const deleted = await create('a');
  expect((await send('DELETE', response(deleted.id), 'a')).status).toBe(200);
  const unstored = await create('a', { store: false });
  const inputs = JSON.parse((await send('GET', `${response(first.id)}/input_items`, 'a')).text);
  const idOf = (type: string) => first.output.find((item) => item.type === type)?.id ?? '';
  return {
    response: first.id,
    child: child.id,
    message: idOf('message'),
    reasoning: idOf('reasoning'),
    input: inputs.data[0].id,
    deleted: deleted.id,
    unstored: unstored.id,
  };
}

let kept: Objects;
/** A conversation of key a, an item of it, and one that is deleted. */
let conversations: { id: string; item: string; deleted: string };

async function createConversations(): Promise<typeof conversations> {
  const items = [{ role: 'user', content: 'the secret of alpha' }];
  const made = async () => JSON.parse((await send('POST', '/v1/conversations', 'a', { items })).text).id;
  const [id, deleted] = [await made(), await made()];
  await create('a', { conversation: id });
  expect((await send('DELETE', conversation(deleted), 'a')).status).toBe(200);
  const listed = JSON.parse((await send('GET', `${conversation(id)}/items?order=asc`, 'a')).text);
  return { id, item: listed.data[0].id, deleted };
}

describe.each(['before', 'after'])('%s a restart', (when) => {
  let objects: Objects;
  beforeAll(async () => {
    if (when === 'before') {
      objects = await createObjects();
      conversations = await createConversations();
      kept = objects;
    } else {
      await restart();
      objects = kept;
    }
  });

  test.each(waysOfResponses)('%s: what is foreign is answered like what is not there', async (_, way) => {
    const before = calls.length;
    for (const id of Object.values(objects)) {
      const unknown = neverGiven(id);
      expect(unknown).not.toBe(id);
      for (const key of foreigners) {
        const expected = masked(await ask(way, key, unknown), unknown);
        expect(expected.status).toBe(way.unknown);
        expect(masked(await ask(way, key, id), id)).toEqual(expected);
        for (const spell of Object.values(spellings)) {
          expect(masked(await ask(way, key, id, spell), id)).toEqual(expected);
        }
      }
    }
    expect(calls.length).toBe(before);
  });

  test.each(waysOfConversations)(
    '%s: a foreign conversation is answered like one that is not there',
    async (_, way) => {
      const before = calls.length;
      const { id, item, deleted } = conversations;
      const [own, foreign] = way.of === 'item' ? [`${id} ${item}`, `${deleted} ${item}`] : [id, deleted];
      const unknown = own.replaceAll(/[0-9a-f]{30}(?= |$)/g, 'f'.repeat(30));
      for (const key of foreigners) {
        const expected = maskedBoth(await ask(way, key, unknown), unknown);
        expect(expected.status).toBe(way.unknown);
        for (const named of [own, foreign]) {
          expect(maskedBoth(await ask(way, key, named), named)).toEqual(expected);
          for (const spell of Object.values(spellings)) {
            expect(maskedBoth(await ask(way, key, named, spell), named)).toEqual(expected);
          }
        }
      }
      // Nor is one that is deleted there for its own key.
      expect(maskedBoth(await ask(way, 'a', foreign), foreign)).toEqual(
        maskedBoth(await ask(way, 'a', unknown), unknown),
      );
      expect(calls.length).toBe(before);
    },
  );

  test("an item of a conversation is no other conversation's, and each key of its team reaches it", async () => {
    const { id, item } = conversations;
    const way = routesWithId['GET /v1/conversations/{id}/items/{item}'];
    if (way === undefined) throw new Error('no case for items');
    const own = await ask(way, 'a', `${id} ${item}`);
    expect(own.status).toBe(200);
    for (const spell of Object.values(spellings)) expect(await ask(way, 'a2', `${id} ${item}`, spell)).toEqual(own);
    const other = JSON.parse((await send('POST', '/v1/conversations', 'b', {})).text).id;
    for (const method of ['GET', 'DELETE']) {
      const answers = [item, neverGiven(item)].map(async (asked) =>
        maskedBoth(await ask({ ...way, method }, 'b', `${other} ${asked}`), `${other} ${asked}`),
      );
      const [foreign, unknown] = await Promise.all(answers);
      expect(foreign).toEqual(unknown);
      expect(foreign?.status).toBe(404);
    }
    const listed = await send('GET', `${conversation(id)}/items?after=${item}`, 'a2');
    expect(listed.status).toBe(200);
    expect((await send('GET', `${conversation(other)}/items?after=${item}`, 'b')).text).toBe(
      (await send('GET', `${conversation(other)}/items?after=${neverGiven(item)}`, 'b')).text,
    );
  });

  test.each(waysOfResponses)(
    '%s: what is deleted or was never stored is not there for its own key either',
    async (_, way) => {
      for (const key of ['a', 'a2'] satisfies Key[]) {
        for (const id of [objects.deleted, objects.unstored]) {
          const unknown = neverGiven(id);
          expect(masked(await ask(way, key, id), id)).toEqual(masked(await ask(way, key, unknown), unknown));
        }
      }
    },
  );

  test('the other key of the team reaches all, under every spelling', async () => {
    for (const name of ['GET /v1/responses/{id}', 'GET /v1/responses/{id}/input_items']) {
      const way = routesWithId[name];
      if (way === undefined) throw new Error(`no case for ${name}`);
      const own = await ask(way, 'a', objects.child);
      expect(own.status).toBe(200);
      expect(await ask(way, 'a2', objects.child)).toEqual(own);
      for (const spell of Object.values(spellings)) expect(await ask(way, 'a2', objects.child, spell)).toEqual(own);
    }
    await create('a2', { previous_response_id: objects.child });
    expect(calls.at(-1)?.text).toContain('the secret of alpha');
    await create('a2', {
      input: [
        { type: 'item_reference', id: objects.message },
        { role: 'user', content: 'x' },
      ],
    });
    expect(calls.at(-1)?.text).toContain('canary of alpha');
    const own = await create('a');
    expect((await send('DELETE', response(own.id), 'a2')).status).toBe(200);
    expect((await send('GET', response(own.id), 'a')).status).toBe(404);
  });

  test('a foreign item that is sent along brings nothing of what is behind it', async () => {
    // Of its own: whoever sends an item along has one with that id from then on.
    const { output } = await create('a');
    const item = {
      type: 'reasoning',
      id: output[0]?.id ?? '',
      summary: [{ type: 'summary_text', text: thought }],
    };
    const input = [
      { role: 'user', content: 'x' },
      item,
      { role: 'assistant', content: 'y' },
      { role: 'user', content: 'z' },
    ];
    await create('a', { input, reasoning: { effort: 'low' } });
    expect(calls.at(-1)?.text).toContain('"signature"');
    for (const key of foreigners) {
      await create(key, { input, reasoning: { effort: 'low' } });
      expect(calls.at(-1)?.text).not.toContain('"signature"');
    }
  });

  test('no key, or a wrong one, is told nothing', async () => {
    for (const [, way] of waysOfResponses) {
      const none = await ask(way, undefined, objects.response);
      expect(none.status).toBe(401);
      expect(JSON.parse(none.text).error.code).toBe('invalid_api_key');
      expect(await ask(way, undefined, neverGiven(objects.response))).toEqual(none);
      for (const spell of Object.values(spellings))
        expect(await ask(way, undefined, objects.response, spell)).toEqual(none);
    }
    for (const { method, path, auth } of served) {
      const { status } = await send(method, path.replace('{id}', objects.response).replace('{item}', 'x'), undefined);
      if (auth === 'none') expect(status, path).toBe(200);
      else expect(status, path).toBe(401);
    }
    for (const token of ['sk-a ', 'sk-', 'SK-A', 'sk-a,sk-b', '']) {
      const reply = await fetch(`${gateway.url}${response(objects.response)}`, {
        headers: { authorization: `Bearer ${token}x` },
      });
      expect(reply.status, token).toBe(401);
    }
  });

  test.each(Object.entries(adminRoutes))('%s: no key but the master key, under any spelling', async (name, body) => {
    const [method = '', path = ''] = name.split(' ');
    const kind = path.includes('teams') ? 'teams' : 'keys';
    const list = async () => (await send('GET', `/admin/v1/${kind}`, 'master')).text;
    const before = await list();
    const { id } = JSON.parse(before).data[0];
    const strangers = Object.keys(keys).filter((key) => key !== 'master') as Key[];
    const expected = await send(method, path.replace('{id}', neverGiven(id)), 'a', body);
    expect(expected.status).toBe(403);
    expect(JSON.parse(expected.text).error).toMatchObject({ type: 'permission_error', code: 'master_key_required' });
    for (const key of strangers) {
      for (const spell of [(plain: string) => plain, ...Object.values(spellings).slice(1)]) {
        expect(await send(method, spell(path.replace('{id}', id)), key, body), key).toEqual(expected);
      }
    }
    for (const key of [...strangers, undefined]) {
      const none = await send(method, path.replace('/v1', '').replace('{id}', id), key, body);
      expect(none.status, 'without /v1').toBe(404);
    }
    expect(await list()).toBe(before);
  });

  test('another method on a known path says nothing of the object', async () => {
    for (const method of ['PUT', 'PATCH', 'POST']) {
      for (const path of [response, (id: string) => `${response(id)}/input_items`]) {
        const unknown = neverGiven(objects.response);
        const expected = masked(await send(method, path(unknown), 'b'), unknown);
        expect(expected.status).toBe(405);
        expect(masked(await send(method, path(objects.response), 'b'), objects.response)).toEqual(expected);
        expect(masked(await send(method, path(objects.response), 'a'), objects.response)).toEqual(expected);
      }
    }
  });

  test('nobody has deleted or changed anything', async () => {
    const { text, status } = await send('GET', response(objects.response), 'a');
    expect(status).toBe(200);
    expect(text).toContain('canary of alpha');
    expect((await send('GET', response(objects.child), 'a')).status).toBe(200);
    const { data } = JSON.parse((await send('GET', `${conversation(conversations.id)}/items`, 'a')).text);
    expect(data).toHaveLength(4);
    expect(JSON.parse((await send('GET', conversation(conversations.id), 'a')).text).metadata).toEqual({});
  });
});

describe('a file of another tenant', () => {
  const upload = async (): Promise<string> => {
    const body = new FormData();
    body.set('purpose', 'user_data');
    body.set('file', new File(['the secret of alpha'], 'a.txt'));
    const headers = { authorization: `Bearer ${keys.a}` };
    const reply = await fetch(`${gateway.url}/v1/files`, { method: 'POST', headers, body });
    return ((await reply.json()) as { id: string }).id;
  };

  test.each(waysOfFiles)('%s: answered as one that never was, and it stays', async (_name, way) => {
    const id = await upload();
    const before = calls.length;
    for (const key of foreigners) {
      const answer = await ask(way, key, id);
      expect(answer.status, answer.text).toBe(way.unknown);
      expect(masked(answer, id)).toEqual(masked(await ask(way, key, neverGiven(id)), neverGiven(id)));
      expect((await send('GET', '/v1/files', key)).text).not.toContain(id);
    }
    expect(calls).toHaveLength(before);
    expect((await send('GET', `/v1/files/${id}`, 'a2')).status).toBe(200);
  });
});
