/** What a client of the Messages API reads of items that do not come one after another. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { collectMessage } from '../../../test/support/collect-message.ts';
import type { ItemStart, UpstreamEvent } from '../../core/events.ts';
import { createIdMint } from '../../core/ids.ts';
import type { ResponseState } from '../../core/response.ts';
import { type Assembler, createAssembler } from '../../turn/assembler.ts';
import { replayReply } from '../../turn/replay-reply.ts';
import type { Reply } from '../codec.ts';
import { messagesClientCodec } from './client.ts';

const requestOf = (thinks: boolean) =>
  messagesClientCodec.decodeRequest({
    model: 'ours',
    max_tokens: 1000,
    ...(thinks ? { thinking: { type: 'adaptive' } } : {}),
    messages: [{ role: 'user', content: 'Hello.' }],
  });

function replyOf(thinks: boolean, status: ResponseState['status'], output: Reply['output']): Reply {
  const state: ResponseState = {
    id: 'resp_1',
    createdAtMs: 0,
    status,
    completedAtMs: 0,
    error: undefined,
    incompleteReason: undefined,
    request: requestOf(thinks),
    usage: undefined,
    serviceTier: undefined,
    inputTransformations: [],
  };
  return { state, head: '{}', envelope: '{}', output };
}

function written(
  events: readonly UpstreamEvent[],
  thinks: boolean,
): Record<'streamed' | 'replayed' | 'plain', unknown> {
  const encoder = messagesClientCodec.createStreamEncoder();
  const assembler: Assembler = createAssembler({
    ids: createIdMint(),
    nowMs: () => 0,
    protocol: 'responses',
    signatureScope: () => '',
    usedCallIds: new Set(),
    sealReasoning: () => 'sealed',
    encoder,
  });
  let text = encoder.begin(replyOf(thinks, 'in_progress', []));
  for (const event of events) assembler.accept(event);
  const reply = replyOf(thinks, 'completed', assembler.output);
  text += assembler.takeText() + encoder.end(reply);
  return {
    streamed: collectMessage(text).message.content,
    replayed: collectMessage(replayReply(messagesClientCodec.createStreamEncoder(), reply)).message.content,
    plain: JSON.parse(messagesClientCodec.encodeReply(reply)).content,
  };
}

function eventsOf(start: ItemStart, index: number, deltas: readonly string[]): UpstreamEvent[] {
  const said = (part: number) => deltas.map((delta) => ({ type: 'item-delta' as const, index, part, delta }));
  const isParted = start.kind === 'message' || start.kind === 'reasoning';
  const kind = start.kind === 'message' ? ('output_text' as const) : ('summary_text' as const);
  const parts = [0, 1].flatMap((part): UpstreamEvent[] => [
    { type: 'part-start', index, part, kind },
    ...said(part),
    { type: 'part-end', index, part },
  ]);
  return [
    { type: 'item-start', index, start },
    ...(isParted ? parts : said(0)),
    { type: 'item-end', index, complete: true, source: '' },
  ];
}

const starts = (index: number): ItemStart[] => [
  { kind: 'message' },
  { kind: 'reasoning' },
  { kind: 'function_call', callId: `call_${index}`, name: 'f' },
  { kind: 'custom_tool_call', callId: `call_${index}`, name: 'g' },
  { kind: 'native', item: { type: 'web_search_call', id: '', status: 'in_progress' } },
];
const wordsOf = ({ kind }: ItemStart): string[] =>
  kind === 'native' ? [] : kind === 'function_call' ? ['{"a":', '1}'] : ['a', 'b'];

test('items that are written at the same time come one after another, as in the plain answer', () => {
  const plan = fc.record({
    kinds: fc.array(fc.nat({ max: 4 }), { maxLength: 5 }),
    picks: fc.array(fc.nat(), { maxLength: 80 }),
    thinks: fc.boolean(),
  });
  fc.assert(
    fc.property(plan, ({ kinds, picks, thinks }) => {
      const queues = kinds.flatMap((kind, index) => {
        const start = starts(index)[kind];
        return start === undefined ? [] : [eventsOf(start, index, wordsOf(start))];
      });
      const events: UpstreamEvent[] = [];
      let started = 0;
      for (let at = 0; queues.some((queue) => queue.length > 0); at++) {
        // Items start in their order; which of those that have goes on is left to chance.
        const ready = queues.filter((queue, index) => queue.length > 0 && index <= started);
        const queue = ready[(picks[at] ?? 0) % ready.length];
        const event = queue?.shift();
        if (event?.type === 'item-start') started += 1;
        if (event !== undefined) events.push(event);
      }
      const { streamed, replayed, plain } = written(events, thinks);
      expect(streamed).toEqual(plain);
      expect(replayed).toEqual(plain);
    }),
  );
});

test('what is written is written as it comes, and what waits is told in deltas too', () => {
  const [first, second] = [{ kind: 'function_call', callId: 'c', name: 'f' } as const, { kind: 'message' } as const];
  const [start, ...call] = eventsOf(first, 0, ['{"a":', '1}']);
  const text = eventsOf(second, 1, ['a', 'b']);
  const encoder = messagesClientCodec.createStreamEncoder();
  const options = { ids: createIdMint(), nowMs: () => 0, protocol: 'responses', signatureScope: () => '' } as const;
  const assembler = createAssembler({ ...options, usedCallIds: new Set(), encoder });
  encoder.begin(replyOf(false, 'in_progress', []));
  for (const event of start === undefined ? [] : [start, ...text]) assembler.accept(event);
  expect(assembler.takeText()).not.toContain('text_delta');
  const [delta, ...more] = call;
  if (delta !== undefined) assembler.accept(delta);
  expect(assembler.takeText()).toContain('input_json_delta');
  for (const event of more) assembler.accept(event);
  expect(assembler.takeText()).toContain('{"type":"text_delta","text":"ab"}');
});

test('a delta without text, of a token that adds none, begins no block', () => {
  const call = eventsOf({ kind: 'function_call', callId: 'c', name: 'f' }, 1, ['{}']);
  const message = eventsOf({ kind: 'message' }, 0, ['']).map((event) =>
    event.type === 'item-delta'
      ? { ...event, logprobs: [{ token: '', logprob: -1, bytes: [], top_logprobs: [] }] }
      : event,
  );
  const { streamed, plain } = written([...message, ...call], false);
  expect(streamed).toEqual(plain);
  expect(streamed).toMatchObject([{ type: 'tool_use' }]);
});
