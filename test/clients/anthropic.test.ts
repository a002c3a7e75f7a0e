/** The official Anthropic client against a spawned gateway over each backend: tool loops with thinking, and what it does with errors. */
import Anthropic from '@anthropic-ai/sdk';
import { betaTool } from '@anthropic-ai/sdk/helpers/beta/json-schema';
import { describe, expect, test } from 'vitest';
import { shareGateway } from './share-gateway.ts';
import { backends, reasoningSent, timeIn, weatherIn } from './weather-model.ts';

type Params = Anthropic.MessageCreateParamsNonStreaming;
type Message = Anthropic.Message;

const model = 'weather-model';
const questions = ['What is the weather in Paris and Rome?', 'What time is it in Oslo?', 'And what did you find?'];
const tools: Anthropic.Tool[] = ['get_weather', 'get_time'].map((name) => ({
  name,
  description: 'Looks it up.',
  input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
}));

const ways: Record<string, (client: Anthropic, params: Params) => Promise<Message>> = {
  create: (client, params) => client.messages.create(params),
  async stream(client, params) {
    const stream = client.messages.stream(params);
    let streamed = '';
    stream.on('text', (delta) => (streamed += delta));
    const message = await stream.finalMessage();
    expect(streamed).toBe(textOf(message));
    return message;
  },
  beta: async (client, params) =>
    (await client.beta.messages.create({ ...params, betas: ['interleaved-thinking-2025-05-14'] })) as Message,
};

const textOf = ({ content }: Message) =>
  content.flatMap((block) => (block.type === 'text' ? [block.text] : [])).join('');

function resultOf({ id, name, input }: Anthropic.ToolUseBlock): Anthropic.ToolResultBlockParam {
  const { city } = input as { city: string };
  const content = (name === 'get_time' ? timeIn : weatherIn)[city] ?? `nothing of ${city}`;
  return { type: 'tool_result', tool_use_id: id, content };
}

describe.each(backends)('over $name', (backend) => {
  const { upstream, baseURL } = shareGateway(backend);
  const connect = () =>
    new Anthropic({
      baseURL: baseURL().replace(/\/v1$/, ''),
      apiKey: 'none',
      maxRetries: 0,
      dangerouslyAllowBrowser: true,
    });

  test.each(Object.entries(ways))('three turns with parallel calls and thinking: %s', async (_, ask) => {
    const client = connect();
    const from = upstream().requests.length;
    const messages: Anthropic.MessageParam[] = [];
    const answers: Message[] = [];
    const calls: number[] = [];
    for (const content of questions) {
      messages.push({ role: 'user', content });
      for (;;) {
        // oxlint-disable-next-line no-await-in-loop -- a conversation
        const message = await ask(client, {
          model,
          max_tokens: 4000,
          thinking: { type: 'enabled', budget_tokens: 1024 },
          system: 'Look things up. Say what you found.',
          tools,
          messages,
        });
        expect(message).toMatchObject({ type: 'message', role: 'assistant', model });
        expect(message.id).toMatch(/^resp_[0-9a-f]{44}$/);
        expect(message.usage.input_tokens).toBeGreaterThan(0);
        expect(message.usage.output_tokens).toBeGreaterThan(0);
        messages.push({ role: 'assistant', content: message.content });
        const uses = message.content.filter((block) => block.type === 'tool_use');
        expect(message.stop_reason).toBe(uses.length > 0 ? 'tool_use' : 'end_turn');
        if (uses.length === 0) {
          answers.push(message);
          break;
        }
        calls.push(uses.length);
        messages.push({ role: 'user', content: uses.map(resultOf) });
      }
    }
    expect(calls).toEqual([2, 1]);
    const [first = '', second = '', third = ''] = answers.map(textOf);
    expect(first).toContain(weatherIn['Paris']);
    expect(first).toContain(weatherIn['Rome']);
    expect(second).toContain(timeIn['Oslo']);
    if (backend.repeats === 'all') {
      for (const value of [weatherIn['Paris'], weatherIn['Rome'], timeIn['Oslo']]) expect(third).toContain(value);
    }
    const thoughts = messages.flatMap(({ content }) =>
      typeof content === 'string'
        ? []
        : content.flatMap((block) => (block.type === 'thinking' ? [block.signature] : [])),
    );
    expect(thoughts).not.toContain('');
    const { sent, issued } = reasoningSent(backend, upstream().requests, from);
    expect(sent).toEqual(issued);
    expect(thoughts.length > 0).toBe(backend.name !== 'openai-compatible');
  });

  test('the tool runner runs a loop to its end', async () => {
    const looked: string[] = [];
    const runner = connect().beta.messages.toolRunner({
      model,
      max_tokens: 4000,
      messages: [{ role: 'user', content: questions[0] ?? '' }],
      tools: [
        betaTool({
          name: 'get_weather',
          description: 'Looks it up.',
          inputSchema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
          run({ city }) {
            looked.push(city);
            return weatherIn[city] ?? 'nothing';
          },
        }),
      ],
    });
    const last = await runner;
    expect(looked).toEqual(['Paris', 'Rome']);
    expect(textOf(last as Message)).toContain(weatherIn['Paris']);
  });

  test('a thread is held by the gateway', async () => {
    const thread = connect().beta.messages.thread({ model, max_tokens: 4000, tools });
    const ask = async (content: Anthropic.MessageParam['content']) =>
      (await thread.send({ role: 'user', content })) as Message;
    const first = await ask(questions[0] ?? '');
    const uses = first.content.filter((block) => block.type === 'tool_use');
    expect(textOf(await ask(uses.map(resultOf)))).toContain(weatherIn['Rome']);
    expect(thread.previousMessageId).toMatch(/^resp_/);
    const lost = connect().beta.messages.thread({
      model,
      max_tokens: 10,
      messages: [{ role: 'user', content: 'Hello.' }],
    });
    expect(textOf((await lost.send()) as Message)).not.toBe('');
  });

  test('tokens are counted', async () => {
    // The fake upstream has no counter of its own.
    if (backend.name !== 'openai-compatible') return;
    const { input_tokens: count } = await connect().messages.countTokens({
      model,
      messages: [{ role: 'user', content: 'Hello.' }],
      tools,
    });
    expect(count).toBeGreaterThan(5);
  });

  test('errors are of the SDK’s own classes', async () => {
    const ask = (fields: Partial<Params>, client = connect()) =>
      client.messages.create({ model, max_tokens: 10, messages: [{ role: 'user', content: 'Hello.' }], ...fields });
    const missing = await ask({ model: 'nobody' }).catch((error: unknown) => error);
    expect(missing).toBeInstanceOf(Anthropic.NotFoundError);
    expect(missing).toMatchObject({ status: 404, requestID: expect.stringMatching(/^req_/), type: 'not_found_error' });
    await expect(ask({ max_tokens: -1 })).rejects.toBeInstanceOf(Anthropic.BadRequestError);
    await expect(ask({ messages: [] }).withResponse()).rejects.toThrow(/messages/);
    const stream = connect().messages.stream({
      model: 'nobody',
      max_tokens: 10,
      messages: [{ role: 'user', content: 'x' }],
    });
    await expect(stream.finalMessage()).rejects.toBeInstanceOf(Anthropic.NotFoundError);
  });
});
