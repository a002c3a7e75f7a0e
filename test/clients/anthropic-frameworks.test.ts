/** The AI SDK and LangChain in Anthropic's words against a spawned gateway over each backend: tool loops with thinking. */
import { createAnthropic } from '@ai-sdk/anthropic';
import { ChatAnthropic } from '@langchain/anthropic';
import { type AIMessage, type BaseMessage, HumanMessage, type ToolMessage } from '@langchain/core/messages';
import { tool as langChainTool } from '@langchain/core/tools';
import { generateText, isStepCount, type ModelMessage, streamText, tool } from 'ai';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { shareGateway } from './share-gateway.ts';
import { backends, reasoningSent, timeIn, weatherIn } from './weather-model.ts';

const model = 'weather-model';
const questions = ['What is the weather in Paris and Rome?', 'What time is it in Oslo?', 'And what did you find?'];
const schema = z.object({ city: z.string() });

/** Answers one question after another, each with the tools that it wants; gives the texts. */
type Converse = (baseURL: string, looked: string[]) => Promise<string[]>;

const look = (name: string, city: string, looked: string[]): string => {
  looked.push(`${name} ${city}`);
  return (name === 'get_time' ? timeIn : weatherIn)[city] ?? `nothing of ${city}`;
};

function withAiSdk(ask: typeof generateText | 'stream'): Converse {
  return async (baseURL, looked) => {
    const toolOf = (name: string) =>
      tool({ description: 'Looks it up.', inputSchema: schema, execute: ({ city }) => look(name, city, looked) });
    const messages: ModelMessage[] = [];
    const texts: string[] = [];
    for (const content of questions) {
      messages.push({ role: 'user', content });
      const settings = {
        model: createAnthropic({ baseURL, apiKey: 'none' })(model),
        messages,
        instructions: 'Look things up. Say what you found.',
        stopWhen: isStepCount(4),
        maxRetries: 0,
        tools: { get_weather: toolOf('get_weather'), get_time: toolOf('get_time') },
        providerOptions: { anthropic: { thinking: { type: 'enabled', budgetTokens: 1024 } } },
      };
      // oxlint-disable no-await-in-loop -- a conversation
      if (ask === 'stream') {
        const result = streamText({
          ...settings,
          onError({ error }) {
            throw error;
          },
        });
        let streamed = '';
        for await (const delta of result.textStream) streamed += delta;
        expect(streamed).toBe(await result.text);
        texts.push(streamed);
        messages.push(...(await result.responseMessages));
      } else {
        const { text, responseMessages } = await ask(settings);
        texts.push(text);
        messages.push(...responseMessages);
      }
      // oxlint-enable no-await-in-loop
    }
    return texts;
  };
}

function withLangChain(streaming: boolean): Converse {
  return async (baseURL, looked) => {
    const tools = ['get_weather', 'get_time'].map((name) =>
      langChainTool(({ city }: { city: string }) => look(name, city, looked), {
        name,
        description: 'Looks it up.',
        schema,
      }),
    );
    const chat = new ChatAnthropic({
      model,
      apiKey: 'none',
      anthropicApiUrl: baseURL.replace(/\/v1$/, ''),
      clientOptions: { dangerouslyAllowBrowser: true },
      maxRetries: 0,
      maxTokens: 4000,
      streaming,
      thinking: { type: 'enabled', budget_tokens: 1024 },
    }).bindTools(tools);
    const messages: BaseMessage[] = [];
    const texts: string[] = [];
    for (const question of questions) {
      messages.push(new HumanMessage(question));
      for (;;) {
        // oxlint-disable-next-line no-await-in-loop -- a conversation
        const answer: AIMessage = await chat.invoke(messages);
        messages.push(answer);
        const calls = answer.tool_calls ?? [];
        if (calls.length === 0) {
          texts.push(answer.text);
          break;
        }
        for (const call of calls) {
          const called = tools.find(({ name }) => name === call.name);
          // oxlint-disable-next-line no-await-in-loop -- in the order of the calls
          messages.push((await called?.invoke({ ...call, type: 'tool_call' })) as ToolMessage);
        }
      }
    }
    return texts;
  };
}

const clients: Record<string, Converse> = {
  'the AI SDK': withAiSdk(generateText),
  'the AI SDK, streamed': withAiSdk('stream'),
  LangChain: withLangChain(false),
  'LangChain, streamed': withLangChain(true),
};

describe.each(backends)('over $name', (backend) => {
  const { upstream, baseURL } = shareGateway(backend);

  test.each(Object.entries(clients))('three turns with two tools: %s', async (_, converse) => {
    const from = upstream().requests.length;
    const looked: string[] = [];
    const [first = '', second = '', third = ''] = await converse(baseURL(), looked);
    expect(looked.toSorted()).toEqual(['get_time Oslo', 'get_weather Paris', 'get_weather Rome']);
    expect(first).toContain(weatherIn['Paris']);
    expect(first).toContain(weatherIn['Rome']);
    expect(second).toContain(timeIn['Oslo']);
    if (backend.repeats === 'all') {
      for (const value of [weatherIn['Paris'], weatherIn['Rome'], timeIn['Oslo']]) expect(third).toContain(value);
    }
    const { sent, issued } = reasoningSent(backend, upstream().requests, from);
    expect(sent).toEqual(issued);
  });
});
