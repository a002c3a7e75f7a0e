/** OpenAI's Agents SDK against a spawned gateway over each backend: conversations that go on by the id of the last run. */
import { Agent, OpenAIConversationsSession, OpenAIResponsesModel, run, setTracingDisabled, tool } from '@openai/agents';
import OpenAI from 'openai';
import { beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { fakeUpstream } from '../support/fake-upstream.ts';
import { spawnGateway, temporaryFolder } from '../support/spawn-gateway.ts';
import { shareGateway } from './share-gateway.ts';
import { backends, expectReasoningSent, thinkHard, timeIn, weatherIn } from './weather-model.ts';

const question = 'What is the weather in Paris and Rome?';

interface Finished {
  text: unknown;
  responseId: string | undefined;
  /** Text that came as deltas; undefined: the run was not streamed. */
  streamed: string | undefined;
}

type Ask = (agent: Agent, input: string, previousResponseId: string | undefined) => Promise<Finished>;

const chained = (previousResponseId: string | undefined) =>
  previousResponseId === undefined ? {} : { previousResponseId };

const ways: Record<string, Ask> = {
  async plain(agent, input, previous) {
    const result = await run(agent, input, chained(previous));
    return { text: result.finalOutput, responseId: result.lastResponseId, streamed: undefined };
  },
  async streamed(agent, input, previous) {
    const result = await run(agent, input, { ...chained(previous), stream: true });
    let streamed = '';
    for await (const text of result.toTextStream()) streamed += text;
    await result.completed;
    return { text: result.finalOutput, responseId: result.lastResponseId, streamed };
  },
};

/** An agent that has two tools, and what it has asked them. */
function reporter(client: OpenAI): { agent: Agent; asked: string[] } {
  const asked: string[] = [];
  const lookUp = (name: string, description: string, known: Record<string, string>) =>
    tool({
      name,
      description,
      parameters: z.object({ city: z.string() }),
      async execute({ city }) {
        asked.push(`${name} ${city}`);
        return known[city] ?? `nothing of ${city}`;
      },
    });
  const agent = new Agent({
    name: 'reporter',
    model: new OpenAIResponsesModel(client, 'weather-model'),
    instructions: 'Look things up. Say what you found.',
    modelSettings: { reasoning: thinkHard },
    tools: [lookUp('get_weather', 'The weather in a city', weatherIn), lookUp('get_time', 'The time there', timeIn)],
  });
  return { agent, asked };
}

beforeAll(() => setTracingDisabled(true));

describe.each(backends)('over $name', (backend) => {
  test.each(Object.entries(ways))('three runs with two tools: %s', async (_, ask) => {
    const upstream = await fakeUpstream(backend.answer);
    const gateway = await spawnGateway({
      folder: temporaryFolder(),
      config: `models: [{ name: weather-model, ${backend.entry(upstream.url)} }]`,
    });
    const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none', maxRetries: 0 });
    const { agent, asked } = reporter(client);

    const first = await ask(agent, question, undefined);
    expect(first.text).toContain(weatherIn['Paris']);
    expect(first.text).toContain(weatherIn['Rome']);
    const second = await ask(agent, 'What time is it in Oslo?', first.responseId);
    expect(second.text).toContain(timeIn['Oslo']);
    const third = await ask(agent, 'And what did I ask you first?', second.responseId);
    expect(asked).toEqual(['get_weather Paris', 'get_weather Rome', 'get_time Oslo']);
    for (const value of backend.repeats === 'all' ? [...Object.values(weatherIn), timeIn['Oslo']] : [question]) {
      expect(third.text).toContain(value);
    }
    for (const { text, streamed } of [first, second, third]) {
      if (streamed !== undefined) expect(streamed).toBe(text);
    }

    expectReasoningSent(backend, upstream.requests);
    // The runs are one conversation in the store: the last run sent one message, and its input is everything before.
    const input: string[] = [];
    const { responses } = client;
    for await (const item of responses.inputItems.list(third.responseId ?? '', { order: 'asc' })) input.push(item.type);
    const parallelRound = ['message', 'function_call', 'function_call', 'function_call_output', 'function_call_output'];
    const singleRound = ['message', 'function_call', 'function_call_output'];
    // A model of Google's signs its calls with reasoning, whether it is asked for any or not.
    expect(input.filter((type) => type !== 'reasoning')).toEqual([
      ...parallelRound,
      'message',
      ...singleRound,
      'message',
      'message',
    ]);
  });
});

describe.each(backends)('kept by the gateway, over $name', (backend) => {
  const { upstream, baseURL } = shareGateway(backend);

  /** With a session the SDK keeps the conversation in the Conversations API, and sends what it reads there again. */
  test('three runs in one session', async () => {
    const from = upstream().requests.length;
    const client = new OpenAI({ baseURL: baseURL(), apiKey: 'none', maxRetries: 0 });
    const { agent, asked } = reporter(client);
    const session = new OpenAIConversationsSession({ client });

    const first = await run(agent, question, { session });
    expect(first.finalOutput).toContain(weatherIn['Paris']);
    const stream = await run(agent, 'What is the weather in Oslo?', { session, stream: true });
    for await (const text of stream.toTextStream()) void text;
    await stream.completed;
    expect(asked.toSorted()).toEqual(['get_weather Oslo', 'get_weather Paris', 'get_weather Rome']);

    const id = await session.getSessionId();
    const { items } = client.conversations;
    const stored: { id?: string | null; type: string }[] = [];
    for await (const item of items.list(id, { order: 'asc', limit: 2 })) stored.push(item);
    const calls = stored.filter(({ type }) => type === 'function_call');
    expect(calls).toHaveLength(3);
    expect(stored.filter(({ type }) => type === 'function_call_output')).toHaveLength(3);
    expect(stored.filter(({ type }) => type === 'message')).toHaveLength(4);
    expect(await session.getItems()).toHaveLength(stored.length);

    // Another process goes on in the same session; the last item is taken back.
    const resumed = new OpenAIConversationsSession({ client, conversationId: id });
    await run(agent, 'What did you find?', { session: resumed });
    expectReasoningSent(backend, upstream().requests, [], from);
    const before = await resumed.getItems();
    const said = (items: readonly { type?: string | undefined }[]) =>
      items.filter(({ type }) => type !== 'reasoning').length;
    expect(said(before)).toBe(said(stored) + 2);
    expect(await resumed.popItem()).toMatchObject({ role: 'assistant' });
    expect(await resumed.getItems()).toHaveLength(before.length - 1);
    await resumed.clearSession();
    await expect(client.conversations.retrieve(id)).rejects.toMatchObject({ status: 404 });
  });

  /** With a conversation's id the SDK sends what is new, and the gateway has the rest. */
  test('three runs in one conversation', async () => {
    const from = upstream().requests.length;
    const client = new OpenAI({ baseURL: baseURL(), apiKey: 'none', maxRetries: 0 });
    const { agent } = reporter(client);
    const { id: conversationId } = await client.conversations.create();
    for (const city of ['Paris', 'Rome']) {
      const { finalOutput } = await run(agent, `What is the weather in ${city}?`, { conversationId });
      expect(finalOutput).toContain(weatherIn[city]);
    }
    const stream = await run(agent, 'What is the weather in Oslo?', { conversationId, stream: true });
    await stream.completed;
    expectReasoningSent(backend, upstream().requests, [], from);
    const types: string[] = [];
    for await (const item of client.conversations.items.list(conversationId, { order: 'asc' })) types.push(item.type);
    const round = ['message', 'function_call', 'function_call_output', 'message'];
    expect(types.filter((type) => type !== 'reasoning')).toEqual([...round, ...round, ...round]);
  });
});
