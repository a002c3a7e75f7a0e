import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { endPatience, withPatience } from '../../src/store/patience.ts';
import { createPostgresStore, type PostgresLimits } from '../../src/store/postgres/create-postgres-store.ts';
import { migrationNames } from '../../src/store/schema-version.ts';
import { budgetSql } from '../../src/store/budget-sql.ts';
import { conversationReads, conversationWrites } from '../../src/store/conversation-sql.ts';
import { statements } from '../../src/store/postgres/statements.ts';
import { keepAll } from '../../src/store/retention.ts';
import { runSql } from '../../src/store/run-sql.ts';
import { sql } from '../../src/store/sql.ts';
import type { Store, TenantStore, TurnIntent } from '../../src/store/store.ts';
import {
  databaseProxy,
  embeddedPostgres,
  type EmbeddedServer,
  queryDatabase,
  testPostgres,
} from '../support/postgres.ts';
import { attemptEndOf, attemptStartOf, commitOf, intentOf, itemOf, linkTo, nextId, queuedOf, startMs } from './make.ts';
import { storeSuite } from './suite.ts';

const secret = Buffer.alloc(32, 7);
const log = { info: () => {}, warn: () => {}, error: () => {} };
const never = 2 ** 31 - 1;
/** Nothing happens by itself, and a slow machine is no dead database. */
const calm: Partial<PostgresLimits> = { timeoutMs: 30_000, heartbeatMs: never, sweepMs: never, expireMs: never };

const server = await testPostgres();
afterAll(() => server.stop());

const openStore = (url: string, owner: string, limits: Partial<PostgresLimits> = {}) =>
  createPostgresStore({ url, secret, owner, log, limits: { ...calm, ...limits }, nowMs: () => startMs });

storeSuite('postgres', async () => {
  const url = await server.createDatabase();
  return {
    open: (owner, other = secret, age = { retention: keepAll, nowMs: () => startMs }) =>
      createPostgresStore({ url, secret: other, owner, log, limits: calm, ...age }),
    query: (sql) => queryDatabase(url, sql),
    destroy: async () => {},
  };
});

const stores: Store[] = [];
afterEach(async () => {
  await Promise.all(stores.splice(0).map((store) => store.close()));
});
/** Opens a store that is closed with the test. */
const open = async (...parameters: Parameters<typeof openStore>) => {
  const store = await openStore(...parameters);
  stores.push(store);
  return store;
};
/** A connection past the store, which can hold a transaction. */
const connect = async (url: string) => {
  const client = new Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  onTestFinished(() => client.end());
  return client;
};
/** Asks again and again. What never comes ends in the test's own time limit. */
const until = async (isTrue: () => Promise<boolean>) => {
  while (!(await isTrue())) await new Promise((resolve) => setImmediate(resolve));
};
const succeeds = (asked: Promise<unknown>) =>
  asked.then(
    () => true,
    () => false,
  );
const waiters = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
const untilWaiting = (url: string) => until(async () => (await queryDatabase(url, waiters)).length > 0);
const terminateAll = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE datname = current_database() AND pid <> pg_backend_pid()`;
const rows = (url: string, table: string) => queryDatabase(url, `SELECT * FROM ${table}`);
const lost = { code: 'store_unavailable', status: 503 };

describe('processes that share a database', () => {
  test('forget claims of idempotency keys after a day', async () => {
    const url = await server.createDatabase();
    const own = (await open(url, 'a', { sweepMs: 20 })).forTenant('t');
    const claim = (keyHash: string, createdAtMs: number) =>
      own.beginTurn(intentOf({ createdAtMs, idempotency: { keyHash, bodyHash: 'b', expiresBeforeMs: 0 } }));
    const dayMs = 24 * 60 * 60 * 1000;
    await claim('new', startMs - dayMs / 2);
    await claim('old', startMs - dayMs - 1);
    await until(async () => (await rows(url, 'idempotency')).length === 1);
    expect(await rows(url, 'idempotency')).toMatchObject([{ key_hash: 'new' }]);
  });

  test('may start together', async () => {
    const url = await server.createDatabase();
    const all = await Promise.all([1, 2, 3, 4].map((node) => open(url, `node-${node}`)));
    await Promise.all(all.map((store) => store.check()));
    expect(await rows(url, 'nodes')).toHaveLength(4);
  });

  test('of two secrets that come at once, one is the store’s', async () => {
    const url = await server.createDatabase();
    const secrets = [secret, Buffer.alloc(32, 8)];
    const opened = await Promise.allSettled(
      secrets.map((own, index) =>
        createPostgresStore({ url, secret: own, owner: String(index), log, limits: calm }).then((store) =>
          stores.push(store),
        ),
      ),
    );
    expect(opened.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
  });

  test('read what another has acknowledged, at once', async () => {
    const url = await server.createDatabase();
    const nodes = await Promise.all(['a', 'b', 'c'].map((owner) => open(url, owner)));
    const owns = nodes.map((store) => store.forTenant('t'));
    let parent: TurnIntent | undefined;
    for (let turn = 0; turn < 60; turn++) {
      const own = owns[turn % 3];
      const intent = intentOf({ owner: 'abc'[turn % 3] ?? '' });
      if (parent !== undefined) intent.parent = linkTo(parent, 2 * turn, intent.id);
      await own?.beginTurn(intent);
      expect(await own?.commitTurn(commitOf(intent))).toBe('committed');
      const context = await owns[(turn + 1) % 3]?.readContext(intent.id);
      expect(context).toMatchObject({ status: 'completed', depth: turn });
      expect(context?.items).toHaveLength(2 * turn + 2);
      parent = intent;
    }
  });

  test('fork one parent at once', async () => {
    const url = await server.createDatabase();
    const owns = await Promise.all(['a', 'b'].map(async (owner) => (await open(url, owner)).forTenant('t')));
    const root = intentOf();
    await owns[0]?.beginTurn(root);
    await owns[0]?.commitTurn(commitOf(root));
    const forks = Array.from({ length: 40 }, () => intentOf());
    await Promise.all(
      forks.map(async (fork, index) => {
        const own = owns[index % 2];
        await own?.beginTurn({ ...fork, parent: linkTo(root, 2, fork.id) });
        await own?.commitTurn(commitOf(fork));
      }),
    );
    for (const [index, fork] of forks.entries()) {
      const ids = (await owns[(index + 1) % 2]?.readContext(fork.id))?.items.map(({ turnId }) => turnId);
      expect(ids).toEqual([root.id, root.id, fork.id, fork.id]);
    }
  });

  test('a turn that begins while its parent is being deleted is refused', async () => {
    const url = await server.createDatabase();
    const own = (await open(url, 'a')).forTenant('t');
    const root = intentOf();
    await own.beginTurn(root);
    await own.commitTurn(commitOf(root));
    const deleting = await connect(url);
    await deleting.query('BEGIN');
    await deleting.query(`UPDATE turns SET deleted_at_ms = 1 WHERE id = '${root.id}'`);
    const child = intentOf();
    const begun = own.beginTurn({ ...child, parent: linkTo(root, 2, child.id) });
    await untilWaiting(url);
    await deleting.query('COMMIT');
    await expect(begun).rejects.toMatchObject({ code: 'previous_response_not_found' });
    expect(await rows(url, 'turns')).toHaveLength(1);
  });

  test('a deletion that waits for a turn to begin leaves that turn what it needs', async () => {
    const url = await server.createDatabase();
    const own = (await open(url, 'a')).forTenant('t');
    const [top, root] = [intentOf(), intentOf()];
    root.parent = linkTo(top, 2, root.id);
    for (const intent of [top, root]) {
      await own.beginTurn(intent);
      await own.commitTurn(commitOf(intent));
    }
    // As beginTurn does it: the parent is locked, then the child written.
    const beginning = await connect(url);
    await beginning.query('BEGIN');
    await beginning.query(`SELECT 1 FROM turns WHERE id = '${root.id}' FOR SHARE`);
    const deleted = own.deleteResponse(root.id, startMs);
    await untilWaiting(url);
    const childId = nextId('resp');
    await beginning.query(`CREATE TEMP TABLE child ON COMMIT DROP AS SELECT * FROM turns WHERE id = '${root.id}'`);
    await beginning.query(`UPDATE child SET id = '${childId}', parent = '${root.id}', keep = 4, depth = 2`);
    await beginning.query('INSERT INTO turns SELECT * FROM child');
    await beginning.query('COMMIT');
    expect(await deleted).toBe(true);
    expect((await own.readContext(childId))?.items).toHaveLength(4);
    // The last of a chain takes everything with it.
    expect(await own.deleteResponse(top.id, startMs)).toBe(true);
    expect(await own.deleteResponse(childId, startMs)).toBe(true);
    expect(await rows(url, 'items')).toEqual([]);
  });

  test('leaves of one tree that are deleted at once leave no item behind', async () => {
    const url = await server.createDatabase();
    const owns = await Promise.all(['a', 'b'].map(async (owner) => (await open(url, owner)).forTenant('t')));
    const [own] = owns;
    for (let round = 0; round < 15; round++) {
      const root = intentOf();
      const middles = [intentOf(), intentOf()].map((turn) => ({ ...turn, parent: linkTo(root, 2, turn.id) }));
      const leaves = middles.map((middle) => {
        const leaf = intentOf();
        return { ...leaf, parent: linkTo(middle, 4, leaf.id) };
      });
      for (const intent of [root, ...middles, ...leaves]) {
        await own?.beginTurn(intent);
        await own?.commitTurn(commitOf(intent));
      }
      for (const { id } of [root, ...middles]) await own?.deleteResponse(id, startMs);
      const deleted = leaves.map(async ({ id }, index) => owns[index]?.deleteResponse(id, startMs));
      expect(await Promise.all(deleted)).toEqual([true, true]);
      expect(await rows(url, 'items')).toEqual([]);
    }
  });

  test('the turns of one that is silent for a lease are failed, those of one that lives are not', async () => {
    const url = await server.createDatabase();
    const beating = { heartbeatMs: 250, leaseMs: 1500 };
    const silent = (await open(url, 'silent')).forTenant('t');
    const alive = (await open(url, 'alive', beating)).forTenant('t');
    const intents = { silent: intentOf({ owner: 'silent' }), alive: intentOf({ owner: 'alive' }) };
    await silent.beginTurn(intents.silent);
    await alive.beginTurn(intents.alive);
    const sweeper = await open(url, 'sweeper', { ...beating, sweepMs: 50 });
    const own = sweeper.forTenant('t');
    // It must itself have been there for a lease before it believes that another is not.
    await queryDatabase(url, `UPDATE nodes SET heartbeat_at = now() - interval '1 hour' WHERE owner = 'silent'`);
    expect(await sweeper.sweep(startMs)).toBe(0);
    await until(async () => (await own.readResponse(intents.silent.id))?.status === 'failed');
    expect((await own.readResponse(intents.alive.id))?.status).toBe('in_progress');

    // It had only been frozen: its commit comes too late, its bill does not.
    expect(await silent.commitTurn(commitOf(intents.silent))).toBe('fenced');
    expect((await own.readResponse(intents.silent.id))?.status).toBe('failed');
    expect(await own.readCost(intents.silent.id)).toBe(247_750);
    expect(await alive.commitTurn(commitOf(intents.alive))).toBe('committed');
  });

  test('the turns of one that has left are failed at the next sweep, once', async () => {
    const url = await server.createDatabase();
    const leaving = await openStore(url, 'leaving');
    const intents = Array.from({ length: 20 }, () => intentOf({ owner: 'leaving' }));
    for (const intent of intents) await leaving.forTenant('t').beginTurn(intent);
    await leaving.close();
    const sweepers = await Promise.all(['a', 'b', 'c'].map((owner) => open(url, owner)));
    const counts = await Promise.all(sweepers.map((store) => store.sweep(startMs)));
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(20);
    expect(await queryDatabase(url, `SELECT DISTINCT epoch, status FROM turns`)).toEqual([
      { epoch: 1, status: 'failed' },
    ]);
    expect(await queryDatabase(url, `SELECT SUM(cost_nano_usd) AS sum FROM attempts`)).toEqual([{ sum: 22_000 }]);
  });

  test('a sweep does what it can while one that is stopped holds a chain and a budget', async () => {
    const url = await server.createDatabase();
    const leaving = await openStore(url, 'leaving');
    const own = leaving.forTenant('t');
    const [held, free] = [intentOf({ owner: 'leaving' }), intentOf({ owner: 'leaving' })];
    await own.beginTurn(held);
    await own.beginTurn(free);
    const budgets = leaving.budgets.forTenant('t');
    const need = { heldNanoUsd: 0, needNanoUsd: 10, waitingNanoUsd: 10, keepsSlice: true, listsOpen: false };
    for (const budgetId of ['key:held', 'key:free']) {
      await budgets.setLimit(budgetId, 1_000_000);
      await budgets.renewLease({ ...need, budgetId, owner: 'leaving' });
    }
    await leaving.close();

    const stopped = await connect(url);
    await stopped.query('BEGIN');
    await stopped.query('SELECT FROM turns WHERE id = $1 FOR UPDATE', [held.id]);
    await stopped.query(`SELECT FROM budgets WHERE id = 'key:held' FOR UPDATE`);
    const sweeper = await open(url, 'sweeper');
    const statuses = async () =>
      (await Promise.all([held, free].map(({ id }) => sweeper.forTenant('t').readResponse(id)))).map(
        (found) => found?.status,
      );
    const leases = async () => (await rows(url, 'budget_leases')).map((row) => row['budget_id']);
    expect(await sweeper.sweep(startMs)).toBe(1);
    expect(await statuses()).toEqual(['in_progress', 'failed']);
    expect(await leases()).toEqual(['key:held']);

    await stopped.query('ROLLBACK');
    expect(await sweeper.sweep(startMs)).toBe(1);
    expect(await statuses()).toEqual(['failed', 'failed']);
    expect(await leases()).toEqual([]);
  });
});

type Asked = [statement: string | { text: string }, parameters?: unknown[]];
const textOf = (statement: Asked[0]) => (typeof statement === 'string' ? statement : statement.text);

describe('round trips', () => {
  test('a turn takes three, however long its chain or its conversation is', async () => {
    const url = await server.createDatabase();
    const own = (await open(url, 'a')).forTenant('t');
    const asked = vi.spyOn(Client.prototype, 'query');
    onTestFinished(() => asked.mockRestore());
    let parent: TurnIntent | undefined;
    const counts: number[] = [];
    for (let turn = 0; turn < 50; turn++) {
      const before = asked.mock.calls.length;
      const intent = intentOf({ input: [itemOf('a'), itemOf('b'), itemOf('c')] });
      if (parent !== undefined) {
        const context = await own.readContext(parent.id);
        intent.parent = linkTo(parent, context?.items.length ?? 0, intent.id);
      }
      await own.beginTurn(intent);
      await own.commitTurn(commitOf(intent, { output: [itemOf('d'), itemOf('e')] }));
      counts.push(asked.mock.calls.length - before);
      parent = intent;
    }
    expect(counts).toEqual([2, ...Array.from({ length: 49 }, () => 3)]);
    // One that is found by its content, however many it may be: one more, where one in which more was said may be older.
    const hashes = Array.from({ length: 300 }, (_, index) => own.contextHash(`${index}`));
    const context = { said: hashes[200] ?? '', details: ['d'] };
    const known = intentOf();
    await own.beginTurn(known);
    await own.commitTurn(commitOf(known, { context }));
    const beforeFound = asked.mock.calls.length;
    const found = await own.findContext(hashes);
    expect(found).toMatchObject({ ...context, id: known.id, length: 2, anchor: known.id, depth: 0 });
    const linked = intentOf({ parent: linkTo(known, 2, '') });
    await own.beginTurn(linked);
    await own.commitTurn(commitOf(linked, { context: { said: hashes[299] ?? '', details: ['d'] } }));
    expect((await own.findContext(hashes))?.id).toBe(known.id);
    expect((await own.findContext(hashes.toReversed()))?.id).toBe(linked.id);
    expect(asked.mock.calls.length - beforeFound).toBe(7);
    const before = asked.mock.calls.length;
    const retried = intentOf();
    await own.beginTurn(retried);
    await own.nextAttempt(retried.id, attemptEndOf(retried.attempt.id), attemptStartOf({ number: 2 }));
    expect(asked.mock.calls.length - before).toBe(2);
    const conversation = { id: 'conv_1', createdAtMs: startMs, sessionId: 'sess_1', metadata: '{}' };
    await own.conversations.create(conversation, undefined);
    for (let turn = 0; turn < 20; turn++) {
      const first = asked.mock.calls.length;
      const { head, writer = null, items = [] } = (await own.conversations.readContext(conversation.id)) ?? {};
      const link = head && { ...head, keep: head.length, items, depth: head.depth + 1 };
      const intent = intentOf({ parent: link, conversation: { id: conversation.id, writer } });
      await own.beginTurn(intent);
      await own.commitTurn(commitOf(intent, { conversation: conversation.id }));
      expect(asked.mock.calls.length - first).toBe(3);
    }
    // Reservations are written and settled by the same statements.
    const beforeLease = asked.mock.calls.length;
    const budgets = (await open(url, 'b')).budgets.forTenant('t');
    await budgets.setLimit('key:a', 1000);
    const lease = { needNanoUsd: 9, waitingNanoUsd: 9, heldNanoUsd: 0, keepsSlice: true, listsOpen: false };
    await budgets.renewLease({ ...lease, budgetId: 'key:a', owner: 'a' });
    const beforeBudgeted = asked.mock.calls.length;
    const reservation = { budgetIds: ['key:a'], owner: 'a', nanoUsd: 9 };
    const budgeted = intentOf({ attempt: attemptStartOf({ reservation }) });
    await own.beginTurn(budgeted);
    const second = attemptStartOf({ number: 2, reservation });
    await own.nextAttempt(budgeted.id, attemptEndOf(budgeted.attempt.id, { settles: true }), second);
    await own.commitTurn(commitOf(budgeted, { attempt: attemptEndOf(second.id, { settles: true }) }));
    expect(asked.mock.calls.length - beforeBudgeted).toBe(3);
    expect(await rows(url, 'reservations')).toMatchObject([
      { attempt_id: budgeted.attempt.id, settled_nano_usd: 247_750 },
      { attempt_id: second.id, settled_nano_usd: 247_750 },
    ]);
    // Nothing that a pooler would have to remember from one call to the next.
    const ofTurns = asked.mock.calls.filter((_, index) => index < beforeLease || index >= beforeBudgeted);
    for (const [statement] of ofTurns as unknown as Asked[])
      expect(textOf(statement)).toMatch(/^\s*(WITH|SELECT|INSERT|UPDATE|DELETE) /);
  });
});

interface PlanNode {
  'Relation Name'?: string;
  Plans?: PlanNode[];
  [detail: string]: unknown;
}
const scansOf = (node: PlanNode): PlanNode[] => [
  ...(String(node['Node Type']).endsWith('Scan') && ![undefined, 'keys'].includes(node['Relation Name']) ? [node] : []),
  ...(node.Plans ?? []).flatMap(scansOf),
];

describe('what a call touches is one tenant’s', () => {
  /** In the background, at a start, or in an answer to who runs the gateway: over all tenants. */
  const overAll = new Set([
    'beat',
    'leave',
    'forgetNodes',
    'selectAbandoned',
    'selectForgotten',
    'selectQueued',
    'selectExpired',
    'runs.selectRunning',
    'budgets.selectPlaces',
    'budgets.selectLeasesOfOthers',
    'budgets.forgetCharges',
  ]);
  const named: [string, string][] = [
    ...Object.entries(statements).flatMap(([name, text]): [string, string][] =>
      typeof text === 'string' ? [[name, text]] : Object.entries(text).map(([kind, each]) => [`${name}.${kind}`, each]),
    ),
    ...Object.entries(sql),
    ...Object.entries(runSql).map(([name, text]): [string, string] => [
      name === 'selectRunning' ? `runs.${name}` : name,
      text,
    ]),
    ...Object.entries(budgetSql).map(([name, text]): [string, string] => [`budgets.${name}`, text]),
    ...Object.entries(conversationReads),
    ...Object.entries(conversationWrites),
  ];

  test('every statement of a turn finds each row by the tenant that it is given, and writes it so', async () => {
    const url = await server.createDatabase();
    await open(url, 'a');
    const client = await connect(url);
    await client.query('SET plan_cache_mode = force_generic_plan');
    // Which would say their conditions elsewhere.
    await client.query('SET enable_bitmapscan = off');
    let scans = 0;
    for (const [name, text] of named) {
      if (overAll.has(name)) continue;
      for (const [, table, first] of text.matchAll(/INSERT INTO (\w+) \((\w+)/g))
        expect([name, table, first]).toEqual([name, table, 'tenant']);
      const count = Math.max(0, ...Array.from(text.matchAll(/\$(\d+)/g), ([, place]) => Number(place)));
      await client.query(`PREPARE looked_at AS ${text}`);
      const nulls = count === 0 ? '' : `(${Array.from({ length: count }, () => 'NULL').join(', ')})`;
      const { rows: plans } = await client.query<{ 'QUERY PLAN': { Plan: PlanNode }[] }>(
        `EXPLAIN (FORMAT JSON) EXECUTE looked_at${nulls}`,
      );
      for (const scan of plans.flatMap((row) => row['QUERY PLAN'].flatMap(({ Plan }) => scansOf(Plan)))) {
        scans += 1;
        const found = JSON.stringify([scan['Index Cond'], scan['Recheck Cond'], scan['Filter']]);
        expect(found, `${name} looks for ${scan['Relation Name']}`).toMatch(/tenant = (\(?\$1|\w+\.tenant)\b/);
      }
      await client.query('DEALLOCATE looked_at');
    }
    expect(scans).toBeGreaterThan(100);
  });

  test('every text of theirs is compared byte by byte, as SQLite does, whatever the order of the database', async () => {
    const url = await server.createDatabase();
    await open(url, 'a');
    const columns = await queryDatabase(
      url,
      `SELECT c.relname AS name, count(*) FILTER (WHERE o.collname = 'C') AS bytes, count(*) AS all
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_collation o ON o.oid = a.attcollation
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname NOT LIKE 'kysely%'
          AND c.relname <> 'schema_marks' AND a.attnum > 0 GROUP BY c.relname ORDER BY 1`,
    );
    expect(columns.length).toBeGreaterThan(20);
    expect(columns.filter(({ bytes, all }) => bytes !== all)).toEqual([]);
  });

  test('every table of theirs has the tenant first in its keys', async () => {
    const url = await server.createDatabase();
    await open(url, 'a');
    const keys = await queryDatabase(
      url,
      `SELECT c.relname AS name, a.attname AS first FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid
        JOIN pg_class t ON t.oid = x.indrelid JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = x.indkey[0]
        WHERE x.indisunique AND t.relnamespace = 'public'::regnamespace AND t.relname NOT LIKE 'kysely%' AND a.attname <> 'tenant'
        ORDER BY 1`,
    );
    expect(keys.map(({ name }) => name)).toEqual([
      // What says who the tenants are, and what is the store's.
      'keys_hash_key',
      'keys_pkey',
      'nodes_pkey',
      'schema_marks_pkey',
      'secret_pkey',
      'teams_name_key',
      'teams_pkey',
    ]);
  });
});

test('a process that is stopped while it renews its lease of a budget keeps nobody else from it', async () => {
  const url = await server.createDatabase();
  const budgets = (await open(url, 'a')).budgets.forTenant('t');
  await budgets.setLimit('key:a', 1000);
  const ask = {
    budgetId: 'key:a',
    needNanoUsd: 9,
    waitingNanoUsd: 9,
    heldNanoUsd: 0,
    keepsSlice: true,
    listsOpen: false,
  };
  const asked = vi.spyOn(Client.prototype, 'query');
  onTestFinished(() => asked.mockRestore());
  await budgets.renewLease({ ...ask, owner: 'a' });
  const locking = asked.mock.calls.flatMap((call: unknown[]) =>
    call.filter((text) => String(text).endsWith('FOR UPDATE')),
  );
  expect(locking).toHaveLength(1);
  // As far as it came, and no further.
  const stopped = await connect(url);
  await stopped.query('BEGIN');
  expect((await stopped.query(String(locking[0]), ['t', 'key:a'])).rows).toHaveLength(1);
  expect(await budgets.renewLease({ ...ask, owner: 'b' })).toMatchObject({ verdict: 'granted' });
});

describe('partitions', () => {
  const weekMs = 604_800_000;
  /** A database with turns of six weeks, in the last of which the clock stands. */
  const sixWeeks = async () => {
    const url = await server.createDatabase();
    const nowMs = startMs + 5 * weekMs;
    const store = await createPostgresStore({ url, secret, owner: 'a', log, limits: calm, nowMs: () => nowMs });
    stores.push(store);
    const own = store.forTenant('t');
    const turns: TurnIntent[] = [];
    for (let week = 0; week <= 5; week++) {
      const intent = intentOf({ createdAtMs: startMs + week * weekMs });
      await own.beginTurn(intent);
      await own.commitTurn(commitOf(intent));
      turns.push(intent);
    }
    return { url, store, own, nowMs, turns };
  };
  const linkFrom = async (own: TenantStore, id: string) => {
    const found = await own.readContext(id);
    if (found === undefined) throw new Error(`there is no response ${id}`);
    return { ...found, id, keep: found.length, depth: found.depth + 1 };
  };

  test('of other weeks are not looked at by any statement of a turn', async () => {
    const { url, own, nowMs, turns } = await sixWeeks();
    const week = Math.floor(nowMs / weekMs);
    const [older] = turns.slice(3);
    const asked = vi.spyOn(Client.prototype, 'query');
    onTestFinished(() => asked.mockRestore());
    const claim = { keyHash: 'key', bodyHash: 'body', expiresBeforeMs: nowMs - 86_400_000 };
    const anchored = intentOf({ createdAtMs: nowMs, parent: await linkFrom(own, older?.id ?? ''), idempotency: claim });
    await own.beginTurn(anchored);
    const second = attemptStartOf({ number: 2 });
    await own.nextAttempt(anchored.id, attemptEndOf(anchored.attempt.id, { status: 'failed' }), second);
    await own.commitTurn(commitOf(anchored, { attempt: attemptEndOf(second.id) }));
    const child = intentOf({ createdAtMs: nowMs, parent: await linkFrom(own, anchored.id) });
    await own.beginTurn(child);
    const context = { said: own.contextHash('all'), details: ['d'] };
    const openCalls = own.contextHash('call');
    const output = [itemOf('thought'), itemOf('said')];
    const attempt = attemptEndOf(child.attempt.id, { openCalls });
    await own.commitTurn(commitOf(child, { context, output, attempt }));
    // As clients ask who send their whole history, or name items of it.
    expect((await own.findContext([context.said, own.contextHash('less')]))?.id).toBe(child.id);
    expect(await own.findOpener([openCalls])).toBeDefined();
    expect(await own.readItem(output[0]?.id ?? '')).toEqual(output[0]);
    expect(await own.readFollowing(output[0]?.id ?? '')).toEqual(output[1]);
    await own.readResponse(child.id);
    await own.readCost(child.id);
    await own.readInput(child.id);
    await own.deleteResponse(child.id, nowMs);
    const calls = asked.mock.calls as unknown as Asked[];
    const client = await connect(url);
    // The parent's week is there too, the one before, and that to which a clock before ours may have come.
    const allowed = new Set([0, week, week + 1, week - 1, week - 2]);
    let looked = 0;
    for (const [statement, parameters] of calls.slice()) {
      const text = textOf(statement);
      if (!/^\s*(WITH|SELECT|INSERT|UPDATE|DELETE) /.test(text)) continue;
      const { rows: plan } = await client.query<Record<string, string>>(`EXPLAIN ${text}`, parameters);
      const lines = plan.map((row) => row['QUERY PLAN']).join('\n');
      const buckets = [...lines.matchAll(/ on (?:turns|items|attempts|envelopes)_(\d+)\b/g)].map(([, bucket]) =>
        Number(bucket),
      );
      expect(
        buckets.filter((bucket) => !allowed.has(bucket)),
        lines,
      ).toEqual([]);
      looked += buckets.length;
    }
    expect(looked).toBeGreaterThan(30);
  });

  test('that are young are read no further than a chain goes, whatever else of the tenant lies there', async () => {
    const url = await server.createDatabase();
    const own = (await open(url, 'a')).forTenant('t');
    const chains = { one: '', other: '' };
    for (let turn = 0; turn < 60; turn++) {
      for (const name of ['one', 'other'] as const) {
        const parent = chains[name] === '' ? undefined : await linkFrom(own, chains[name]);
        const intent = intentOf({ parent });
        await own.beginTurn(intent);
        await own.commitTurn(commitOf(intent));
        chains[name] = intent.id;
      }
    }
    const client = await connect(url);
    const { rows: plans } = await client.query<{ 'QUERY PLAN': { Plan: PlanNode }[] }>(
      `EXPLAIN (ANALYZE, FORMAT JSON) ${statements.selectContext}`,
      ['t', chains.one, Math.floor(startMs / weekMs), 0, 100],
    );
    const scans = plans.flatMap((row) => row['QUERY PLAN'].flatMap(({ Plan }) => scansOf(Plan)));
    const read = scans.map((scan) => Number(scan['Actual Rows']) * Number(scan['Actual Loops']));
    // Its turns, the items of each, and the newest attempt.
    expect(read.reduce((sum, rows) => sum + rows, 0)).toBeLessThanOrEqual(60 + 60 * 2 + 1);
  });

  test.each([
    ['young', undefined],
    ['analysed while nothing ran', 'ANALYZE turns'],
  ])('that are %s: a commit finds its turn by its key, and not among all that its process runs', async (_, first) => {
    const url = await server.createDatabase();
    const own = (await open(url, 'a')).forTenant('t');
    for (let turn = 0; turn < 50; turn++) {
      const ended = intentOf();
      await own.beginTurn(ended);
      await own.commitTurn(commitOf(ended));
    }
    const client = await connect(url);
    if (first !== undefined) await client.query(first);
    const running = Array.from({ length: 50 }, () => intentOf());
    for (const intent of running) await own.beginTurn(intent);
    const asked = vi.spyOn(Client.prototype, 'query');
    onTestFinished(() => asked.mockRestore());
    await own.commitTurn(commitOf(running[0] ?? intentOf()));
    const [[statement, parameters] = ['', []]] = asked.mock.calls.slice() as unknown as Asked[];
    const { rows: plan } = await client.query<Record<string, string>>(`EXPLAIN ${textOf(statement)}`, parameters);
    const lines = plan.map((row) => row['QUERY PLAN']).join('\n');
    expect([...lines.matchAll(/Scan (?:using|on) ((?:turns|attempts)_\w+)/g)].map(([, found]) => found)).toEqual([
      `turns_${Math.floor(startMs / weekMs)}_pkey`,
      `attempts_${Math.floor(startMs / weekMs)}_pkey`,
    ]);
  });

  test('are made when a turn needs one that nobody has made ahead: a node that slept, a clock that jumped', async () => {
    const { url, own, nowMs } = await sixWeeks();
    for (const createdAtMs of [nowMs + 3 * weekMs, nowMs + 400 * weekMs, 1]) {
      const intents = [intentOf({ createdAtMs }), intentOf({ createdAtMs })];
      await Promise.all(intents.map((intent) => own.beginTurn(intent)));
      const table = `items_${Math.floor(createdAtMs / weekMs)}`;
      await queryDatabase(url, `DROP TABLE ${table}`);
      // Its content went while it ran: its end is written all the same.
      for (const intent of intents) expect(await own.commitTurn(commitOf(intent))).toBe('committed');
      expect(await rows(url, table)).toHaveLength(2);
    }
  });

  test('that somebody reads are dropped another time, and turns do not wait for it', async () => {
    const { url, own, nowMs } = await sixWeeks();
    const other = await createPostgresStore({
      url,
      secret,
      owner: 'b',
      log,
      limits: calm,
      nowMs: () => nowMs,
      retention: { contentMs: weekMs, metadataMs: undefined },
    });
    stores.push(other);
    const names = async () =>
      (await queryDatabase(url, `SELECT relname FROM pg_class WHERE relname ~ '^(turns|items)_29..$'`)).length;
    const before = await names();
    const reading = await connect(url);
    await reading.query('BEGIN');
    await reading.query('SELECT count(*) FROM items');
    await other.expire();
    expect(await names()).toBe(before);
    const intent = intentOf({ createdAtMs: nowMs });
    await own.beginTurn(intent);
    expect(await own.commitTurn(commitOf(intent))).toBe('committed');
    await reading.query('ROLLBACK');
    await Promise.all([other.expire(), other.expire()]);
    // Of the oldest four weeks the items.
    expect(await names()).toBe(before - 4);
    expect(await rows(url, 'turns')).toHaveLength(7);
  });

  test('are found by their time by a report on the newest rows', async () => {
    const { url, turns } = await sixWeeks();
    const ages = turns.map(({ createdAtMs }) => createdAtMs);
    for (const createdAtMs of ages) {
      const bucket = Math.floor(createdAtMs / weekMs);
      const many = 'FROM generate_series(1, 12000) g';
      await queryDatabase(
        url,
        `INSERT INTO turns (tenant, id, bucket, created_at_ms, keep, kept_count, anchor, depth, session_id, model, protocol,
            status, stored, key_id, owner, epoch, head, input_count)
          SELECT 't', 'resp_' || g, ${bucket}, ${createdAtMs} + g, 0, 0, '', 0, 's' || g, '', 'chat', 'completed', 1, '', '', 0, '', 0
          ${many}`,
      );
      await queryDatabase(
        url,
        `INSERT INTO attempts (tenant, id, turn_id, bucket, number, status, started_at_ms, provider, api_base, upstream_model,
            request_hash, codec_version, estimated_input_tokens, estimated_cost_nano_usd)
          SELECT 't', 'att_' || g, 'resp_' || g, ${bucket}, 1, 'completed', 0, '', '', '', '', '', 0, 0 ${many}`,
      );
    }
    await queryDatabase(url, 'ANALYZE turns');
    await queryDatabase(url, 'ANALYZE attempts');
    const plan = await queryDatabase(
      url,
      `EXPLAIN SELECT request_id, session_id, (messages::text='{}') AS msg_empty, call_type FROM "LiteLLM_SpendLogs" WHERE "startTime" > now() - interval '5 minutes'`,
    );
    const lines = plan.map((row) => String(row['QUERY PLAN']));
    const weeks = ages.map((ms) => Math.floor(ms / weekMs));
    const whole = lines.filter((line) => weeks.some((week) => new RegExp(`Seq Scan on \\w+_${week}`).test(line)));
    expect(whole, lines.join('\n')).toEqual([]);
    const byTime = lines.filter((line) => /Index Cond: .*to_timestamp.* > \(now\(\)/.test(line));
    expect(byTime.length).toBeGreaterThanOrEqual(ages.length);
  });
});

describe('the view on Postgres', () => {
  test('answers the report’s own query, and times are UTC whatever the session’s zone', async () => {
    const url = await server.createDatabase();
    const own = (await open(url, 'a')).forTenant('t');
    const old = intentOf({ createdAtMs: Date.now() - 10 * 60_000 });
    const recent = intentOf({ createdAtMs: Date.now() });
    for (const intent of [old, recent]) {
      await own.beginTurn(intent);
      await own.commitTurn(commitOf(intent));
    }
    const utc = `${url}?options=-c%20TimeZone%3DUTC`;
    const report = await queryDatabase(
      utc,
      `SELECT request_id, session_id, (messages::text='{}') AS msg_empty, call_type FROM "LiteLLM_SpendLogs" WHERE "startTime" > now() - interval '5 minutes'`,
    );
    expect(report).toEqual([
      { request_id: recent.id, session_id: 'sess_1', msg_empty: false, call_type: 'aresponses' },
    ]);
    const started = `SELECT "startTime"::text AS t FROM "LiteLLM_SpendLogs" ORDER BY 1`;
    const elsewhere = await queryDatabase(`${url}?options=-c%20TimeZone%3DAsia/Tokyo`, started);
    expect(elsewhere).toEqual(await queryDatabase(utc, started));
    const [shown] = await queryDatabase(
      url,
      `SELECT messages->0->>'value' AS said, response->>'status' AS status FROM "LiteLLM_SpendLogs"
        WHERE request_id = '${recent.id}'`,
    );
    expect(shown).toEqual({ said: `input of ${recent.id}`, status: 'completed' });
  });

  test('has the types of that table, with json for jsonb', async () => {
    const url = await server.createDatabase();
    await open(url, 'a');
    const columns = await queryDatabase(
      url,
      `SELECT data_type, datetime_precision AS p, string_agg(column_name, ' ' ORDER BY column_name COLLATE "C") AS columns
        FROM information_schema.columns WHERE table_name = 'LiteLLM_SpendLogs' GROUP BY 1, 2 ORDER BY 1`,
    );
    expect(columns).toEqual([
      { data_type: 'double precision', p: null, columns: 'spend' },
      { data_type: 'integer', p: null, columns: 'completion_tokens prompt_tokens request_duration_ms total_tokens' },
      { data_type: 'json', p: null, columns: 'messages metadata proxy_server_request request_tags response' },
      {
        data_type: 'text',
        p: null,
        columns:
          'agent_id api_base api_key billing_agent_id cache_hit cache_key call_type custom_llm_provider end_user litellm_call_id mcp_namespaced_tool_name model model_group model_id organization_id request_id requester_ip_address session_id status team_id user',
      },
      {
        data_type: 'timestamp without time zone',
        p: 3,
        columns: 'completionStartTime created_at endTime startTime updated_at',
      },
    ]);
  });
});

describe('what is refused at the start', () => {
  const refusal = async (url: string) => {
    const refused = openStore(url, 'a', { timeoutMs: 5_000 });
    await expect(refused).rejects.toMatchObject({ code: 'store_unavailable' });
    const message = await refused.then(
      () => 'opened',
      (error: unknown) => String(error),
    );
    expect(message).not.toContain('s3cr');
    return message;
  };

  test('a database that commits asynchronously', async () => {
    const url = await server.createDatabase();
    const name = new URL(url).pathname.slice(1);
    await queryDatabase(url, `ALTER DATABASE ${name} SET synchronous_commit = off`);
    const { host } = new URL(url);
    expect(await refusal(url)).toContain(
      `The store postgres://${host}/${name} cannot be opened: synchronous_commit is off`,
    );
    expect(await queryDatabase(url, `SELECT to_regclass('turns') AS made`)).toEqual([{ made: null }]);
    await queryDatabase(url, `ALTER DATABASE ${name} SET synchronous_commit = local`);
    await open(url, 'a');
  });

  test('a newer schema, which is left alone', async () => {
    const url = await server.createDatabase();
    await (await openStore(url, 'a')).close();
    await queryDatabase(url, `INSERT INTO kysely_migration (name, timestamp) VALUES ('9999-later', '')`);
    expect(await refusal(url)).toContain('newer Turnpike (schema 9999-later');
    expect(await rows(url, 'kysely_migration')).toHaveLength(migrationNames.length + 1);
  });

  test('a wrong password, a database that is not there, a server that is not there', async () => {
    const url = await server.createDatabase();
    const wrong = new URL(url);
    wrong.password = 's3cret';
    // A server that trusts everybody has no wrong passwords.
    if (process.env['TURNPIKE_TEST_POSTGRES'] === undefined) expect(await refusal(wrong.href)).toContain('password');
    expect(await refusal(`${url}_none`)).toContain('does not exist');
    expect(await refusal('postgres://u:s3cret@127.0.0.1:1/d')).toContain('ECONNREFUSED');
  });
});

describe('a connection that is lost', () => {
  const throughProxy = async (limits: Partial<PostgresLimits> = {}) => {
    const url = await server.createDatabase();
    const proxy = await databaseProxy(url);
    onTestFinished(() => proxy.close());
    const store = await open(proxy.url, 'a', limits);
    return { url, proxy, store, own: store.forTenant('t') };
  };
  const allRows = (url: string) => Promise.all(['turns', 'items', 'attempts'].map((table) => rows(url, table)));

  test('with the answer to a commit: the commit may be repeated', async () => {
    const { url, proxy, own } = await throughProxy();
    const intent = intentOf();
    await own.beginTurn(intent);
    proxy.loseReplyTo = 'UPDATE turns SET status';
    await expect(own.commitTurn(commitOf(intent))).rejects.toMatchObject(lost);
    const before = await allRows(url);
    expect(before[1]).toHaveLength(2);
    expect(await own.commitTurn(commitOf(intent))).toBe('committed');
    expect(await allRows(url)).toEqual(before);
  });

  test('in the middle of a statement: nothing of it is done, and it may be made again', async () => {
    const { url, proxy, own } = await throughProxy();
    const intent = intentOf({ owner: 'a' });
    const ended = attemptEndOf(intent.attempt.id, { status: 'failed' });
    const next = attemptStartOf({ number: 2 });
    const commit = commitOf(intent, { attempt: attemptEndOf(next.id) });
    const steps: [string, () => Promise<unknown>][] = [
      ['INSERT INTO turns', () => own.beginTurn(intent)],
      ['INSERT INTO attempts', () => own.nextAttempt(intent.id, ended, next)],
      ['UPDATE turns SET status', () => own.commitTurn(commit)],
    ];
    for (const [text, run] of steps) {
      const before = await allRows(url);
      proxy.cutIn = text;
      await expect(run(), text).rejects.toMatchObject(lost);
      expect(proxy.cutIn).toBeUndefined();
      expect(await allRows(url), text).toEqual(before);
      await run();
      expect(await allRows(url), text).not.toEqual(before);
    }
    expect(await own.readResponse(intent.id)).toMatchObject({ status: 'completed', output: commit.output });
    const [, items, attempts] = await allRows(url);
    expect([items?.length, attempts?.map(({ status }) => status).toSorted()]).toEqual([2, ['completed', 'failed']]);
  });

  test('with the answer to an intent: the turn is failed and costs nothing', async () => {
    const { url, proxy, own } = await throughProxy({ sweepMs: 20, unfinishedMs: 0 });
    const intent = intentOf({ owner: 'a' });
    proxy.loseReplyTo = 'INSERT INTO turns';
    await expect(own.beginTurn(intent)).rejects.toMatchObject(lost);
    await until(async () => (await own.readResponse(intent.id))?.status === 'failed');
    expect(await own.readCost(intent.id)).toBe(0);
    const [attempt] = await rows(url, 'attempts');
    expect(attempt).toMatchObject({ status: 'failed', error_code: 'store_unavailable', input_tokens: 0, estimated: 0 });
  });

  test.each(['cutIn', 'loseReplyTo'] as const)(
    'in the COMMIT of a transaction, or with the answer to it (%s): it is done or not, and can be asked for again',
    async (harm) => {
      const { url, proxy, store, own } = await throughProxy({ sweepMs: 20, unfinishedMs: 0 });
      const runs = store.runs.forTenant('t');
      const intent = intentOf({ owner: 'a' });
      await own.beginTurn(intent);
      await own.commitTurn(commitOf(intent));
      proxy[harm] = 'COMMIT\0';
      await expect(own.deleteResponse(intent.id, startMs)).rejects.toMatchObject(lost);
      expect(proxy[harm]).toBeUndefined();
      expect(await own.deleteResponse(intent.id, startMs)).toBe(harm === 'cutIn');
      expect(await own.readResponse(intent.id)).toBeUndefined();

      // Whoever was told 503 knows no id: what was queued is not to run.
      const queued = queuedOf({ owner: 'a' });
      proxy[harm] = 'COMMIT\0';
      await expect(runs.queue(queued)).rejects.toMatchObject(lost);
      await until(async () => (await store.runs.listQueued()).length === 0);
      expect(await own.readResponse(queued.id)).toBeUndefined();
      expect(await queryDatabase(url, `SELECT 1 FROM turns WHERE status = 'queued' AND deleted_at_ms IS NULL`)).toEqual(
        [],
      );
    },
  );

  test('in the COMMIT of a queued turn with a key: whoever comes again with it finds the turn, and it stays', async () => {
    const { proxy, store, own } = await throughProxy({ sweepMs: 20, unfinishedMs: 0 });
    const runs = store.runs.forTenant('t');
    const idempotency = { keyHash: 'k', bodyHash: 'b', expiresBeforeMs: 0 };
    const [queued, doubted] = [queuedOf({ owner: 'a', idempotency }), queuedOf({ owner: 'a' })];
    for (const each of [queued, doubted]) {
      proxy.loseReplyTo = 'COMMIT\0';
      await expect(runs.queue(each)).rejects.toMatchObject(lost);
    }
    expect(await runs.queue(queuedOf({ owner: 'a', idempotency }))).toEqual({ turnId: queued.id, bodyHash: 'b' });
    // What is undone was asked for later.
    await until(async () => (await own.readResponse(doubted.id)) === undefined);
    expect(await own.readResponse(queued.id)).toMatchObject({ status: 'queued' });
  });

  test.each(['cutIn', 'loseReplyTo'] as const)(
    'in the COMMIT of a run that is started (%s): it waits again, as if it had never been',
    async (harm) => {
      const { url, proxy, store, own } = await throughProxy({ sweepMs: 20, unfinishedMs: 0 });
      const runs = store.runs.forTenant('t');
      const startOf = (reserves: boolean) => {
        const reservation = reserves ? { budgetIds: ['key:k'], owner: 'a', nanoUsd: 100 } : undefined;
        const queued = queuedOf({ owner: 'b', attempt: attemptStartOf({ reservation }) });
        const { id, attempt } = queued;
        const head = queued.head.replace('queued', 'in_progress');
        return { queued, start: { id, queuedBy: 'b', epoch: 0, owner: 'a', head, attempt } };
      };
      const [waits, cancelled] = [startOf(true), startOf(false)];
      for (const { queued, start } of [waits, cancelled]) {
        await runs.queue(queued);
        // Not of what undoes the one before.
        proxy.behind = start.attempt.id;
        proxy[harm] = 'COMMIT\0';
        await expect(runs.start(start)).rejects.toMatchObject(lost);
        if (start.id === cancelled.start.id) expect(await runs.cancel(start.id, startMs)).toBe('cancelled');
      }
      await until(async () => (await rows(url, 'attempts')).length === 0);
      expect(await own.readResponse(cancelled.start.id)).toMatchObject({ status: 'cancelled' });
      expect(await own.readResponse(waits.start.id)).toMatchObject({ status: 'queued', head: waits.queued.head });
      expect(await store.runs.listQueued()).toEqual([{ tenant: 't', id: waits.start.id }]);
      expect(await rows(url, 'reservations')).toEqual([]);
      // Nor does what is begun anew end with it.
      const again = { ...waits.start, attempt: attemptStartOf() };
      expect(await runs.start(again)).toBe(true);
      expect(await own.commitTurn(commitOf({ ...waits.queued, ...again }, { events: [] }))).toBe('committed');
    },
  );

  test('with the answer to a next attempt: that attempt is ended and costs nothing', async () => {
    const { url, proxy, own } = await throughProxy({ sweepMs: 20, unfinishedMs: 0 });
    const intent = intentOf({ owner: 'a' });
    await own.beginTurn(intent);
    proxy.loseReplyTo = 'INSERT INTO attempts';
    const ended = attemptEndOf(intent.attempt.id, { status: 'failed' });
    await expect(own.nextAttempt(intent.id, ended, attemptStartOf({ number: 2 }))).rejects.toMatchObject(lost);
    expect(await own.commitTurn(commitOf(intent, { status: 'failed', attempt: ended }))).toBe('committed');
    await until(async () => (await own.readCost(intent.id)) === 247_750);
    const statuses = await queryDatabase(url, 'SELECT number, status, cost_nano_usd FROM attempts ORDER BY number');
    expect(statuses).toEqual([
      { number: 1, status: 'failed', cost_nano_usd: 247_750 },
      { number: 2, status: 'failed', cost_nano_usd: 0 },
    ]);
  });

  test('and a commit that is given up: the turn does not stay in progress, and its bill is written', async () => {
    const { proxy, own } = await throughProxy({ sweepMs: 20, unfinishedMs: 0 });
    const intent = intentOf({ owner: 'a' });
    await own.beginTurn(intent);
    // Where the row is locked, the commit waits and its connection is lost before it is done.
    const holding = await connect(proxy.url);
    await holding.query('BEGIN');
    await holding.query('SELECT 1 FROM turns FOR UPDATE');
    const failed = own.commitTurn(commitOf(intent)).catch((error: unknown) => error);
    await untilWaiting(proxy.url);
    await holding.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    expect(await failed).toMatchObject(lost);
    await holding.query('COMMIT');
    await until(async () => (await own.readResponse(intent.id))?.status === 'failed');
    expect(await own.readResponse(intent.id)).toMatchObject({ status: 'failed', output: [] });
    expect(await own.readCost(intent.id)).toBe(247_750);
  });

  test('under load, again and again: what was acknowledged is there, the rest is said, and it goes on by itself', async () => {
    const url = await server.createDatabase();
    const store = await open(url, 'a');
    const { committed, stop } = work(store);
    for (let round = 1; round <= 5; round++) {
      await until(async () => committed.length > 40 * round);
      await queryDatabase(url, terminateAll);
    }
    await until(async () => committed.length > 300);
    await stop();
    await expectWhole(url, store, committed);
  });

  test('behind a pooler that passes no timeouts on: it is done without', async () => {
    const url = await server.createDatabase();
    const proxy = await databaseProxy(url);
    onTestFinished(() => proxy.close());
    proxy.refusedParameter = 'lock_timeout';
    const own = (await open(proxy.url, 'a')).forTenant('t');
    const intent = intentOf();
    await own.beginTurn(intent);
    expect(await own.commitTurn(commitOf(intent))).toBe('committed');
  });

  test('a statement that is given up does not hold its connection', async () => {
    const url = await server.createDatabase();
    const proxy = await databaseProxy(url);
    onTestFinished(() => proxy.close());
    proxy.refusedParameter = 'lock_timeout';
    const store = await open(proxy.url, 'a', { timeoutMs: 300, maxConnections: 1 });
    const holding = await connect(url);
    await holding.query('BEGIN');
    await holding.query('LOCK TABLE items');
    await expect(store.forTenant('t').beginTurn(intentOf())).rejects.toThrow('did not answer in time');
    await until(() => succeeds(store.check()));
    expect(await queryDatabase(url, waiters)).toHaveLength(1);
  });

  test('a database that has become read-only is said, and used again when it is not', async () => {
    const url = await server.createDatabase();
    const own = (await open(url, 'a')).forTenant('t');
    const name = new URL(url).pathname.slice(1);
    const setReadOnly = async (value: string) => {
      const writable = `${url}?options=-c%20default_transaction_read_only%3Doff`;
      await queryDatabase(writable, `ALTER DATABASE ${name} SET default_transaction_read_only = ${value}`);
      await queryDatabase(url, terminateAll);
    };
    const answers = async () => {
      const intent = intentOf();
      return own.beginTurn(intent).then(
        () => 'begun',
        (error: unknown) => String(error),
      );
    };
    expect(await answers()).toBe('begun');
    await setReadOnly('on');
    await until(async () => (await answers()) !== 'begun');
    await until(async () => !(await answers()).includes('connection was lost'));
    expect(await answers()).toContain('it is read-only');
    await setReadOnly('off');
    await until(async () => (await answers()) === 'begun');
  });

  test('a connection that was opened where nothing could be written is given up, and the next one writes', async () => {
    const url = await server.createDatabase();
    const store = await open(url, 'a');
    const name = new URL(url).pathname.slice(1);
    const writable = `${url}?options=-c%20default_transaction_read_only%3Doff`;
    const setReadOnly = (value: string) =>
      queryDatabase(writable, `ALTER DATABASE ${name} SET default_transaction_read_only = ${value}`);
    await setReadOnly('on');
    await queryDatabase(url, terminateAll);
    const refusal = () =>
      store.check().then(
        () => 'none',
        (error: unknown) => String(error),
      );
    // It is not ready, whatever it can read.
    await until(async () => (await refusal()).includes('it is read-only'));
    await setReadOnly('off');
    await until(() => succeeds(store.check()));
    expect(await store.forTenant('t').beginTurn(intentOf())).toBeUndefined();
  });

  test('a lock that somebody holds does not hold us, here or there', async () => {
    const url = await server.createDatabase();
    const store = await open(url, 'a', { timeoutMs: 300 });
    const own = store.forTenant('t');
    const holding = await connect(url);
    await holding.query('BEGIN');
    await holding.query('LOCK TABLE items');
    await expect(own.beginTurn(intentOf())).rejects.toThrow('did not answer in time');
    await until(async () => (await queryDatabase(url, waiters)).length === 0);
    await holding.query('ROLLBACK');
    await until(() => succeeds(own.beginTurn(intentOf())));
  });

  test('a deadlock that is broken off is said, and what was asked can be asked for again', async () => {
    const url = await server.createDatabase();
    // Whoever has waited for so long looks for deadlocks once, and is the one that is broken off.
    await queryDatabase(url, `ALTER DATABASE ${new URL(url).pathname.slice(1)} SET deadlock_timeout = '4s'`);
    const own = (await open(url, 'a')).forTenant('t');
    const intent = intentOf({ owner: 'a' });
    await own.beginTurn(intent);
    const holding = await connect(url);
    await holding.query(`SET deadlock_timeout = '1h'`);
    await holding.query('BEGIN');
    await holding.query('SELECT 1 FROM attempts FOR UPDATE');
    const failed = own.commitTurn(commitOf(intent)).catch(String);
    await untilWaiting(url);
    const both = holding.query('SELECT 1 FROM turns FOR UPDATE');
    expect(await failed).toContain('it broke off the transaction');
    await both;
    await holding.query('COMMIT');
    expect(await own.commitTurn(commitOf(intent))).toBe('committed');
    expect(await own.readCost(intent.id)).toBe(247_750);
  });

  test('all that a request waits for counts together, until it has spent something', async () => {
    const url = await server.createDatabase();
    const own = (await open(url, 'a', { timeoutMs: 300 })).forTenant('t');
    const holding = await connect(url);
    await withPatience(async () => {
      await holding.query('BEGIN');
      await holding.query('LOCK TABLE turns');
      await expect(own.readContext('resp_1')).rejects.toThrow('did not answer in time');
      await holding.query('ROLLBACK');
      await expect(own.readContext('resp_1')).rejects.toThrow('did not answer in time');
      endPatience();
      await own.readContext('resp_1');
    });
    await withPatience(() => own.readContext('resp_1'));
  });
});

describe('the server', () => {
  let harmed: EmbeddedServer;
  beforeAll(async () => {
    harmed = await embeddedPostgres();
  });
  afterAll(() => harmed.stop());

  test('is killed under load: what was acknowledged is there, and the store goes on by itself', async () => {
    const url = await harmed.createDatabase();
    const store = await open(url, 'a', { heartbeatMs: 100 });
    const { committed, stop } = work(store);
    await until(async () => committed.length > 60);
    await harmed.kill();
    await expect(store.check()).rejects.toMatchObject(lost);
    await harmed.start();
    const before = committed.length;
    await until(async () => committed.length > before + 60);
    await stop();
    await expectWhole(url, store, committed);
  });

  test('is frozen: that is said instead of waited for, and the store goes on by itself', async () => {
    const url = await harmed.createDatabase();
    const store = await open(url, 'a', { timeoutMs: 300, maxConnections: 2 });
    const own = store.forTenant('t');
    const intent = intentOf();
    await own.beginTurn(intent);
    harmed.signal('SIGSTOP');
    onTestFinished(() => harmed.signal('SIGCONT'));
    // More than there are connections: some find one that was open, some must open one, some wait for their turn.
    const asked = [
      own.commitTurn(commitOf(intent)),
      own.beginTurn(intentOf()),
      own.readContext(intent.id),
      own.deleteResponse('resp_1', startMs),
      store.check(),
    ];
    for (const { status, ...result } of await Promise.allSettled(asked)) {
      expect({ status, ...result }).toMatchObject({ status: 'rejected', reason: lost });
    }
    await expect(store.check()).rejects.toThrow('did not answer in time');
    harmed.signal('SIGCONT');
    await until(() => succeeds(store.check()));
    await until(() =>
      own.commitTurn(commitOf(intent)).then(
        (outcome) => outcome === 'committed',
        () => false,
      ),
    );
    expect((await own.readContext(intent.id))?.items).toHaveLength(2);
  });

  test('is not blamed for the time that this process itself was busy', async () => {
    const url = await harmed.createDatabase();
    const store = await open(url, 'a', { timeoutMs: 300 });
    const checked = store.check();
    await new Promise((resolve) => setImmediate(resolve));
    for (const start = performance.now(); performance.now() - start < 500;);
    await expect(checked).resolves.toBeUndefined();
  });

  test('has no connection left: that is said, and one that is free again is used', async () => {
    const small = await embeddedPostgres({ settings: ['max_connections=8', 'superuser_reserved_connections=0'] });
    onTestFinished(() => small.stop());
    const url = await small.createDatabase();
    const store = await openStore(url, 'a', { timeoutMs: 5_000, maxConnections: 3 });
    const others: Client[] = [];
    await queryDatabase(url, terminateAll);
    for (let refused: unknown; refused === undefined;) {
      const other = new Client({ connectionString: url });
      other.on('error', () => {});
      refused = await other.connect().then(
        () => void others.push(other),
        (error: unknown) => error,
      );
    }
    await expect
      .poll(() => store.forTenant('t').beginTurn(intentOf()).catch(String), { timeout: 60_000 })
      .toContain('has no connection or memory left');
    await Promise.all(others.map((other) => other.end()));
    await until(() => succeeds(store.forTenant('t').beginTurn(intentOf())));
    await store.close();
  });

  test.each(['fsync', 'full_page_writes'])('is refused with %s off', async (setting) => {
    const url = await harmed.createDatabase();
    const set = async (value: string) => {
      await queryDatabase(url, `ALTER SYSTEM SET ${setting} = ${value}`);
      await queryDatabase(url, 'SELECT pg_reload_conf()');
      await until(async () => (await queryDatabase(url, `SHOW ${setting}`))[0]?.[setting] === value);
    };
    await set('off');
    await expect(openStore(url, 'a')).rejects.toThrow(`${setting} is off`);
    await set('on');
    await open(url, 'a');
  });
});

/** Turns in many chains at once until `stop`, each commit repeated while its outcome is unknown, as the gateway does it. */
function work(store: Store): { committed: string[]; stop: () => Promise<void> } {
  const own = store.forTenant('t');
  const committed: string[] = [];
  const stopping = new AbortController();
  const isLost = (error: unknown) => {
    expect(error).toMatchObject(lost);
    return undefined;
  };
  const lane = async () => {
    let parent: TurnIntent | undefined;
    while (!stopping.signal.aborted) {
      await new Promise((resolve) => setImmediate(resolve));
      const intent = intentOf({ owner: 'a' });
      if (parent !== undefined) intent.parent = linkTo(parent, 2 * (parent.parent?.depth ?? 0) + 2, intent.id);
      if ((await own.beginTurn(intent).then(() => true, isLost)) === undefined) continue;
      const commit = commitOf(intent);
      let outcome;
      while (outcome === undefined) outcome = await own.commitTurn(commit).catch(isLost);
      expect(outcome).toBe('committed');
      committed.push(intent.id);
      parent = (intent.parent?.depth ?? 0) > 20 ? undefined : intent;
    }
  };
  const lanes = Promise.all(Array.from({ length: 12 }, lane));
  return {
    committed,
    stop: async () => {
      stopping.abort();
      await lanes;
    },
  };
}

async function expectWhole(url: string, store: Store, committed: string[]): Promise<void> {
  const own = store.forTenant('t');
  for (const id of committed) {
    const context = await own.readContext(id);
    expect(context?.status).toBe('completed');
    expect(context?.items).toHaveLength(2 * (context?.depth ?? 0) + 2);
  }
  const half = `SELECT t.id FROM turns t WHERE t.input_count + t.output_count <>
    (SELECT COUNT(*) FROM items i WHERE i.tenant = t.tenant AND i.turn_id = t.id)`;
  expect(await queryDatabase(url, half)).toEqual([]);
  expect(await queryDatabase(url, 'SELECT turn_id FROM attempts GROUP BY turn_id HAVING COUNT(*) <> 1')).toEqual([]);
}
