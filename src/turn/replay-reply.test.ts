import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ItemStart, PartKind, UpstreamEvent } from '../core/events.ts';
import { createIdMint } from '../core/ids.ts';
import type { ResponseState } from '../core/response.ts';
import { noUsage } from '../core/usage.ts';
import { createStreamEncoder } from '../protocols/responses/encode-stream.ts';
import { decodeRequest } from '../protocols/responses/request.ts';
import { envelopeText, headText } from '../protocols/responses/response.ts';
import { createAssembler } from './assembler.ts';
import { replayReply, storedReply } from './replay-reply.ts';

const text = fc.string({ unit: 'grapheme', maxLength: 8 });
const deltas = fc.array(text, { maxLength: 3 });
const part = (...kinds: PartKind[]) =>
  fc.record({
    kind: fc.constantFrom(...kinds),
    deltas,
    annotations: fc.array(fc.record({ url: text }), { maxLength: 2 }),
  });

interface Plan {
  start: ItemStart;
  parts: { kind: PartKind; deltas: string[]; annotations: unknown[] }[];
  deltas: string[];
  source: string;
}

const plan: fc.Arbitrary<Plan> = fc.oneof(
  fc.record({
    start: fc.constant({ kind: 'message' as const }),
    parts: fc.array(part('output_text', 'refusal'), { maxLength: 3 }),
    deltas: fc.constant<string[]>([]),
    source: fc.constant('{}'),
  }),
  fc.record({
    start: fc.constant({ kind: 'reasoning' as const }),
    parts: fc
      .tuple(fc.array(part('summary_text'), { maxLength: 2 }), fc.array(part('reasoning_text'), { maxLength: 2 }))
      .map(([summary, content]) => [...summary, ...content]),
    deltas: fc.constant<string[]>([]),
    source: fc.constant('{}'),
  }),
  fc.record({
    start: fc.record({
      kind: fc.constantFrom('function_call' as const, 'custom_tool_call' as const),
      callId: text,
      name: text,
    }),
    parts: fc.constant<Plan['parts']>([]),
    deltas,
    source: fc.constant('{}'),
  }),
  fc.record({
    start: fc.constant({ kind: 'extension' as const, blockType: 'odd' }),
    parts: fc.constant<Plan['parts']>([]),
    deltas: fc.constant<string[]>([]),
    source: fc.json(),
  }),
);

function eventsOf(plans: Plan[], complete: boolean): UpstreamEvent[] {
  return plans.flatMap(({ start, parts, deltas: texts, source }, index): UpstreamEvent[] => [
    { type: 'item-start', index, start },
    ...parts.flatMap(({ kind, deltas: partTexts, annotations }, at): UpstreamEvent[] => [
      { type: 'part-start', index, part: at, kind },
      ...partTexts.map((delta, count): UpstreamEvent => ({
        type: 'item-delta',
        index,
        part: at,
        delta,
        ...(kind === 'output_text' ? { logprobs: [count] } : {}),
      })),
      ...(kind === 'output_text'
        ? annotations.map((annotation): UpstreamEvent => ({ type: 'annotation', index, part: at, annotation }))
        : []),
      { type: 'part-end', index, part: at },
    ]),
    ...texts.map((delta): UpstreamEvent => ({ type: 'item-delta', index, part: 0, delta })),
    { type: 'item-end', index, complete, source },
  ]);
}

// oxlint-disable-next-line no-explicit-any -- a test reads whatever was written
type Frame = any;

/** The events of a stream, those that carry one text joined to one. */
function joined(stream: string): Frame[] {
  const frames: Frame[] = [];
  for (const line of stream.split('\n')) {
    if (!line.startsWith('data: {')) continue;
    const { sequence_number: _number, ...frame }: Frame = JSON.parse(line.slice('data: '.length));
    const last = frames.at(-1);
    if (frame.delta === undefined || last?.type !== frame.type) {
      frames.push(frame);
      continue;
    }
    last.delta += frame.delta;
    if (frame.logprobs !== undefined) last.logprobs = [...last.logprobs, ...frame.logprobs];
  }
  return frames;
}

const request = decodeRequest({ model: 'm', input: 'x', metadata: { b: '1', '7': '2' }, service_tier: 'flex' });

describe.each(['completed', 'incomplete', 'failed'] as const)('a %s response', (status) => {
  test('is replayed as the stream that it was, each text in one delta', () => {
    fc.assert(
      fc.property(fc.array(plan, { maxLength: 4 }), fc.boolean(), (plans, complete) => {
        const state: ResponseState = {
          id: 'resp_1',
          createdAtMs: 1_763_800_000_123,
          status: 'in_progress',
          completedAtMs: undefined,
          error: undefined,
          incompleteReason: undefined,
          request,
          usage: undefined,
          serviceTier: undefined,
          inputTransformations: [],
        };
        const encoder = createStreamEncoder();
        const assembler = createAssembler({
          ids: createIdMint(),
          nowMs: () => 1_763_800_000_123,
          protocol: 'messages',
          signatureScope: () => '',
          usedCallIds: new Set(),
          encoder,
        });
        const envelope = envelopeText(request);
        let live = encoder.begin({ state, head: headText(state), envelope, output: [] });
        for (const event of eventsOf(plans, complete)) assembler.accept(event);
        live += assembler.takeText();
        Object.assign(state, {
          status,
          completedAtMs: 1_763_800_009_123,
          usage: noUsage,
          serviceTier: 'default',
          error: status === 'failed' ? { code: 'server_error', message: 'broken' } : undefined,
          incompleteReason: status === 'incomplete' ? 'content_filter' : undefined,
        });
        const reply = { state, head: headText(state), envelope, output: assembler.output };
        live += encoder.end(reply);

        const fromMemory = replayReply(createStreamEncoder(), reply);
        const stored = { status, sessionId: 's', head: reply.head, envelope, output: assembler.storedOutput };
        const fromStore = replayReply(createStreamEncoder(), storedReply(request, stored));
        expect(joined(fromMemory)).toEqual(joined(live));
        expect(fromStore).toBe(fromMemory);
        expect(fromStore.endsWith('data: [DONE]\n\n')).toBe(true);
      }),
    );
  });
});
