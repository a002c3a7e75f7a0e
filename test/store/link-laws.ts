import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createIdMint } from '../../src/core/ids.ts';
import type { Item } from '../../src/core/items.ts';
import type { FinishedItem } from '../../src/core/response.ts';
import type { TurnRequest } from '../../src/core/request.ts';
import { responsesCodec } from '../../src/protocols/responses/index.ts';
import { keepAll } from '../../src/store/retention.ts';
import type { StoredItem, TenantStore, TurnIntent } from '../../src/store/store.ts';
import { type History, resolveHistory } from '../../src/turn/resolve-history.ts';
import { contextBehind, storedLink } from '../../src/turn/stored-link.ts';
import type { TestBed } from './test-bed.ts';
import { attemptEndOf, attemptStartOf, commitOf, intentOf, itemOf, nextId, startMs } from './make.ts';

/** What is said in a conversation, whatever way a client spells it. */
type Word =
  | { kind: 'user' | 'assistant' | 'system'; text: string }
  | { kind: 'thought'; text: string }
  | { kind: 'call'; id: string; value: number }
  | { kind: 'output'; id: string; text: string };

const user = (text: string): Word => ({ kind: 'user', text });
const assistant = (text: string): Word => ({ kind: 'assistant', text });
const system = (text: string): Word => ({ kind: 'system', text });
const thought = (text: string): Word => ({ kind: 'thought', text });
const weekMs = 7 * 24 * 60 * 60 * 1000;

/** One of the ways to say it. @param way a number that chooses. */
function spell(word: Word, way: number): object[] {
  switch (word.kind) {
    case 'system':
    case 'user':
      return [{ role: word.kind, content: [{ type: 'input_text', text: word.text }] }];
    case 'assistant': {
      const at = way % (word.text.length + 1);
      const parts = [word.text.slice(0, at), word.text.slice(at)].map((text) => ({ type: 'output_text', text }));
      const [first, second] = parts;
      const message = { type: 'message', role: 'assistant' };
      if (way % 3 === 0) return [{ ...message, content: word.text }];
      if (way % 3 === 1) return [{ ...message, content: parts, status: 'incomplete', phase: null }];
      return [
        { ...message, content: [first] },
        { type: 'message', role: 'assistant', content: [second] },
      ];
    }
    case 'call': {
      const args = way % 3 === 0 ? `{"a":${word.value},"b":null}` : `{ "b": null,\n"a": ${word.value}.0}`;
      const call = { type: 'function_call', call_id: word.id, name: 'look', arguments: args };
      return way % 2 === 0 ? [call] : [{ ...call, status: 'completed' }];
    }
    case 'thought': {
      const at = way % (word.text.length + 1);
      const parts = [word.text.slice(0, at), word.text.slice(at)].map((text) => ({ type: 'summary_text', text }));
      return [{ type: 'reasoning', summary: parts }];
    }
    case 'output':
      return [
        {
          type: 'function_call_output',
          call_id: word.id,
          output: way % 2 === 0 ? word.text : [{ type: 'input_text', text: word.text }],
        },
      ];
  }
}

/** What stored items say. */
function wordsOf(items: readonly StoredItem[]): Word[] {
  const words: Word[] = [];
  for (const { body } of items) {
    const item = JSON.parse(body) as Item;
    const last = words.at(-1);
    if (item.type === 'message') {
      const text = item.content.map((part) => ('text' in part ? part.text : '')).join('');
      const kind = item.role === 'developer' ? 'system' : item.role;
      if (kind === 'assistant' && last?.kind === 'assistant') last.text += text;
      else words.push({ kind, text });
    } else if (item.type === 'reasoning') {
      words.push(thought(item.summary.map(({ text }) => text).join('')));
    } else if (item.type === 'function_call') {
      words.push({ kind: 'call', id: item.call_id, value: (JSON.parse(item.arguments) as { a: number }).a });
    } else if (item.type === 'function_call_output') {
      const text =
        typeof item.output === 'string' ? item.output : item.output.map((part) => 'text' in part && part.text);
      words.push({ kind: 'output', id: item.call_id, text: String(text) });
    }
  }
  return words;
}

interface Played {
  keyId: string;
  user?: string | undefined;
  store: boolean;
  keepsContent: boolean;
  createdAtMs: number;
  /** The session that the client names. */
  session?: string | undefined;
  status: 'completed' | 'incomplete' | 'failed' | 'cancelled';
  way: number;
}
const usual: Played = {
  keyId: 'key_1',
  store: true,
  keepsContent: true,
  createdAtMs: startMs,
  status: 'completed',
  way: 0,
};

interface PlayedTurn {
  intent: TurnIntent;
  history: History;
  output: StoredItem[];
}

const ids = createIdMint();

async function begin(own: TenantStore, said: readonly Word[], played: Played): Promise<PlayedTurn> {
  const { keyId, user: endUser, store, keepsContent, createdAtMs, session, way } = played;
  const input = said.flatMap((word, index) => spell(word, way + index));
  const request: TurnRequest = responsesCodec.decodeRequest({ model: 'fast', store, input });
  const linker = keepsContent ? { keyId, endUser, sessionId: session } : undefined;
  const history = await resolveHistory(own, request, ids, createdAtMs, undefined, linker);
  const intent = intentOf({
    ...storedLink(history, createdAtMs),
    sessionId: history.sessionId ?? session ?? nextId('sess'),
    keyId,
    endUser,
    store,
    keepsContent,
    createdAtMs,
  });
  if (!keepsContent) intent.input = [];
  await own.beginTurn(intent);
  return { intent, history, output: [] };
}

/** A whole turn, as `runTurn` writes it. */
async function play(own: TenantStore, said: readonly Word[], told: readonly Word[], given: Partial<Played> = {}) {
  const played = { ...usual, ...given };
  const begun = await begin(own, said, played);
  const output = told.flatMap((word): StoredItem[] => {
    const items = responsesCodec.decodeRequest({ model: 'm', input: spell(word, 2 * played.way) }).input as Item[];
    return items.map((item) => {
      const id = nextId('out');
      return { id, type: item.type, body: JSON.stringify({ ...item, id }), origin: null };
    });
  });
  await end(own, { ...begun, output }, played);
  return { ...begun, output };
}

async function end(own: TenantStore, { intent, history, output }: PlayedTurn, { status, keepsContent }: Played) {
  const finished = output.map(({ body }): FinishedItem => ({ item: JSON.parse(body), body }));
  const reply = { state: { status }, output: finished } as Parameters<typeof contextBehind>[1]['reply'];
  const context = contextBehind(own, { history, reply, storedOutput: output });
  const attempt = attemptEndOf(intent.attempt.id);
  const kept = keepsContent ? output : [];
  expect(await own.commitTurn(commitOf(intent, { status, output: kept, context, attempt }))).toBe('committed');
}

/** How turns are found again whose context a client sends itself. */
export function linkLaws(bed: TestBed): void {
  const { engine, newTenant, rowsOf } = bed;
  const parentOf = ({ intent }: PlayedTurn) => intent.parent?.id;
  const hashOf = async (tenant: string, { intent }: PlayedTurn) =>
    (await rowsOf('turns', tenant)).find(({ id }) => id === intent.id)?.['context_hash'];

  describe('a turn whose history the client sends itself', () => {
    const first = [user('Read it.')];
    const told: Word[] = [assistant('I look.'), { kind: 'call', id: 'call_1', value: 7 }];
    const second: Word[] = [...first, ...told, { kind: 'output', id: 'call_1', text: 'N-7' }];

    test.each([0, 1, 2, 3, 4, 5])('goes on from the one whose context it begins with, spelling %i', async (way) => {
      const { own } = newTenant();
      const root = await play(own, first, told);
      const child = await play(own, second, [assistant('It says N-7.')], { way });
      expect(parentOf(root)).toBeUndefined();
      expect(parentOf(child)).toBe(root.intent.id);
      expect(child.intent.sessionId).toBe(root.intent.sessionId);
      expect(wordsOf(child.intent.input)).toEqual(second.slice(-1));
      const context = await own.readContext(child.intent.id);
      expect(wordsOf(context?.items ?? [])).toEqual([...second, assistant('It says N-7.')]);
      // What the model sees is the client's own.
      expect(child.history.context).toHaveLength(child.history.input.length);
      expect(wordsOf(child.history.input)).toEqual(second);
    });

    test('goes on without the thoughts that its client has dropped, and so do its children in another week', async () => {
      const { own } = newTenant();
      await play(own, first, [thought('Hm.'), ...told]);
      const child = await play(own, second, [thought('Aha.'), assistant('It says N-7.')]);
      const seen: Word[] = [...second, thought('Aha.'), assistant('It says N-7.')];
      expect(child.intent.input).toHaveLength(1);
      const context = await own.readContext(child.intent.id);
      if (context === undefined) throw new Error('it is stored');
      expect(wordsOf(context.items)).toEqual(seen);
      const { bucket, items, length, anchor, depth } = context;
      const link = { id: child.intent.id, bucket, keep: length, items, anchor, depth: depth + 1 };
      for (const createdAtMs of [startMs + 1, startMs + weekMs]) {
        const next = intentOf({ parent: link, createdAtMs, input: [] });
        await bed.run(own, next);
        expect(wordsOf((await own.readInput(next.id)) ?? [])).toEqual(seen);
      }
    });

    test('and forks where another goes on from there too', async () => {
      const { own } = newTenant();
      const root = await play(own, first, told);
      const left = await play(own, second, [assistant('left')]);
      const right = await play(own, second, [assistant('right')]);
      expect([left, right].map(parentOf)).toEqual([root.intent.id, root.intent.id]);
      const next = [...second, assistant('left'), user('more')];
      expect(parentOf(await play(own, next, [assistant('x')]))).toBe(left.intent.id);
    });

    test('is none where it only begins with the same words', async () => {
      const { own } = newTenant();
      const both = [system('You are an agent.'), ...first];
      const one = await play(own, both, [assistant('One.')]);
      const other = await play(own, both, [assistant('Other.')]);
      expect([one, other].map(parentOf)).toEqual([undefined, undefined]);
      expect(one.intent.sessionId).not.toBe(other.intent.sessionId);
      const next = await play(own, [...both, assistant('One.'), user('?')], [assistant('x')]);
      expect(parentOf(next)).toBe(one.intent.id);
    });

    test('goes on from the part that was not edited', async () => {
      const { own } = newTenant();
      const root = await play(own, first, [assistant('One.')]);
      const longer = [...first, assistant('One.'), user('two'), assistant('Two.'), user('three')];
      await play(own, longer.slice(0, 3), [assistant('Two.')]);
      const edited = await play(own, [...longer.slice(0, 2), user('2'), ...longer.slice(3)], [assistant('x')]);
      expect(parentOf(edited)).toBe(root.intent.id);
      expect(edited.intent.input).toHaveLength(3);
    });

    test('is stored whole, and in the same session, where settings before the end have changed', async () => {
      const { own } = newTenant();
      const root = await play(own, [system('It is Monday.'), ...first], [assistant('One.')]);
      const said = [system('It is Tuesday.'), ...first, assistant('One.'), user('two')];
      const child = await play(own, said, [assistant('Two.')]);
      expect([parentOf(child), child.intent.sessionId]).toEqual([root.intent.id, root.intent.sessionId]);
      const words = wordsOf((await own.readContext(child.intent.id))?.items ?? []);
      expect(words).toEqual([...said, assistant('Two.')]);
      // From there on it is a chain again.
      const next = await play(own, [...words, user('three')], [assistant('Three.')]);
      expect([parentOf(next), next.intent.input.length]).toEqual([child.intent.id, 1]);
    });

    // A process whose clock goes behind another's may still be in the week before.
    test.each([weekMs, -weekMs])(
      'is stored whole in another week than its parent, which may go before it',
      async (ms) => {
        const { own } = newTenant();
        const root = await play(own, first, told);
        const createdAtMs = startMs + ms;
        const child = await play(own, second, [assistant('x')], { createdAtMs });
        expect([parentOf(child), child.intent.sessionId]).toEqual([root.intent.id, root.intent.sessionId]);
        expect(wordsOf(child.intent.input)).toEqual(second);
        expect(await own.deleteResponse(root.intent.id, createdAtMs)).toBe(true);
        expect(wordsOf((await own.readContext(child.intent.id))?.items ?? [])).toEqual([...second, assistant('x')]);
      },
    );

    test.each<[string, Partial<Played>]>([
      ['another key', { keyId: 'key_2' }],
      ['another end user', { user: 'someone' }],
      ['what is not stored', { store: false }],
      ['no content that is kept', { store: false, keepsContent: false }],
    ])('does not go on from a turn of %s', async (_, given) => {
      const { own } = newTenant();
      await play(own, first, told, given);
      expect(parentOf(await play(own, second, [assistant('x')]))).toBeUndefined();
      const same = await play(own, second, [assistant('x')], given);
      expect(parentOf(same) === undefined).toBe(given.keepsContent === false);
    });

    test('does not go on from another tenant’s turn', async () => {
      await play(newTenant().own, first, told);
      expect(parentOf(await play(newTenant().own, second, [assistant('x')]))).toBeUndefined();
    });

    test('keeps the session that its client names, and shares storage all the same', async () => {
      const { own } = newTenant();
      const root = await play(own, first, told, { session: 'mine' });
      const child = await play(own, second, [assistant('x')], { session: 'other' });
      expect([root, child].map(({ intent }) => intent.sessionId)).toEqual(['mine', 'other']);
      expect([parentOf(child), child.intent.input.length]).toEqual([root.intent.id, 1]);
    });

    test.each(['failed', 'cancelled'] as const)('does not go on from one that has %s', async (status) => {
      const { tenant, own } = newTenant();
      const root = await play(own, first, told, { status });
      expect(await hashOf(tenant, root)).toBeNull();
      expect(parentOf(await play(own, second, [assistant('x')]))).toBeUndefined();
    });

    test('does not go on from one that has put out nothing, or nothing but reasoning', async () => {
      const { tenant, own } = newTenant();
      const root = await play(own, [...first, assistant('Prefilled')], [], { status: 'incomplete' });
      expect(await hashOf(tenant, root)).toBeNull();
    });

    test('finds nothing of a turn that has begun, or whose process died', async () => {
      const { tenant, own } = newTenant();
      const root = await begin(own, first, usual);
      expect(await hashOf(tenant, root)).toBeNull();
      expect(parentOf(await play(own, second, [assistant('x')]))).toBeUndefined();
      await end(own, { ...root, output: [] }, { ...usual, status: 'failed' });
      expect(await hashOf(tenant, root)).toBeNull();
    });

    test('finds the newest of equals', async () => {
      const { own } = newTenant();
      await play(own, first, told);
      const newest = await play(own, first, told, { createdAtMs: startMs + 10 });
      await play(own, first, told, { createdAtMs: startMs + 5 });
      expect(parentOf(await play(own, second, [assistant('x')], { createdAtMs: startMs + 20 }))).toBe(newest.intent.id);
    });

    test('finds nothing of a turn that was deleted, whose hash has gone with it', async () => {
      const { tenant, own } = newTenant();
      const root = await play(own, first, told);
      expect(await hashOf(tenant, root)).toMatch(/^[\w-]{24}$/);
      const running = await begin(own, second, usual);
      await own.deleteResponse(root.intent.id, startMs);
      await own.deleteResponse(running.intent.id, startMs);
      await end(own, running, usual);
      expect([await hashOf(tenant, root), await hashOf(tenant, running)]).toEqual([null, null]);
      expect(parentOf(await play(own, second, [assistant('x')]))).toBeUndefined();
    });

    test('does not begin on a parent that was deleted meanwhile', async () => {
      const { own } = newTenant();
      const root = await play(own, first, told);
      const request = responsesCodec.decodeRequest({ model: 'm', input: second.flatMap((word) => spell(word, 0)) });
      const linker = { keyId: 'key_1', endUser: undefined, sessionId: undefined };
      const history = await resolveHistory(own, request, ids, startMs, undefined, linker);
      await own.deleteResponse(root.intent.id, startMs);
      const begun = own.beginTurn(intentOf({ ...storedLink(history, startMs), createdAtMs: startMs }));
      await expect(begun).rejects.toMatchObject({ code: 'previous_response_not_found' });
    });

    test('is where the plain definition says, over any histories of several agents', async () => {
      const step = fc.record({
        // Few, so that some are twins.
        from: fc.option(fc.nat({ max: 5 }), { freq: 3, nil: undefined }),
        // Of the whole history, where it is not edited.
        cut: fc.option(fc.nat(), { freq: 3, nil: undefined }),
        edit: fc.option(fc.nat(), { freq: 4, nil: undefined }),
        setting: fc.nat({ max: 6 }).map((roll) => roll === 0),
        call: fc.boolean(),
        thinks: fc.boolean(),
        // Says and is told what the turn before it was, with other thoughts.
        repeats: fc.nat({ max: 4 }).map((roll) => roll === 0),
        // What the client drops of what it was told.
        drops: fc.constantFrom('nothing', 'nothing', 'thoughts', 'a thought'),
        text: fc.constantFrom('yes', 'no', 'it is done'),
        keyId: fc.constantFrom('key_1', 'key_1', 'key_1', 'key_2'),
        user: fc.constantFrom(undefined, undefined, 'someone'),
        store: fc.nat({ max: 3 }).map((roll) => roll > 0),
        status: fc.constantFrom('completed', 'completed', 'completed', 'incomplete', 'failed', 'cancelled'),
        remove: fc.option(fc.nat(), { freq: 2, nil: undefined }),
        way: fc.nat({ max: 99 }),
      });
      const said = (words: readonly Word[]) => words.filter(({ kind }) => kind !== 'system' && kind !== 'thought');
      const thoughtless = (words: readonly Word[]) => words.filter(({ kind }) => kind !== 'thought');
      const isPrefix = (short: readonly Word[], long: readonly Word[]) =>
        short.length <= long.length && JSON.stringify(short) === JSON.stringify(long.slice(0, short.length));
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 20, size: 'max' }), async (steps) => {
          const { own: tenant } = newTenant();
          const turns: (PlayedTurn & Played & { input: Word[]; out: Word[]; context: Word[]; deleted: boolean })[] = [];
          for (const [
            n,
            { from, cut, edit, setting, call, thinks, repeats, drops, text, remove, ...rest },
          ] of steps.entries()) {
            const before = repeats ? turns.at(-1) : undefined;
            const { keyId = rest.keyId, user: endUser = rest.user, store = rest.store } = before ?? {};
            const whose = before === undefined ? rest : { ...rest, keyId, user: endUser, store };
            const played = { ...usual, ...whose, createdAtMs: startMs + n };
            const base = from === undefined ? undefined : turns[from % Math.max(1, turns.length)];
            let input = [...(base?.context ?? [])];
            const dropped = input.find(({ kind }) => kind === 'thought');
            if (drops === 'thoughts') input = thoughtless(input);
            else if (drops === 'a thought') input = input.filter((word) => word !== dropped);
            if (cut !== undefined) {
              input = input.slice(0, cut % (input.length + 1));
              // A call that is cut off from its output is none that a client sends.
              while (['call', 'thought'].includes(input.at(-1)?.kind ?? '')) input.pop();
            }
            const edited = edit === undefined ? undefined : input[edit % Math.max(1, input.length)];
            if (edited?.kind === 'user') input[input.indexOf(edited)] = user(`${edited.text}!`);
            if (setting) input.splice(0, input[0]?.kind === 'system' ? 1 : 0, system(text));
            const open = input.at(-1);
            input.push(open?.kind === 'call' ? { kind: 'output', id: open.id, text } : user(text));
            if (before !== undefined) input = before.input;
            const calls = call ? [{ kind: 'call' as const, id: `call_${n}`, value: n }] : [];
            const thoughts = thinks ? [thought(`${text} ${n}`)] : [];
            const out: Word[] = [...thoughts, ...(before ? thoughtless(before.out) : [assistant(text), ...calls])];
            const turn = await play(tenant, input, out, { ...played, keepsContent: true });
            const [expected] = turns
              .filter(
                (other) =>
                  other.keyId === played.keyId &&
                  other.user === played.user &&
                  other.store === played.store &&
                  !other.deleted &&
                  (other.status === 'completed' || other.status === 'incomplete') &&
                  isPrefix(said(other.context), said(input)),
              )
              .toSorted((a, b) => said(b.context).length - said(a.context).length || b.createdAtMs - a.createdAtMs);
            expect(parentOf(turn)).toBe(expected?.intent.id);
            if (expected !== undefined) expect(turn.intent.sessionId).toBe(expected.intent.sessionId);
            // Word for word what its client had sent, and been told, of which it may have dropped the thoughts.
            const parent = [expected?.out ?? [], thoughtless(expected?.out ?? [])]
              .map((told) => [...(expected?.input ?? []), ...told])
              .find((told) => expected !== undefined && isPrefix(told, input));
            expect(wordsOf(turn.intent.input)).toEqual(parent === undefined ? input : input.slice(parent.length));
            turns.push({
              ...turn,
              ...played,
              out,
              input,
              context: [...input, ...out],
              deleted: false,
            });
            const removed = remove === undefined ? undefined : turns[remove % turns.length];
            if (removed !== undefined) {
              const isThere = removed.store && !removed.deleted;
              expect(await tenant.deleteResponse(removed.intent.id, startMs)).toBe(isThere);
              removed.deleted ||= isThere;
            }
          }
          for (const { intent, context, input, store, deleted } of turns) {
            const isThere = store && !deleted;
            const [whole, seen] = [await tenant.readContext(intent.id), await tenant.readInput(intent.id)];
            expect(whole && wordsOf(whole.items)).toEqual(isThere ? context : undefined);
            expect(seen && wordsOf(seen)).toEqual(isThere ? input : undefined);
          }
        }),
        { numRuns: 60 },
      );
    });
  });

  describe('a call that waits for its output', () => {
    test('tells what it was made on, whether or not its turn is kept', async () => {
      const { own } = newTenant();
      const other = newTenant().own;
      for (const [at, kept] of [true, false].entries()) {
        const openCalls = own.contextHash(`call ${at}`);
        const made = (upstreamModel: string) =>
          intentOf({ store: kept, keepsContent: kept, attempt: attemptStartOf({ upstreamModel }) });
        const [older, newer] = [made('claude-a'), made('claude-b')];
        const { provider, apiBase } = newer.attempt;
        expect(await own.findOpener([openCalls])).toBeUndefined();
        await bed.run(own, older, { attempt: attemptEndOf(older.attempt.id, { openCalls }) });
        expect(await own.findOpener([own.contextHash('none'), openCalls])).toBe(`${provider} ${apiBase} claude-a`);
        newer.attempt.startedAtMs = older.attempt.startedAtMs + 1;
        await bed.run(own, newer, { attempt: attemptEndOf(newer.attempt.id, { openCalls }) });
        expect(await own.findOpener([openCalls])).toBe(`${provider} ${apiBase} claude-b`);
        expect(await other.findOpener([openCalls])).toBeUndefined();
        expect(other.contextHash(`call ${at}`)).not.toBe(openCalls);
        if (!kept) continue;
        await own.deleteResponse(newer.id, startMs);
        expect(await own.findOpener([openCalls])).toBe(`${provider} ${apiBase} claude-a`);
      }
    });

    test('is forgotten with the content of other turns', async () => {
      const aged = await bed.createEngine();
      const clock = { nowMs: startMs };
      const retention = { contentMs: 30 * 86_400_000, metadataMs: 400 * 86_400_000 };
      const store = await aged.open('process-1', undefined, { retention, nowMs: () => clock.nowMs });
      const own = store.forTenant('t');
      const intent = intentOf({ createdAtMs: startMs, attempt: attemptStartOf({ startedAtMs: startMs }) });
      const openCalls = own.contextHash('call');
      await own.beginTurn(intent);
      await own.commitTurn(commitOf(intent, { attempt: attemptEndOf(intent.attempt.id, { openCalls }) }));
      expect(await own.findOpener([openCalls])).toBeDefined();
      clock.nowMs += 31 * 86_400_000;
      expect(await own.findOpener([openCalls])).toBeUndefined();
      clock.nowMs += 8 * 86_400_000;
      await store.expire();
      expect(await aged.query('SELECT open_calls FROM attempts')).toEqual([{ open_calls: null }]);
      await store.close();
      await aged.destroy();
    });
  });

  test('what is searched for without its week is found in the youngest first', async () => {
    const engine = await bed.createEngine();
    const clock = { nowMs: startMs };
    const store = await engine.open('process-1', undefined, { retention: keepAll, nowMs: () => clock.nowMs });
    const own = store.forTenant('t');
    const openCalls = own.contextHash('call');
    const [all, more] = [own.contextHash('all'), own.contextHash('all, and more')];
    const write = async (upstreamModel: string, output: StoredItem[], said = all) => {
      const attempt = attemptStartOf({ upstreamModel, startedAtMs: clock.nowMs });
      const intent = intentOf({ createdAtMs: clock.nowMs, attempt });
      await own.beginTurn(intent);
      const end = attemptEndOf(attempt.id, said === all ? { openCalls } : {});
      await own.commitTurn(commitOf(intent, { context: { said, details: ['d'] }, output, attempt: end }));
      return intent.id;
    };
    const output = [itemOf('thought'), itemOf('said')];
    const find = async () => ({
      turn: (await own.findContext([all]))?.id,
      opener: (await own.findOpener([openCalls]))?.split(' ').at(-1),
      item: await own.readItem(output[0]?.id ?? ''),
      next: await own.readFollowing(output[0]?.id ?? ''),
    });
    const nothing = { turn: undefined, opener: undefined, item: undefined, next: undefined };
    expect(await find()).toEqual(nothing);
    const fuller = await write('fuller', [], more);
    const older = await write('older', output);
    const there = { item: output[0], next: output[1] };
    for (const weeks of [0, 1, 8]) {
      clock.nowMs = startMs + weeks * weekMs;
      expect(await find()).toEqual({ turn: older, opener: 'older', ...there });
    }
    // One in which more was said is better than a young one.
    const young = await write('young', []);
    expect(await own.findContext([more, all])).toMatchObject({ id: fuller });
    expect(await own.findContext([all, more])).toMatchObject({ id: young });
    await own.deleteResponse(young, clock.nowMs);
    // Who comes back so late begins a session of its own; what an id names is found as long as it is there.
    clock.nowMs = startMs + 9 * weekMs;
    expect(await find()).toEqual({ ...nothing, ...there });
    const newer = await write('newer', []);
    expect(await find()).toMatchObject({ turn: newer, opener: 'newer', item: output[0] });
    await own.deleteResponse(newer, clock.nowMs);
    for (const id of [older, fuller]) await own.deleteResponse(id, clock.nowMs);
    expect(await find()).toEqual(nothing);
    await store.close();
    await engine.destroy();
  });

  describe('a turn that is kept to be looked at only', () => {
    const ledger = { store: false };

    test('becomes too old as any other, and is found by nobody then', async () => {
      const dayMs = 86_400_000;
      const aged = await bed.createEngine();
      const clock = { nowMs: startMs };
      const retention = { contentMs: 30 * dayMs, metadataMs: 400 * dayMs };
      const store = await aged.open('process-1', undefined, { retention, nowMs: () => clock.nowMs });
      const own = store.forTenant('t');
      const said = [user('one')];
      const again = [...said, assistant('Two.'), user('three')];
      for (const given of [ledger, {}]) await play(own, said, [assistant('Two.')], given);
      const later = { createdAtMs: startMs + 1 };
      expect(parentOf(await play(own, again, [assistant('x')], { ...ledger, ...later }))).toBeDefined();
      clock.nowMs += 31 * dayMs;
      for (const given of [ledger, {}]) {
        const late = await play(own, again, [assistant('x')], { ...given, createdAtMs: clock.nowMs });
        expect(parentOf(late)).toBeUndefined();
      }
      clock.nowMs += 8 * dayMs;
      await store.expire();
      const [old] = await aged.query(
        `SELECT count(*) AS n, count(context_hash) AS hashes, count(details_hashes) AS settings, max(head) AS head FROM turns
          WHERE created_at_ms < ${startMs + dayMs}`,
      );
      expect({ ...old, n: Number(old?.['n']) }).toEqual({
        n: 3,
        hashes: old?.['settings'],
        settings: old?.['hashes'],
        head: '',
      });
      expect(Number(old?.['hashes'])).toBe(0);
      const [items] = await aged.query(
        `SELECT count(*) AS n FROM items i JOIN turns t ON t.id = i.turn_id WHERE t.created_at_ms < ${startMs + dayMs}`,
      );
      expect(Number(items?.['n'])).toBe(0);
      await store.close();
      await aged.destroy();
    });

    test('answers as one that was never stored', async () => {
      const { own } = newTenant();
      const { intent, output } = await play(own, [user('secret')], [assistant('kept')], ledger);
      expect(await own.readContext(intent.id)).toBeUndefined();
      expect(await own.readInput(intent.id)).toBeUndefined();
      expect(await own.readResponse(intent.id)).toBeUndefined();
      expect(await own.readCost(intent.id)).toBeUndefined();
      expect(await own.readItem(output[0]?.id ?? '')).toBeUndefined();
      expect(await own.deleteResponse(intent.id, startMs)).toBe(false);
    });

    test('is shown with what was said; nothing is kept of one that is not', async () => {
      const { tenant, own } = newTenant();
      await play(own, [user('seen')], [assistant('kept')], ledger);
      await play(own, [user('unseen')], [assistant('gone')], { store: false, keepsContent: false });
      const rows = await engine.query(
        `SELECT CAST(messages AS text) AS messages, CAST(response AS text) AS response FROM "LiteLLM_SpendLogs"
          WHERE team_id = '${tenant}' ORDER BY request_id`,
      );
      expect(rows).toHaveLength(2);
      expect(String(rows[0]?.['messages'])).toContain('seen');
      expect(String(rows[0]?.['response'])).toContain('kept');
      for (const text of Object.values(rows[1] ?? {}))
        expect(text).toBe('{"content":"withheld","reason":"store_false"}');
      const items = await rowsOf('items', tenant);
      expect(items).toHaveLength(2);
    });

    test('keeps what it needs of a parent that is deleted', async () => {
      const { tenant, own } = newTenant();
      const root = intentOf({ createdAtMs: startMs });
      await bed.run(own, root);
      const found = await own.readContext(root.id);
      if (found === undefined) throw new Error('the parent is there');
      const parent = { ...found, id: root.id, keep: found.length, depth: 1 };
      await bed.run(own, intentOf({ parent, store: false, keepsContent: true, createdAtMs: startMs }), { output: [] });
      await own.deleteResponse(root.id, startMs);
      expect(await rowsOf('items', tenant)).toHaveLength(3);
    });
  });
}
