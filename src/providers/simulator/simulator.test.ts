import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { UpstreamEvent } from '../../core/events.ts';
import type { ContextItem, Item } from '../../core/items.ts';
import type { TurnRequest } from '../../core/request.ts';
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
  model: 'simulator',
  input: [],
  instructions: null,
  previousResponseId: undefined,
  store: true,
  stream: false,
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
  toolChoice: 'auto',
  parallelToolCalls: true,
  maxOutputTokens: undefined,
  maxToolCalls: undefined,
  temperature: undefined,
  topP: undefined,
  topLogprobs: undefined,
  textFormat: { type: 'text' },
  verbosity: undefined,
  reasoning: undefined,
  include: [],
  metadata: {},
  truncation: 'disabled',
  user: undefined,
  safetyIdentifier: undefined,
  promptCacheKey: undefined,
  serviceTier: undefined,
  extra: {},
};

/** One turn as the gateway runs it: encoded by the codec, sent by the provider, decoded by the codec. */
async function run(items: Item[], more: Partial<TurnRequest> = {}): Promise<UpstreamEvent[]> {
  const context: ContextItem[] = items.map((item) => ({ item, origin: undefined }));
  const turn = { ...request, ...more };
  const encoded = messagesCodec.encodeRequest({
    request: turn,
    context,
    inheritedTools: [],
    model: 'simulator',
    profile: deployment.profile,
  });
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

  test('whatever a client says in whatever order, the codec makes of it what the simulator takes', async () => {
    const words = fc.constantFrom('Hello', ' ', '', '\ud800', 'weather in Oslo', '\u0000', '<system>');
    const message = fc
      .tuple(fc.constantFrom('user' as const, 'system' as const, 'developer' as const), words)
      .map(([role, text]): Item[] => [{ type: 'message', id: 'msg_1', role, content: [{ type: 'input_text', text }] }]);
    const answer = words.map((text): Item[] => [
      { type: 'message', id: 'msg_2', role: 'assistant', content: [{ type: 'output_text', text, annotations: [] }] },
    ]);
    const call = fc.tuple(words, fc.constantFrom('call_0', 'c'.repeat(64), 'a b')).map(([output, id]): Item[] => [
      { type: 'function_call', id: 'fc_1', call_id: id, name: 'get_weather', arguments: '{"city":"Oslo"}' },
      { type: 'message', id: 'msg_1', role: 'user', content: [{ type: 'input_text', text: 'Wait.' }] },
      { type: 'function_call_output', id: 'fco_1', call_id: id, output },
    ]);
    const contexts = fc
      .array(fc.oneof(message, answer, call), { maxLength: 6 })
      .map((items) => [...items.flat(), said('Hm.')]);
    const reasoning = fc.constantFrom(undefined, { effort: 'low' as const, summary: null });
    await fc.assert(
      fc.asyncProperty(contexts, reasoning, fc.boolean(), async (items, effort, hasTools) => {
        const events = await run(items, { reasoning: effort, ...(hasTools ? {} : { tools: [] }) });
        expect(events.at(-1)).toMatchObject({ type: 'response-end', finish: 'completed' });
      }),
    );
  });
});
