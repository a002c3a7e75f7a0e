/** The admin API over HTTP: what a virtual key may do from its creation to its end, on one process and on two. */
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Answer, createClient } from './support/client.ts';
import { queryDatabase, testPostgres } from './support/postgres.ts';
import { spawnGateway, type SpawnedGateway, temporaryFolder } from './support/spawn-gateway.ts';

const config = `
auth: { master_key: sk-master, keys: [{ name: ci, key: sk-ci }] }
models: [{ name: m, provider: simulator, model: simulator }]
`;
const cleanups: (() => void)[] = [];
const onCleanup = (cleanup: () => void) => void cleanups.push(cleanup);
const folder = temporaryFolder();
let gateway: SpawnedGateway;
beforeAll(async () => {
  gateway = await spawnGateway({ config, folder, onCleanup });
});
afterAll(() => {
  for (const cleanup of cleanups) cleanup();
});

const withKey = (key: string) => ({ authorization: `Bearer ${key}` });

function adminOf(url: string, key = 'sk-master') {
  const client = createClient(url);
  const admin = (method: string, path: string, body?: object) =>
    client.request(method, `/admin/v1${path}`, body, withKey(key));
  return {
    admin,
    createKey: async (fields: object = {}) => {
      const { status, body, text } = await admin('POST', '/keys', { name: 'ci', ...fields });
      expect(status, text).toBe(200);
      return body;
    },
    createTeam: async (name: string) => {
      const { status, body, text } = await admin('POST', '/teams', { name });
      expect(status, text).toBe(200);
      return body;
    },
    ask: (token: string, fields: object = {}) => client.create({ model: 'm', input: 'hi', ...fields }, withKey(token)),
    read: (token: string, id: string) => client.request('GET', `/v1/responses/${id}`, undefined, withKey(token)),
    models: async (token: string) => (await client.request('GET', '/v1/models', undefined, withKey(token))).status,
  };
}
const here = () => adminOf(gateway.url);

/** What never comes ends in the test's own time limit. */
async function until(isTrue: () => Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await new Promise((resolve) => setImmediate(resolve));
}

const errorOf = ({ status, body }: Answer) => [status, body.error.code, body.error.param];

test('a key is shown once, works at once, and is found in no file', async () => {
  const { createKey, ask, admin } = here();
  const created = await createKey({ name: 'my key' });
  const { key, ...shown } = created;
  expect(key).toMatch(/^tk_[\w-]{49}$/);
  expect(shown).toEqual({
    id: expect.stringMatching(/^key_[0-9a-f]{44}$/),
    object: 'key',
    name: 'my key',
    team_id: null,
    last4: key.slice(-4),
    created_at: expect.any(Number),
    expires_at: null,
    blocked: false,
    previous_key_expires_at: null,
    budget: null,
  });
  expect((await ask(key)).status).toBe(200);
  const typo = key.slice(0, -1) + (key.endsWith('_') ? '-' : '_');
  expect((await ask(typo)).status).toBe(401);
  expect((await admin('GET', `/keys/${shown.id}`)).body).toEqual(shown);
  expect((await admin('GET', '/keys')).body.data).toContainEqual(shown);
  const files = readdirSync(folder).filter((name) => name.startsWith('turnpike'));
  expect(files.length).toBeGreaterThan(1);
  for (const file of files) expect(readFileSync(join(folder, file)).includes(key), file).toBe(false);
  expect(gateway.output()).not.toContain(key);
});

test('keys of a team reach the same objects, whatever the team is called; a key without one is alone', async () => {
  const { createKey, createTeam, ask, read, admin } = here();
  const team = await createTeam('research');
  const [one, two, loner] = await Promise.all([
    createKey({ team_id: team.id }),
    createKey({ team_id: team.id }),
    createKey(),
  ]);
  const first = await ask(one.key);
  const renamed = await admin('PATCH', `/teams/${team.id}`, { name: 'development' });
  expect(renamed.body).toEqual({ ...team, name: 'development' });
  expect((await read(two.key, first.body.id)).status).toBe(200);
  expect((await ask(two.key, { previous_response_id: first.body.id })).status).toBe(200);
  for (const key of [loner.key, 'sk-ci', 'sk-master']) expect((await read(key, first.body.id)).status).toBe(404);
  const own = await ask(loner.key);
  expect((await read(loner.key, own.body.id)).status).toBe(200);
});

test('after a rotation with grace both keys work, then the old one is refused, and nothing is lost', async () => {
  const { createKey, ask, read, models, admin } = here();
  const { id, key } = await createKey();
  const made = await ask(key);
  const graceEnd = () => Math.floor(Date.now() / 1000) + 604_800;
  const earliest = graceEnd();
  const rotated = (await admin('POST', `/keys/${id}/rotate`, { grace_seconds: 604_800 })).body;
  expect(rotated.previous_key_expires_at).toBeGreaterThanOrEqual(earliest);
  expect(rotated.previous_key_expires_at).toBeLessThanOrEqual(graceEnd());
  expect(rotated).toMatchObject({ id, last4: rotated.key.slice(-4) });
  expect(rotated.key).not.toBe(key);
  expect([await models(key), await models(rotated.key)]).toEqual([200, 200]);
  expect((await read(rotated.key, made.body.id)).status).toBe(200);
  const third = (await admin('POST', `/keys/${id}/rotate`, { grace_seconds: 1 })).body;
  expect(await models(key)).toBe(401);
  await until(async () => (await models(rotated.key)) === 401);
  expect(Date.now()).toBeGreaterThanOrEqual(1000 * third.previous_key_expires_at);
  expect(await models(third.key)).toBe(200);
  const last = (await admin('POST', `/keys/${id}/rotate`)).body;
  expect(last.previous_key_expires_at).toBeNull();
  expect([await models(third.key), await models(last.key)]).toEqual([401, 200]);
  expect((await read(last.key, made.body.id)).status).toBe(200);
});

test('a key is blocked, unblocked and deleted at once', async () => {
  const { createKey, models, read, admin } = here();
  const { id, key } = await createKey();
  expect(await models(key)).toBe(200);
  expect((await admin('PATCH', `/keys/${id}`, { blocked: true })).body).toMatchObject({ id, blocked: true });
  expect(await models(key)).toBe(401);
  expect((await admin('PATCH', `/keys/${id}`, { name: 'other' })).body).toMatchObject({ name: 'other', blocked: true });
  expect((await admin('PATCH', `/keys/${id}`, { blocked: false })).body).toMatchObject({
    name: 'other',
    blocked: false,
  });
  expect(await models(key)).toBe(200);
  expect((await admin('DELETE', `/keys/${id}`)).body).toEqual({ id, object: 'key', deleted: true });
  expect((await read(key, 'resp_x')).body.error).toEqual((await read('sk-unknown', 'resp_x')).body.error);
  expect(await models(key)).toBe(401);
  for (const [method, body] of [['GET'], ['DELETE'], ['PATCH', {}]] as const) {
    expect(errorOf(await admin(method, `/keys/${id}`, body))).toEqual([404, 'key_not_found', 'id']);
  }
  expect(errorOf(await admin('POST', `/keys/${id}/rotate`, {}))).toEqual([404, 'key_not_found', 'id']);
});

test('a key expires at its time, and can be given another', async () => {
  const { createKey, models, admin } = here();
  const { id, key, ...shown } = await createKey({ expires_at: 4_000_000_000 });
  expect(shown.expires_at).toBe(4_000_000_000);
  expect(await models(key)).toBe(200);
  const expiresAt = Math.floor(Date.now() / 1000) + 1;
  expect((await admin('PATCH', `/keys/${id}`, { expires_at: expiresAt })).body.expires_at).toBe(expiresAt);
  await until(async () => (await models(key)) === 401);
  expect(Date.now()).toBeGreaterThanOrEqual(1000 * expiresAt);
  expect((await admin('PATCH', `/keys/${id}`, { expires_at: null })).body.expires_at).toBeNull();
  expect(await models(key)).toBe(200);
  await admin('PATCH', `/keys/${id}`, { expires_at: 0 });
  expect(await models(key)).toBe(401);
});

test('a team goes after its keys, and its name is its own', async () => {
  const { createKey, createTeam, admin } = here();
  const team = await createTeam('short-lived');
  const other = await createTeam('long-lived');
  expect(errorOf(await admin('POST', '/teams', { name: 'long-lived' }))).toEqual([400, 'team_name_taken', 'name']);
  const renaming = await admin('PATCH', `/teams/${team.id}`, { name: 'long-lived' });
  expect(errorOf(renaming)).toEqual([400, 'team_name_taken', 'name']);
  const { id } = await createKey({ team_id: team.id });
  expect(errorOf(await admin('DELETE', `/teams/${team.id}`))).toEqual([400, 'team_has_keys', null]);
  await admin('DELETE', `/keys/${id}`);
  expect((await admin('DELETE', `/teams/${team.id}`)).body).toEqual({ id: team.id, object: 'team', deleted: true });
  for (const [method, body] of [['GET'], ['DELETE'], ['PATCH', { name: 'x' }]] as const) {
    expect(errorOf(await admin(method, `/teams/${team.id}`, body))).toEqual([404, 'team_not_found', 'id']);
  }
  const late = await admin('POST', '/keys', { name: 'x', team_id: team.id });
  expect(errorOf(late)).toEqual([404, 'team_not_found', 'team_id']);
  expect((await admin('GET', `/teams/${other.id}`)).body).toEqual(other);
});

test.each(['keys', 'teams'])('%s are listed newest first, page by page', async (kind) => {
  const { admin } = here();
  const made: string[] = [];
  for (let index = 0; index < 5; index++) {
    made.unshift((await admin('POST', `/${kind}`, { name: `${kind} ${index}` })).body.id);
  }
  const seen: string[] = [];
  let more = true;
  while (more) {
    const after = seen.length === 0 ? '' : `&after=${seen.at(-1)}`;
    const { body } = await admin('GET', `/${kind}?limit=2${after}`);
    expect(body).toMatchObject({ object: 'list', first_id: body.data[0].id, last_id: body.data.at(-1).id });
    seen.push(...body.data.map(({ id }: { id: string }) => id));
    more = body.has_more;
    expect(body.data).toHaveLength(more ? 2 : body.data.length);
  }
  // Of those that were made within one millisecond neither is the newer one.
  expect(seen.slice(0, 5)).toEqual(made.toSorted().toReversed());
  expect(new Set(seen).size).toBe(seen.length);
  const whole = await admin('GET', `/${kind}?limit=100`);
  expect(whole.body).toMatchObject({ has_more: false, last_id: seen.at(-1) });
  expect(errorOf(await admin('GET', `/${kind}?limit=0`))).toEqual([400, 'integer_out_of_range', 'limit']);
});

test.each<[method: string, path: string, body: unknown, error: unknown[]]>([
  ['POST', '/keys', {}, ['missing_required_parameter', 'name']],
  ['POST', '/keys', [], ['invalid_type', null]],
  ['POST', '/keys', { name: '' }, ['invalid_value', 'name']],
  ['POST', '/keys', { name: 'a\nb' }, ['invalid_value', 'name']],
  ['POST', '/keys', { name: 'x'.repeat(257) }, ['string_above_max_length', 'name']],
  ['POST', '/keys', { name: 7 }, ['invalid_type', 'name']],
  ['POST', '/keys', { name: 'x', tenant: 'default' }, ['unknown_parameter', 'tenant']],
  ['POST', '/keys', { name: 'x', key: 'tk_mine' }, ['unknown_parameter', 'key']],
  ['POST', '/keys', { name: 'x', toString: 1 }, ['unknown_parameter', 'toString']],
  ['POST', '/keys', { name: 'x', expires_at: 1.5 }, ['invalid_type', 'expires_at']],
  ['POST', '/keys', { name: 'x', expires_at: -1 }, ['integer_out_of_range', 'expires_at']],
  ['POST', '/keys', { name: 'x', team_id: 7 }, ['invalid_type', 'team_id']],
  ['PATCH', '/keys/{id}', { blocked: 'yes' }, ['invalid_type', 'blocked']],
  ['PATCH', '/keys/{id}', { team_id: 'team_1' }, ['unknown_parameter', 'team_id']],
  ['PATCH', '/keys/{id}', { name: null }, ['invalid_type', 'name']],
  ['POST', '/keys/{id}/rotate', { grace_seconds: 604_801 }, ['integer_out_of_range', 'grace_seconds']],
  ['POST', '/keys/{id}/rotate', { grace_seconds: -1 }, ['integer_out_of_range', 'grace_seconds']],
  ['POST', '/keys/{id}/rotate', { grace: 1 }, ['unknown_parameter', 'grace']],
  ['POST', '/keys', { name: 'x', budget_usd: -0.5 }, ['decimal_out_of_range', 'budget_usd']],
  ['POST', '/teams', {}, ['missing_required_parameter', 'name']],
  ['POST', '/teams', { name: 'x', id: 'team_mine' }, ['unknown_parameter', 'id']],
  ['PATCH', '/teams/{id}', { id: 'x' }, ['unknown_parameter', 'id']],
])('%s %s %j is a 400 that names the field', async (method, path, body, error) => {
  const { admin, createKey, models } = here();
  const { id, key } = await createKey();
  const answer = await admin(method, path.replace('{id}', id), body as object);
  expect(errorOf(answer)).toEqual([400, ...error]);
  expect(await models(key)).toBe(200);
});

test('a budget is a number, and needs not be a whole one', async () => {
  const { body } = await here().admin('POST', '/keys', { name: 'x', budget_usd: '1' });
  expect(body.error.message).toBe("Invalid type for 'budget_usd': expected a number, but got a string instead.");
});

test('keys are good after a restart', async () => {
  const { createKey } = here();
  const { key } = await createKey();
  expect(await gateway.kill('SIGTERM')).toBe(0);
  gateway = await spawnGateway({ config, folder, onCleanup });
  expect(await here().models(key)).toBe(200);
});

test('without a master key nobody has the admin API, and keys that were made are still asked for', async () => {
  const own = temporaryFolder();
  const models = 'models: [{ name: m, provider: simulator, model: simulator }]';
  const open = await spawnGateway({ config: models, folder: own });
  expect(errorOf(await adminOf(open.url).admin('GET', '/keys'))).toEqual([403, 'master_key_required', null]);
  expect(await adminOf(open.url).models('none')).toBe(200);
  await open.kill('SIGTERM');
  const closed = await spawnGateway({ config: `auth: { master_key: sk-master }\n${models}`, folder: own });
  const { key } = await adminOf(closed.url).createKey();
  await closed.kill('SIGTERM');
  const again = await spawnGateway({ config: models, folder: own });
  const { models: status, admin } = adminOf(again.url);
  expect([await status('none'), await status(key)]).toEqual([401, 200]);
  expect((await admin('GET', '/keys')).status).toBe(401);
  expect(errorOf(await adminOf(again.url, key).admin('GET', '/keys'))).toEqual([403, 'master_key_required', null]);
  expect(again.output()).toContain('keys of the store are asked for');
});

describe('two gateways on one database', async () => {
  const server = await testPostgres();
  afterAll(() => server.stop());

  test('agree on keys, and a key that one revokes is refused by the other', { timeout: 30_000 }, async () => {
    const url = await server.createDatabase();
    const shared = `store: { url: "${url}", secret: "${randomBytes(32).toString('hex')}", timeout_ms: 10000 }\n${config}`;
    const spawn = () => spawnGateway({ config: shared, folder: temporaryFolder() });
    const [first, second] = (await Promise.all([spawn(), spawn()])).map((node) => adminOf(node.url));
    if (first === undefined || second === undefined) throw new Error('two were started');
    const team = await first.createTeam('alpha');
    const fields = { team_id: team.id };
    const [blocked, deleted, rotated, kept] = await Promise.all([1, 2, 3, 4].map(() => first.createKey(fields)));
    for (const { key } of [blocked, deleted, rotated, kept]) expect(await second.models(key)).toBe(200);
    const made = await first.ask(kept.key);
    expect((await second.read(blocked.key, made.body.id)).status).toBe(200);

    await Promise.all([
      first.admin('PATCH', `/keys/${blocked.id}`, { blocked: true }),
      first.admin('DELETE', `/keys/${deleted.id}`),
      first.admin('POST', `/keys/${rotated.id}/rotate`, {}),
    ]);
    for (const { key } of [blocked, deleted, rotated]) {
      expect(await first.models(key)).toBe(401);
      await until(async () => (await second.models(key)) === 401);
    }
    expect(await second.models(kept.key)).toBe(200);
    await first.admin('PATCH', `/keys/${blocked.id}`, { blocked: false });
    await until(async () => (await second.models(blocked.key)) === 200);
  });

  test('refuse nobody while a key is rotated with grace under load', { timeout: 30_000 }, async () => {
    const url = await server.createDatabase();
    const shared = `store: { url: "${url}", secret: "${randomBytes(32).toString('hex')}", timeout_ms: 10000 }\n${config}`;
    const spawn = () => spawnGateway({ config: shared, folder: temporaryFolder() });
    const nodes = (await Promise.all([spawn(), spawn()])).map((node) => adminOf(node.url));
    const created = await nodes[0]?.createKey();
    let { key } = created;
    const stopping = new AbortController();
    const lanes = [...nodes, ...nodes].map((node) => ({ node, statuses: [] as number[] }));
    const ended = lanes.map(async ({ node, statuses }) => {
      while (!stopping.signal.aborted) statuses.push(await node.models(key));
    });
    /** So that no lane is still busy with a key of two rotations ago. */
    const everyLaneAsks = (times: number) => {
      const enough = lanes.map(({ statuses }) => statuses.length + times);
      return until(async () => lanes.every(({ statuses }, index) => statuses.length >= (enough[index] ?? 0)));
    };
    for (let round = 1; round <= 3; round++) {
      await everyLaneAsks(25);
      const path = `/keys/${created.id}/rotate`;
      key = (await nodes[round % 2]?.admin('POST', path, { grace_seconds: 3600 }))?.body.key;
    }
    await everyLaneAsks(25);
    stopping.abort();
    await Promise.all(ended);
    expect(new Set(lanes.flatMap(({ statuses }) => statuses))).toEqual(new Set([200]));
  });

  test('neither let in nor refuse a key while the database is gone; the master key needs none', async () => {
    const url = await server.createDatabase();
    const shared = `store: { url: "${url}", secret: "${randomBytes(32).toString('hex')}", timeout_ms: 10000 }\n${config}`;
    const node = await spawnGateway({ config: shared, folder: temporaryFolder() });
    const { createKey, models } = adminOf(node.url);
    const { key } = await createKey();
    const elsewhere = new URL(url);
    elsewhere.pathname = '/postgres';
    const name = new URL(url).pathname.slice(1);
    await queryDatabase(elsewhere.href, `ALTER DATABASE ${name} ALLOW_CONNECTIONS false`);
    const terminate = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`;
    await queryDatabase(elsewhere.href, terminate);
    expect(await models(key)).toBe(503);
    expect(await models('tk_unknown')).toBe(401);
    expect(await models('sk-ci')).toBe(200);
    expect(await models('sk-master')).toBe(200);
    await queryDatabase(elsewhere.href, `ALTER DATABASE ${name} ALLOW_CONNECTIONS true`);
    await until(async () => (await models(key)) === 200);
  });
});
