/** The official Anthropic client against a spawned gateway over each backend: tool loops with thinking, and what it does with errors. */
import Anthropic from '@anthropic-ai/sdk';
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
    expect(thoughts).toHaveLength(backend.name === 'openai-compatible' ? 0 : 5);
  });
});
