/** The sessions that clients name, in the ways in which real ones do. */
import { describe, expect, test } from 'vitest';
import { type Answer, createClient } from './support/client.ts';
import { connect } from './support/socket-client.ts';
import { spawnGateway, temporaryFolder } from './support/spawn-gateway.ts';
import { stateRig } from './support/state-rig.ts';

const rig = stateRig();
const uuid = '01a2029c-dd47-7543-aa05-63ea2fd753f1';
const sessionOf = ({ headers }: Answer) => headers.get('x-turnpike-session-id');

const turn = async (body: object, headers?: Record<string, string>): Promise<Answer> => {
  const answer = await rig.client.create({ model: 'claude', input: 'one', ...body }, headers);
  expect(answer.status, answer.text).toBe(200);
  return answer;
};

/** In the order in which they are asked. */
const names: [name: string, said: (session: string) => { headers?: Record<string, string>; body?: object }][] = [
  ['x-session-id', (id) => ({ headers: { 'x-session-id': id } })],
  ['x-litellm-session-id', (id) => ({ headers: { 'x-litellm-session-id': id } })],
  ['session_id, of older Codex', (id) => ({ headers: { session_id: id } })],
  ['x-claude-code-session-id', (id) => ({ headers: { 'x-claude-code-session-id': id } })],
  ['session-id, of Codex', (id) => ({ headers: { 'session-id': id } })],
  ['thread-id, of Codex', (id) => ({ headers: { 'thread-id': id } })],
  ['client_metadata.session_id, of Codex', (id) => ({ body: { client_metadata: { session_id: id, turn_id: 'x' } } })],
  ['client_metadata.thread_id, of Codex', (id) => ({ body: { client_metadata: { thread_id: id, session_id: null } } })],
  [
    'metadata.user_id, of Claude Code',
    (id) => ({ body: { metadata: { user_id: JSON.stringify({ device_id: 'd', account_uuid: '', session_id: id }) } } }),
  ],
  [
    'metadata.user_id, of older Claude Code',
    (id) => ({ body: { metadata: { user_id: `user_d515d21b_account_${uuid}_session_${id}` } } }),
  ],
  ['prompt_cache_key, of Codex', (id) => ({ body: { prompt_cache_key: id } })],
];
const idOf = (index: number) => `${String(index).padStart(8, '0')}${uuid.slice(8)}`;

describe.each(names)('%s', (_, said) => {
  test('names the session where no parent does, and shares no context', async () => {
    const { headers, body } = said(uuid);
    const first = await turn({ ...body }, headers);
    const unlinked = await turn({ ...body, input: 'two' }, headers);
    const other = said(idOf(99));
    const child = await turn({ ...other.body, previous_response_id: first.body.id, input: 'x' }, other.headers);
    const plain = await turn({ previous_response_id: first.body.id, input: 'y' });
    expect([first, unlinked, child, plain].map(sessionOf)).toEqual([uuid, uuid, uuid, uuid]);
    const messages = rig.messages.requests[1]?.body.messages;
    expect(messages).toHaveLength(1);
    expect(JSON.stringify(messages)).toContain('two');
  });
});

test('of several names the first counts, in the order in which they are written down', async () => {
  for (let first = 0; first < names.length; first++) {
    const headers: Record<string, string> = {};
    const body = {};
    for (let index = names.length - 1; index >= first; index--) {
      const said = names[index]?.[1](idOf(index));
      Object.assign(headers, said?.headers);
      // Of client_metadata and of metadata the one that comes last stands.
      Object.assign(body, said?.body);
    }
    expect(sessionOf(await turn(body, headers)), names[first]?.[0]).toBe(idOf(first));
  }
});

test('opencode names it in its prompt_cache_key too', async () => {
  const id = 'ses_dfd6893d2ffe1Mhb2zK1IxltI5';
  expect(sessionOf(await turn({ prompt_cache_key: id, store: false }))).toBe(id);
});

test.each<[name: string, body: object]>([
  ['a prompt_cache_key that many may share', { prompt_cache_key: 'my-app-v1' }],
  ['a user who is no session', { metadata: { user_id: 'user_123' }, user: 'someone' }],
  ['JSON that holds no session', { metadata: { user_id: '{"session_id":7}' } }],
  ['what only looks like JSON', { metadata: { user_id: '{session_id' } }],
  ['a session with a blank in it', { metadata: { user_id: '{"session_id":"a b"}' } }],
  ['client_metadata of another kind', { client_metadata: 'session_id' }],
])('%s names none', async (_, body) => {
  expect(sessionOf(await turn(body))).toMatch(/^sess_[0-9a-f]{44}$/);
});

test('over a WebSocket each request may name its own', async () => {
  const socket = await connect(rig.gateway.url);
  const create = async (body: object) => {
    const ended = (await socket.create({ model: 'claude', input: 'one', store: false, ...body })).at(-1);
    return rig.query('SELECT session_id FROM turns WHERE id = ?', ended?.data.response.id)[0]?.['session_id'];
  };
  expect(await create({ client_metadata: { session_id: uuid } })).toBe(uuid);
  expect(await create({ client_metadata: { session_id: idOf(1) } })).toBe(idOf(1));
  expect(await create({})).toMatch(/^sess_/);
});

test('two tenants with the same name never meet, two keys of a team do', async () => {
  const config = `
models: [{ name: simulator, provider: simulator, model: simulator }]
auth: { keys: [{ name: a, key: sk-a, team: alpha }, { name: a2, key: sk-a2, team: alpha }, { name: b, key: sk-b }] }
`;
  const { url } = await spawnGateway({ folder: temporaryFolder(), config });
  const client = createClient(url);
  const as = (key: string) => ({ authorization: `Bearer ${key}` });
  const ask = (key: string, body: object) =>
    client.create({ model: 'simulator', input: 'one', ...body }, { ...as(key), 'x-session-id': uuid });
  const [a, a2, b] = await Promise.all([ask('sk-a', {}), ask('sk-a2', {}), ask('sk-b', {})]);
  expect([a, a2, b].map(sessionOf)).toEqual([uuid, uuid, uuid]);
  // One session is no way to another's turns.
  expect((await ask('sk-b', { previous_response_id: a.body.id })).status).toBe(400);
  expect((await client.request('GET', `/v1/responses/${a.body.id}`, undefined, as('sk-b'))).status).toBe(404);
  expect((await ask('sk-a2', { previous_response_id: a.body.id })).status).toBe(200);
});
