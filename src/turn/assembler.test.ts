import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GatewayError } from '../core/errors.ts';
import type { ItemStart, PartKind, UpstreamEvent } from '../core/events.ts';
import { createIdMint } from '../core/ids.ts';
import type { Item } from '../core/items.ts';
import { noUsage } from '../core/usage.ts';
import { createStreamEncoder } from '../protocols/responses/encode-stream.ts';
import { type Assembler, type AssemblerOptions, createAssembler } from './assembler.ts';
import { readOrigin } from './stored-origin.ts';

function assembler(options: Partial<AssemblerOptions> = {}): Assembler {
  return createAssembler({
    ids: createIdMint(),
    nowMs: () => 1_700_000_000_000,
    protocol: 'messages',
    signatureScope: (model) => `scope of ${model}`,
    usedCallIds: new Set(),
    encoder: undefined,
    ...options,
  });
}

function feed(target: Assembler, events: UpstreamEvent[]): Assembler {
  for (const event of events) target.accept(event);
  return target;
}

interface Plan {
  start: ItemStart;
  parts: { kind: PartKind; deltas: string[] }[];
  deltas: string[];
}

const text = fc.string({ unit: 'grapheme', maxLength: 12 });
const partPlan = (...kinds: PartKind[]) =>
  fc.record({ kind: fc.constantFrom(...kinds), deltas: fc.array(text, { maxLength: 4 }) });
const itemPlan: fc.Arbitrary<Plan> = fc.oneof(
  fc.record({
    start: fc.constant({ kind: 'message' as const }),
    parts: fc.array(partPlan('output_text', 'refusal'), { maxLength: 3 }),
    deltas: fc.constant<string[]>([]),
  }),
  fc.record({
    start: fc.constant({ kind: 'reasoning' as const }),
    parts: fc.array(partPlan('summary_text', 'reasoning_text'), { maxLength: 2 }),
    deltas: fc.constant<string[]>([]),
  }),
  fc.record({
    start: fc.record({
      kind: fc.constantFrom('function_call' as const, 'custom_tool_call' as const),
      callId: fc.string({ maxLength: 70 }),
      name: fc.string({ minLength: 1, maxLength: 9 }),
    }),
    parts: fc.constant<Plan['parts']>([]),
    deltas: fc.array(text, { maxLength: 4 }),
  }),
);

function eventsOf(plans: Plan[]): UpstreamEvent[] {
  return plans.flatMap(({ start, parts, deltas }, index) => [
    { type: 'item-start' as const, index, start },
    ...parts.flatMap((planned, part) => [
      { type: 'part-start' as const, index, part, kind: planned.kind },
      ...planned.deltas.map((delta) => ({ type: 'item-delta' as const, index, part, delta })),
      { type: 'part-end' as const, index, part },
    ]),
    ...deltas.map((delta) => ({ type: 'item-delta' as const, index, part: 0, delta })),
    { type: 'item-end' as const, index, complete: true, source: '{}' },
  ]);
}

test('items hold exactly what was written into them, in order, and their body is the item', () => {
  fc.assert(
    fc.property(fc.array(itemPlan, { maxLength: 5 }), (plans) => {
      const { output, storedOutput } = feed(assembler(), eventsOf(plans));
      expect(output.map(({ item }) => item.type)).toEqual(plans.map(({ start }) => start.kind));
      expect(new Set(output.map(({ item }) => item.id)).size).toBe(plans.length);
      plans.forEach(({ start, parts, deltas }, index) => {
        const finished = output[index];
        expect(JSON.parse(finished?.body ?? '')).toEqual(finished?.item);
        expect(storedOutput[index]).toMatchObject({ body: finished?.body, id: finished?.item.id });
        const written = parts.map((part) => part.deltas.join(''));
        const item = finished?.item;
        if (item?.type === 'message') {
          expect(item.content.map((part) => ('refusal' in part ? part.refusal : 'text' in part && part.text))).toEqual(
            written,
          );
        } else if (item?.type === 'reasoning') {
          const ofKind = (kind: PartKind) => written.filter((_, part) => parts[part]?.kind === kind);
          expect(item.summary.map((part) => part.text)).toEqual(ofKind('summary_text'));
          expect((item.content ?? []).map((part) => part.text)).toEqual(ofKind('reasoning_text'));
        } else if (item?.type === 'function_call') {
          expect(item.arguments).toBe(deltas.join('') || '{}');
          expect(item.name).toBe('name' in start && start.name);
        } else if (item?.type === 'custom_tool_call') {
          expect(item.input).toBe(deltas.join(''));
        }
      });
    }),
  );
});

test('log probabilities of a token that adds no text are kept', () => {
  const logprobs = (token: string) => [{ token, logprob: -0.5, bytes: [], top_logprobs: [] }];
  const delta = (said: string, told: unknown[]): UpstreamEvent => {
    return { type: 'item-delta', index: 0, part: 0, delta: said, logprobs: told };
  };
  const target = feed(assembler({ encoder: createStreamEncoder() }), [
    { type: 'item-start', index: 0, start: { kind: 'message' } },
    { type: 'part-start', index: 0, part: 0, kind: 'output_text' },
    delta('', logprobs('half')),
    delta('😀', logprobs('rest')),
    { type: 'part-end', index: 0, part: 0 },
    { type: 'item-end', index: 0, complete: true, source: '' },
  ]);
  const all = [...logprobs('half'), ...logprobs('rest')];
  expect(target.output[0]?.item).toMatchObject({ content: [{ text: '😀', logprobs: all }] });
  expect(target.takeText()).toContain(`"delta":"","logprobs":${JSON.stringify(logprobs('half'))}`);
});

describe('tool call ids', () => {
  const call = (index: number, callId: string): UpstreamEvent[] => [
    { type: 'item-start', index, start: { kind: 'function_call', callId, name: 'f' } },
    { type: 'item-end', index, complete: true, source: '{}' },
  ];
  const idsOf = (target: Assembler) =>
    target.output.map(({ item }) => (item.type === 'function_call' ? item.call_id : undefined));

  test('the upstream’s own is kept', () => {
    const target = feed(assembler(), [...call(0, 'toolu_1'), ...call(1, 'x'.repeat(64))]);
    expect(idsOf(target)).toEqual(['toolu_1', 'x'.repeat(64)]);
    const [stored] = target.storedOutput;
    expect(readOrigin(stored?.origin ?? '', JSON.parse(stored?.body ?? '') as Item)).toEqual({
      protocol: 'messages',
      model: 'scope of undefined',
      source: '{}',
    });
  });

  test.each([
    ['empty', ''],
    ['longer than 64', 'x'.repeat(65)],
    ['used in the context', 'old'],
    ['used in this reply', 'toolu_1'],
  ])('one that is %s is replaced once, and kept beside the new one', (_, callId) => {
    const target = feed(assembler({ usedCallIds: new Set(['old']) }), [...call(0, 'toolu_1'), ...call(1, callId)]);
    const given = idsOf(target);
    expect(given[0]).toBe('toolu_1');
    expect(given[1]).toMatch(/^call_[0-9a-f]{44}$/);
    expect(JSON.parse(target.storedOutput[1]?.origin ?? '')).toMatchObject({ upstreamCallId: callId });
  });
});

describe('a reply that is cut', () => {
  test('leaves what was written, as incomplete, and nothing to be replayed', () => {
    const target = feed(assembler(), [
      { type: 'response-start', upstreamId: 'msg_1', upstreamModel: 'm' },
      { type: 'item-start', index: 0, start: { kind: 'message' } },
      { type: 'part-start', index: 0, part: 0, kind: 'output_text' },
      { type: 'item-delta', index: 0, part: 0, delta: 'half' },
      { type: 'part-end', index: 0, part: 0 },
      { type: 'item-end', index: 0, complete: true, source: '{"type":"text","text":"half"}' },
      { type: 'item-start', index: 1, start: { kind: 'function_call', callId: 'a', name: 'f' } },
      { type: 'item-delta', index: 1, part: 0, delta: '{"path":"/et' },
    ]);
    target.cut();
    target.cut();
    expect(target.output.map(({ item }) => item.status)).toEqual(['completed', 'incomplete']);
    expect(target.output[1]?.item).toMatchObject({ arguments: '{"path":"/et' });
    expect(target.storedOutput.map(({ origin }) => origin === null)).toEqual([false, true]);
    expect(target.outputCharacters).toBe('half{"path":"/et'.length);
  });

  test('ends once: the first end stands', () => {
    const error = new GatewayError('upstream_error', 'no');
    const target = feed(assembler(), [
      { type: 'error', error },
      { type: 'response-end', finish: 'completed', usage: noUsage },
    ]);
    expect(target.end).toEqual({ error });
  });
});

describe('events that no lifecycle allows throw here', () => {
  const started: UpstreamEvent = { type: 'item-start', index: 0, start: { kind: 'message' } };
  test.each<[string, UpstreamEvent[]]>([
    ['an item out of order', [{ ...started, index: 1 }]],
    ['a part of an item that never started', [{ type: 'part-start', index: 0, part: 0, kind: 'output_text' }]],
    ['a delta outside of a part', [started, { type: 'item-delta', index: 0, part: 0, delta: 'x' }]],
    [
      'a second end',
      [
        started,
        { type: 'item-end', index: 0, complete: true, source: '' },
        { type: 'item-end', index: 0, complete: true, source: '' },
      ],
    ],
  ])('%s', (_, events) => {
    expect(() => feed(assembler(), events)).toThrow('illegal move');
  });
});

test('a block that has no word here travels as an extension with its JSON as it was', () => {
  const source = '{"type":"server_tool_use","input":{"2":18446744073709551616,"1":0}}';
  const { output } = feed(assembler(), [
    { type: 'item-start', index: 0, start: { kind: 'extension', blockType: 'server_tool_use' } },
    { type: 'item-end', index: 0, complete: true, source },
  ]);
  expect(output[0]?.item.type).toBe('messages:server_tool_use');
  expect(output[0]?.body).toContain(source);
});

describe('native items', () => {
  const start: ItemStart = {
    kind: 'native',
    item: { type: 'web_search_call', id: '', status: 'in_progress', action: { type: 'search', query: 'tides' } },
  };

  test('their events carry the minted id, and their end says what they have become', () => {
    const target = assembler({ encoder: createStreamEncoder() });
    feed(target, [
      { type: 'response-start', upstreamId: 'u', upstreamModel: 'm' },
      { type: 'item-start', index: 0, start },
      { type: 'item-event', index: 0, name: 'web_search_call.searching', fields: { note: 'x' } },
      {
        type: 'item-end',
        index: 0,
        complete: true,
        source: '{"raw":1}',
        native: { type: 'web_search_call', id: 'theirs', status: 'completed', results: [1] },
      },
    ]);
    const [stored] = target.storedOutput;
    expect(stored?.id).toMatch(/^ws_[0-9a-f]{44}$/);
    expect(JSON.parse(stored?.body ?? '')).toEqual({
      type: 'web_search_call',
      id: stored?.id,
      status: 'completed',
      results: [1],
    });
    const events = dataOf(target.takeText());
    expect(events.map(({ type }) => type)).toEqual([
      'response.output_item.added',
      'response.web_search_call.searching',
      'response.output_item.done',
    ]);
    expect(events[0]?.item).toEqual({ ...start.item, id: stored?.id });
    expect(events[1]).toMatchObject({ item_id: stored?.id, output_index: 0, note: 'x' });
    expect(events[2]?.item).toEqual(JSON.parse(stored?.body ?? ''));
  });

  test('one that was cut is incomplete, and has no source to go back to', () => {
    const target = feed(assembler(), [{ type: 'item-start', index: 0, start }]);
    target.cut();
    expect(target.output[0]?.item).toMatchObject({ type: 'web_search_call', status: 'incomplete' });
    expect(target.storedOutput[0]?.origin).toBeNull();
  });
});

describe('fields that the model has no word for', () => {
  test('stand in the item as it begins, and as it ended', () => {
    const target = assembler({ encoder: createStreamEncoder() });
    feed(target, [
      { type: 'item-start', index: 0, start: { kind: 'message', fields: { phase: 'commentary' } } },
      { type: 'item-end', index: 0, complete: true, source: '', fields: { phase: 'final_answer', content: [1] } },
      {
        type: 'item-start',
        index: 1,
        start: { kind: 'function_call', callId: 'c', name: 'n', fields: { async: true } },
      },
      { type: 'item-end', index: 1, complete: true, source: '' },
    ]);
    expect(target.output.map(({ item }) => item)).toMatchObject([
      { type: 'message', status: 'completed', role: 'assistant', phase: 'final_answer', content: [1] },
      { type: 'function_call', call_id: 'c', name: 'n', arguments: '{}', async: true },
    ]);
    expect(dataOf(target.takeText()).flatMap(({ item }) => item ?? [])).toMatchObject([
      { phase: 'commentary', content: [] },
      { phase: 'final_answer', content: [1] },
      { async: true, arguments: '' },
      { async: true, arguments: '{}' },
    ]);
  });

  test('of the response and of items with parts, as events', () => {
    const target = assembler({ encoder: createStreamEncoder() });
    feed(target, [
      { type: 'item-start', index: 0, start: { kind: 'message' } },
      { type: 'response-event', name: 'response.moderation', fields: { score: 1 } },
      { type: 'item-event', index: 0, name: 'output_text.stamp', fields: { at: 2 } },
      { type: 'item-end', index: 0, complete: true, source: '' },
      { type: 'response-end', finish: 'completed', usage: undefined, fields: { tool_usage: {} } },
    ]);
    const [added, moderation, stamp] = dataOf(target.takeText());
    expect(moderation).toEqual({ type: 'response.moderation', sequence_number: 1, score: 1 });
    const place = { item_id: added?.item?.id, output_index: 0 };
    expect(stamp).toEqual({ type: 'response.output_text.stamp', sequence_number: 2, ...place, at: 2 });
    expect(target.fields).toEqual({ tool_usage: {} });
  });
});

function dataOf(text: string): { type: string; item?: { id: string } }[] {
  return text
    .split('\n\n')
    .filter((frame) => frame !== '')
    .map((frame) => JSON.parse(frame.slice(frame.indexOf('data: ') + 6)) as { type: string; item?: { id: string } });
}
