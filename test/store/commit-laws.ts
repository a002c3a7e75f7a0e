import { expect, test } from 'vitest';
import type { TurnIntent } from '../../src/store/store.ts';
import type { TestBed } from './test-bed.ts';
import { attemptEndOf, attemptStartOf, commitOf, intentOf, linkTo, startMs, someUsage } from './make.ts';

/** Each turn ends once and each attempt is billed once, whatever happens to the process. */
export function commitLaws(bed: TestBed): void {
  const { engine, newTenant, run, rowsOf, owner, createEngine } = bed;

  test('a commit may be repeated, and is not made twice', async () => {
    const { own, tenant } = newTenant();
    const intent = intentOf();
    const commit = await run(own, intent);
    const before = await Promise.all(['turns', 'items', 'attempts'].map((table) => rowsOf(table, tenant)));
    expect(await own.commitTurn(commit)).toBe('committed');
    expect(await own.commitTurn({ ...commit, status: 'failed', output: [] })).toBe('fenced');
    expect(await Promise.all(['turns', 'items', 'attempts'].map((table) => rowsOf(table, tenant)))).toEqual(before);
  });

  test.each([{ owner: 'process-2' }, { epoch: 1 }, { id: 'resp_unknown' }])(
    'a commit is fenced where the turn is not its own: %o',
    async (overrides) => {
      const { own } = newTenant();
      const intent = intentOf();
      await own.beginTurn(intent);
      expect(await own.commitTurn(commitOf(intent, overrides))).toBe('fenced');
      expect((await own.readResponse(intent.id))?.status).toBe('in_progress');
    },
  );

  test('each attempt leaves one row, with what it used', async () => {
    const { own, tenant } = newTenant();
    const intent = intentOf();
    await own.beginTurn(intent);
    const second = attemptStartOf({ number: 2, upstreamModel: 'claude-y' });
    const failed = attemptEndOf(intent.attempt.id, {
      status: 'failed',
      usage: { ...someUsage, estimated: true },
      costNanoUsd: undefined,
      error: { code: 'upstream_overloaded', message: 'busy' },
      rawReply: '{"error":1}',
    });
    await own.nextAttempt(intent.id, failed, second);
    await own.commitTurn(commitOf(intent, { attempt: attemptEndOf(second.id) }));
    const rows =
      await engine.query(`SELECT id, number, status, upstream_model, reported_model, input_tokens, cached_tokens,
      cache_write_tokens, cache_write_hour_tokens, output_tokens, reasoning_tokens, estimated, cost_nano_usd, error_code,
      error_message, raw_reply, ended_at_ms, first_token_at_ms FROM attempts WHERE tenant = '${tenant}' ORDER BY number`);
    const common = {
      reported_model: 'claude-x-20261101',
      input_tokens: 157,
      cached_tokens: 40,
      cache_write_tokens: 7,
      cache_write_hour_tokens: 2,
      output_tokens: 25,
      reasoning_tokens: 5,
      ended_at_ms: startMs + 1500,
      first_token_at_ms: startMs + 200,
    };
    expect(rows).toEqual([
      {
        ...common,
        id: intent.attempt.id,
        number: 1,
        status: 'failed',
        upstream_model: 'claude-x',
        estimated: 1,
        cost_nano_usd: null,
        error_code: 'upstream_overloaded',
        error_message: 'busy',
        raw_reply: '{"error":1}',
      },
      {
        ...common,
        id: second.id,
        number: 2,
        status: 'completed',
        upstream_model: 'claude-y',
        estimated: 0,
        cost_nano_usd: 247_750,
        error_code: null,
        error_message: null,
        raw_reply: null,
      },
    ]);
    const [turn] = await own.listSession('sess_1');
    expect(turn).toEqual({
      id: intent.id,
      parentId: undefined,
      sessionId: 'sess_1',
      status: 'completed',
      model: 'fast',
      inputItems: 1,
      outputItems: 1,
      usage: {
        inputTokens: 314,
        cachedTokens: 80,
        cacheWriteTokens: 14,
        cacheWriteHourTokens: 4,
        outputTokens: 50,
        reasoningTokens: 10,
        estimated: true,
      },
      costNanoUsd: 247_750,
    });
    await expect(own.nextAttempt(intent.id, attemptEndOf(second.id), attemptStartOf())).rejects.toThrow('not running');
    expect(await rowsOf('attempts', tenant)).toHaveLength(2);
  });

  test('a session is listed oldest first, without what was deleted', async () => {
    const { own } = newTenant();
    const root = intentOf({ createdAtMs: startMs + 1 });
    await run(own, root);
    const late = intentOf({ createdAtMs: startMs + 3 });
    await run(own, { ...late, parent: linkTo(root, 2, late.id) });
    const early = intentOf({ createdAtMs: startMs + 2, store: false });
    await run(own, early);
    await run(own, intentOf({ sessionId: 'sess_2' }));
    const listed = await own.listSession('sess_1');
    expect(listed.map(({ id, parentId }) => [id, parentId])).toEqual([
      [root.id, undefined],
      [early.id, undefined],
      [late.id, root.id],
    ]);
    await own.deleteResponse(root.id, startMs);
    expect((await own.listSession('sess_1')).map(({ id }) => id)).toEqual([early.id, late.id]);
  });

  test('of many writes at once the bad one fails alone', async () => {
    const { own, tenant } = newTenant();
    const taken = intentOf();
    await own.beginTurn(taken);
    const intents = Array.from({ length: 50 }, () => intentOf());
    intents[25] = intentOf({ id: taken.id });
    const results = await Promise.allSettled(intents.map((intent) => own.beginTurn(intent)));
    expect(results.flatMap(({ status }, index) => (status === 'rejected' ? [index] : []))).toEqual([25]);
    expect(await rowsOf('turns', tenant)).toHaveLength(50);
    expect(await rowsOf('attempts', tenant)).toHaveLength(50);
  });

  test('a sweep fails the turns of dead processes and bills the estimate; the real bill may still come', async () => {
    const { own, tenant } = newTenant();
    const alive = intentOf();
    await own.beginTurn(alive);
    const dead = intentOf({ owner: 'process-0', head: '{"id":"r","status":"in_progress","metadata":{"10":"a"}}' });
    await own.beginTurn(dead);
    const hidden = intentOf({ owner: 'process-0' });
    await own.beginTurn(hidden);
    await own.deleteResponse(hidden.id, startMs);
    const unstored = intentOf({ owner: 'process-0', store: false });
    await own.beginTurn(unstored);
    const unpriced = intentOf({ owner: 'process-0', attempt: attemptStartOf({ estimatedCostNanoUsd: undefined }) });
    await own.beginTurn(unpriced);

    expect(await bed.store.sweep(startMs + 60_000)).toBe(4);
    expect(await bed.store.sweep(startMs + 60_000)).toBe(0);
    expect((await own.readResponse(alive.id))?.status).toBe('in_progress');
    const swept = await own.readResponse(dead.id);
    expect(swept).toMatchObject({ status: 'failed', output: [], envelope: dead.envelope });
    expect(JSON.parse(swept?.head ?? '')).toEqual({
      id: 'r',
      status: 'failed',
      metadata: { '10': 'a' },
      error: { code: 'server_error', message: 'The gateway stopped while this response was running.' },
      completed_at: Math.floor((startMs + 60_000) / 1000),
    });
    expect((await rowsOf('items', tenant)).map((row) => row['turn_id'])).not.toContain(hidden.id);
    const attemptOf = async (intent: TurnIntent) =>
      (await rowsOf('attempts', tenant)).find((row) => row['id'] === intent.attempt.id);
    const crashed = {
      status: 'crashed',
      estimated: 1,
      input_tokens: 11,
      cost_nano_usd: 1100,
      error_code: 'server_error',
    };
    for (const intent of [dead, hidden, unstored]) expect(await attemptOf(intent)).toMatchObject(crashed);
    expect(await attemptOf(unpriced)).toMatchObject({ ...crashed, cost_nano_usd: null });
    expect(await attemptOf(alive)).toMatchObject({ status: 'started', input_tokens: 0 });

    // The process was only frozen. Its turn is lost, its bill is not; a second bill changes nothing.
    expect(await own.commitTurn(commitOf(dead, { status: 'failed' }))).toBe('fenced');
    const billed = { status: 'completed', estimated: 0, input_tokens: 157, cost_nano_usd: 247_750, error_code: null };
    expect(await attemptOf(dead)).toMatchObject(billed);
    const again = attemptEndOf(dead.attempt.id, { costNanoUsd: 1, usage: { ...someUsage, inputTokens: 1 } });
    expect(await own.commitTurn(commitOf(dead, { attempt: again }))).toBe('fenced');
    expect(await attemptOf(dead)).toMatchObject(billed);
    expect(await own.readResponse(dead.id)).toEqual(swept);
  });

  test('a sweep whose clock goes behind that of the dead process ends nothing before it was begun', async () => {
    const { own, tenant } = newTenant();
    const created = Math.floor(startMs / 1000);
    const dead = intentOf({ owner: 'process-0', head: JSON.stringify({ created_at: created, status: 'in_progress' }) });
    const unsent = intentOf({ owner: 'process-0' });
    for (const intent of [dead, unsent]) await own.beginTurn(intent);
    const failed = attemptEndOf(unsent.attempt.id, { status: 'failed', endedAtMs: startMs });
    await own.nextAttempt(unsent.id, failed, attemptStartOf({ number: 2 }));
    await own.commitTurn(commitOf(unsent, { status: 'failed', attempt: failed }));
    expect(await bed.store.sweep(startMs - 60_000)).toBe(1);
    expect(JSON.parse((await own.readResponse(dead.id))?.head ?? '')).toMatchObject({ completed_at: created });
    const times = (await rowsOf('attempts', tenant)).map(({ ended_at_ms: endedAtMs }) => endedAtMs);
    expect(times).toEqual([startMs, startMs, startMs]);
  });

  test('what is deleted while a sweep is at it stays blank', async () => {
    const { own, tenant } = newTenant();
    const dead = Array.from({ length: 5 }, () => intentOf({ owner: 'process-0' }));
    for (const intent of dead) await own.beginTurn(intent);
    const deleted = dead.map(({ id }) => own.deleteResponse(id, startMs));
    await Promise.all([bed.store.sweep(startMs), ...deleted]);
    await bed.store.sweep(startMs);
    const blank = { status: 'failed', head: '', blanked: 1 };
    expect(await rowsOf('turns', tenant)).toMatchObject(dead.map(() => blank));
  });

  test('a sweep ends the attempts that dead processes began without knowing it, and nobody pays for them', async () => {
    const { own, tenant } = newTenant();
    const attempts = async () =>
      (await rowsOf('attempts', tenant)).map(({ status, cost_nano_usd: cost }) => ({ status, cost }));
    const dead = intentOf({ owner: 'process-0' });
    const alive = intentOf();
    for (const intent of [dead, alive]) {
      await own.beginTurn(intent);
      const failed = attemptEndOf(intent.attempt.id, { status: 'failed' });
      await own.nextAttempt(intent.id, failed, attemptStartOf({ number: 2 }));
      // As far as its process knows, that was not done.
      await own.commitTurn(commitOf(intent, { status: 'failed', attempt: failed }));
    }
    const [ended, begun] = [
      { status: 'failed', cost: 247_750 },
      { status: 'started', cost: null },
    ];
    expect((await attempts()).filter(({ status }) => status === 'started')).toEqual([begun, begun]);
    expect(await bed.store.sweep(startMs)).toBe(0);
    const after = await attempts();
    expect(after.filter(({ status }) => status === 'started')).toEqual([begun]);
    expect(after.filter(({ cost }) => cost === 0)).toEqual([{ ...ended, cost: 0 }]);
    expect(await own.readCost(dead.id)).toBe(247_750);
    expect(await own.readCost(alive.id)).toBeUndefined();
  });

  test('after a restart the turns of before are failed, and everything else is there', async () => {
    const { tenant, own } = newTenant();
    const done = intentOf();
    await run(own, done);
    const cut = intentOf();
    await own.beginTurn(cut);
    const before = await own.readResponse(done.id);
    await bed.store.close();
    bed.store = await engine.open('process-2');
    expect(await bed.store.sweep(startMs)).toBeGreaterThanOrEqual(1);
    const reopened = bed.store.forTenant(tenant);
    expect(await reopened.readResponse(done.id)).toEqual(before);
    expect((await reopened.readResponse(cut.id))?.status).toBe('failed');
    await run(reopened, intentOf({ owner: 'process-2' }));
    expect(await reopened.listSession('sess_1')).toHaveLength(3);
    await bed.store.close();
    bed.store = await engine.open(owner);
  });

  test('a closed store refuses, and may be closed again', async () => {
    const closed = await createEngine();
    const short = await closed.open(owner);
    const own = short.forTenant('t');
    const intents = Array.from({ length: 10 }, () => intentOf());
    const begun = Promise.all(intents.map((intent) => own.beginTurn(intent)));
    await Promise.all([short.close(), short.close()]);
    await begun;
    const refused = { code: 'store_unavailable' };
    await expect(short.check()).rejects.toMatchObject(refused);
    await expect(short.sweep(startMs)).rejects.toMatchObject(refused);
    await expect(own.beginTurn(intentOf())).rejects.toMatchObject(refused);
    await expect(own.readContext(intents[0]?.id ?? '')).rejects.toMatchObject(refused);
    const after = await closed.open(owner);
    expect(await after.forTenant('t').listSession('sess_1')).toHaveLength(10);
    await after.check();
    await after.close();
    await closed.destroy();
  });
}
