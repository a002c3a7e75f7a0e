import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { StoredItem, TenantStore, TurnIntent } from '../../src/store/store.ts';
import { commitOf, intentOf, itemOf, nextId, queuedOf, readLink, startMs } from './make.ts';
import { type TestBed, unlikeTheirHead } from './test-bed.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const weekMs = 7 * dayMs;
const retention = { contentMs: 30 * dayMs, metadataMs: 60 * dayMs };

/** A turn as it was written, and what its context is by definition. */
interface Written {
  intent: TurnIntent;
  own: StoredItem[];
  context: StoredItem[];
  deleted: boolean;
}

/** What is too old is as if it had never been, and what is young enough reads as ever, whatever lies between. */
export function ageLaws({ createEngine }: TestBed): void {
  const begin = async () => {
    const engine = await createEngine();
    const clock = { nowMs: startMs };
    const store = await engine.open('process-1', undefined, { retention, nowMs: () => clock.nowMs });
    const end = async () => {
      expect(await unlikeTheirHead(engine)).toEqual([]);
      await store.close();
      await engine.destroy();
    };
    const isLive = ({ intent, deleted }: Written) =>
      !deleted && (intent.kept || intent.createdAtMs >= clock.nowMs - retention.contentMs);

    /** Writes a turn that keeps this share of its parent's context. */
    const write = async (
      own: TenantStore,
      parent: Written | undefined,
      { share = 1, ...overrides }: Partial<TurnIntent> & { share?: number } = {},
    ): Promise<Written> => {
      const base = parent?.context.slice(0, Math.round(parent.context.length * share)) ?? [];
      const intent = intentOf({ createdAtMs: clock.nowMs, ...overrides });
      if (parent !== undefined) intent.parent = await readLink(own, parent.intent.id, base.length, intent.id);
      const commit = commitOf(intent, { output: [{ ...itemOf('call'), type: 'function_call' }] });
      await own.beginTurn(intent);
      expect(await own.commitTurn(commit)).toBe('committed');
      const items = [...intent.input, ...commit.output];
      return { intent, own: items, context: [...base, ...items], deleted: false };
    };

    const check = async (own: TenantStore, written: readonly Written[]) => {
      for (const turn of written) {
        const { id, input } = turn.intent;
        const live = isLive(turn);
        const context = await own.readContext(id);
        const plain = context?.items.map(({ id: itemId, type, body, origin }) => ({ id: itemId, type, body, origin }));
        expect(plain).toEqual(live ? turn.context : undefined);
        expect((await own.readResponse(id))?.output).toEqual(live ? turn.own.slice(input.length) : undefined);
        expect((await own.readInput(id))?.length).toBe(live ? turn.context.length - 1 : undefined);
        expect((await own.readItem(turn.own[0]?.id ?? ''))?.id).toBe(live ? turn.own[0]?.id : undefined);
        if (!live) expect(await own.deleteResponse(id, clock.nowMs)).toBe(false);
      }
    };
    return { engine, store, clock, write, check, isLive, end };
  };

  test('a chain, a fork and something that is kept go on for weeks, while the weeks behind them are dropped', async () => {
    const { engine, store, clock, write, check, isLive, end } = await begin();
    const tenant = nextId('tenant');
    const own = store.forTenant(tenant);
    const tools = '{"instructions":"look it up","tools":[{"type":"function","name":"look"}]}';
    const chain = [await write(own, undefined, { envelope: tools })];
    const kept = [await write(own, undefined, { kept: true, envelope: tools })];
    const forks: Written[] = [];
    for (let week = 1; week <= 10; week++) {
      clock.nowMs += weekMs;
      const envelope = '{"instructions":"go on","tools":[]}';
      chain.push(await write(own, chain.at(-1), { envelope }));
      chain.push(await write(own, chain.at(-1), { envelope }));
      kept.push(await write(own, kept.at(-1), { kept: true, envelope }));
      if (week === 3) forks.push(await write(own, chain[0], { envelope }), await write(own, kept[0], { envelope }));
      if (week === 4) forks.push(await write(own, forks[0], { envelope }));
      await store.expire();
      await check(own, [...chain, ...kept, ...forks]);
      // Tools that the first turn brought are found by the last, by way of the call that asked for them.
      for (const leaf of [chain.at(-1), kept.at(-1)]) {
        const context = await own.readContext(leaf?.intent.id ?? '');
        const [, call] = context?.items ?? [];
        expect(call?.type).toBe('function_call');
        expect(await own.readEnvelope(call?.turnId ?? '', call?.envelope ?? '')).toBe(tools);
      }
    }
    const all = [...chain, ...kept, ...forks];
    const rows = async (sql: string) => engine.query(sql.replace('$1', `'${tenant}'`));
    const rowIds = (await rows('SELECT id FROM turns WHERE tenant = $1')).map(({ id }) => String(id)).toSorted();
    // Rows of spend stay for longer, and go by whole weeks.
    const spent = all.filter(({ intent }) => intent.kept || intent.createdAtMs >= clock.nowMs - retention.metadataMs);
    for (const { intent } of spent) expect(rowIds).toContain(intent.id);
    expect(rowIds).not.toContain(chain[0]?.intent.id);
    const aged = spent.filter((turn) => !isLive(turn) && turn.intent.createdAtMs < clock.nowMs - 38 * dayMs);
    expect(aged.length).toBeGreaterThan(2);
    for (const { intent } of aged) {
      const [log] = await rows(
        `SELECT CAST(messages AS text) AS messages, CAST(response AS text) AS response, spend, total_tokens
          FROM "LiteLLM_SpendLogs" WHERE team_id = $1 AND request_id = '${intent.id}'`,
      );
      const withheld = '{"content":"withheld","reason":"expired"}';
      expect(log).toMatchObject({ messages: withheld, response: withheld, spend: 0.00024775, total_tokens: 182 });
    }
    const holders = (await rows('SELECT DISTINCT turn_id FROM items WHERE tenant = $1')).map((row) => row['turn_id']);
    for (const { intent } of aged) expect(holders).not.toContain(intent.id);
    // What an anchor took along is neither its input nor counted as such.
    const listed = await own.listSession('sess_1');
    expect(listed.every(({ inputItems, outputItems }) => inputItems === 1 && outputItems === 1)).toBe(true);
    const [last] = await rows(
      `SELECT CAST(messages AS text) AS messages FROM "LiteLLM_SpendLogs"
        WHERE team_id = $1 AND request_id = '${chain.at(-2)?.intent.id}'`,
    );
    expect(JSON.parse(String(last?.['messages']))).toHaveLength(1);
    await end();
  });

  test('a response is there to the last millisecond, and gone with the next', async () => {
    const { store, clock, write, end } = await begin();
    const own = store.forTenant(nextId('tenant'));
    const turn = await write(own, undefined);
    const { id } = turn.intent;
    clock.nowMs += retention.contentMs;
    expect((await own.readContext(id))?.items).toHaveLength(2);
    const link = await readLink(own, id, 2, 'unused');
    clock.nowMs += 1;
    expect(await own.readContext(id)).toBeUndefined();
    expect(await own.readCost(id)).toBeUndefined();
    const late = intentOf({ createdAtMs: clock.nowMs, parent: link });
    await expect(own.beginTurn(late)).rejects.toMatchObject({ code: 'previous_response_not_found' });
    await end();
  });

  test('what is needed to run a background turn goes with its row of spend', async () => {
    const { engine, store, clock, end } = await begin();
    const tenant = nextId('tenant');
    const runs = store.runs.forTenant(tenant);
    const queue = async (overrides: Partial<TurnIntent> = {}) => {
      const intent = queuedOf({ createdAtMs: clock.nowMs, ...overrides });
      await runs.queue(intent);
      expect(await runs.cancel(intent.id, clock.nowMs)).toBe('cancelled');
      return intent.id;
    };
    const left = async () =>
      (await engine.query(`SELECT turn_id FROM background_runs WHERE tenant = '${tenant}'`)).map(
        (row) => row['turn_id'],
      );
    const old = await queue();
    const kept = await queue({ kept: true });
    clock.nowMs += retention.metadataMs;
    const young = await queue();
    await store.expire();
    expect(await left()).toContain(old);
    clock.nowMs += weekMs;
    await store.expire();
    expect(new Set(await left())).toEqual(new Set([kept, young]));
    await end();
  });

  test('a queued turn that has become too old waits no longer, and those after it do', async () => {
    const { engine, store, clock, end } = await begin();
    const tenant = nextId('tenant');
    const own = store.forTenant(tenant);
    const runs = store.runs.forTenant(tenant);
    const queue = async (overrides: Partial<TurnIntent> = {}) => {
      const intent = queuedOf({ createdAtMs: clock.nowMs, ...overrides });
      await runs.queue(intent);
      return intent.id;
    };
    const listed = async () => (await store.runs.listQueued()).map(({ id }) => id);
    const old = await queue();
    const kept = await queue({ kept: true });
    clock.nowMs += retention.contentMs;
    // To the last millisecond.
    expect(await runs.cancelAged(old, clock.nowMs)).toBe(false);
    expect((await runs.readQueued(old))?.body).toBe('{"model":"fast"}');
    clock.nowMs += 1;
    const young = await queue();
    await store.expire();
    expect(await store.sweep(clock.nowMs)).toBe(0);

    expect(await runs.readQueued(old)).toBeUndefined();
    expect(await listed()).toEqual([old]);
    expect(await store.runs.forTenant(nextId('tenant')).cancelAged(old, clock.nowMs)).toBe(false);
    expect(await listed()).toEqual([old]);
    expect(await runs.cancelAged(old, clock.nowMs)).toBe(true);
    expect(await runs.cancelAged(old, clock.nowMs)).toBe(false);
    for (const id of [kept, young]) {
      expect(await listed()).toEqual([id]);
      expect(await runs.cancelAged(id, clock.nowMs)).toBe(false);
      expect(await runs.readQueued(id)).toMatchObject({ body: '{"model":"fast"}' });
      if (id === kept) expect(await runs.cancel(id, clock.nowMs)).toBe('cancelled');
    }

    const checkGone = async (id: string) => {
      expect(await own.readResponse(id)).toBeUndefined();
      expect(await engine.query(`SELECT status, head, blanked FROM turns WHERE id = '${id}'`)).toEqual([
        { status: 'cancelled', head: '', blanked: 1 },
      ]);
      expect(await engine.query(`SELECT body FROM background_runs WHERE turn_id = '${id}'`)).toEqual([{ body: '' }]);
      expect(await engine.query(`SELECT position FROM items WHERE turn_id = '${id}'`)).toEqual([]);
    };
    clock.nowMs += weekMs;
    await store.expire();
    await checkGone(old);
    // Nobody looks before the content of its week goes.
    clock.nowMs += retention.contentMs;
    await store.expire();
    expect(await runs.cancelAged(young, clock.nowMs)).toBe(true);
    expect(await listed()).toEqual([]);
    await store.expire();
    await checkGone(young);
    await end();
  });

  test('an envelope goes after the last turn that has it', async () => {
    const { engine, store, clock, write, end } = await begin();
    const tenant = nextId('tenant');
    const own = store.forTenant(tenant);
    const count = async () => (await engine.query(`SELECT hash FROM envelopes WHERE tenant = '${tenant}'`)).length;
    const [first, second] = [await write(own, undefined), await write(own, undefined)];
    const other = await write(own, undefined, { envelope: '{"instructions":"another","tools":[]}' });
    expect(await count()).toBe(2);
    await own.deleteResponse(first.intent.id, clock.nowMs);
    await own.deleteResponse(other.intent.id, clock.nowMs);
    // It was sent a moment ago: another process may count on it.
    await store.expire();
    expect(await count()).toBe(2);
    clock.nowMs += dayMs + 1;
    await store.expire();
    expect(await count()).toBe(1);
    expect((await own.readResponse(second.intent.id))?.envelope).toBe(second.intent.envelope);
    await own.deleteResponse(second.intent.id, clock.nowMs);
    await store.expire();
    expect(await count()).toBe(0);
    await end();
  });

  test('any tree that grows and ages reads like the plain definition of a context', async () => {
    const { engine, store, clock, write, check, isLive, end } = await begin();
    const step = fc.record({
      parent: fc.option(fc.nat(), { freq: 6, nil: undefined }),
      share: fc.oneof({ weight: 5, arbitrary: fc.constant(1) }, fc.constantFrom(0, 0.5)),
      kept: fc.nat({ max: 3 }).map((roll) => roll === 0),
      remove: fc.option(fc.nat(), { freq: 2, nil: undefined }),
      ageMs: fc.oneof(
        fc.constant(1),
        fc.nat({ max: 20 }).map((days) => days * dayMs + 12_345),
      ),
      expires: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12, size: 'max' }), async (steps) => {
        const own = store.forTenant(nextId('tenant'));
        const written: Written[] = [];
        for (const { parent, share, kept, remove, ageMs, expires } of steps) {
          const live = written.filter(isLive);
          const picked = parent === undefined ? undefined : live[parent % Math.max(1, live.length)];
          written.push(await write(own, picked, { share, kept }));
          const doomed = remove === undefined ? undefined : written[remove % written.length];
          if (doomed !== undefined) {
            expect(await own.deleteResponse(doomed.intent.id, clock.nowMs)).toBe(isLive(doomed));
            doomed.deleted = true;
          }
          clock.nowMs += ageMs;
          if (expires) await store.expire();
          await check(own, written);
          expect(await unlikeTheirHead(engine)).toEqual([]);
        }
      }),
      { numRuns: 12 },
    );
    await end();
  }, 120_000);
}
