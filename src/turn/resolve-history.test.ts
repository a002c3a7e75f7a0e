import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { commitOf, intentOf } from '../../test/store/make.ts';
import { createIdMint } from '../core/ids.ts';
import type { Item, ItemReference, ReasoningItem } from '../core/items.ts';
import type { Tool, TurnRequest } from '../core/request.ts';
import { envelopeText } from '../protocols/responses/response.ts';
import { createSqliteStore } from '../store/sqlite/create-sqlite-store.ts';
import { weekOf } from '../store/bucket.ts';
import type { Store, StoredItem, TenantStore, TurnStatus } from '../store/store.ts';
import { type History, resolveHistory } from './resolve-history.ts';
import { plainRequest } from '../../test/fixtures/plain-request.ts';

const directory = mkdtempSync(join(tmpdir(), 'turnpike-history-'));
const log = { info: () => {}, warn: () => {}, error: () => {} };
const ids = createIdMint();
let store: Store;
let tenants = 0;

beforeAll(async () => {
  const path = join(directory, 'turnpike.db');
  store = await createSqliteStore({ path, secret: Buffer.alloc(32, 7), owner: 'process-1', log });
});
afterAll(async () => {
  await store.close();
  rmSync(directory, { recursive: true });
});

const newTenant = () => store.forTenant(`tenant-${++tenants}`);

function requestOf(overrides: Partial<TurnRequest>): TurnRequest {
  return { ...plainRequest, ...overrides };
}

const toolOf = (name: string): Tool => ({ type: 'function', name, description: null, parameters: null, strict: null });
const said = (id: string, text: string): Item => ({
  type: 'message',
  id,
  status: 'completed',
  role: 'assistant',
  content: [{ type: 'output_text', text, annotations: [] }],
});
const asked = (text: string, id = ''): Item => ({
  type: 'message',
  id,
  status: 'completed',
  role: 'user',
  content: [{ type: 'input_text', text }],
});
const thoughtOf = (id: string, text: string): ReasoningItem => ({
  type: 'reasoning',
  id,
  summary: [{ type: 'summary_text', text }],
});
const callOf = (id: string, callId: string): Item => ({
  type: 'function_call',
  id,
  status: 'completed',
  arguments: '{}',
  call_id: callId,
  name: 'f',
});
const outputOf = (callId: string): Item => ({
  type: 'function_call_output',
  id: '',
  call_id: callId,
  output: 'done',
  status: 'completed',
});
const stored = (item: Item, isOutput: boolean): StoredItem => ({
  id: item.id,
  type: item.type,
  body: JSON.stringify(item),
  origin: isOutput ? JSON.stringify({ protocol: 'messages', model: 'claude', source: `{"of":"${item.id}"}` }) : null,
});

/** Writes the turn as the path of a request would. */
async function write(
  own: TenantStore,
  request: TurnRequest,
  history: History,
  output: Item[],
  { status = 'completed', nowMs = 1 }: { status?: Exclude<TurnStatus, 'queued' | 'in_progress'>; nowMs?: number } = {},
): Promise<{ id: string; output: StoredItem[] }> {
  const kept = request.store ? output.map((item) => stored(item, true)) : [];
  const intent = intentOf({
    id: ids.mint('resp', nowMs),
    createdAtMs: nowMs,
    parent: history.parent,
    sessionId: history.sessionId ?? ids.mint('sess', nowMs),
    store: request.store,
    envelope: request.store ? envelopeText(request) : '',
    input: request.store ? history.input : [],
  });
  await own.beginTurn(intent);
  await own.commitTurn(commitOf(intent, { status, output: kept }));
  return { id: intent.id, output: kept };
}

type Given =
  | { kind: 'text' }
  /** A reference to the nth of all items that were ever made. */
  | { kind: 'reference'; item: number }
  /** The nth of all reasoning items, as a client without chains sends it back. */
  | { kind: 'thought'; item: number; edited: boolean };

interface Step {
  /** Which of the earlier turns is the parent; undefined: none. */
  parent: number | undefined;
  given: Given[];
  /** Tool outputs stand before this place of the input. */
  outputsAt: number;
  reverseOutputs: boolean;
  hasTools: boolean;
  store: boolean;
  says: ('text' | 'thought' | 'call')[];
  status: 'completed' | 'incomplete' | 'failed' | 'cancelled';
  /** Which of the earlier turns is deleted afterwards. */
  deletes: number | undefined;
}

const place = fc.nat(1000);
const step: fc.Arbitrary<Step> = fc.record({
  parent: fc.option(place, { nil: undefined, freq: 6 }),
  given: fc.array(
    fc.oneof(
      fc.constant<Given>({ kind: 'text' }),
      fc.record({ kind: fc.constant('reference' as const), item: place }),
      fc.record({ kind: fc.constant('thought' as const), item: place, edited: fc.boolean() }),
    ),
    { maxLength: 3 },
  ),
  outputsAt: fc.nat(3),
  reverseOutputs: fc.boolean(),
  hasTools: fc.boolean(),
  store: fc.constantFrom(true, true, true, true, false),
  says: fc.array(fc.constantFrom('text', 'thought', 'call'), { maxLength: 4 }),
  status: fc.constantFrom('completed', 'completed', 'completed', 'incomplete', 'failed', 'cancelled'),
  deletes: fc.option(place, { nil: undefined, freq: 5 }),
});

/** The naive model: every turn holds a copy of everything that it saw. */
interface Node {
  id: string;
  session: string;
  depth: number;
  anchor: string;
  status: Step['status'];
  stored: boolean;
  deleted: boolean;
  tools: Tool[];
  own: StoredItem[];
  /** Those of them that the model said. */
  output: StoredItem[];
  context: { item: StoredItem; node: Node }[];
}

const errorOf = async (running: Promise<unknown>): Promise<unknown> => {
  try {
    await running;
  } catch (error) {
    return (error as { code?: unknown }).code ?? error;
  }
  return undefined;
};

async function check(steps: Step[]): Promise<void> {
  const own = newTenant();
  const nodes: Node[] = [];
  let made = 0;
  let nowMs = 1_763_800_000_000;

  /** What the store gives for an id: the newest copy in a turn that is kept and not deleted. */
  const find = (id: string): StoredItem | undefined =>
    nodes
      .filter((node) => node.stored && !node.deleted)
      .toReversed()
      .flatMap((node) => node.own.toReversed())
      .find((item) => item.id === id);

  /** What the model said behind the item. */
  const followingOf = (id: string): StoredItem | undefined =>
    nodes
      .filter(({ deleted }) => !deleted)
      .flatMap(({ output }) => output.filter((_, at) => output[at - 1]?.id === id))
      .at(-1);
  const isSaidByModel = (item: StoredItem | Item): boolean => {
    const { type, role } = ('body' in item ? JSON.parse(String(item.body)) : item) as { type: string; role?: string };
    return type === 'reasoning' || type === 'function_call' || role === 'assistant';
  };

  for (const planned of steps) {
    nowMs += 1;
    const parent = planned.parent === undefined ? undefined : nodes[planned.parent % Math.max(nodes.length, 1)];
    const before = parent?.context ?? [];
    const open = new Set<string>();
    for (const { item } of before) {
      const { type, call_id } = JSON.parse(item.body) as { type: string; call_id: string };
      if (type === 'function_call') open.add(call_id);
      else if (type === 'function_call_output') open.delete(call_id);
    }
    const everything = nodes.flatMap((node) => node.own).filter(({ type }) => !type.startsWith('function_call'));
    const thoughts = everything.filter(({ type }) => type === 'reasoning');

    const input: (Item | ItemReference)[] = planned.given.flatMap((given): (Item | ItemReference)[] => {
      if (given.kind === 'text') return [asked(`text ${++made}`)];
      const from = given.kind === 'reference' ? everything : thoughts;
      const item = from[given.item % Math.max(from.length, 1)];
      if (item === undefined) return [];
      if (given.kind === 'reference') return [{ type: 'item_reference', id: item.id }];
      const { summary } = JSON.parse(item.body) as ReasoningItem;
      return [thoughtOf(item.id, given.edited ? `edited ${++made}` : (summary[0]?.text ?? ''))];
    });
    const outputs = [...open].map(outputOf);
    input.splice(planned.outputsAt, 0, ...(planned.reverseOutputs ? outputs.toReversed() : outputs));
    const tools = planned.hasTools ? [toolOf(`tool_${++made}`)] : [];
    const request = requestOf({ input, tools, store: planned.store, previousResponseId: parent?.id });

    // What must come of it.
    let error: string | undefined;
    const resolved: { item: StoredItem | Item }[] = [];
    const known = new Set(before.map(({ item }) => item.id));
    const isContinuable = parent?.stored !== false && parent?.deleted !== true;
    if (!isContinuable || parent?.status === 'failed' || parent?.status === 'cancelled') {
      error = 'previous_response_not_found';
    }
    for (const given of error === undefined ? input : []) {
      if (given.type === 'item_reference') {
        if (known.has(given.id)) continue;
        const item = find(given.id);
        if (item === undefined) {
          error = 'item_not_found';
          break;
        }
        known.add(item.id);
        resolved.push({ item });
        continue;
      }
      const ours = given.type === 'reasoning' ? find(given.id) : undefined;
      const { summary } = JSON.parse(ours?.body ?? '{}') as { summary?: unknown };
      const isOurs = ours !== undefined && JSON.stringify(summary) === JSON.stringify((given as ReasoningItem).summary);
      if (given.id !== '' && known.has(given.id)) {
        error = 'item_duplicate';
        break;
      }
      known.add(given.id);
      resolved.push({ item: isOurs ? ours : given });
    }

    for (const [at, { item }] of error === undefined ? resolved.entries() : []) {
      const next = resolved[at + 1];
      const isFollowed = next !== undefined && isSaidByModel(next.item);
      if (item.type === 'reasoning' && !isFollowed && followingOf(item.id) !== undefined)
        error = 'reasoning_unfollowed';
    }

    const history = await resolveHistory(own, request, ids, nowMs).catch((caught: { code?: string }) => {
      if (error === undefined) throw caught;
      expect(caught.code).toBe(error);
      return undefined;
    });
    if (history === undefined) continue;
    expect(error).toBeUndefined();

    const { input: ownInput } = history;
    expect(ownInput).toHaveLength(resolved.length);
    for (const [index, { item }] of resolved.entries()) {
      const actual = ownInput[index];
      if ('body' in item) {
        expect(actual).toMatchObject({ id: item.id, type: item.type, body: item.body, origin: item.origin });
      } else {
        const { id, ...rest } = item;
        expect(JSON.parse(actual?.body ?? '')).toEqual({ ...rest, id: actual?.id });
        if (id !== '') expect(actual?.id).toBe(id);
        expect(actual?.origin).toBeNull();
      }
    }
    const expected = [...before.map(({ item }) => item), ...ownInput];
    expect(history.context).toEqual(
      expected.map(({ body, origin }) => ({
        item: JSON.parse(body) as unknown,
        origin: origin === null ? undefined : (JSON.parse(origin) as unknown),
      })),
    );
    expect(history.sessionId).toBe(parent?.session);
    expect(history.parent).toEqual(
      parent === undefined
        ? undefined
        : {
            id: parent.id,
            bucket: weekOf(nowMs),
            keep: before.length,
            items: (await own.readContext(parent.id))?.items,
            anchor: parent.anchor,
            depth: parent.depth + 1,
          },
    );
    const caller = before.toReversed().find(({ item, node }) => item.type === 'function_call' && node.tools.length > 0);
    expect(history.inheritedTools).toEqual(tools.length > 0 ? [] : (caller?.node.tools ?? []));

    const says = planned.says.map((kind): Item => {
      const number = ++made;
      if (kind === 'text') return said(`msg_${number}`, `said ${number}`);
      return kind === 'thought'
        ? thoughtOf(ids.mint('rs', nowMs), `thought ${number}`)
        : callOf(`fc_${number}`, `call_${number}`);
    });
    const { id, output } = await write(own, request, history, says, { status: planned.status, nowMs });
    const node: Node = {
      id,
      session: history.sessionId ?? (await own.readContext(id))?.sessionId ?? '',
      depth: history.parent?.depth ?? 0,
      anchor: history.parent?.anchor ?? id,
      status: planned.status,
      stored: planned.store,
      deleted: false,
      tools,
      own: planned.store ? [...ownInput, ...output] : [],
      output: planned.store ? output : [],
      context: before,
    };
    node.context = [...before, ...node.own.map((item) => ({ item, node }))];
    nodes.push(node);

    const doomed = planned.deletes === undefined ? undefined : nodes[planned.deletes % nodes.length];
    if (doomed !== undefined) {
      expect(await own.deleteResponse(doomed.id, nowMs)).toBe(doomed.stored && !doomed.deleted);
      doomed.deleted = true;
    }
  }

  // Each turn is read back as the sum of its path, however many others were written and deleted since.
  for (const node of nodes) {
    const context = await own.readContext(node.id);
    if (!node.stored || node.deleted) expect(context).toBeUndefined();
    else {
      expect(context?.items).toEqual(
        node.context.map(({ item, node: { id: turnId } }) =>
          expect.objectContaining({ ...item, turnId, envelope: expect.any(String) }),
        ),
      );
    }
  }
}

describe('resolveHistory', () => {
  test('over random trees of turns, the context of each is the sum of its path', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), (steps) => check(steps)),
      { numRuns: 300 },
    );
  });

  test('a context that does not pair up is refused before anything is written', async () => {
    const own = newTenant();
    const first = requestOf({ input: [asked('x')], tools: [toolOf('f')] });
    const history = await resolveHistory(own, first, ids, 1);
    const { id } = await write(own, first, history, [callOf('fc_1', 'call_1'), callOf('fc_2', 'call_2')]);
    const next = (input: TurnRequest['input']) =>
      errorOf(resolveHistory(own, requestOf({ input, previousResponseId: id }), ids, 2));
    expect(await next([outputOf('call_1')])).toBe('tool_output_missing');
    expect(await next([outputOf('call_3')])).toBe('tool_call_missing');
    expect(await next([outputOf('call_1'), outputOf('call_2'), outputOf('call_1')])).toBe('tool_output_duplicate');
    expect(await next([outputOf('call_2'), asked('and'), outputOf('call_1')])).toBeUndefined();
  });

  test('another tenant’s turns and items are as unknown as those that never were', async () => {
    const theirs = newTenant();
    const secret = thoughtOf(ids.mint('rs', 1), 'secret');
    const request = requestOf({ input: [asked('x', 'msg_theirs')] });
    const { id } = await write(theirs, request, await resolveHistory(theirs, request, ids, 1), [secret]);
    const own = newTenant();
    const child = requestOf({ input: [asked('go on')], previousResponseId: id });
    expect(await errorOf(resolveHistory(own, child, ids, 2))).toBe('previous_response_not_found');
    const reference = requestOf({ input: [{ type: 'item_reference', id: 'msg_theirs' }] });
    expect(await errorOf(resolveHistory(own, reference, ids, 2))).toBe('item_not_found');
    const thought = requestOf({ input: [secret, asked('y')] });
    expect((await resolveHistory(own, thought, ids, 2)).context[0]?.origin).toBeUndefined();
    expect((await resolveHistory(theirs, thought, ids, 2)).context[0]?.origin).toMatchObject({ protocol: 'messages' });
  });

  describe('reasoning that a client sends back itself', () => {
    const summed = [{ type: 'summary_text' as const, text: 'In short.' }];
    const thought = [{ type: 'reasoning_text' as const, text: 'At length.' }];
    const edited = [{ type: 'reasoning_text' as const, text: 'Edited.' }];

    test.each([
      ['is found again with its words', [], thought, { summary: [], content: thought }, true],
      ['is found again without them, by its id', [], thought, { summary: [] }, true],
      ['is found again by its summary alone', summed, thought, { summary: summed, content: [] }, true],
      ['is found again where it never had words', [], undefined, { summary: [], content: [] }, true],
      ['is its own where its words are edited', [], thought, { summary: [], content: edited }, false],
      ['is its own where only its words are edited', summed, thought, { summary: summed, content: edited }, false],
      ['is its own where words were added', summed, undefined, { summary: summed, content: edited }, false],
      [
        'is its own where its words are cut short',
        [],
        [...thought, ...edited],
        { summary: [], content: thought },
        false,
      ],
      ['is its own where its summary is left out', summed, thought, { summary: [], content: thought }, false],
    ])('%s', async (_, summary, content, given, isOurs) => {
      const own = newTenant();
      const ours: ReasoningItem = {
        type: 'reasoning',
        id: ids.mint('rs', 1),
        summary,
        ...(content === undefined ? {} : { content }),
      };
      const first = requestOf({ input: [asked('x')] });
      await write(own, first, await resolveHistory(own, first, ids, 1), [ours, said('msg_1', 'Hi.')]);
      const sent: ReasoningItem = { type: 'reasoning', id: ours.id, ...given };
      const request = requestOf({ input: [asked('x'), sent, said('', 'Hi.')] });
      const { context } = await resolveHistory(own, request, ids, 2);
      expect(context[1]?.item).toEqual(isOurs ? ours : sent);
      expect(context[1]?.origin === undefined).toBe(!isOurs);
    });

    test('is nobody else’s for an id that the client has made up, and makes up in every conversation', async () => {
      const own = newTenant();
      const first = requestOf({
        input: [{ type: 'reasoning', id: 'rs_1', summary: [], content: thought }, asked('x')],
      });
      await write(own, first, await resolveHistory(own, first, ids, 1), [said('msg_1', 'Hi.')]);
      const sent: ReasoningItem = { type: 'reasoning', id: 'rs_1', summary: [] };
      const { context } = await resolveHistory(own, requestOf({ input: [sent, asked('y')] }), ids, 2);
      expect(context[0]?.item).toEqual(sent);
    });
  });

  test('a parent that runs still is refused', async () => {
    const own = newTenant();
    const intent = intentOf({ id: ids.mint('resp', 1) });
    await own.beginTurn(intent);
    const child = requestOf({ input: [asked('go on')], previousResponseId: intent.id });
    await expect(resolveHistory(own, child, ids, 2)).rejects.toThrow("its status is 'in_progress'");
  });
});
