import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Store, StoredItem, TenantStore, TurnCommit, TurnIntent } from '../../src/store/store.ts';
import {
  attemptEndOf,
  attemptStartOf,
  commitOf,
  intentOf,
  itemOf,
  linkTo,
  nextId,
  someUsage,
  startMs,
} from './make.ts';

/** One database of the engine under test. */
export interface Engine {
  /** Opens the database as this process. The store opened before must have been closed where the engine has one owner. */
  open(owner: string): Promise<Store>;
  /** Reads what is committed, past the interface. */
  query(sql: string): Promise<Record<string, unknown>[]>;
  destroy(): Promise<void>;
}

const owner = 'process-1';

/** What every engine of the store must do. */
export function storeSuite(name: string, createEngine: () => Promise<Engine>): void {
  describe(`${name}: the store`, () => {
    let engine: Engine;
    let store: Store;
    beforeAll(async () => {
      engine = await createEngine();
      store = await engine.open(owner);
    });
    afterAll(async () => {
      await store.close();
      await engine.destroy();
    });

    /** Each test has a tenant of its own: isolation is one of the laws. */
    const newTenant = () => {
      const tenant = nextId('tenant');
      return { tenant, own: store.forTenant(tenant) };
    };
    const run = async (own: TenantStore, intent: TurnIntent, overrides: Partial<TurnCommit> = {}) => {
      const commit = commitOf(intent, overrides);
      await own.beginTurn(intent);
      expect(await own.commitTurn(commit)).toBe('committed');
      return commit;
    };
    const rowsOf = (table: string, tenant: string) =>
      engine.query(`SELECT * FROM ${table} WHERE tenant = '${tenant}' ORDER BY 2, 3`);
    const ids = (items: StoredItem[] | undefined) => items?.map((item) => item.id);

    test('what was begun and committed is read back, with the ids of the turn', async () => {
      const { own } = newTenant();
      const intent = intentOf({ input: [itemOf('a'), itemOf('b', '{"protocol":"messages"}')] });
      await own.beginTurn(intent);
      const input = intent.input.map((item) => ({ ...item, turnId: intent.id }));
      const start = { sessionId: 'sess_1', status: 'in_progress' };
      expect(await own.readContext(intent.id)).toEqual({ ...start, anchor: intent.id, depth: 0, items: input });
      const { head, envelope } = intent;
      expect(await own.readResponse(intent.id)).toEqual({ ...start, head, envelope, output: [] });

      const commit = commitOf(intent, { status: 'incomplete', output: [itemOf('c', '{"source":"{}"}'), itemOf('d')] });
      expect(await own.commitTurn(commit)).toBe('committed');
      const output = commit.output.map((item) => ({ ...item, turnId: intent.id }));
      const end = { sessionId: 'sess_1', status: 'incomplete' };
      expect(await own.readContext(intent.id)).toEqual({
        ...end,
        anchor: intent.id,
        depth: 0,
        items: [...input, ...output],
      });
      expect(await own.readResponse(intent.id)).toEqual({
        ...end,
        head: commit.head,
        envelope,
        output: commit.output,
      });
      expect(await own.readInput(intent.id)).toEqual(input);
      expect(await own.readEnvelope(intent.id)).toBe(envelope);
      expect(await own.readItem(commit.output[0]?.id ?? '')).toEqual(commit.output[0]);
    });

    test('a turn may have no input, no output and no envelope', async () => {
      const { own } = newTenant();
      const first = intentOf({ input: [], envelope: '' });
      await run(own, first, { output: [] });
      const child = intentOf();
      await run(own, { ...child, parent: linkTo(first, 0, child.id) });
      expect((await own.readContext(first.id))?.items).toEqual([]);
      expect(await own.readResponse(first.id)).toMatchObject({ status: 'completed', envelope: '', output: [] });
      expect(await own.readEnvelope(first.id)).toBeUndefined();
      expect((await own.readContext(child.id))?.items).toHaveLength(2);
    });

    test('forks see their ancestors only', async () => {
      const { own } = newTenant();
      const root = intentOf();
      const rootCommit = await run(own, root);
      const forks = [intentOf(), intentOf(), intentOf()];
      const outputs = await Promise.all(
        forks.map((fork) => run(own, { ...fork, parent: linkTo(root, 2, fork.id) }).then((commit) => commit.output)),
      );
      for (const [index, fork] of forks.entries()) {
        const context = await own.readContext(fork.id);
        expect(ids(context?.items)).toEqual(
          ids([...root.input, ...rootCommit.output, ...fork.input, ...(outputs[index] ?? [])]),
        );
        expect(context).toMatchObject({ anchor: root.id, depth: 1 });
        expect(await own.readInput(fork.id)).toEqual(context?.items.slice(0, -1));
      }
    });

    test('a turn that keeps less than its parent had is read with what it keeps', async () => {
      const { own } = newTenant();
      const root = intentOf({ input: [itemOf('a'), itemOf('b')] });
      const { output } = await run(own, root);
      const edited = intentOf();
      edited.parent = linkTo(root, 1, edited.id);
      const { output: answer } = await run(own, edited);
      const anchor = intentOf({ input: [...root.input, ...output] });
      anchor.parent = linkTo(edited, 0, anchor.id);
      const { output: last } = await run(own, anchor);
      expect(ids((await own.readContext(edited.id))?.items)).toEqual(
        ids([...root.input.slice(0, 1), ...edited.input, ...answer]),
      );
      await own.deleteResponse(root.id, startMs);
      await own.deleteResponse(edited.id, startMs);
      expect(await own.readContext(anchor.id)).toMatchObject({ anchor: anchor.id, depth: 0 });
      expect(ids((await own.readContext(anchor.id))?.items)).toEqual(ids([...root.input, ...output, ...last]));
    });

    test.each(['completed', 'incomplete', 'failed', 'cancelled'] as const)(
      'a turn that ended %s is read with that status and its partial output',
      async (status) => {
        const { own } = newTenant();
        const intent = intentOf();
        const commit = await run(own, intent, { status });
        expect((await own.readContext(intent.id))?.status).toBe(status);
        expect(await own.readResponse(intent.id)).toMatchObject({ status, output: commit.output });
      },
    );

    test.each([
      ['NUL', 'a\0b'],
      ['lone surrogates', '\ud800 and \udfff'],
      ['a pair', '\ud83d\ude00'],
      ['separators and escapes', '\u2028\u2029\\"\n\t\u0001\u007f'],
      ['not normalised', 'e\u0301 \u00e9 \ufeff'],
      ['3 MB', 'ab\u00e9😀'.repeat(600_000)],
      ['numbers as text', '18446744073709551615 1e400 -0'],
    ])('text comes back as it was: %s', async (_, text) => {
      const { own } = newTenant();
      const head = JSON.stringify({ id: 'resp', metadata: { text } });
      const envelope = JSON.stringify({ instructions: text });
      const intent = intentOf({ input: [itemOf(text, JSON.stringify({ source: text }))], head, envelope });
      const output = [itemOf(text)];
      await run(own, intent, { head, output });
      expect((await own.readContext(intent.id))?.items).toEqual(
        [...intent.input, ...output].map((item) => ({ ...item, turnId: intent.id })),
      );
      expect(await own.readResponse(intent.id)).toMatchObject({ head, envelope, output });
    });

    test('JSON with raw lone surrogates is kept as the same value', async () => {
      const { own } = newTenant();
      const body = '{"text":"cut \ud83d here, \udc00\\ud800\\\\"}';
      const intent = intentOf({ input: [{ ...itemOf(''), body }] });
      await run(own, intent);
      const stored = (await own.readContext(intent.id))?.items[0]?.body ?? '';
      expect(JSON.parse(stored)).toEqual(JSON.parse(body));
    });

    test('columns take any text that a client or an upstream sends', async () => {
      const { own } = newTenant();
      const intent = intentOf({ endUser: 'u\0\ud800', sessionId: 's\0' });
      await own.beginTurn(intent);
      const error = { code: 'upstream_error', message: 'bad \0 \udfff' };
      const attempt = attemptEndOf(intent.attempt.id, { status: 'failed', error, rawReply: '\0', upstreamId: '\0' });
      expect(await own.commitTurn(commitOf(intent, { status: 'failed', attempt }))).toBe('committed');
      expect(await own.listSession('s\0')).toHaveLength(1);
    });

    test('readItem gives the newest of equals', async () => {
      const { own } = newTenant();
      const item = itemOf('first');
      await run(own, intentOf({ input: [item] }));
      const newer = { ...item, body: '{"newer":true}' };
      const second = intentOf({ input: [newer] });
      await run(own, second);
      expect(await own.readItem(item.id)).toEqual(newer);
      expect(await own.deleteResponse(second.id, startMs)).toBe(true);
      expect(await own.readItem(item.id)).toEqual(item);
    });

    test("another tenant's id answers like an unknown one, and changes nothing", async () => {
      const { own, tenant } = newTenant();
      const intent = intentOf();
      const commit = await run(own, intent);
      const running = intentOf();
      await own.beginTurn(running);
      const tables = async () =>
        Promise.all(['turns', 'items', 'attempts', 'envelopes'].map((table) => rowsOf(table, tenant)));
      const before = await tables();

      const stranger = store.forTenant(nextId('tenant'));
      const asked = async (id: string, itemId: string, session: string) => [
        await stranger.readContext(id),
        await stranger.readResponse(id),
        await stranger.readInput(id),
        await stranger.readEnvelope(id),
        await stranger.readItem(itemId),
        await stranger.deleteResponse(id, startMs),
        await stranger.listSession(session),
        await stranger.commitTurn(commitOf({ ...running, id })),
        await stranger
          .nextAttempt(id, attemptEndOf(running.attempt.id), attemptStartOf({ number: 2 }))
          .catch((error: unknown) => String(error)),
        await stranger
          .beginTurn(intentOf({ parent: { id, keep: 1, anchor: id, depth: 1 } }))
          .catch((error: unknown) => String(error).replace(id, 'ID')),
      ];
      const unknown = await asked('resp_unknown', 'msg_unknown', 'sess_unknown');
      expect(await asked(running.id, commit.output[0]?.id ?? '', 'sess_1')).toEqual(unknown);
      expect(await asked(intent.id, intent.input[0]?.id ?? '', 'sess_1')).toEqual(unknown);
      expect(unknown.at(-1)).toContain("Previous response with id 'ID' not found.");
      expect(await tables()).toEqual(before);
    });

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
      await expect(own.nextAttempt(intent.id, attemptEndOf(second.id), attemptStartOf())).rejects.toThrow(
        'not running',
      );
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

    test('a deleted response is gone at once, its items with their last user', async () => {
      const { own, tenant } = newTenant();
      const root = intentOf();
      await run(own, root, {
        attempt: attemptEndOf(root.attempt.id, { status: 'failed', rawReply: 'secret' }),
      });
      const middle = intentOf();
      middle.parent = linkTo(root, 2, middle.id);
      await run(own, middle);
      const leaf = intentOf();
      leaf.parent = linkTo(middle, 4, leaf.id);
      await run(own, leaf);
      const whole = await own.readContext(leaf.id);

      expect(await own.deleteResponse(root.id, startMs)).toBe(true);
      expect(await own.deleteResponse(root.id, startMs)).toBe(false);
      expect(await own.readContext(root.id)).toBeUndefined();
      expect(await own.readResponse(root.id)).toBeUndefined();
      expect(await own.readInput(root.id)).toBeUndefined();
      expect(await own.readItem(root.input[0]?.id ?? '')).toBeUndefined();
      expect(await own.readEnvelope(root.id)).toBe(root.envelope);
      expect((await rowsOf('turns', tenant)).find((row) => row['id'] === root.id)).toMatchObject({ head: '' });
      expect((await rowsOf('attempts', tenant)).map((row) => row['raw_reply'])).toEqual([null, null, null]);
      expect(await own.readContext(leaf.id)).toEqual(whole);

      expect(await own.deleteResponse(middle.id, startMs)).toBe(true);
      expect(await own.readContext(leaf.id)).toEqual(whole);
      expect(await rowsOf('items', tenant)).toHaveLength(6);
      expect(await own.deleteResponse(leaf.id, startMs)).toBe(true);
      expect(await rowsOf('items', tenant)).toEqual([]);
      expect(await rowsOf('attempts', tenant)).toHaveLength(3);
    });

    test('a turn deleted while it runs leaves nothing when it ends, and frees its ancestors', async () => {
      const { own, tenant } = newTenant();
      const root = intentOf();
      await run(own, root);
      const child = intentOf();
      child.parent = linkTo(root, 2, child.id);
      await own.beginTurn(child);
      expect(await own.deleteResponse(root.id, startMs)).toBe(true);
      expect(await own.deleteResponse(child.id, startMs)).toBe(true);
      expect(await own.readResponse(child.id)).toBeUndefined();
      expect(await rowsOf('items', tenant)).toHaveLength(3);
      const commit = commitOf(child);
      expect(await own.commitTurn(commit)).toBe('committed');
      expect(await own.commitTurn(commit)).toBe('committed');
      expect(await rowsOf('items', tenant)).toEqual([]);
      expect((await rowsOf('turns', tenant)).map((row) => row['head'])).toEqual(['', '']);
      expect((await rowsOf('attempts', tenant)).map((row) => row['status'])).toEqual(['completed', 'completed']);
    });

    test('nothing begins on a parent that was deleted since it was read, or that has less than is kept', async () => {
      const { own, tenant } = newTenant();
      const root = intentOf();
      await run(own, root);
      const greedy = intentOf();
      greedy.parent = linkTo(root, 3, greedy.id);
      await expect(own.beginTurn(greedy)).rejects.toMatchObject({ code: 'internal_error' });
      await own.deleteResponse(root.id, startMs);
      const late = intentOf();
      late.parent = linkTo(root, 2, late.id);
      await expect(own.beginTurn(late)).rejects.toMatchObject({
        code: 'previous_response_not_found',
        param: 'previous_response_id',
      });
      expect(await rowsOf('turns', tenant)).toHaveLength(1);
      expect(await rowsOf('attempts', tenant)).toHaveLength(1);
    });

    test('a turn that is not stored resolves for nobody and leaves no content', async () => {
      const { own, tenant } = newTenant();
      const parent = intentOf();
      await run(own, parent);
      const intent = intentOf({ store: false, head: '{"metadata":{"k":"canary"}}', envelope: '{"i":"canary"}' });
      intent.parent = linkTo(parent, 2, intent.id);
      intent.input = [itemOf('canary')];
      const withoutContent = async () => {
        for (const table of ['turns', 'items', 'attempts', 'envelopes']) {
          expect(JSON.stringify(await rowsOf(table, tenant))).not.toContain('canary');
        }
      };
      await own.beginTurn(intent);
      await withoutContent();
      const attempt = attemptEndOf(intent.attempt.id, { status: 'failed', rawReply: 'canary' });
      await own.commitTurn(commitOf(intent, { head: '{"metadata":"canary"}', output: [itemOf('canary')], attempt }));
      await withoutContent();
      expect(await own.readContext(intent.id)).toBeUndefined();
      expect(await own.readResponse(intent.id)).toBeUndefined();
      expect(await own.readInput(intent.id)).toBeUndefined();
      expect(await own.readEnvelope(intent.id)).toBeUndefined();
      expect(await own.deleteResponse(intent.id, startMs)).toBe(false);
      await expect(
        own.beginTurn(intentOf({ parent: { id: intent.id, keep: 1, anchor: intent.id, depth: 1 } })),
      ).rejects.toMatchObject({ code: 'previous_response_not_found' });
      expect((await own.listSession('sess_1')).map(({ id }) => id)).toEqual([parent.id, intent.id]);
      await own.deleteResponse(parent.id, startMs);
      expect(await rowsOf('items', tenant)).toEqual([]);
    });

    test('an envelope is written once for a tenant, under a hash that differs between tenants', async () => {
      const envelope = JSON.stringify({ instructions: nextId('shared') });
      const tenants = [newTenant(), newTenant()];
      for (const { own } of tenants) for (let turn = 0; turn < 3; turn++) await run(own, intentOf({ envelope }));
      const rows = await engine.query(`SELECT tenant, hash FROM envelopes WHERE body = '${envelope}' ORDER BY tenant`);
      expect(rows.map((row) => row['tenant'])).toEqual(tenants.map(({ tenant }) => tenant).toSorted());
      expect(new Set(rows.map((row) => row['hash'])).size).toBe(2);
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

      expect(await store.sweep(startMs + 60_000)).toBe(3);
      expect(await store.sweep(startMs + 60_000)).toBe(0);
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

    test('after a restart the turns of before are failed, and everything else is there', async () => {
      const { tenant, own } = newTenant();
      const done = intentOf();
      await run(own, done);
      const cut = intentOf();
      await own.beginTurn(cut);
      const before = await own.readResponse(done.id);
      await store.close();
      store = await engine.open('process-2');
      expect(await store.sweep(startMs)).toBeGreaterThanOrEqual(1);
      const reopened = store.forTenant(tenant);
      expect(await reopened.readResponse(done.id)).toEqual(before);
      expect((await reopened.readResponse(cut.id))?.status).toBe('failed');
      await run(reopened, intentOf({ owner: 'process-2' }));
      expect(await reopened.listSession('sess_1')).toHaveLength(3);
      await store.close();
      store = await engine.open(owner);
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

    test('any tree of turns reads like the plain definition of a context, whatever is deleted', async () => {
      const step = fc.record({
        parent: fc.option(fc.nat(), { freq: 6, nil: undefined }),
        keep: fc.oneof(
          { weight: 6, arbitrary: fc.constant(1) },
          { weight: 2, arbitrary: fc.integer({ min: 1, max: 99 }).map((percent) => percent / 100) },
          { weight: 1, arbitrary: fc.constant(0) },
        ),
        inputs: fc.nat({ max: 3 }),
        outputs: fc.nat({ max: 2 }),
        store: fc.nat({ max: 4 }).map((roll) => roll > 0),
        remove: fc.option(fc.nat(), { freq: 2, nil: undefined }),
        removeWhileRunning: fc.nat({ max: 9 }).map((roll) => roll === 0),
      });
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 24, size: 'max' }), async (steps) => {
          const { tenant, own } = newTenant();
          const model: ModelTurn[] = [];
          for (const { parent: pick, keep: share, inputs, outputs, store: kept, remove, removeWhileRunning } of steps) {
            const reachable = model.filter((turn) => turn.stored && !turn.deleted);
            const parent = pick === undefined ? undefined : reachable[pick % Math.max(1, reachable.length)];
            const intent = intentOf({ store: kept, input: Array.from({ length: inputs }, () => itemOf('in')) });
            const base = parent === undefined ? [] : parent.context.slice(0, Math.round(parent.context.length * share));
            if (parent !== undefined) intent.parent = linkTo(parent.intent, base.length, intent.id);
            const output = intent.store ? Array.from({ length: outputs }, () => itemOf('out')) : [];
            await own.beginTurn(intent);
            if (removeWhileRunning) await own.deleteResponse(intent.id, startMs);
            await own.commitTurn(commitOf(intent, { output }));
            model.push({
              intent,
              parent: base.length === 0 ? undefined : parent,
              own: [...intent.input, ...output],
              context: [...base, ...[...intent.input, ...output].map((item) => ({ ...item, turnId: intent.id }))],
              stored: intent.store,
              deleted: intent.store && removeWhileRunning,
            });
            const removed = remove === undefined ? undefined : model[remove % model.length];
            if (removed !== undefined) {
              const expected = removed.stored && !removed.deleted;
              expect(await own.deleteResponse(removed.intent.id, startMs)).toBe(expected);
              removed.deleted ||= expected;
            }
          }
          for (const turn of model) {
            const expected = turn.stored && !turn.deleted ? turn.context : undefined;
            expect((await own.readContext(turn.intent.id))?.items).toEqual(expected);
          }
          const stored = await engine.query(`SELECT id FROM items WHERE tenant = '${tenant}'`);
          const needed = model.filter((turn) => turn.stored && isNeeded(turn, model)).flatMap((turn) => turn.own);
          expect(stored.map((row) => String(row['id'])).toSorted()).toEqual(needed.map(({ id }) => id).toSorted());
        }),
        { numRuns: 60 },
      );
    });

    describe('the view "LiteLLM_SpendLogs"', () => {
      const columns = [
        'request_id call_type api_key spend total_tokens prompt_tokens completion_tokens startTime endTime',
        'request_duration_ms completionStartTime model model_id model_group custom_llm_provider api_base user metadata',
        'cache_hit cache_key request_tags team_id organization_id end_user requester_ip_address messages response',
        'session_id status mcp_namespaced_tool_name agent_id proxy_server_request billing_agent_id litellm_call_id',
        'created_at updated_at',
      ].flatMap((line) => line.split(' '));
      const asText = new Set(
        'metadata request_tags messages response startTime endTime completionStartTime created_at updated_at'.split(
          ' ',
        ),
      );
      const select = columns
        .map((column) => (asText.has(column) ? `CAST("${column}" AS text) AS "${column}"` : `"${column}"`))
        .join(', ');
      const logsOf = async (tenant: string) =>
        engine.query(`SELECT ${select} FROM "LiteLLM_SpendLogs" WHERE team_id = '${tenant}' ORDER BY request_id`);

      test('has one row for each turn with that table columns', async () => {
        const { own, tenant } = newTenant();
        const text = '"quoted" \\ \u0000 \ud800 é';
        const intent = intentOf({ createdAtMs: startMs, input: [itemOf(text), itemOf('b')], endUser: 'someone' });
        await own.beginTurn(intent);
        const second = attemptStartOf({ number: 2, provider: 'openai', upstreamModel: 'gpt-x' });
        const failed = attemptEndOf(intent.attempt.id, { status: 'failed', costNanoUsd: 1 });
        await own.nextAttempt(intent.id, failed, second);
        const commit = commitOf(intent, { output: [itemOf(text)], attempt: attemptEndOf(second.id) });
        await own.commitTurn(commit);
        const rows = await logsOf(tenant);
        expect(rows).toHaveLength(1);
        const { metadata, messages, response, ...row } = rows[0] ?? {};
        expect(Object.keys(rows[0] ?? {})).toEqual(columns);
        expect(row).toEqual({
          request_id: intent.id,
          call_type: 'aresponses',
          api_key: 'key_1',
          spend: 0.000247751,
          total_tokens: 364,
          prompt_tokens: 314,
          completion_tokens: 50,
          startTime: '2025-11-22 08:26:40.007',
          endTime: '2025-11-22 08:26:41.507',
          request_duration_ms: 1500,
          completionStartTime: '2025-11-22 08:26:40.207',
          model: 'openai/gpt-x',
          model_id: '',
          model_group: 'fast',
          custom_llm_provider: 'openai',
          api_base: 'https://api.example.com',
          user: '',
          cache_hit: '',
          cache_key: '',
          request_tags: '[]',
          team_id: tenant,
          organization_id: null,
          end_user: 'someone',
          requester_ip_address: null,
          session_id: 'sess_1',
          status: 'success',
          mcp_namespaced_tool_name: null,
          agent_id: null,
          proxy_server_request: null,
          billing_agent_id: null,
          litellm_call_id: intent.id,
          created_at: '2025-11-22 08:26:40.007',
          updated_at: '2025-11-22 08:26:41.507',
        });
        expect(messages).toBe(`[${intent.input.map(({ body }) => body).join(',')}]`);
        expect(response).toBe(
          `${commit.head.slice(0, -1)},${intent.envelope.slice(1, -1)},"output":[${commit.output.map(({ body }) => body).join(',')}]}`,
        );
        expect(JSON.parse(String(metadata))).toEqual({
          previous_response_id: null,
          attempts: 2,
          estimated: false,
          cost_nano_usd: 247_751,
          usage_object: {
            prompt_tokens: 314,
            completion_tokens: 50,
            total_tokens: 364,
            prompt_tokens_details: { cached_tokens: 80, cache_creation_tokens: 14 },
            completion_tokens_details: { reasoning_tokens: 10 },
          },
          error_information: null,
        });
        // All columns, and no more, in this order.
        const [all] = await engine.query('SELECT * FROM "LiteLLM_SpendLogs" LIMIT 1');
        expect(Object.keys(all ?? {})).toEqual(columns);
      });

      test.each<[Partial<TurnIntent>, TurnCommit['status'] | undefined, Record<string, unknown>]>([
        [{ protocol: 'chat' }, 'incomplete', { call_type: 'acompletion', status: 'success' }],
        [{ protocol: 'messages' }, 'failed', { call_type: 'anthropic_messages', status: 'failure' }],
        [{ input: [] }, 'cancelled', { call_type: 'aresponses', status: 'failure', messages: '[]' }],
        [{}, undefined, { status: null, request_duration_ms: null, spend: 0, endTime: '2025-11-22 08:26:40.007' }],
      ])('says how a turn stands: %o, %s', async (overrides, status, expected) => {
        const { own, tenant } = newTenant();
        const intent = intentOf({ createdAtMs: startMs, ...overrides });
        await own.beginTurn(intent);
        if (status !== undefined) await own.commitTurn(commitOf(intent, { status, output: [] }));
        const [row] = await logsOf(tenant);
        expect(row).toMatchObject(expected);
        expect(JSON.parse(String(row?.['response']))).toMatchObject({ instructions: 'be brief', output: [] });
      });

      test('says why content is withheld', async () => {
        const { own, tenant } = newTenant();
        const unstored = intentOf({ store: false });
        const deleted = intentOf({ envelope: '{}' });
        await run(own, unstored);
        await run(own, deleted);
        expect(JSON.parse(String((await logsOf(tenant))[1]?.['response']))).toMatchObject({ id: deleted.id });
        await own.deleteResponse(deleted.id, startMs);
        const withheld = (await logsOf(tenant)).map(({ messages, response }) => [messages, response]);
        const because = (reason: string) => `{"content":"withheld","reason":"${reason}"}`;
        expect(withheld).toEqual([
          [because('store_false'), because('store_false')],
          [because('deleted'), because('deleted')],
        ]);
      });
    });
  });
}

interface ModelTurn {
  intent: TurnIntent;
  /** Undefined where nothing of a parent is kept. */
  parent: ModelTurn | undefined;
  own: StoredItem[];
  context: (StoredItem & { turnId: string })[];
  stored: boolean;
  deleted: boolean;
}

/** A turn's items are needed by itself until it is deleted, and by every turn below that is needed. */
function isNeeded(turn: ModelTurn, model: ModelTurn[]): boolean {
  return !turn.deleted || model.some((child) => child.parent === turn && child.stored && isNeeded(child, model));
}
