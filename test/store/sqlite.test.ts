import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { conversationReads, conversationWrites } from '../../src/store/conversation-sql.ts';
import { migrationNames } from '../../src/store/schema-version.ts';
import { runSql } from '../../src/store/run-sql.ts';
import { sql } from '../../src/store/sql.ts';
import { createSqliteStore, type SqliteLimits } from '../../src/store/sqlite/create-sqlite-store.ts';
import { createStatements } from '../../src/store/sqlite/statements.ts';
import { sqliteCommit } from '../../src/store/sqlite/write-group.ts';
import { keepAll } from '../../src/store/retention.ts';
import type { TenantStore, TurnIntent } from '../../src/store/store.ts';
import { attemptEndOf, commitOf, intentOf, itemOf, startMs, strayLink } from './make.ts';
import { storeSuite } from './suite.ts';

const secret = Buffer.alloc(32, 7);
const log = { info: () => {}, warn: () => {}, error: () => {} };
const childPath = fileURLToPath(new URL('crash-child.ts', import.meta.url));

const newDirectory = () => mkdtempSync(join(tmpdir(), 'turnpike-store-'));

const queryFile = (path: string, sql: string) => {
  const db = new DatabaseSync(path, { readOnly: true });
  const rows = db.prepare(sql).all();
  db.close();
  return rows.map((row) => ({ ...row }));
};

storeSuite('sqlite', async () => {
  const directory = newDirectory();
  const path = join(directory, 'turnpike.db');
  return {
    open: (owner, other = secret, age = { retention: keepAll, nowMs: () => startMs }) =>
      createSqliteStore({ path, secret: other, owner, log, ...age }),
    query: async (sql) => queryFile(path, sql),
    destroy: async () => rmSync(directory, { recursive: true }),
  };
});

describe('the SQLite file', () => {
  const directories: string[] = [];
  const children: ChildProcess[] = [];
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
  });
  const newPath = () => {
    const directory = newDirectory();
    directories.push(directory);
    return join(directory, 'turnpike.db');
  };
  const open = (path: string, pragmas: Record<string, string | number> = {}, limits: Partial<SqliteLimits> = {}) =>
    createSqliteStore({ path, secret, owner: 'parent', log, pragmas, limits });
  /** Asks again and again. What never comes ends in the test's own time limit. */
  const until = async (isTrue: () => Promise<boolean>) => {
    while (!(await isTrue())) await new Promise((resolve) => setImmediate(resolve));
  };
  /** Every byte that lies beside the database. Only while no store of this process is open: closing a file drops its locks. */
  const bytesBeside = (path: string) => {
    const directory = join(path, '..');
    return Buffer.concat(readdirSync(directory).map((name) => readFileSync(join(directory, name))));
  };
  const integrityOf = (path: string) => queryFile(path, 'PRAGMA integrity_check');
  const sound = [{ integrity_check: 'ok' }];

  /** Starts the child and resolves when it has said that `count` turns are committed. */
  const runChild = async (path: string, count: number) => {
    const args = [childPath, path, 'CONTENT-TO-KEEP', 'CONTENT-TO-FORGET'];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    const begun: string[] = [];
    const committed: string[] = [];
    /** How far the log had been written when a turn's commit was told. */
    const loggedTo = new Map<string, number>();
    const lines = createInterface(child.stdout);
    // What it had said before it was killed is read to the end: it was acknowledged.
    const ended = once(lines, 'close');
    const enough = new Promise<void>((resolve) => {
      lines.on('line', (line) => {
        const [what, id = '', size] = line.split(' ');
        if (size !== undefined) loggedTo.set(id, Number(size));
        (what === 'begun' ? begun : committed).push(id);
        if (committed.length === count) resolve();
      });
    });
    await Promise.race([enough, ended]);
    return { child, begun, committed, loggedTo, ended };
  };

  test('everything acknowledged to a process that was killed is there, the rest is failed, nothing unstored is', async () => {
    const path = newPath();
    const { child, begun, committed, ended } = await runChild(path, 300);
    const refusal = open(path);
    await expect(refusal).rejects.toMatchObject({ code: 'store_unavailable' });
    await expect(refusal).rejects.toThrow(path);
    if (process.platform === 'linux') await expect(refusal).rejects.toThrow(`process ${child.pid}`);
    child.kill('SIGKILL');
    await ended;

    const bytes = bytesBeside(path);
    expect(bytes.includes('CONTENT-TO-KEEP')).toBe(true);
    expect(bytes.includes('CONTENT-TO-FORGET')).toBe(false);

    const store = await open(path);
    const own = store.forTenant('t');
    const running = begun.filter((id) => !committed.includes(id));
    await store.sweep(startMs);
    const listed = new Map((await own.listSession('sess_1')).map((turn) => [turn.id, turn]));
    for (const id of committed) expect(listed.get(id)?.status).toBe('completed');
    // Those not heard to be committed may be so; none is left running.
    for (const id of running) expect(listed.get(id)?.status).toMatch(/^(completed|failed)$/);
    expect([...listed.values()].filter(({ status }) => status === 'in_progress')).toEqual([]);
    const stored = committed.filter((id) => queryFileHas(path, id));
    expect(stored.length).toBeGreaterThan(100);
    for (const id of stored) {
      const context = await own.readContext(id);
      expect(context?.items).toHaveLength(2 * ((context?.depth ?? 0) + 1));
      expect((await own.readResponse(id))?.output).toHaveLength(1);
    }
    const orphans = `SELECT a.status, COUNT(*) AS n FROM attempts a GROUP BY a.status HAVING a.status NOT IN ('completed', 'crashed')`;
    expect(queryFile(path, orphans)).toEqual([]);
    expect(queryFile(path, 'SELECT turn_id FROM attempts GROUP BY turn_id HAVING COUNT(*) <> 1')).toEqual([]);
    await store.close();
    expect(integrityOf(path)).toEqual(sound);
  });

  test('a log that was torn, at whatever length: what was told before is there and whole, the rest is whole or not there', async () => {
    const path = newPath();
    const { child, committed, loggedTo, ended } = await runChild(path, 40);
    child.kill('SIGKILL');
    await ended;
    const log = readFileSync(`${path}-wal`);
    const wholeAt = (length: number) => committed.filter((id) => (loggedTo.get(id) ?? Infinity) <= length);
    const torn = `${path}.torn`;
    copyFileSync(path, torn);
    const half = `SELECT t.id FROM turns t WHERE t.stored = 1 AND t.input_count + t.output_count <>
      (SELECT COUNT(*) FROM items i WHERE i.tenant = t.tenant AND i.turn_id = t.id)`;
    let kept = -1;
    for (let length = log.length; length >= 0; length -= 512) {
      // The index beside it is made anew, as after a power cut.
      rmSync(`${torn}-shm`, { force: true });
      writeFileSync(`${torn}-wal`, log.subarray(0, length));
      const db = new DatabaseSync(torn, { readOnly: true });
      const found = db.prepare(`SELECT id FROM turns WHERE status = 'completed'`).all();
      if (found.length !== kept) {
        kept = found.length;
        expect(db.prepare('PRAGMA integrity_check').get(), String(length)).toEqual(sound[0]);
        expect(db.prepare(half).all(), String(length)).toEqual([]);
      }
      const ids = new Set(found.map(({ id }) => id));
      expect(
        wholeAt(length).filter((id) => !ids.has(id)),
        String(length),
      ).toEqual([]);
      db.close();
    }
    expect(kept).toBe(0);

    // The same through the store itself, which ends what was under way.
    for (const length of [0.2, 0.5, 0.8].map((part) => Math.floor(part * log.length))) {
      rmSync(`${torn}-shm`, { force: true });
      copyFileSync(path, torn);
      writeFileSync(`${torn}-wal`, log.subarray(0, length));
      const store = await open(torn);
      await store.sweep(startMs);
      const listed = new Map((await store.forTenant('t').listSession('sess_1')).map((turn) => [turn.id, turn.status]));
      for (const id of wholeAt(length)) expect(listed.get(id)).toBe('completed');
      for (const status of listed.values()) expect(status).toMatch(/^(completed|failed)$/);
      for (const [id, status] of listed) {
        if (status !== 'completed' || !queryFileHas(torn, id)) continue;
        const context = await store.forTenant('t').readContext(id);
        expect(context?.items).toHaveLength(2 * ((context?.depth ?? 0) + 1));
      }
      await store.close();
      expect(integrityOf(torn)).toEqual(sound);
    }
  });

  const queryFileHas = (path: string, id: string) =>
    queryFile(path, `SELECT 1 AS found FROM turns WHERE id = '${id}' AND stored = 1`).length === 1;

  test('one process opens it once', async () => {
    const path = newPath();
    const store = await open(path);
    await expect(open(path)).rejects.toThrow(/in use by (this|another) process/);
    await store.check();
    await store.close();
    await (await open(path)).close();
  });

  test('only its owner can read it, and nothing is left beside it but the lock', async () => {
    const path = newPath();
    const store = await open(path);
    for (const name of [path, `${path}-wal`]) expect(statSync(name).mode & 0o777).toBe(0o600);
    await store.close();
    expect(readdirSync(join(path, '..')).toSorted()).toEqual(['turnpike.db', 'turnpike.db.lock']);
  });

  test('content that is deleted, or is not to be stored, leaves no bytes', async () => {
    const path = newPath();
    const store = await open(path);
    const own = store.forTenant('t');
    const deleted = intentOf({ input: [itemOf(`FORGET ${'x'.repeat(20_000)} FORGET`)], head: '{"metadata":"FORGET"}' });
    await own.beginTurn(deleted);
    const attempt = attemptEndOf(deleted.attempt.id, { status: 'failed', rawReply: 'FORGET' });
    await own.commitTurn(commitOf(deleted, { head: '{"metadata":"FORGET"}', output: [itemOf('FORGET')], attempt }));
    const unstored = intentOf({ store: false, input: [itemOf('FORGET')], head: '"FORGET"', envelope: '{"FORGET":1}' });
    await own.beginTurn(unstored);
    await own.commitTurn(commitOf(unstored, { head: '"FORGET"', output: [itemOf('FORGET')] }));
    const kept = intentOf({ input: [itemOf('KEEP')] });
    await own.beginTurn(kept);
    await own.deleteResponse(deleted.id, startMs);
    await store.close();
    const bytes = bytesBeside(path);
    expect(bytes.includes('KEEP')).toBe(true);
    expect(bytes.includes('FORGET')).toBe(false);
  });

  /** What a quota must leave for the schema. */
  const pagesOfEmpty = async (path: string) => {
    await (await open(path)).close();
    const db = new DatabaseSync(path, { readOnly: true });
    try {
      return Number(db.prepare('PRAGMA page_count').get()?.['page_count']);
    } finally {
      db.close();
    }
  };

  test('a full disk is said, reads go on, and space that is freed is used', async () => {
    const path = newPath();
    const store = await open(path, { max_page_count: (await pagesOfEmpty(path)) + 90 });
    const own = store.forTenant('t');
    const done: string[] = [];
    const failed: unknown[] = [];
    for (let turn = 0; turn < 40; turn++) {
      const intent = intentOf({ input: [itemOf('x'.repeat(10_000))] });
      try {
        await own.beginTurn(intent);
        await own.commitTurn(commitOf(intent, { output: [itemOf('y'.repeat(10_000))] }));
        done.push(intent.id);
      } catch (error) {
        failed.push(error);
      }
    }
    expect(done.length).toBeGreaterThan(5);
    expect(failed.length).toBeGreaterThan(5);
    for (const error of failed) {
      expect(error).toMatchObject({ code: 'store_unavailable' });
      expect(String(error)).toContain('full');
    }
    for (const id of done) expect((await own.readContext(id))?.items).toHaveLength(2);
    await own.deleteResponse(done[0] ?? '', startMs);
    const small = intentOf();
    await own.beginTurn(small);
    expect(await own.commitTurn(commitOf(small))).toBe('committed');
    await store.close();
    expect(integrityOf(path)).toEqual(sound);
    const after = await open(path);
    for (const id of done.slice(1)) expect((await after.forTenant('t').readContext(id))?.items).toHaveLength(2);
    await after.close();
  });

  describe('a commit that the disk has refused', () => {
    const claim = { keyHash: 'key', bodyHash: 'body', expiresBeforeMs: 0 };
    /** Larger than what a full file has left, so that not even a failed end can be written. */
    const head = JSON.stringify({ status: 'completed', metadata: 'm'.repeat(100_000) });

    /** A turn whose commit found the disk full, and another that takes up the room. */
    const refusedTurn = async (limits: Partial<SqliteLimits>) => {
      const path = newPath();
      const store = await open(path, { max_page_count: (await pagesOfEmpty(path)) + 85 }, limits);
      const own = store.forTenant('t');
      const filler = intentOf({ input: [itemOf('x'.repeat(270_000))] });
      await own.beginTurn(filler);
      await own.commitTurn(commitOf(filler));
      const intent = intentOf({ idempotency: claim });
      await own.beginTurn(intent);
      const commit = commitOf(intent, { head });
      await expect(own.commitTurn(commit)).rejects.toThrow('full');
      return { path, store, own, intent, commit, free: () => own.deleteResponse(filler.id, startMs) };
    };
    const statusOf = async (own: TenantStore, { id }: TurnIntent) => (await own.readResponse(id))?.status;

    test('and that is given up: the turn ends as failed once there is room, and its bill is written', async () => {
      let warnings = 0;
      const warn = vi.spyOn(log, 'warn').mockImplementation(() => void (warnings += 1));
      onTestFinished(() => warn.mockRestore());
      const { store, own, intent, commit, free } = await refusedTurn({ finishMs: 1, unfinishedMs: 0 });
      onTestFinished(() => store.close());
      await until(async () => warnings > 2);
      expect(await statusOf(own, intent)).toBe('in_progress');
      await free();
      await until(async () => (await statusOf(own, intent)) !== 'in_progress');
      const response = await own.readResponse(intent.id);
      expect(response).toMatchObject({ status: 'failed', output: [] });
      expect(JSON.parse(response?.head ?? '')).toMatchObject({
        status: 'failed',
        error: { code: 'server_error', message: 'The response could not be stored.' },
      });
      expect(await own.readCost(intent.id)).toBe(247_750);
      expect(await own.commitTurn(commit)).toBe('fenced');
      // Nobody waits for it any more, and it was paid: its key is answered with the failure.
      expect(await own.beginTurn(intentOf({ idempotency: claim }))).toEqual({ turnId: intent.id, bodyHash: 'body' });
    });

    test('and that is run again before it is given up: the turn has ended as it was to end', async () => {
      const { store, own, intent, commit, free } = await refusedTurn({ finishMs: 1 });
      onTestFinished(() => store.close());
      await free();
      expect(await own.commitTurn(commit)).toBe('committed');
      expect(await own.readResponse(intent.id)).toMatchObject({ status: 'completed', output: [{}] });
    });

    test('is nothing that a store which is closed waits for: the next start ends the turn', async () => {
      const { path, store, intent } = await refusedTurn({ finishMs: 1, unfinishedMs: 0 });
      await store.close();
      const warn = vi.spyOn(log, 'warn');
      onTestFinished(() => warn.mockRestore());
      const after = await open(path);
      onTestFinished(() => after.close());
      expect(warn).not.toHaveBeenCalled();
      expect(await after.sweep(startMs)).toBe(1);
      expect(await statusOf(after.forTenant('t'), intent)).toBe('failed');
    });
  });

  test('a file that cannot be written is said, in the client language', async () => {
    const path = newPath();
    const store = await open(path, { query_only: 1 });
    const begun = store.forTenant('t').beginTurn(intentOf());
    await expect(begun).rejects.toMatchObject({ code: 'store_unavailable', status: 503 });
    await expect(begun).rejects.toThrow('read-only');
    await expect(begun).rejects.not.toThrow(path);
    await store.close();
    expect(integrityOf(path)).toEqual(sound);
  });

  test.each(['deleted', 'replaced'])('that is %s under its owner takes nothing that would be gone', async (harm) => {
    const path = newPath();
    const store = await open(path);
    const own = store.forTenant('t');
    const intent = intentOf();
    await own.beginTurn(intent);
    if (harm === 'replaced') copyFileSync(path, `${path}.copy`);
    rmSync(path);
    if (harm === 'replaced') renameSync(`${path}.copy`, path);
    await expect(own.commitTurn(commitOf(intent))).rejects.toThrow('its file was deleted or replaced');
    await expect(own.beginTurn(intentOf())).rejects.toMatchObject({ code: 'store_unavailable', status: 503 });
    await expect(store.check()).rejects.toMatchObject({ code: 'store_unavailable' });
    await store.close();
  });

  test('another program that locks it is said', async () => {
    const path = newPath();
    const store = await open(path, { busy_timeout: 0 });
    const intruder = new DatabaseSync(path);
    intruder.exec('BEGIN IMMEDIATE');
    const begun = await Promise.allSettled([1, 2, 3].map(() => store.forTenant('t').beginTurn(intentOf())));
    for (const each of begun) expect(each).toMatchObject({ status: 'rejected', reason: { code: 'store_unavailable' } });
    await expect(store.forTenant('t').beginTurn(intentOf())).rejects.toThrow('locked');
    await expect(store.check()).rejects.toMatchObject({ code: 'store_unavailable' });
    intruder.exec('ROLLBACK');
    intruder.close();
    await store.check();
    await store.close();
  });

  test('what is no database of ours is refused by name, and the lock is given back', async () => {
    const path = newPath();
    writeFileSync(path, 'not a database, but long enough to be looked at as if it were one'.repeat(100));
    for (let start = 0; start < 2; start++) {
      const opened = open(path);
      await expect(opened).rejects.toMatchObject({ code: 'store_unavailable' });
      await expect(opened).rejects.toThrow(`The store ${path} cannot be opened: file is not a database`);
    }
    await expect(open(join(path, 'nowhere', 'turnpike.db'))).rejects.toThrow('turnpike.db.lock');
  });

  test('claims of idempotency keys that have expired go with the next that is made', async () => {
    const path = newPath();
    const store = await open(path);
    const claim = (keyHash: string, expiresBeforeMs: number) =>
      store.forTenant(keyHash).beginTurn(intentOf({ idempotency: { keyHash, bodyHash: 'b', expiresBeforeMs } }));
    await claim('old', 0);
    await claim('older', 0);
    await claim('new', Number.MAX_SAFE_INTEGER);
    await store.close();
    expect(queryFile(path, 'SELECT key_hash FROM idempotency')).toEqual([{ key_hash: 'new' }]);
  });

  test('a newer schema is refused, and left alone', async () => {
    const path = newPath();
    await (await open(path)).close();
    const db = new DatabaseSync(path);
    db.exec(`INSERT INTO kysely_migration (name, timestamp) VALUES ('9999-later', '')`);
    db.close();
    await expect(open(path)).rejects.toThrow('newer Turnpike (schema 9999-later');
    expect(queryFile(path, 'SELECT name FROM kysely_migration')).toHaveLength(migrationNames.length + 1);
  });

  test('no statement looks at more than it needs: each row is found by more than its tenant', async () => {
    const path = newPath();
    await (await open(path)).close();
    // What is walked whole is a chain, what is running or queued, or what has just ended.
    const bounded =
      /: SEARCH .*\((tenant=\? AND |(id|session_id|conversation)=\? AND tenant=\?)|: SCAN (c|g|gone|CONSTANT ROW|turns USING INDEX turns_in_progress|background_runs USING INDEX background_runs_waiting|q)$|background_runs_waiting \(tenant=\?\)$|^listRunning: .*turns_in_progress \(owner=\?\)$|background_runs_ended \(ended_at_ms<\?\)$|(budgets_id|autoindex_keys_1) \(id=\?\)$/;
    const { selectRunning: listRunning, ...ofRuns } = runSql;
    const writes = { ...sqliteCommit, ...conversationWrites };
    const db = new DatabaseSync(path, { readOnly: true });
    const prepare = createStatements(db);
    const steps = Object.entries({ ...sql, ...ofRuns, listRunning, ...conversationReads, ...writes }).flatMap(
      ([name, statement]) =>
        prepare(`EXPLAIN QUERY PLAN ${statement}`)
          .all()
          .map(({ detail }) => `${name}: ${String(detail)}`)
          .filter((step) => /: (SEARCH|SCAN) /.test(step)),
    );
    db.close();
    expect(steps.length).toBeGreaterThan(20);
    expect(steps.filter((step) => !bounded.test(step))).toEqual([]);
  });

  test('missing items of a conversation are an error, never a shorter history', async () => {
    const path = newPath();
    const store = await open(path);
    const { conversations } = store.forTenant('t');
    const conversation = { id: 'conv_1', createdAtMs: startMs, sessionId: 'sess_1', metadata: '{}' };
    const appended = { createdAtMs: startMs, keyId: 'key_1', items: [itemOf('a'), itemOf('b')] };
    await conversations.create(conversation, { ...appended, turnId: 'resp_1' });
    expect((await conversations.readContext('conv_1'))?.items).toHaveLength(2);
    const vandal = new DatabaseSync(path);
    vandal.exec('DELETE FROM items WHERE position = 0');
    vandal.close();
    await expect(conversations.readContext('conv_1')).rejects.toMatchObject({ code: 'store_unavailable' });
    await store.close();
  });

  /** Behind the gateway's back: what is read afterwards was not remembered. */
  const changeItems = (path: string, turnId = '') => {
    const vandal = new DatabaseSync(path);
    vandal.exec(`UPDATE items SET body = '{"changed":1}' WHERE turn_id = '${turnId}'`);
    vandal.close();
  };

  test('a context that was read is not read again, until what stands for it in memory is taken away', async () => {
    const path = newPath();
    const store = await open(path);
    const own = store.forTenant('t');
    const turns: TurnIntent[] = [];
    for (const parent of [undefined, 0, 1, 1]) {
      const before = parent === undefined ? undefined : turns[parent];
      const intent = intentOf(before && { parent: strayLink(before.id, 2 * (parent ?? 0) + 2) });
      await own.beginTurn(intent);
      await own.commitTurn(commitOf(intent));
      turns.push(intent);
    }
    const [, parent, child, fork] = turns.map(({ id }) => id);
    const bodies = async (id = '') => (await own.readContext(id))?.items.map(({ body }) => body);
    const first = await bodies(parent);
    changeItems(path, turns[0]?.id);
    expect(await bodies(parent)).toEqual(first);
    expect((await bodies(child))?.slice(0, 4)).toEqual(first);
    expect((await bodies(child))?.slice(0, 4)).toEqual(first);
    // The child has taken its parent's place.
    expect((await bodies(fork))?.[0]).toBe('{"changed":1}');
    expect((await bodies(child))?.[0]).toBe(first?.[0]);
    await own.conversations.create(
      { id: 'conv_1', createdAtMs: startMs, sessionId: 'sess_1', metadata: '{}' },
      undefined,
    );
    expect((await bodies(child))?.[0]).toBe(first?.[0]);
    // Nothing was too old.
    await store.expire();
    expect((await bodies(child))?.[0]).toBe(first?.[0]);
    await own.conversations.delete('conv_1', startMs);
    expect((await bodies(child))?.[0]).toBe('{"changed":1}');
    await store.close();
  });

  test('what has grown too old leaves memory', async () => {
    const path = newPath();
    let nowMs = startMs;
    const retention = { contentMs: 1000, metadataMs: undefined };
    const store = await createSqliteStore({ path, secret, owner: 'a', log, retention, nowMs: () => nowMs });
    const own = store.forTenant('t');
    const write = async (createdAtMs: number) => {
      const intent = intentOf({ createdAtMs });
      await own.beginTurn(intent);
      await own.commitTurn(commitOf(intent));
      return intent.id;
    };
    await write(startMs);
    const young = await write(startMs + 900);
    const first = (await own.readContext(young))?.items[0]?.body;
    changeItems(path, young);
    expect((await own.readContext(young))?.items[0]?.body).toBe(first);
    nowMs = startMs + 1500;
    await store.expire();
    expect((await own.readContext(young))?.items[0]?.body).toBe('{"changed":1}');
    await store.close();
  });

  test('a response that was deleted leaves memory', async () => {
    const path = newPath();
    const store = await open(path);
    const own = store.forTenant('t');
    const root = intentOf();
    await own.beginTurn(root);
    await own.commitTurn(commitOf(root));
    const child = intentOf({ parent: strayLink(root.id, 2) });
    await own.beginTurn(child);
    await own.commitTurn(commitOf(child));
    await own.readContext(root.id);
    await own.deleteResponse(root.id, startMs);
    changeItems(path, root.id);
    expect((await own.readContext(child.id))?.items[0]?.body).toBe('{"changed":1}');
    await store.close();
  });

  test('missing items of an ancestor are an error, never a shorter history', async () => {
    const path = newPath();
    const store = await open(path);
    const own = store.forTenant('t');
    const root = intentOf();
    await own.beginTurn(root);
    await own.commitTurn(commitOf(root));
    const child = intentOf({ parent: strayLink(root.id, 2) });
    await own.beginTurn(child);
    const vandal = new DatabaseSync(path);
    vandal.exec(`DELETE FROM items WHERE turn_id = '${root.id}' AND position = 0`);
    vandal.close();
    await expect(own.readContext(child.id)).rejects.toMatchObject({ code: 'store_unavailable' });
    await expect(own.readInput(child.id)).rejects.toMatchObject({ code: 'store_unavailable' });
    await store.close();
  });
});
