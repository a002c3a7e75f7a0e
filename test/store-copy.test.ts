/** `turnpike store copy`: a whole store goes to another engine and back, and is the same store. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type SQLOutputValue } from 'node:sqlite';
import { text } from 'node:stream/consumers';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { copiedTables } from '../src/store/copy/copied-table.ts';
import { schemaTables } from '../src/store/schema-version.ts';
import { createClient } from './support/client.ts';
import { fakeUpstream, sendJson } from './support/fake-upstream.ts';
import { queryDatabase, testPostgres } from './support/postgres.ts';
import { spawnGateway, temporaryFolder } from './support/spawn-gateway.ts';

// The sources, since the build has no crash points.
const main = new URL('../src/main.ts', import.meta.url).pathname;
const server = await testPostgres();
afterAll(() => server.stop());

interface Outcome {
  code: number | null;
  signal: string | null;
  out: string;
  err: string;
}

async function turnpike(folder: string, args: string[], env: Record<string, string> = {}): Promise<Outcome> {
  const child: ChildProcess = spawn(process.execPath, [main, ...args], { cwd: folder, env: { NO_COLOR: '1', ...env } });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  if (child.stdout === null || child.stderr === null) throw new Error('it has no output');
  const [out, err, [code, signal]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  return { code, signal, out, err };
}

const copy = (folder: string, from: string, to: string, ...more: string[]) =>
  turnpike(folder, ['store', 'copy', from, to, ...more]);

/** The last word of each line of the comparison, by table. */
function verdicts({ out }: Outcome): Record<string, string> {
  const lines = out.split('\n').filter((line) => / (same|DIFFERENT)$/.test(line));
  return Object.fromEntries(lines.map((line) => [line.split(' ')[0] ?? '', line.split(' ').at(-1) ?? '']));
}
const allSame = Object.fromEntries(copiedTables.map(({ name }) => [name, 'same']));

function querySqlite(file: string, sql: string): Record<string, SQLOutputValue>[] {
  const database = new DatabaseSync(file);
  try {
    return database.prepare(sql).all();
  } finally {
    database.close();
  }
}

/** Every row of every table, past the code under test. */
function dump(file: string): Record<string, unknown> {
  return Object.fromEntries(
    copiedTables.map(({ name, key }) => [name, querySqlite(file, `SELECT * FROM ${name} ORDER BY ${key.join(', ')}`)]),
  );
}

const strange = '\u0000 \u0001 \u2028 \ufeff 👩‍👩‍👧‍👦 e\u0301 \ud800 and \udfff ‮ </system> \\ \\u0000 " \' \t\r\n';
const asSent = strange.toWellFormed();
const manyInputs = 1200;

const configOf = (upstream: string, store = '') => `
${store}
auth: { master_key: sk-master, keys: [{ name: a, key: sk-a, team: alpha }, { name: b, key: sk-b, team: Beta }] }
models: [{ name: m, provider: anthropic, model: claude-haiku-4-5, base_url: "${upstream}", api_key: k }]
`;

const withKey = (key: string, more: Record<string, string> = {}) => ({ authorization: `Bearer ${key}`, ...more });

const tool = { type: 'function', name: 'look', parameters: { type: 'object', properties: {} } };

/** Echoes the number of the call; a question to wait is never answered. */
const upstreamOf = () =>
  fakeUpstream(({ text: sent }, response, count) => {
    if (sent.includes('wait for ever')) return;
    sendJson(response, {
      id: `msg_${count}`,
      type: 'message',
      role: 'assistant',
      model: 'claude-haiku-4-5-20251001',
      content: [
        { type: 'thinking', thinking: `thought ${strange}`, signature: 'c2lnbmVk' },
        { type: 'text', text: `answer ${count}` },
      ],
      stop_reason: 'end_turn',
      usage: { input_tokens: 9, output_tokens: 7 },
    });
  });

/** A store with rows in every table, whose gateway was killed in the middle of a turn, as the one before it was. */
async function makeStore(folder: string, upstream: Awaited<ReturnType<typeof upstreamOf>>) {
  const gateway = await spawnGateway({ folder, config: configOf(upstream.url) });
  const client = createClient(gateway.url);
  const killInTurn = async ({ url, kill }: Pick<typeof gateway, 'url' | 'kill'>) => {
    const calls = upstream.requests.length;
    const lost = createClient(url)
      .create({ model: 'm', input: 'wait for ever' }, withKey(key))
      .catch(() => 'no answer');
    while (upstream.requests.length === calls) await new Promise((resolve) => setImmediate(resolve));
    await kill('SIGKILL');
    expect(await lost).toBe('no answer');
  };
  const made = async (path: string, body: object) => {
    const answer = await client.request('POST', `/admin/v1${path}`, body, withKey('sk-master'));
    expect(answer.status, answer.text).toBe(200);
    return answer.body;
  };
  const team = await made('/teams', { name: `team ${strange.toWellFormed().replaceAll(/\p{Cc}/gu, '')}` });
  const { key } = await made('/keys', { name: 'virtual', team_id: team.id, budget_usd: 100 });
  const ask = async (fields: object, as: string = key, headers: Record<string, string> = {}): Promise<string> => {
    const answer = await client.create({ model: 'm', ...fields }, withKey(as, headers));
    expect(answer.status, answer.text).toBe(200);
    return answer.body.id;
  };
  const first = await ask({
    input: strange,
    instructions: `say ${strange}`,
    tools: [tool],
    metadata: { strange: 'é' },
  });
  const second = await ask({ input: 'second', previous_response_id: first });
  const last = await ask({ input: 'third', previous_response_id: second });
  const fork = await ask({ input: 'the fork', previous_response_id: first });
  const deleted = await ask({ input: 'to be deleted', previous_response_id: last });
  for (const id of [deleted, second]) {
    expect((await client.request('DELETE', `/v1/responses/${id}`, undefined, withKey(key))).status).toBe(200);
  }
  const unstored = await ask({ input: 'not kept', store: false });
  const many = Array.from({ length: manyInputs }, (_, index) => ({
    role: 'user',
    content: `part ${index} ${strange}`,
  }));
  await ask({ input: many });
  const claims = { 'idempotency-key': 'once' };
  const answered = await ask({ input: 'once' }, 'sk-a', claims);
  await ask({ input: 'once' }, 'sk-b', claims);
  const conversation = await client.request('POST', '/v1/conversations', { items: [] }, withKey(key));
  await ask({ input: 'in it', conversation: conversation.body.id });
  const upload = new FormData();
  upload.append('purpose', 'user_data');
  upload.append('file', new File([strange.repeat(10)], 'strange.txt'));
  expect((await fetch(`${gateway.url}/v1/files`, { method: 'POST', body: upload, headers: withKey(key) })).status).toBe(
    200,
  );
  const later = { model: 'm', input: 'later', background: true, stream: true };
  expect((await client.create(later, withKey(key))).events.at(-1)?.event).toBe('response.completed');
  await killInTurn(gateway);
  await killInTurn(await spawnGateway({ folder, config: configOf(upstream.url) }));
  return { key, last, fork, second, deleted, unstored, once: answered };
}

test('a store goes from SQLite to Postgres and back, killed and run again on each way, and a gateway goes on from either copy', async () => {
  const upstream = await upstreamOf();
  const folder = temporaryFolder();
  const there = temporaryFolder();
  const ids = await makeStore(folder, upstream);
  const file = join(folder, 'turnpike.db');
  const before = dump(file);
  for (const [table, rows] of Object.entries(before)) expect(rows, table).not.toEqual([]);
  const url = await server.createDatabase();
  const count = async (table: string) =>
    (await queryDatabase(url, `SELECT count(*) AS count FROM ${table}`))[0]?.['count'];

  // Tables before the items have one batch each, the items more than one.
  const copyPath = join(there, 'turnpike.db');
  const killed = await turnpike(folder, ['store', 'copy', 'sqlite:turnpike.db', url], {
    TURNPIKE_CRASH_AT: 'rows-copied:6',
  });
  expect([killed.signal, killed.out]).toEqual(['SIGKILL', '']);
  expect(Number(await count('items'))).toBeGreaterThan(manyInputs / 2);
  expect(Number(await count('items'))).toBeLessThan(manyInputs);
  expect(await count('turns')).toBe(0);
  const killedLater = await turnpike(folder, ['store', 'copy', 'sqlite:turnpike.db', url], {
    TURNPIKE_CRASH_AT: 'rows-copied:16',
  });
  expect([killedLater.signal, killedLater.out]).toEqual(['SIGKILL', '']);
  expect(Number(await count('turns'))).toBeGreaterThan(0);
  expect(await count('files')).toBe(0);
  // The command line, which other users see, need not hold the password.
  const { password } = new URL(url);
  const withoutPassword = url.replace(`:${password}@`, '@');
  const copied = await turnpike(folder, ['store', 'copy', 'sqlite:turnpike.db', withoutPassword], {
    PGPASSWORD: decodeURIComponent(password),
  });
  expect(copied.err).toBe('');
  expect([copied.code, verdicts(copied)]).toEqual([0, allSame]);
  expect(copied.out).toContain(join(folder, 'turnpike.secret'));
  expect(copied.out).not.toContain('s3cr');
  expect(dump(file)).toEqual(before);

  const back = `sqlite:${copyPath}`;
  const killedBack = await turnpike(folder, ['store', 'copy', url, back], { TURNPIKE_CRASH_AT: 'rows-copied:6' });
  expect([killedBack.signal, killedBack.out]).toEqual(['SIGKILL', '']);
  expect(querySqlite(copyPath, 'SELECT count(*) AS count FROM turns')).toEqual([{ count: 0 }]);
  const returned = await copy(folder, url, back);
  expect(returned.err).toBe('');
  expect([returned.code, verdicts(returned)]).toEqual([0, allSame]);
  expect(dump(copyPath)).toEqual(before);

  copyFileSync(join(folder, 'turnpike.secret'), join(there, 'turnpike.secret'));
  const secret = readFileSync(join(folder, 'turnpike.secret'), 'latin1').trim();
  const onPostgres = configOf(upstream.url, `store: { url: "${url}", secret: "${secret}" }`);
  for (const config of [configOf(upstream.url), onPostgres]) {
    const gateway = await spawnGateway({ folder: there, config });
    const client = createClient(gateway.url);
    const answer = await client.create(
      { model: 'm', input: 'go on', previous_response_id: ids.last },
      withKey(ids.key),
    );
    expect(answer.status, answer.text).toBe(200);
    const sent = upstream.requests.at(-1)?.body.messages as { role: string; content: { text?: string }[] }[];
    const texts = sent.map(({ content }) => content.flatMap((block) => block.text ?? []).join());
    expect(texts).toEqual([asSent, 'answer 1', 'second', 'answer 2', 'third', 'answer 3', 'go on']);
    expect(JSON.stringify(sent[1])).toContain('"signature":"c2lnbmVk"');
    const forked = await client.create(
      { model: 'm', input: 'and on', previous_response_id: ids.fork },
      withKey(ids.key),
    );
    expect(forked.status, forked.text).toBe(200);
    expect(upstream.requests.at(-1)?.text).not.toContain('third');

    const calls = upstream.requests.length;
    const claims = withKey('sk-a', { 'idempotency-key': 'once' });
    expect((await client.create({ model: 'm', input: 'once' }, claims)).body.id).toBe(ids.once);
    for (const id of [ids.second, ids.deleted, ids.unstored]) {
      expect((await client.request('GET', `/v1/responses/${id}`, undefined, withKey(ids.key))).status).toBe(404);
      const child = await client.create({ model: 'm', input: 'x', previous_response_id: id }, withKey(ids.key));
      expect(child.body.error.code).toBe('previous_response_not_found');
    }
    expect(upstream.requests).toHaveLength(calls);
    expect(gateway.output()).toContain('turns of a dead process were failed');
    expect(await gateway.kill('SIGTERM')).toBe(0);
  }
});

test('a copy that is not the same ends with 1 and says in which table', async () => {
  const upstream = await upstreamOf();
  const folder = temporaryFolder();
  await makeStore(folder, upstream);
  const target = 'sqlite:copy.db';
  expect((await copy(folder, 'sqlite:turnpike.db', target)).code).toBe(0);

  const harms: [string, string][] = [
    ['items', `UPDATE items SET body = body || ' ' WHERE position = 700`],
    ['turns', `DELETE FROM turns WHERE status = 'in_progress'`],
    ['envelopes', `INSERT INTO envelopes (tenant, hash, bucket, body, written_at_ms) VALUES ('t', 'h', 0, '{}', 1)`],
    ['keys', `UPDATE keys SET blocked_at_ms = 1`],
    ['idempotency', `UPDATE idempotency SET created_at_ms = created_at_ms + 1 WHERE tenant LIKE '%a%'`],
  ];
  const differences: Record<string, string> = { ...allSame };
  for (const [table, harm] of harms) {
    querySqlite(join(folder, 'copy.db'), harm);
    // A missing row is copied by the next run, and nothing is overwritten.
    if (table !== 'turns') differences[table] = 'DIFFERENT';
    const again = await copy(folder, 'sqlite:turnpike.db', target);
    expect([again.code, verdicts(again)], harm).toEqual([1, differences]);
    expect(again.out).toContain('The target is not a copy of the source');
  }
});

test('a store that a gateway runs on is neither source nor target; a Postgres one with --force', async () => {
  const folder = temporaryFolder();
  const empty = temporaryFolder();
  writeFileSync(join(empty, 'turnpike.yaml'), 'server: {}\n');
  expect((await turnpike(empty, ['migrate'])).code).toBe(0);
  const sqlite = await spawnGateway({ folder });
  const owned = `sqlite:${join(folder, 'turnpike.db')}`;
  for (const [from, to, ...more] of [
    [owned, 'sqlite:new.db'],
    ['sqlite:turnpike.db', owned],
    [owned, 'sqlite:new.db', '--force'],
  ] as [string, string, ...string[]][]) {
    const { code, out, err } = await copy(empty, from, to, ...more);
    expect([code, out]).toEqual([1, '']);
    expect(err).toMatch(new RegExp(`^turnpike: The store \\S+ is in use by process ${sqlite.pid}\\. .*\\n$`));
  }
  expect(readdirSync(empty)).not.toContain('new.db');

  const url = await server.createDatabase();
  const config = `store: { url: "${url}", secret: "${'0f'.repeat(32)}" }`;
  const gateway = await spawnGateway({ folder: temporaryFolder(), config });
  for (const [from, to] of [
    [url, 'sqlite:new.db'],
    ['sqlite:turnpike.db', url],
  ] as const) {
    const { code, out, err } = await copy(empty, from, to);
    expect([code, out]).toEqual([1, '']);
    expect(err).toMatch(
      /^turnpike: The store postgres:\S+ cannot be opened: 1 gateway processes run on it.*--force\.\n$/,
    );
    expect(err).not.toContain('s3cr');
  }
  const forced = await copy(empty, url, 'sqlite:new.db', '--force');
  expect([forced.code, forced.err, verdicts(forced)]).toEqual([0, '', allSame]);
  expect(await gateway.kill('SIGTERM')).toBe(0);
  const free = await copy(empty, url, 'sqlite:new.db');
  expect([free.code, free.err, verdicts(free)]).toEqual([0, '', allSame]);
});

test('every table of the store is copied, by its primary key, except what says which processes run, and what made it', async () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'turnpike.yaml'), 'server: {}\n');
  expect((await turnpike(folder, ['migrate'])).code).toBe(0);
  const file = join(folder, 'turnpike.db');
  const names = querySqlite(
    file,
    `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'kysely%' AND name NOT LIKE 'sqlite%'
      AND name <> '${schemaTables.marks}'`,
  );
  expect(copiedTables.map(({ name }) => name).toSorted()).toEqual(names.map(({ name }) => String(name)).toSorted());
  for (const { name, key } of copiedTables) {
    const columns = querySqlite(file, `SELECT name FROM pragma_table_info('${name}') WHERE pk > 0 ORDER BY pk`);
    expect(key, name).toEqual(columns.map((column) => column['name']));
  }

  const url = await server.createDatabase();
  expect((await copy(folder, 'sqlite:turnpike.db', url)).code).toBe(0);
  const tables = await queryDatabase(
    url,
    `SELECT relname AS name FROM pg_class
      WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition AND relname NOT LIKE 'kysely%'
      AND relname <> '${schemaTables.marks}'`,
  );
  expect(tables.map(({ name }) => String(name)).toSorted()).toEqual(
    [...names.map(({ name }) => String(name)), 'nodes'].toSorted(),
  );
});

test('what cannot be copied is refused in one line, and nothing is made', async () => {
  const folder = temporaryFolder();
  const refusals: [string[], RegExp][] = [
    [['sqlite:none.db', 'sqlite:new.db'], /there is no store \S+none\.db/],
    [['sqlite:a.db', 'sqlite:a.db'], /the same store/],
    [['mysql://u:s3cret@h/d', 'sqlite:new.db'], /FROM must be sqlite:PATH or postgres:/],
    [['sqlite:a.db', 'postgres://u:s3cret@h/d?sslmode=allow'], /TO must have one of these as its sslmode: disable, /],
    [['sqlite:a.db'], /Missing required positional argument: TO/],
    [['sqlite:a.db', 'sqlite:b.db', 'sqlite:c.db'], /unexpected argument sqlite:c\.db/],
    [['sqlite:a.db', 'sqlite:b.db', '--forced'], /unknown option --forced/],
  ];
  for (const [args, message] of refusals) {
    const { code, out, err } = await turnpike(folder, ['store', 'copy', ...args]);
    expect([code, out], args.join(' ')).toEqual([1, '']);
    expect(err.trimEnd().split('\n')).toEqual([expect.stringMatching(message)]);
    expect(err).not.toContain('s3cret');
  }
  expect(readdirSync(folder)).toEqual([]);
  writeFileSync(join(folder, 'old.db'), '');
  const old = await copy(folder, 'sqlite:old.db', 'sqlite:new.db');
  expect([old.code, old.err]).toEqual([1, expect.stringContaining('run `turnpike migrate` on it first')]);
  const unmade = await copy(folder, await server.createDatabase(), 'sqlite:new.db');
  expect([unmade.code, unmade.err]).toEqual([1, expect.stringContaining('run `turnpike migrate` on it first')]);
  expect(readdirSync(folder)).not.toContain('new.db');
});

test('a row that the target cannot hold is an error that names the table', async () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'turnpike.yaml'), 'server: {}\n');
  expect((await turnpike(folder, ['migrate'])).code).toBe(0);
  querySqlite(join(folder, 'turnpike.db'), `INSERT INTO teams (id, name, created_at_ms) VALUES ('t', 'n', 1.5)`);
  const { code, out, err } = await copy(folder, 'sqlite:turnpike.db', await server.createDatabase());
  expect([code, out]).toEqual([1, '']);
  expect(err).toMatch(/^turnpike: table teams cannot be written: .*\n$/);
});

test.each(['SQLite', 'Postgres'])('a target on %s that holds another store is left alone', async (engine) => {
  const upstream = await upstreamOf();
  const [here, there] = [temporaryFolder(), temporaryFolder()];
  await makeStore(here, upstream);
  await makeStore(there, upstream);
  const target = engine === 'SQLite' ? 'sqlite:target.db' : await server.createDatabase();
  expect((await copy(there, 'sqlite:turnpike.db', target)).code).toBe(0);
  const url = engine === 'SQLite' ? `sqlite:${join(there, 'target.db')}` : target;
  const refused = await copy(here, 'sqlite:turnpike.db', url);
  expect([refused.code, refused.out]).toEqual([1, '']);
  expect(refused.err).toMatch(/^turnpike: the target holds keys that the source does not: empty it first\n$/);
  const still = await copy(there, 'sqlite:turnpike.db', target);
  expect([still.code, verdicts(still)]).toEqual([0, allSame]);
});
