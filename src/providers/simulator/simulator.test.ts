import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { plainRequest } from '../../../test/fixtures/plain-request.ts';
import type { UpstreamEvent } from '../../core/events.ts';
import type { Item } from '../../core/items.ts';
import type { TurnRequest } from '../../core/request.ts';
import type { EncodedRequest } from '../../protocols/codec.ts';
import { messagesCodec } from '../../protocols/messages/index.ts';
import type { Deployment } from '../provider.ts';
import { createSimulatorProvider, simulatorPrices } from './simulator.ts';
import { createSimulatorTransport } from './transport.ts';

const provider = createSimulatorProvider(messagesCodec, createSimulatorTransport());
const deployment: Deployment = {
  group: 'simulator',
  provider,
  model: 'simulator',
  baseUrl: provider.defaultBaseUrl ?? '',
  apiKey: undefined,
  headers: {},
  timeouts: { connectMs: 1, firstByteMs: 1, idleMs: 1 },
  weight: 1,
  profile: provider.profileOf('simulator'),
  prices: simulatorPrices,
};

const request: TurnRequest = {
  ...plainRequest,
  model: 'simulator',
  tools: [
    {
      type: 'function',
      name: 'get_weather',
      description: 'The weather in a city.',
      strict: true,
      parameters: {
        type: 'object',
        properties: { city: { type: 'string' } },
        required: ['city'],
        additionalProperties: false,
      },
    },
  ],
};

function encode(items: Item[], more: Partial<TurnRequest> = {}): EncodedRequest {
  return messagesCodec.encodeRequest({
    request: { ...request, input: items, ...more },
    context: items.map((item) => ({ item, origin: undefined })),
    inheritedTools: [],
    model: 'simulator',
    profile: deployment.profile,
  });
}

/** One turn as the gateway runs it: encoded by the codec, sent by the provider, decoded by the codec. */
async function run(items: Item[], more: Partial<TurnRequest> = {}): Promise<UpstreamEvent[]> {
  const encoded = encode(items, more);
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
  const chunks: Buffer[] = [];
  let status = 0;
  provider.transport.send(provider.buildRequest(deployment, encoded.body, false), {
    onHeaders: (code) => void (status = code),
    onData: (chunk) => void chunks.push(chunk),
    onEnd: () => resolve({ status, text: Buffer.concat(chunks).toString() }),
    onError: reject,
  });
  const reply = await promise;
  expect(reply.status, reply.text).toBe(200);
  const events: UpstreamEvent[] = [];
  messagesCodec.decodeResponse(reply.text, encoded.decode, (event) => void events.push(event));
  return events;
}

const said = (text: string): Item => ({
  type: 'message',
  id: 'msg_1',
  role: 'user',
  content: [{ type: 'input_text', text }],
});
const textOf = (events: UpstreamEvent[]) =>
  events.map((event) => (event.type === 'item-delta' ? event.delta : '')).join('');
const startsOf = (events: UpstreamEvent[]) =>
  events.flatMap((event) => (event.type === 'item-start' ? [event.start] : []));

describe('behind the real codec', () => {
  test('a conversation with tools comes round', async () => {
    const first = await run([said('What is the weather in Paris and Rome?')]);
    const calls = startsOf(first).flatMap((start) => (start.kind === 'function_call' ? [start] : []));
    expect(calls.map(({ name }) => name)).toEqual(['get_weather', 'get_weather']);
    const made = calls.map(({ callId, name }, place): Item => ({
      type: 'function_call',
      id: `fc_${place}`,
      call_id: callId,
      name,
      arguments: '{}',
    }));
    const outputs = calls.map(({ callId }, place): Item => ({
      type: 'function_call_output',
      id: `fco_${place}`,
      call_id: callId,
      output: `${place + 18} °C`,
    }));
    const second = await run([said('What is the weather in Paris and Rome?'), ...made, ...outputs]);
    expect(textOf(second)).toBe('get_weather says: 18 °C\nget_weather says: 19 °C');
  });

  test('it thinks when it is asked to', async () => {
    const events = await run([said('Hello')], { reasoning: { effort: 'high', summary: 'auto' } });
    expect(startsOf(events).map(({ kind }) => kind)).toEqual(['reasoning', 'message']);
  });

  test('a system message inside the conversation is one for it too', async () => {
    const items: Item[] = [said('Hello'), { ...said('Be brief.'), role: 'developer' } as Item];
    expect(encode(items).body).toContain('"role":"system"');
    expect((await run(items)).at(-1)).toMatchObject({ finish: 'completed' });
  });

  test('whatever a client says in whatever order, the codec makes of it what the simulator takes', async () => {
    const words = fc.constantFrom('Hello', ' ', '', '\ud800', 'weather in Oslo', '\u0000', '<system>');
    const message = fc
      .tuple(fc.constantFrom('user' as const, 'system' as const, 'developer' as const), words)
      .map(([role, text]): Item[] => [{ type: 'message', id: 'msg_1', role, content: [{ type: 'input_text', text }] }]);
    const answer = words.map((text): Item[] => [
      { type: 'message', id: 'msg_2', role: 'assistant', content: [{ type: 'output_text', text, annotations: [] }] },
    ]);
    const kinds = fc.constantFrom('call_', 'c'.repeat(64), 'a b');
    const call = fc.tuple(words, kinds, fc.uuid(), message).map(([output, kind, unique, between]): Item[] => {
      const id = kind + unique;
      return [
        { type: 'function_call', id: 'fc_1', call_id: id, name: 'get_weather', arguments: '{"city":"Oslo"}' },
        ...between,
        { type: 'function_call_output', id: 'fco_1', call_id: id, output },
      ];
    });
    const some = fc.array(fc.oneof(message, message, answer, call), { maxLength: 5 });
    const contexts = fc.tuple(some, some).map(([before, after]) => [...before.flat(), said('Hm.'), ...after.flat()]);
    const reasoning = fc.constantFrom(undefined, { effort: 'low' as const, summary: null });
    await fc.assert(
      fc.asyncProperty(contexts, reasoning, fc.boolean(), async (items, effort, hasTools) => {
        const events = await run(items, { reasoning: effort, ...(hasTools ? {} : { tools: [] }) });
        expect(events.at(-1)).toMatchObject({ type: 'response-end', finish: 'completed' });
      }),
    );
  });

  test('whatever schema a client brings, the codec makes of it what the simulator takes', async () => {
    const { node } = fc.letrec<{ node: Record<string, unknown> }>((tie) => {
      const inner = tie('node');
      const list = fc.array(inner, { minLength: 1, maxLength: 2 });
      return {
        node: fc.oneof(
          { depthSize: 'small', withCrossShrink: true },
          fc.constant({ type: 'string' }),
          fc.record({ type: fc.constant('array'), items: inner }),
          fc.record(
            {
              type: fc.constantFrom('object', ['object', 'null']),
              properties: fc.dictionary(fc.constantFrom('a', 'b', 'type', '__proto__'), inner, { maxKeys: 2 }),
              additionalProperties: fc.constantFrom(false, false, true, { type: 'string' }),
              anyOf: list,
              $defs: fc.record({ a: inner }),
            },
            { requiredKeys: ['type'] },
          ),
          fc.record({ anyOf: list }),
          fc.record({ allOf: list }),
          fc.record({ oneOf: list }),
        ),
      };
    });
    const parameters = node.filter(
      (schema) => !['anyOf', 'allOf', 'oneOf'].some((word) => Object.hasOwn(schema, word)),
    );
    const strict = fc.constantFrom(true, false, null);
    await fc.assert(
      fc.asyncProperty(node, parameters, strict, async (schema, toolSchema, isStrict) => {
        const events = await run([said('Hello')], {
          tools: [{ type: 'function', name: 'f', description: null, strict: isStrict, parameters: toolSchema }],
          textFormat: { type: 'json_schema', name: 'n', schema, strict: isStrict },
        });
        expect(events.at(-1)).toMatchObject({ type: 'response-end', finish: 'completed' });
      }),
    );
  });
});
