import { expect, test } from 'vitest';
import type { EventBatch } from '../../src/store/event-batch.ts';
import type { EventPage, QueuedIntent, TenantRuns } from '../../src/store/run-store.ts';
import type { AttemptStart } from '../../src/store/store.ts';
import type { TestBed } from './test-bed.ts';
import { attemptEndOf, batchOf, commitOf, intentOf, linkTo, nextId, queuedOf, startMs, strayLink } from './make.ts';

type Queued = QueuedIntent & { attempt: AttemptStart };

/** Background turns wait, run once, end once, and leave the stream that every reader reads. */
export function eventLaws(bed: TestBed): void {
  const { newTenant, rowsOf } = bed;

  const runsOf = (tenant: string): TenantRuns => bed.store.runs.forTenant(tenant);
  const startOf = (intent: Queued, owner = intent.owner, attempt = intent.attempt) => ({
    id: intent.id,
    queuedBy: intent.owner,
    epoch: 0,
    owner,
    head: JSON.stringify({ id: intent.id, status: 'in_progress', background: true }),
    attempt,
  });
  const begin = async (tenant: string, owner = 'process-1', intent = queuedOf({ owner })): Promise<Queued> => {
    expect(await runsOf(tenant).queue(intent)).toBeUndefined();
    expect(await runsOf(tenant).start(startOf(intent))).toBe(true);
    return intent;
  };
  const sequencesOf = (page: EventPage | undefined) =>
    page?.batches.flatMap(({ firstSequence, lastSequence }) => [[firstSequence, lastSequence]]);
  /** A lone surrogate comes back as its escape. */
  const asRead = (batch: EventBatch) => ({ ...batch, data: batch.data.replaceAll('\ud800', '\\ud800') });
  const statusOf = async (tenant: string, id: string) => (await bed.store.forTenant(tenant).readResponse(id))?.status;
  const attemptsOf = async (tenant: string) => (await rowsOf('attempts', tenant)).map(({ status }) => status);

  test('a queued turn waits without an attempt, with all that is needed to run it', async () => {
    const { own, tenant } = newTenant();
    const intent = queuedOf();
    await runsOf(tenant).queue(intent);
    expect(await own.readResponse(intent.id)).toMatchObject({ status: 'queued', head: intent.head, output: [] });
    expect(await attemptsOf(tenant)).toEqual([]);
    expect((await own.readInput(intent.id))?.map(({ id }) => id)).toEqual(intent.input.map(({ id }) => id));
    expect(await runsOf(tenant).readQueued(intent.id)).toEqual({
      owner: 'process-1',
      epoch: 0,
      createdAtMs: intent.createdAtMs,
      sessionId: 'sess_1',
      keyId: 'key_1',
      budgetIds: [],
      streamed: true,
      body: '{"model":"fast"}',
      lastSequence: 1,
      isRevoked: false,
    });
    expect(await runsOf(tenant).readEvents(intent.id, -1)).toMatchObject({
      status: 'queued',
      batches: [asRead(batchOf(0, 1))],
    });
    expect(await bed.store.sweep(startMs)).toBe(0);
    expect(await own.commitTurn(commitOf(intent))).toBe('fenced');
    expect(await statusOf(tenant, intent.id)).toBe('queued');
  });

  test('a queued turn is under the budgets that have a limit when it is read', async () => {
    const { tenant } = newTenant();
    const keyId = nextId('key');
    const intent = queuedOf({ keyId });
    await runsOf(tenant).queue(intent);
    const limited = async () => (await runsOf(tenant).readQueued(intent.id))?.budgetIds;
    await bed.store.budgets.forTenant(tenant).setLimit(`team:${tenant}`, 5);
    expect(await limited()).toEqual([`team:${tenant}`]);
    await bed.store.budgets.forTenant(tenant).setLimit(`key:${keyId}`, 7);
    expect(await limited()).toEqual([`key:${keyId}`, `team:${tenant}`]);
    await bed.store.budgets.forTenant(tenant).setLimit(`team:${tenant}`, null);
    expect(await limited()).toEqual([`key:${keyId}`]);
  });

  test('a queued turn knows whether its key was revoked since', async () => {
    const { keys } = bed.store;
    const key = { name: 'ci', teamId: undefined, hash: nextId('hash'), last4: 'wxyz', expiresAtMs: undefined };
    const id = nextId('key');
    await keys.createKey({ ...key, id, createdAtMs: startMs });
    const intent = queuedOf({ keyId: id });
    await runsOf(id).queue(intent);
    const isRevoked = async () => (await runsOf(id).readQueued(intent.id))?.isRevoked;
    expect(await isRevoked()).toBe(false);
    await keys.updateKey(id, { blocked: true }, startMs);
    expect(await isRevoked()).toBe(true);
    await keys.updateKey(id, { blocked: false }, startMs);
    expect(await isRevoked()).toBe(false);
    await keys.deleteKey(id, startMs);
    expect(await isRevoked()).toBe(true);
  });

  test('a turn is not queued where it could not have begun', async () => {
    const { tenant } = newTenant();
    const intent = queuedOf({ parent: strayLink('resp_unknown') });
    await expect(runsOf(tenant).queue(intent)).rejects.toMatchObject({ code: 'previous_response_not_found' });
    expect(await rowsOf('background_runs', tenant)).toEqual([]);
    expect(await rowsOf('events', tenant)).toEqual([]);
  });

  test('of many that start a queued turn at once, one does', async () => {
    const { tenant } = newTenant();
    const intent = queuedOf();
    await runsOf(tenant).queue(intent);
    const owners = Array.from({ length: 8 }, (_, index) => `process-${index}`);
    const started = await Promise.all(
      owners.map((owner) => runsOf(tenant).start(startOf(intent, owner, { ...intent.attempt, id: nextId('att') }))),
    );
    expect(started.filter(Boolean)).toHaveLength(1);
    const winner = owners[started.indexOf(true)];
    expect(await attemptsOf(tenant)).toEqual(['started']);
    expect(await statusOf(tenant, intent.id)).toBe('in_progress');
    expect(await runsOf(tenant).readQueued(intent.id)).toBeUndefined();
    expect(await bed.store.runs.listRunning(winner ?? '')).toContain(intent.id);
    for (const owner of owners) {
      expect(await runsOf(tenant).append(intent.id, owner, batchOf(2)), owner).toBe(owner === winner);
    }
    await runsOf(tenant).cancel(intent.id, startMs);
  });

  test('what was queued first in a tenant is listed for it, whoever queued it', async () => {
    const one = newTenant().tenant;
    const two = newTenant().tenant;
    const queued = [queuedOf({ owner: 'process-0' }), queuedOf(), queuedOf()];
    for (const intent of queued) await runsOf(one).queue(intent);
    const other = queuedOf();
    await runsOf(two).queue(other);
    const listed = async () => (await bed.store.runs.listQueued()).filter(({ tenant }) => [one, two].includes(tenant));
    expect(new Set((await listed()).map(({ id }) => id))).toEqual(new Set([queued[0]?.id, other.id]));
    if (queued[0] !== undefined) await runsOf(one).cancel(queued[0].id, startMs);
    await runsOf(two).cancel(other.id, startMs);
    expect(await listed()).toEqual([{ tenant: one, id: queued[1]?.id }]);
    for (const [atMost, count] of [
      [1, 1],
      [2, 2],
      [9, 2],
    ] as const) {
      expect(await runsOf(one).countQueued(atMost)).toBe(count);
    }
    expect(await runsOf(two).countQueued(9)).toBe(0);
  });

  test('every reader gets the events above any number, in order and whole', async () => {
    const { own, tenant } = newTenant();
    const intent = await begin(tenant);
    const ends = [3, 4, 9];
    let first = 2;
    for (const last of ends) {
      expect(await runsOf(tenant).append(intent.id, 'process-1', batchOf(first, last))).toBe(true);
      // Whoever does not know whether it was done does it again.
      expect(await runsOf(tenant).append(intent.id, 'process-1', batchOf(first, last))).toBe(true);
      first = last + 1;
    }
    expect(await own.commitTurn(commitOf(intent, { events: [batchOf(10), batchOf(11, 12)] }))).toBe('committed');
    const all = [
      [0, 1],
      [2, 3],
      [4, 4],
      [5, 9],
      [10, 10],
      [11, 12],
    ];
    for (let after = -1; after <= 13; after++) {
      const page = await runsOf(tenant).readEvents(intent.id, after);
      expect(sequencesOf(page)).toEqual(all.filter(([, last = 0]) => last > after));
      expect(page).toMatchObject({ status: 'completed', streamed: true, hasMore: false, endedAtMs: startMs + 1500 });
      expect(page?.batches.at(-1)?.data ?? '').toBe(after < 12 ? asRead(batchOf(11, 12)).data : '');
    }
  });

  test('many events come in pages', async () => {
    const { tenant } = newTenant();
    const intent = await begin(tenant);
    for (let n = 2; n < 40; n++) await runsOf(tenant).append(intent.id, 'process-1', batchOf(n));
    const seen: number[] = [];
    for (let hasMore = true; hasMore;) {
      const page = await runsOf(tenant).readEvents(intent.id, seen.at(-1) ?? -1);
      expect(page?.batches.length).toBeLessThanOrEqual(16);
      for (const { firstSequence, lastSequence } of page?.batches ?? []) {
        for (let n = firstSequence; n <= lastSequence; n++) seen.push(n);
      }
      hasMore = page?.hasMore ?? false;
    }
    expect(seen).toEqual(Array.from({ length: 40 }, (_, n) => n));
  });

  test('the terminal events are written with the commit or not at all', async () => {
    const { own, tenant } = newTenant();
    const intent = await begin(tenant);
    expect(await runsOf(tenant).cancel(intent.id, startMs)).toBe('cancelled');
    expect(await own.commitTurn(commitOf(intent, { events: [batchOf(2)] }))).toBe('fenced');
    expect(sequencesOf(await runsOf(tenant).readEvents(intent.id, -1))).toEqual([[0, 1]]);
    const done = await begin(tenant);
    const commit = commitOf(done, { events: [batchOf(2)] });
    for (let time = 0; time < 2; time++) expect(await own.commitTurn(commit)).toBe('committed');
    expect(sequencesOf(await runsOf(tenant).readEvents(done.id, -1))).toEqual([
      [0, 1],
      [2, 2],
    ]);
    expect(await runsOf(tenant).append(done.id, 'process-1', batchOf(3))).toBe(false);
  });

  test('a sweep ends the stream of a dead process with one event, and leaves what is queued', async () => {
    const { own, tenant } = newTenant();
    const dead = await begin(tenant, 'process-0');
    await runsOf(tenant).append(dead.id, 'process-0', batchOf(2, 7));
    const silent = await begin(tenant, 'process-0', queuedOf({ owner: 'process-0' }, { streamed: false, events: [] }));
    const waiting = queuedOf({ owner: 'process-0' });
    await runsOf(tenant).queue(waiting);
    expect(await bed.store.sweep(startMs)).toBe(2);

    const page = await runsOf(tenant).readEvents(dead.id, 7);
    const response = await own.readResponse(dead.id);
    const body = `${response?.head.slice(0, -1)},"output":[],${dead.envelope.slice(1)}`;
    expect(page).toMatchObject({ status: 'failed', endedAtMs: startMs });
    expect(page?.batches).toEqual([
      {
        firstSequence: 8,
        lastSequence: 8,
        data: `event: response.failed\ndata: {"type":"response.failed","sequence_number":8,"response":${body}}\n\n`,
      },
    ]);
    expect(JSON.parse(body)).toMatchObject({ status: 'failed', error: { code: 'server_error' }, output: [] });
    expect((await runsOf(tenant).readEvents(silent.id, -1))?.batches).toEqual([]);
    expect(await statusOf(tenant, silent.id)).toBe('failed');
    expect(await statusOf(tenant, waiting.id)).toBe('queued');
    // It was only frozen.
    expect(await runsOf(tenant).append(dead.id, 'process-0', batchOf(8, 9))).toBe(false);
    expect(await own.commitTurn(commitOf(dead, { events: [batchOf(8)] }))).toBe('fenced');
    expect((await runsOf(tenant).readEvents(dead.id, 7))?.batches).toEqual(page?.batches);
    expect(await runsOf(tenant).start(startOf(waiting, 'process-1'))).toBe(true);
  });

  test('an end that nobody could write is written with its event', async () => {
    const { own, tenant } = newTenant();
    const intent = await begin(tenant);
    const head = JSON.stringify({ id: intent.id, status: 'failed' });
    expect(await own.commitTurn(commitOf(intent, { status: 'failed', head, output: [], events: 'lost' }))).toBe(
      'committed',
    );
    expect(sequencesOf(await runsOf(tenant).readEvents(intent.id, 1))).toEqual([[2, 2]]);
  });

  test('a cancel wins over whatever comes later, and keeps what was written so far', async () => {
    const { own, tenant } = newTenant();
    const intent = await begin(tenant);
    expect(await runsOf(tenant).cancel(intent.id, startMs)).toBe('cancelled');
    expect(await runsOf(tenant).cancel(intent.id, startMs)).toBe('ended');
    const cancelled = await own.readResponse(intent.id);
    expect(cancelled).toMatchObject({ status: 'cancelled', output: [] });
    expect(JSON.parse(cancelled?.head ?? '')).toMatchObject({ status: 'cancelled', background: true });
    expect(await runsOf(tenant).append(intent.id, 'process-1', batchOf(2))).toBe(false);
    expect(await own.commitTurn(commitOf(intent, { events: [] }))).toBe('fenced');
    expect(await own.readResponse(intent.id)).toEqual(cancelled);
    const late = commitOf(intent, {
      status: 'cancelled',
      head: JSON.stringify({ id: intent.id, status: 'cancelled', usage: 1 }),
      events: [batchOf(2)],
      attempt: attemptEndOf(intent.attempt.id, { status: 'cancelled' }),
    });
    expect(await own.commitTurn(late)).toBe('committed');
    expect(await own.readResponse(intent.id)).toMatchObject({
      status: 'cancelled',
      head: late.head,
      output: late.output,
    });
    expect(sequencesOf(await runsOf(tenant).readEvents(intent.id, -1))).toEqual([[0, 1]]);
  });

  test('a turn that ended before it was cancelled stays as it is; one without background is not cancelled', async () => {
    const { own, tenant } = newTenant();
    const intent = await begin(tenant);
    await own.commitTurn(commitOf(intent, { events: [batchOf(2)] }));
    expect(await runsOf(tenant).cancel(intent.id, startMs)).toBe('ended');
    expect(await statusOf(tenant, intent.id)).toBe('completed');
    const other = intentOf();
    await own.beginTurn(other);
    expect(await runsOf(tenant).cancel(other.id, startMs)).toBe('synchronous');
    expect(await statusOf(tenant, other.id)).toBe('in_progress');
    expect(await runsOf(tenant).readEvents(other.id, -1)).toMatchObject({ streamed: undefined });
    await own.commitTurn(commitOf(other));
  });

  test('a cancel and a commit at once: one of them, whole', async () => {
    const { own, tenant } = newTenant();
    for (let round = 0; round < 20; round++) {
      const intent = await begin(tenant);
      const [cancelled, committed] = await Promise.all([
        runsOf(tenant).cancel(intent.id, startMs),
        own.commitTurn(commitOf(intent, { events: [batchOf(2)] })),
      ]);
      const isCancelled = cancelled === 'cancelled';
      expect(committed).toBe(isCancelled ? 'fenced' : 'committed');
      expect(await own.readResponse(intent.id)).toMatchObject({ status: isCancelled ? 'cancelled' : 'completed' });
      expect(sequencesOf(await runsOf(tenant).readEvents(intent.id, 1))).toEqual(isCancelled ? [] : [[2, 2]]);
    }
  });

  test('events that are appended while the run is cancelled are before its end or nowhere', async () => {
    const { tenant } = newTenant();
    for (let round = 0; round < 20; round++) {
      const intent = await begin(tenant);
      const [appended] = await Promise.all([
        runsOf(tenant).append(intent.id, 'process-1', batchOf(2)),
        runsOf(tenant).cancel(intent.id, startMs),
      ]);
      expect(sequencesOf(await runsOf(tenant).readEvents(intent.id, 1))).toEqual(appended ? [[2, 2]] : []);
    }
  });

  test('a queued turn that is cancelled, fails or is deleted never runs', async () => {
    const { own, tenant } = newTenant();
    const intents = [queuedOf(), queuedOf(), queuedOf()] as const;
    for (const intent of intents) await runsOf(tenant).queue(intent);
    const [cancelled, failed, deleted] = intents;
    const run = await runsOf(tenant).readQueued(failed.id);
    if (run === undefined) throw new Error('it is not queued');
    expect(await runsOf(tenant).cancel(cancelled.id, startMs)).toBe('cancelled');
    const error = { code: 'server_error', message: 'no such model' };
    const fault = { ...error, reason: 'model_not_found' as const };
    expect(await runsOf(tenant).failQueued(failed.id, run, fault, startMs)).toBe(true);
    expect(await runsOf(tenant).failQueued(cancelled.id, run, fault, startMs)).toBe(false);
    expect(await own.deleteResponse(deleted.id, startMs)).toBe(true);
    for (const intent of intents) expect(await runsOf(tenant).start(startOf(intent)), intent.id).toBe(false);
    expect(await attemptsOf(tenant)).toEqual([]);
    const response = await own.readResponse(failed.id);
    expect(JSON.parse(response?.head ?? '')).toMatchObject({ status: 'failed', error });
    const logged = await bed.engine.query(
      `SELECT status, CAST(metadata AS text) AS metadata FROM "LiteLLM_SpendLogs" WHERE team_id = '${tenant}' ORDER BY request_id`,
    );
    const shown = logged.map((row) => {
      const { attempts, cost_nano_usd, error_information } = JSON.parse(String(row['metadata']));
      return [row['status'], attempts, cost_nano_usd, error_information];
    });
    const nothing = ['failure', 0, 0, null];
    expect(shown).toEqual([nothing, ['failure', 0, 0, { error_code: 'model_not_found' }], nothing]);
    const page = await runsOf(tenant).readEvents(failed.id, 1);
    expect(page?.batches).toMatchObject([{ firstSequence: 2, lastSequence: 2 }]);
    expect(page?.batches[0]?.data).toContain('no such model');
  });

  test('a run that others have ended is billed the estimate when its process dies, and the real bill may still come', async () => {
    const { own, tenant } = newTenant();
    const [cancelled, deleted] = [await begin(tenant, 'process-0'), await begin(tenant, 'process-0')];
    await runsOf(tenant).cancel(cancelled.id, startMs);
    await own.deleteResponse(deleted.id, startMs);
    const alive = await begin(tenant);
    await runsOf(tenant).cancel(alive.id, startMs);
    expect(await bed.store.sweep(startMs)).toBe(0);
    const bills = async () =>
      (await rowsOf('attempts', tenant)).map(({ status, estimated, cost_nano_usd: cost }) => [status, estimated, cost]);
    const estimate = ['crashed', 1, 1100];
    expect(await bills()).toEqual([estimate, estimate, ['started', 0, null]]);
    expect(await own.readResponse(cancelled.id)).toMatchObject({ status: 'cancelled' });
    expect(await own.readCost(cancelled.id)).toBe(1100);
    await own.commitTurn(commitOf(deleted, { events: [] }));
    expect(await bills()).toEqual([estimate, ['completed', 0, 247_750], ['started', 0, null]]);
    await own.commitTurn(commitOf(alive, { events: [] }));
  });

  test('a run that is deleted is cancelled first, and leaves no content', async () => {
    const { own, tenant } = newTenant();
    const intent = await begin(tenant);
    await runsOf(tenant).append(intent.id, 'process-1', batchOf(2));
    expect(await own.deleteResponse(intent.id, startMs)).toBe(true);
    expect(await runsOf(tenant).readEvents(intent.id, -1)).toBeUndefined();
    expect(await runsOf(tenant).cancel(intent.id, startMs)).toBeUndefined();
    expect(await runsOf(tenant).append(intent.id, 'process-1', batchOf(3))).toBe(false);
    expect(await own.commitTurn(commitOf(intent, { status: 'cancelled', events: [batchOf(3)] }))).toBe('fenced');
    expect(await rowsOf('turns', tenant)).toMatchObject([{ status: 'cancelled', head: '', purged: 1 }]);
    expect(await rowsOf('background_runs', tenant)).toMatchObject([{ body: '', expired: 1 }]);
    expect(await rowsOf('items', tenant)).toEqual([]);
    expect(await rowsOf('events', tenant)).toEqual([]);
    // It was paid all the same.
    expect(await attemptsOf(tenant)).toEqual(['completed']);
  });

  test('a queued turn keeps what it needs of a parent that is deleted', async () => {
    const { own, tenant } = newTenant();
    const parent = intentOf();
    await bed.run(own, parent);
    const child = queuedOf();
    child.parent = linkTo(parent, 2, child.id);
    await runsOf(tenant).queue(child);
    await own.deleteResponse(parent.id, startMs);
    expect(await own.readInput(child.id)).toHaveLength(3);
  });

  test('the request of a run is kept until it has ended', async () => {
    const { own, tenant } = newTenant();
    const bodies = async () => (await rowsOf('background_runs', tenant)).map(({ body }) => body);
    const intent = await begin(tenant);
    expect(await bodies()).toEqual(['{"model":"fast"}']);
    await own.commitTurn(commitOf(intent, { events: [] }));
    expect(await bodies()).toEqual(['']);
  });

  test('events go when they have been kept long enough, those of a running turn never', async () => {
    const { own, tenant } = newTenant();
    const ended = await begin(tenant);
    const running = await begin(tenant);
    const endedAtMs = startMs + 1500;
    await own.commitTurn(commitOf(ended, { events: [batchOf(2)] }));
    await bed.store.runs.expireEvents(endedAtMs);
    expect(await runsOf(tenant).readEvents(ended.id, -1)).toMatchObject({ expired: false, batches: [{}, {}] });
    while ((await bed.store.runs.expireEvents(endedAtMs + 1)) > 0);
    expect(await runsOf(tenant).readEvents(ended.id, -1)).toMatchObject({ expired: true, batches: [], streamed: true });
    expect(await runsOf(tenant).readEvents(running.id, -1)).toMatchObject({ expired: false, batches: [{}] });
    expect(await own.readResponse(ended.id)).toMatchObject({ status: 'completed', output: [{}] });
  });

  test("another tenant's run answers like an unknown one, and changes nothing", async () => {
    const { tenant } = newTenant();
    const intent = await begin(tenant);
    const waiting = queuedOf();
    await runsOf(tenant).queue(waiting);
    const tables = async () => Promise.all(['turns', 'background_runs', 'events'].map((name) => rowsOf(name, tenant)));
    const before = await tables();
    const stranger = runsOf(nextId('tenant'));
    const asked = async (id: string) => [
      await stranger.readQueued(id),
      await stranger.readEvents(id, -1),
      await stranger.cancel(id, startMs),
      await stranger.append(id, 'process-1', batchOf(2)),
      await stranger.start({ ...startOf(waiting), id }),
    ];
    const unknown = await asked('resp_unknown');
    expect(unknown).toEqual([undefined, undefined, undefined, false, false]);
    for (const { id } of [intent, waiting]) expect(await asked(id)).toEqual(unknown);
    expect(await tables()).toEqual(before);
    for (const id of ['\0', '\ud800', '']) {
      expect(await runsOf(tenant).readEvents(id, -1)).toBeUndefined();
      expect(await runsOf(tenant).cancel(id, startMs)).toBeUndefined();
    }
  });

  test('an idempotency key holds a background turn however it ends', async () => {
    const { tenant } = newTenant();
    const idempotency = { keyHash: nextId('hash'), bodyHash: 'b', expiresBeforeMs: 0 };
    const first = queuedOf({ idempotency });
    expect(await runsOf(tenant).queue(first)).toBeUndefined();
    const holder = { turnId: first.id, bodyHash: 'b' };
    expect(await runsOf(tenant).queue(queuedOf({ idempotency }))).toEqual(holder);
    await runsOf(tenant).cancel(first.id, startMs);
    expect(await runsOf(tenant).queue(queuedOf({ idempotency }))).toEqual(holder);
    expect(await rowsOf('background_runs', tenant)).toHaveLength(1);
  });
}
