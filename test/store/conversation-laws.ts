import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AppendedItems, Conversation } from '../../src/store/conversation-store.ts';
import type { ParentLink, StoredItem, TenantStore, TurnCommit, TurnIntent } from '../../src/store/store.ts';
import type { TestBed } from './test-bed.ts';
import { attemptEndOf, commitOf, intentOf, itemOf, nextId, startMs } from './make.ts';

const conversationOf = (): Conversation => ({
  id: nextId('conv'),
  createdAtMs: startMs,
  sessionId: nextId('sess'),
  metadata: '{"topic":"tides"}',
});

const appendedOf = (count: number): AppendedItems => ({
  turnId: nextId('resp'),
  createdAtMs: startMs,
  keyId: 'key_1',
  items: Array.from({ length: count }, () => itemOf('appended')),
});

const locked = { code: 'conversation_locked', param: 'conversation' };
const ended = ['completed', 'incomplete', 'failed', 'cancelled'] as const;
const endsWell = (status: string) => status === 'completed' || status === 'incomplete';

/** A turn as the gateway would begin it now; undefined: the conversation is locked, or not there. */
async function intentIn(
  own: TenantStore,
  id: string,
  overrides: Partial<TurnIntent> = {},
): Promise<TurnIntent | undefined> {
  const found = await own.conversations.readContext(id);
  if (found === undefined || found.locked) return undefined;
  const { head, writer, sessionId } = found;
  const parent: ParentLink | undefined = head && {
    id: head.id,
    bucket: head.bucket,
    keep: head.length,
    items: found.items,
    anchor: head.anchor,
    depth: head.depth + 1,
  };
  return intentOf({ parent, sessionId, conversation: { id, writer }, ...overrides });
}

/** The link of a turn that goes on from a response of a conversation, outside of it. */
async function linkFrom(own: TenantStore, id: string): Promise<ParentLink> {
  const found = await own.readContext(id);
  if (found === undefined) throw new Error(`there is no response ${id}`);
  const { bucket, length, items, anchor, depth } = found;
  return { id, bucket, keep: length, items, anchor, depth: depth + 1 };
}

const endOf = (intent: TurnIntent, overrides: Partial<TurnCommit> = {}): TurnCommit =>
  commitOf(intent, { conversation: intent.conversation?.id, output: [itemOf(`output of ${intent.id}`)], ...overrides });

/** A conversation is a list of items to which one writes at a time. */
export function conversationLaws(bed: TestBed): void {
  const { newTenant, rowsOf, ids, engine } = bed;

  const made = async (own: TenantStore, appended?: AppendedItems) => {
    const conversation = conversationOf();
    await own.conversations.create(conversation, appended);
    return conversation.id;
  };
  const begun = async (own: TenantStore, id: string, overrides: Partial<TurnIntent> = {}) => {
    const intent = await intentIn(own, id, overrides);
    if (intent === undefined) throw new Error('the conversation is locked');
    await own.beginTurn(intent);
    return intent;
  };
  const run = async (
    own: TenantStore,
    id: string,
    overrides: Partial<TurnIntent> = {},
    end: Partial<TurnCommit> = {},
  ) => {
    const intent = await begun(own, id, overrides);
    const commit = endOf(intent, end);
    expect(await own.commitTurn(commit)).toBe('committed');
    return { intent, commit, items: [...intent.input, ...commit.output] };
  };
  const contextOf = async (own: TenantStore, id: string) => (await own.conversations.readContext(id))?.items;
  /** All that is listed, page by page. */
  const listed = async (own: TenantStore, id: string, order: 'asc' | 'desc', limit: number): Promise<string[]> => {
    const all: string[] = [];
    for (let after: string | undefined; ;) {
      const found = await own.conversations.listItems(id, { limit, order, after });
      if (found === undefined) throw new Error(`no item ${after}`);
      all.push(...found.slice(0, limit).map((item) => item.id));
      if (found.length <= limit) return all;
      after = all.at(-1);
    }
  };

  test('what is created is read, changed and deleted, by its own tenant only', async () => {
    const { own } = newTenant();
    const conversation = conversationOf();
    const appended = appendedOf(2);
    await own.conversations.create(conversation, appended);
    const stranger = newTenant().own.conversations;
    const asked = async (id: string, itemId: string) => [
      await stranger.read(id),
      await stranger.setMetadata(id, '{}'),
      await stranger.delete(id, startMs),
      await stranger.readContext(id),
      await stranger.append(id, appendedOf(1)),
      await stranger.listItems(id, { limit: 1, order: 'asc', after: undefined }),
      await stranger.listItems(id, { limit: 1, order: 'asc', after: itemId }),
      await stranger.readItem(id, itemId),
      await stranger.deleteItem(id, itemId),
    ];
    const itemId = appended.items[0]?.id ?? '';
    expect(await asked(conversation.id, itemId)).toEqual(await asked('conv_unknown', 'msg_unknown'));
    const { conversations } = own;
    expect(await conversations.read(conversation.id)).toEqual(conversation);
    expect(await conversations.setMetadata(conversation.id, '{"a":"\\u0000"}')).toBe(true);
    expect(await conversations.read(conversation.id)).toEqual({ ...conversation, metadata: '{"a":"\\u0000"}' });
    expect(await conversations.readItem(conversation.id, itemId)).toEqual(appended.items[0]);
    expect(await conversations.delete(conversation.id, startMs)).toBe(true);
    expect(await conversations.read(conversation.id)).toBeUndefined();
    expect(await conversations.readContext(conversation.id)).toBeUndefined();
    expect(await conversations.append(conversation.id, appendedOf(1))).toBe('not-found');
    expect(await conversations.setMetadata(conversation.id, '{}')).toBe(false);
    expect(await conversations.delete(conversation.id, startMs)).toBe(false);
    // Its items are not deleted with it.
    expect(await own.readItem(itemId)).toEqual(appended.items[0]);
  });

  test('what is written again is written once, whoever has written meanwhile', async () => {
    const { own, tenant } = newTenant();
    const { conversations } = own;
    const conversation = conversationOf();
    const first = appendedOf(2);
    for (let time = 0; time < 2; time++) await conversations.create(conversation, first);
    const empty = conversationOf();
    for (let time = 0; time < 2; time++) await conversations.create(empty, undefined);
    const { id } = conversation;
    const appended = appendedOf(2);
    for (let time = 0; time < 2; time++) expect(await conversations.append(id, appended)).toBe('appended');
    const { items } = await run(own, id);
    const running = await begun(own, id);
    expect(await conversations.append(id, appended)).toBe('appended');
    await own.commitTurn(endOf(running, { status: 'failed' }));
    expect(await conversations.append(id, appended)).toBe('appended');
    const expected = [...first.items, ...appended.items, ...items].map((item) => item.id);
    expect(ids(await contextOf(own, id))).toEqual(expected);
    const same = appendedOf(1);
    expect(await Promise.all(Array.from({ length: 8 }, () => conversations.append(id, same)))).toEqual(
      Array(8).fill('appended'),
    );
    expect(await contextOf(own, id)).toHaveLength(expected.length + 1);
    expect(await rowsOf('conversations', tenant)).toHaveLength(2);
  });

  test('of some who append at once each does, whole, where no turn runs', async () => {
    const { own } = newTenant();
    const id = await made(own);
    const all = Array.from({ length: 6 }, () => appendedOf(2));
    const outcomes = await Promise.all(all.map((appended) => own.conversations.append(id, appended)));
    expect(outcomes).toEqual(Array(6).fill('appended'));
    const context = ids(await contextOf(own, id)) ?? [];
    expect(context).toHaveLength(12);
    for (const { items } of all) {
      const at = context.indexOf(items[0]?.id ?? '');
      expect(context.slice(at, at + 2)).toEqual(items.map((item) => item.id));
    }
  });

  test('an id that no conversation can have is unknown', async () => {
    const { own } = newTenant();
    await made(own, appendedOf(1));
    for (const id of ['\0', 'conv_\ud800', '', 'x'.repeat(10_000)]) {
      expect(await own.conversations.read(id)).toBeUndefined();
      expect(await own.conversations.readContext(id)).toBeUndefined();
      expect(await own.conversations.readItem(id, id)).toBeUndefined();
      expect(await own.conversations.append(id, appendedOf(1))).toBe('not-found');
      expect(await own.conversations.delete(id, startMs)).toBe(false);
    }
  });

  test('each turn sees all that was before it, in order; session and ids are one', async () => {
    const { own } = newTenant();
    const first = appendedOf(2);
    const id = await made(own, first);
    const one = await run(own, id);
    const more = appendedOf(3);
    expect(await own.conversations.append(id, more)).toBe('appended');
    const two = await run(own, id);
    const expected = [...first.items, ...one.items, ...more.items, ...two.items].map((item) => item.id);
    expect(ids(await contextOf(own, id))).toEqual(expected);
    expect(await listed(own, id, 'asc', 2)).toEqual(expected);
    expect(await listed(own, id, 'desc', 3)).toEqual(expected.toReversed());
    expect(await listed(own, id, 'asc', 100)).toEqual(expected);
    const { sessionId } = (await own.conversations.read(id)) ?? {};
    expect((await own.listSession(sessionId ?? '')).map((turn) => turn.id)).toEqual([one.intent.id, two.intent.id]);
    // A response of a conversation is a parent as any other: of what was there then.
    expect(ids((await own.readContext(one.intent.id))?.items)).toEqual(expected.slice(0, 4));
    expect(ids(await own.readInput(two.intent.id))).toEqual(expected.slice(0, -1));
    const fork = intentOf();
    fork.parent = await linkFrom(own, one.intent.id);
    await bed.run(own, fork);
    expect(ids(await contextOf(own, id))).toEqual(expected);
    // What was appended is no response.
    for (const turnId of [first.turnId, more.turnId]) {
      expect(await own.readResponse(turnId)).toBeUndefined();
      expect(await own.readContext(turnId)).toBeUndefined();
      expect(await own.deleteResponse(turnId, startMs)).toBe(false);
    }
    expect(
      await engine.query(`SELECT request_id FROM "LiteLLM_SpendLogs" WHERE session_id = '${sessionId}' ORDER BY 1`),
    ).toEqual([one.intent.id, two.intent.id].toSorted().map((request_id) => ({ request_id })));
  });

  test.each(ended)('a turn that ends as %s: is it appended?', async (status) => {
    const { own } = newTenant();
    const id = await made(own, appendedOf(1));
    const before = ids(await contextOf(own, id)) ?? [];
    const { items } = await run(own, id, {}, { status });
    expect(ids(await contextOf(own, id))).toEqual(
      endsWell(status) ? [...before, ...items.map((item) => item.id)] : before,
    );
    await run(own, id);
  });

  test('while a turn runs nobody else writes; whoever has read before it began is too late after its end too', async () => {
    const { own, tenant } = newTenant();
    const id = await made(own);
    const early = await intentIn(own, id);
    const late = await intentIn(own, id);
    if (early === undefined || late === undefined) throw new Error('a new conversation is locked');
    await own.beginTurn(early);
    expect(await own.conversations.readContext(id)).toMatchObject({ locked: true, items: [] });
    const before = await Promise.all(['turns', 'items', 'attempts', 'envelopes'].map((table) => rowsOf(table, tenant)));
    const keyed = { ...late, idempotency: { keyHash: 'k', bodyHash: 'b', expiresBeforeMs: 0 } };
    await expect(own.beginTurn({ ...keyed, envelope: '{"instructions":"new"}' })).rejects.toMatchObject(locked);
    expect(await own.conversations.append(id, appendedOf(1))).toBe('locked');
    expect(
      await Promise.all(['turns', 'items', 'attempts', 'envelopes'].map((table) => rowsOf(table, tenant))),
    ).toEqual(before);
    expect(await rowsOf('idempotency', tenant)).toEqual([]);
    await own.commitTurn(endOf(early));
    await expect(own.beginTurn(late)).rejects.toMatchObject(locked);
    await run(own, id);
  });

  test('a conversation that is deleted between reading and beginning is not found', async () => {
    const { own, tenant } = newTenant();
    const id = await made(own);
    const intent = await intentIn(own, id);
    await own.conversations.delete(id, startMs);
    const refused = { code: 'conversation_not_found', param: 'conversation' };
    if (intent !== undefined) await expect(own.beginTurn(intent)).rejects.toMatchObject(refused);
    expect(await rowsOf('turns', tenant)).toEqual([]);
  });

  test('a turn whose conversation is deleted while it runs ends as it would have', async () => {
    const { own } = newTenant();
    const id = await made(own, appendedOf(1));
    const intent = await begun(own, id);
    await own.conversations.delete(id, startMs);
    expect(await own.commitTurn(endOf(intent))).toBe('committed');
    expect(await own.readResponse(intent.id)).toMatchObject({ status: 'completed' });
    expect((await own.readContext(intent.id))?.items).toHaveLength(3);
  });

  test('the lock of a dead process is free once its turns are swept, and what it says later is not appended', async () => {
    const { own } = newTenant();
    const id = await made(own, appendedOf(1));
    const dead = await begun(own, id, { owner: 'process-0' });
    const quiet = await made(own);
    const unstored = await begun(own, quiet, { owner: 'process-0', store: false });
    expect(await intentIn(own, id)).toBeUndefined();
    await bed.store.sweep(startMs);
    const { items } = await run(own, id);
    expect(await own.commitTurn(endOf(dead))).toBe('fenced');
    expect(ids(await contextOf(own, id))?.slice(1)).toEqual(items.map((item) => item.id));
    // What was kept for the conversation only is kept no more.
    expect(await own.readItem(unstored.input[0]?.id ?? '')).toBeUndefined();
    expect(await contextOf(own, quiet)).toEqual([]);
  });

  describe('store: false', () => {
    test('the conversation gets the items, the response is nowhere', async () => {
      const { own } = newTenant();
      const id = await made(own);
      const { intent, items } = await run(own, id, { store: false, head: '', envelope: '' });
      expect(await own.readResponse(intent.id)).toBeUndefined();
      expect(await own.readContext(intent.id)).toBeUndefined();
      expect(await own.deleteResponse(intent.id, startMs)).toBe(false);
      expect(ids(await contextOf(own, id))).toEqual(items.map((item) => item.id));
      expect(await own.readItem(items[0]?.id ?? '')).toEqual(items[0]);
      const next = await run(own, id);
      expect(await contextOf(own, id)).toHaveLength(4);
      const [row] = await engine.query(
        `SELECT CAST(messages AS text) AS messages, status FROM "LiteLLM_SpendLogs" WHERE request_id = '${intent.id}'`,
      );
      expect(row).toMatchObject({ status: 'success' });
      expect(JSON.stringify(row)).toContain('store_false');
      expect(await own.deleteResponse(next.intent.id, startMs)).toBe(true);
      expect(await contextOf(own, id)).toHaveLength(4);
    });

    test.each(['failed', 'cancelled'] as const)('a turn that %s leaves no content', async (status) => {
      const { own, tenant } = newTenant();
      const id = await made(own);
      await run(own, id, { store: false, head: '', envelope: '' }, { status });
      expect(await rowsOf('items', tenant)).toEqual([]);
      await run(own, id, { store: false }, { status });
      expect(await rowsOf('items', tenant)).toEqual([]);
      expect(await own.conversations.readContext(id)).toMatchObject({ locked: false, items: [] });
    });
  });

  describe('deleting', () => {
    test('a response leaves its items in the conversation, before and after its end', async () => {
      const { own, tenant } = newTenant();
      const id = await made(own);
      const one = await run(own, id);
      expect(await own.deleteResponse(one.intent.id, startMs)).toBe(true);
      const running = await begun(own, id);
      expect(await own.deleteResponse(running.id, startMs)).toBe(true);
      const end = endOf(running);
      expect(await own.commitTurn(end)).toBe('committed');
      const expected = [...one.items, ...running.input, ...end.output].map((item) => item.id);
      expect(ids(await contextOf(own, id))).toEqual(expected);
      expect(await own.readResponse(running.id)).toBeUndefined();
      expect(await own.readItem(expected[0] ?? '')).toMatchObject({ id: expected[0] });
      await run(own, id);
      expect(await contextOf(own, id)).toHaveLength(6);
      // One that fails leaves nothing.
      const failing = await begun(own, id);
      await own.deleteResponse(failing.id, startMs);
      await own.commitTurn(endOf(failing, { status: 'failed' }));
      expect(await rowsOf('items', tenant)).toHaveLength(6);
    });

    test('an item empties it wherever it is read from, and the turns behind it go on', async () => {
      const { own, tenant } = newTenant();
      const first = appendedOf(2);
      const id = await made(own, first);
      const one = await run(
        own,
        id,
        { input: [itemOf('a'), itemOf('b')] },
        { output: [itemOf('c', '{"protocol":"chat"}'), itemOf('d')] },
      );
      const fork = intentOf();
      fork.parent = await linkFrom(own, one.intent.id);
      await bed.run(own, fork);
      const gone = [first.items[1], one.intent.input[0], one.commit.output[0]].map((item) => item?.id ?? '');
      for (const itemId of gone) {
        expect(await own.conversations.deleteItem(id, itemId)).toBe(true);
        expect(await own.conversations.deleteItem(id, itemId)).toBe(false);
        expect(await own.conversations.readItem(id, itemId)).toBeUndefined();
        expect(await own.readItem(itemId)).toBeUndefined();
      }
      const two = await run(own, id);
      const all = [...first.items, ...one.items, ...two.items].map((item) => item.id);
      const left = all.filter((itemId) => !gone.includes(itemId));
      expect(ids(await contextOf(own, id))).toEqual(left);
      expect(await listed(own, id, 'asc', 1)).toEqual(left);
      expect(ids((await own.readContext(two.intent.id))?.items)).toEqual(left);
      expect(ids((await own.readContext(fork.id))?.items)?.slice(0, 3)).toEqual(left.slice(0, 3));
      expect(ids((await own.readResponse(one.intent.id))?.output)).toEqual([one.commit.output[1]?.id]);
      const emptied = (await rowsOf('items', tenant)).filter((row) => gone.includes(String(row['id'])));
      // The fork lies elsewhere, and has copies.
      const places = [...gone, ...gone];
      expect(emptied.map(({ body, origin }) => [body, origin])).toEqual(places.map(() => ['', null]));
      const [row] = await engine.query(
        `SELECT CAST(messages AS text) AS messages FROM "LiteLLM_SpendLogs" WHERE request_id = '${one.intent.id}'`,
      );
      expect(JSON.parse(String(row?.['messages']))).toHaveLength(1);
      // Whoever reads page by page goes on behind it.
      const behind = await own.conversations.listItems(id, { limit: 1, order: 'asc', after: gone[0] });
      expect(behind?.[0]?.id).toBe(one.intent.input[1]?.id);
      // Another conversation's item is none of this one.
      expect(await own.conversations.deleteItem(await made(own), left[0] ?? '')).toBe(false);
    });

    test('an item empties the copies of those alone who went on from this conversation, in later weeks too', async () => {
      const { own } = newTenant();
      const item = itemOf('the same in both');
      const [id, other] = [await made(own), await made(own)];
      const forkOf = async (conversation: string) => {
        const { intent } = await run(own, conversation, { input: [item] });
        const fork = intentOf({ parent: await linkFrom(own, intent.id) });
        await bed.run(own, fork);
        const later = intentOf({ parent: await linkFrom(own, fork.id), createdAtMs: startMs + 7 * 86_400_000 });
        await bed.run(own, later);
        return [intent.id, fork.id, later.id];
      };
      const [mine, theirs] = [await forkOf(id), await forkOf(other)];
      expect(await own.conversations.deleteItem(other, item.id)).toBe(true);
      const holds = (turns: string[]) =>
        Promise.all(turns.map(async (turn) => ids((await own.readContext(turn))?.items)?.includes(item.id)));
      expect([await holds(mine), await holds(theirs)]).toEqual([
        [true, true, true],
        [false, false, false],
      ]);
      expect(await own.conversations.deleteItem(id, item.id)).toBe(true);
      expect(await holds(mine)).toEqual([false, false, false]);
    });

    test('a conversation and then its responses lets their items go', async () => {
      const { own, tenant } = newTenant();
      const id = await made(own);
      const one = await run(own, id);
      const two = await run(own, id);
      await own.deleteResponse(one.intent.id, startMs);
      await own.conversations.delete(id, startMs);
      expect(await rowsOf('items', tenant)).toHaveLength(4);
      await own.deleteResponse(two.intent.id, startMs);
      expect(await rowsOf('items', tenant)).toEqual([]);
    });
  });

  test('who holds a key is told until it is free', async () => {
    const { own } = newTenant();
    const id = await made(own);
    const claim = { keyHash: nextId('key'), bodyHash: 'body', expiresBeforeMs: startMs - 1000 };
    expect(await own.readKeyHolder(claim)).toBeUndefined();
    const intent = await begun(own, id, { idempotency: claim });
    expect(await own.readKeyHolder(claim)).toEqual({ turnId: intent.id, bodyHash: 'body' });
    expect(await own.readKeyHolder({ ...claim, expiresBeforeMs: startMs * 2 })).toBeUndefined();
    expect(await newTenant().own.readKeyHolder(claim)).toBeUndefined();
    await own.commitTurn(endOf(intent, { status: 'cancelled' }));
    expect(await own.readKeyHolder(claim)).toBeUndefined();
  });

  test('of a thousand turns and appends that race for one conversation each is whole, and none is lost', async () => {
    const { own } = newTenant();
    const id = await made(own);
    const won: string[][] = [];
    let races = 0;
    const race = async (worker: number): Promise<void> => {
      while (races < 1000) {
        races += 1;
        if (worker % 4 === 0) {
          const appended = appendedOf(2);
          if ((await own.conversations.append(id, appended)) === 'appended')
            won.push(appended.items.map((item) => item.id));
          continue;
        }
        const intent = await intentIn(own, id);
        if (intent === undefined) {
          // Answers of another thread come between: without a pause all races are lost before the first is won.
          await new Promise((resolve) => setImmediate(resolve));
          continue;
        }
        try {
          await own.beginTurn(intent);
        } catch (error) {
          expect(error).toMatchObject(locked);
          continue;
        }
        const commit = endOf(intent);
        expect(await own.commitTurn(commit)).toBe('committed');
        won.push([...intent.input, ...commit.output].map((item) => item.id));
      }
    };
    await Promise.all(Array.from({ length: 8 }, (_, worker) => race(worker)));
    const context = ids(await contextOf(own, id)) ?? [];
    // How many depends on how long a write takes.
    expect(won.length).toBeGreaterThan(0);
    expect(context.toSorted()).toEqual(won.flat().toSorted());
    for (const together of won) {
      const at = context.indexOf(together[0] ?? '');
      expect(context.slice(at, at + together.length)).toEqual(together);
    }
    expect(await listed(own, id, 'asc', 100)).toEqual(context);
  }, 120_000);

  test('any order of turns, appends, deletions and crashes reads like a plain list', async () => {
    const step = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({
          kind: fc.constant('turn'),
          store: fc.boolean(),
          end: fc.constantFrom(...ended),
          pick: fc.nat(),
        }),
      },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('append'), count: fc.nat({ max: 3 }) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete item'), pick: fc.nat() }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete response'), pick: fc.nat() }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash'), store: fc.boolean() }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('fork'), pick: fc.nat() }) },
    );
    type Step = { kind: string; store?: boolean; end?: (typeof ended)[number]; pick?: number; count?: number };
    await fc.assert(
      fc.asyncProperty(
        fc.array(step as fc.Arbitrary<Step>, { minLength: 1, maxLength: 20, size: 'max' }),
        async (steps) => {
          const { own } = newTenant();
          const id = await made(own);
          const stays: StoredItem[] = [];
          const gone = new Set<string>();
          /** Responses that can be named, with what was before and in them. */
          const responses = new Map<string, { intent: TurnIntent; places: StoredItem[] }>();
          const left = (items: StoredItem[]) => items.filter((item) => !gone.has(item.id)).map((item) => item.id);
          for (const { kind, store = true, end = 'completed', pick = 0, count = 0 } of steps) {
            if (kind === 'append') {
              const appended = appendedOf(count);
              expect(await own.conversations.append(id, appended)).toBe('appended');
              stays.push(...appended.items);
            } else if (kind === 'delete item') {
              const item = stays[pick % Math.max(1, stays.length)];
              expect(await own.conversations.deleteItem(id, item?.id ?? 'msg_none')).toBe(
                item !== undefined && !gone.has(item.id),
              );
              if (item !== undefined) gone.add(item.id);
            } else if (kind === 'delete response') {
              const [responseId] = [...responses.keys()].slice(pick % Math.max(1, responses.size));
              if (responseId === undefined) continue;
              expect(await own.deleteResponse(responseId, startMs)).toBe(true);
              responses.delete(responseId);
            } else if (kind === 'fork') {
              const [found] = [...responses.values()].slice(pick % Math.max(1, responses.size));
              if (found === undefined) continue;
              const fork = intentOf();
              fork.parent = await linkFrom(own, found.intent.id);
              await own.beginTurn(fork);
              const commit = commitOf(fork);
              await own.commitTurn(commit);
              const places = [...found.places, ...fork.input, ...commit.output];
              responses.set(fork.id, { intent: fork, places });
            } else {
              const isDead = kind === 'crash';
              const intent = await begun(own, id, {
                store,
                input: Array.from({ length: pick % 3 }, () => itemOf('in')),
                ...(isDead ? { owner: 'process-0' } : {}),
              });
              if (isDead) {
                await bed.store.sweep(startMs);
                continue;
              }
              const commit = endOf(intent, { status: end, attempt: attemptEndOf(intent.attempt.id) });
              expect(await own.commitTurn(commit)).toBe('committed');
              const items = [...intent.input, ...commit.output];
              if (endsWell(end)) stays.push(...items);
              if (store && endsWell(end)) responses.set(intent.id, { intent, places: stays.slice() });
            }
          }
          const expected = left(stays);
          expect(ids(await contextOf(own, id))).toEqual(expected);
          expect(await listed(own, id, 'asc', 3)).toEqual(expected);
          expect(await listed(own, id, 'desc', 2)).toEqual(expected.toReversed());
          for (const [responseId, { places }] of responses) {
            expect(ids((await own.readContext(responseId))?.items)).toEqual(left(places));
          }
        },
      ),
      { numRuns: 40 },
    );
  }, 120_000);
}
