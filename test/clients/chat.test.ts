/**
 * Clients of Chat Completions against a spawned gateway over each backend: OpenAI's own, the AI SDK and LangChain.js. Each holds a
 * conversation of three turns with parallel calls, whose answers hold what only a tool's output carried.
 */
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAI as createOlderOpenAI } from 'ai-sdk-openai-3';
import { type AIMessageChunk, type BaseMessage, HumanMessage, type ToolMessage } from '@langchain/core/messages';
import { tool as langchainTool } from '@langchain/core/tools';
import { concat } from '@langchain/core/utils/stream';
import { ChatOpenAI } from '@langchain/openai';
import { generateText, isStepCount, type ModelMessage, streamText, tool } from 'ai';
import * as older from 'ai-6';
import OpenAI from 'openai';
import OlderOpenAI from 'openai-6';
import { zodResponseFormat } from 'openai/helpers/zod';
import type { ChatCompletion, ChatCompletionMessageParam } from 'openai/resources/chat/completions';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { shareGateway } from './share-gateway.ts';
import { backends, openAiInResponsesOnly, timeIn, weatherIn } from './weather-model.ts';

const model = 'weather-model';
const questions = ['What is the weather in Paris and Rome?', 'What time is it in Oslo?', 'And what did you find?'];
const schema = z.object({ city: z.string() });

function look(name: string, city: string): string {
  return (name === 'get_time' ? timeIn : weatherIn)[city] ?? `nothing of ${city}`;
}

const parameters = {
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
  additionalProperties: false,
};
const openAiTools = ['get_weather', 'get_time'].map((name) => ({
  type: 'function' as const,
  function: { name, description: 'Looks it up', parameters, strict: true },
}));

/** Answers the questions one after another, and gives what was said to each. */
type Client = (baseURL: string) => Promise<string[]>;

type Create = (client: OpenAI, messages: ChatCompletionMessageParam[]) => Promise<ChatCompletion>;

/** The loop as applications write it: the message goes back whole. */
function byHand(create: Create): Client {
  return async (baseURL) => {
    const client = new OpenAI({ baseURL, apiKey: 'none', maxRetries: 0 });
    const messages: ChatCompletionMessageParam[] = [{ role: 'system', content: 'Look things up.' }];
    const texts: string[] = [];
    for (const content of questions) {
      messages.push({ role: 'user', content });
      for (;;) {
        // oxlint-disable-next-line no-await-in-loop -- a conversation
        const { id, choices, usage } = await create(client, messages);
        expect(id).toMatch(/^resp_/);
        expect(usage?.total_tokens).toBeGreaterThan(0);
        const [choice] = choices;
        if (choice === undefined) throw new Error('an answer without a choice');
        messages.push(choice.message);
        const calls = choice.message.tool_calls ?? [];
        expect(choice.finish_reason).toBe(calls.length === 0 ? 'stop' : 'tool_calls');
        if (calls.length === 0) {
          texts.push(choice.message.content ?? '');
          break;
        }
        for (const call of calls) {
          if (call.type !== 'function') throw new Error('a call of another kind');
          const { city } = schema.parse(JSON.parse(call.function.arguments));
          messages.push({ role: 'tool', tool_call_id: call.id, content: look(call.function.name, city) });
        }
      }
    }
    return texts;
  };
}

/** OpenAI's own loop over tools. */
function byRunner(stream: boolean): Client {
  return async (baseURL) => {
    const client = new OpenAI({ baseURL, apiKey: 'none', maxRetries: 0 });
    let messages: ChatCompletionMessageParam[] = [];
    const texts: string[] = [];
    const tools = ['get_weather', 'get_time'].map((name) => ({
      type: 'function' as const,
      function: {
        name,
        description: 'Looks it up',
        parameters,
        parse: (text: string) => schema.parse(JSON.parse(text)),
        function: ({ city }: { city: string }) => look(name, city),
      },
    }));
    for (const content of questions) {
      const asked: ChatCompletionMessageParam[] = [...messages, { role: 'user', content }];
      const runner = stream
        ? client.chat.completions.runTools({ model, tools, messages: asked, stream: true })
        : client.chat.completions.runTools({ model, tools, messages: asked });
      // oxlint-disable-next-line no-await-in-loop -- a conversation
      texts.push((await runner.finalContent()) ?? '');
      messages = runner.messages;
    }
    return texts;
  };
}

/** Vercel's, in its newest version and in the one before. */
function byAiSdk(stream: boolean): Client {
  return async (baseURL) => {
    const provider = createOpenAI({ baseURL, apiKey: 'none' });
    const messages: ModelMessage[] = [];
    const texts: string[] = [];
    for (const content of questions) {
      messages.push({ role: 'user', content });
      const settings = {
        model: provider.chat(model),
        messages,
        instructions: 'Look things up.',
        stopWhen: isStepCount(4),
        maxRetries: 0,
        tools: {
          get_weather: tool({ inputSchema: schema, execute: ({ city }) => look('get_weather', city) }),
          get_time: tool({ inputSchema: schema, execute: ({ city }) => look('get_time', city) }),
        },
      };
      const result = stream ? streamText(settings) : generateText(settings);
      // oxlint-disable-next-line no-await-in-loop -- a conversation
      const { text, responseMessages, usage } = await settled(await result);
      expect(usage.inputTokens).toBeGreaterThan(0);
      texts.push(text);
      messages.push(...responseMessages);
    }
    return texts;
  };
}

/** A streamed result's fields are promises. */
async function settled(result: {
  text: string | PromiseLike<string>;
  responseMessages: ModelMessage[] | PromiseLike<ModelMessage[]>;
  usage: { inputTokens: number | undefined } | PromiseLike<{ inputTokens: number | undefined }>;
}) {
  const [text, responseMessages, usage] = await Promise.all([result.text, result.responseMessages, result.usage]);
  return { text, responseMessages, usage };
}

const byOlderAiSdk: Client = async (baseURL) => {
  const provider = createOlderOpenAI({ baseURL, apiKey: 'none' });
  const messages: older.ModelMessage[] = [];
  const texts: string[] = [];
  for (const content of questions) {
    messages.push({ role: 'user', content });
    // oxlint-disable-next-line no-await-in-loop -- a conversation
    const { text, response } = await older.generateText({
      model: provider.chat(model),
      messages,
      stopWhen: older.stepCountIs(4),
      maxRetries: 0,
      tools: {
        get_weather: older.tool({ inputSchema: schema, execute: ({ city }) => look('get_weather', city) }),
        get_time: older.tool({ inputSchema: schema, execute: ({ city }) => look('get_time', city) }),
      },
    });
    texts.push(text);
    messages.push(...response.messages);
  }
  return texts;
};

function byLangChain(stream: boolean): Client {
  return async (baseURL) => {
    const tools = ['get_weather', 'get_time'].map((name) =>
      langchainTool(({ city }: { city: string }) => look(name, city), { name, description: 'Looks it up', schema }),
    );
    const chat = new ChatOpenAI({
      model,
      apiKey: 'none',
      configuration: { baseURL },
      maxRetries: 0,
      useResponsesApi: false,
    }).bindTools(tools);
    // Its own `streaming` counts tokens by a list that it fetches from elsewhere.
    const ask = async (asked: BaseMessage[]): Promise<AIMessageChunk> => {
      if (!stream) return chat.invoke(asked);
      let whole: AIMessageChunk | undefined;
      for await (const chunk of await chat.stream(asked)) whole = whole === undefined ? chunk : concat(whole, chunk);
      if (whole === undefined) throw new Error('an empty stream');
      return whole;
    };
    const messages: BaseMessage[] = [];
    const texts: string[] = [];
    for (const question of questions) {
      messages.push(new HumanMessage(question));
      // oxlint-disable-next-line no-await-in-loop -- a conversation
      let answer = await ask(messages);
      for (; (answer.tool_calls ?? []).length > 0;) {
        messages.push(answer);
        for (const call of answer.tool_calls ?? []) {
          const called = tools.find(({ name }) => name === call.name);
          // oxlint-disable-next-line no-await-in-loop -- in the order of the calls
          messages.push((await called?.invoke({ ...call, type: 'tool_call' })) as ToolMessage);
        }
        // oxlint-disable-next-line no-await-in-loop -- a conversation
        answer = await ask(messages);
      }
      messages.push(answer);
      texts.push(answer.text);
    }
    return texts;
  };
}

const clients: Record<string, Client> = {
  'openai, plain': byHand((client, messages) =>
    client.chat.completions.create({ model, messages, tools: openAiTools }),
  ),
  'openai, its stream helper': byHand((client, messages) =>
    client.chat.completions
      .stream({ model, messages, tools: openAiTools, stream_options: { include_usage: true } })
      .finalChatCompletion(),
  ),
  'openai, its runner': byRunner(false),
  'openai, its runner, streamed': byRunner(true),
  'ai sdk': byAiSdk(false),
  'ai sdk, streamed': byAiSdk(true),
  'ai sdk 6': byOlderAiSdk,
  langchain: byLangChain(false),
  'langchain, streamed': byLangChain(true),
};

describe.each([...backends, openAiInResponsesOnly])('over $name', (backend) => {
  const { baseURL } = shareGateway(backend);

  test.each(Object.entries(clients))('%s: three turns with parallel calls', async (_, converse) => {
    const texts = await converse(baseURL());
    expect(texts[0]).toContain(weatherIn['Paris']);
    expect(texts[0]).toContain(weatherIn['Rome']);
    expect(texts[1]).toContain(timeIn['Oslo']);
    if (backend.repeats === 'all') {
      for (const value of [weatherIn['Paris'], weatherIn['Rome'], timeIn['Oslo']]) expect(texts[2]).toContain(value);
    }
  });

  test('structured output is parsed, plain and streamed', async () => {
    const Report = z.object({ city: z.string(), sunny: z.boolean() });
    const body = {
      model,
      messages: [{ role: 'user' as const, content: 'Is it sunny in Paris?' }],
      response_format: zodResponseFormat(Report, 'report'),
    };
    const client = new OpenAI({ baseURL: baseURL(), apiKey: 'none', maxRetries: 0 });
    const plain = await client.chat.completions.parse(body);
    expect(plain.choices[0]?.message.parsed).toEqual({ city: 'Paris', sunny: true });
    const streamed = await client.chat.completions.stream(body).finalChatCompletion();
    expect(streamed.choices[0]?.message.parsed).toEqual({ city: 'Paris', sunny: true });
  });

  const options = () => ({ baseURL: baseURL(), apiKey: 'none', maxRetries: 0 });
  test.each([
    ['7', (body: object) => new OpenAI(options()).chat.completions.create({ model, messages: [], ...body })],
    ['6', (body: object) => new OlderOpenAI(options()).chat.completions.create({ model, messages: [], ...body })],
  ])("errors are those of OpenAI's SDK %s", async (_, ask) => {
    await expect(ask({})).rejects.toMatchObject({ status: 400, param: 'messages', type: 'invalid_request_error' });
    const unknown = ask({ model: 'none', messages: [{ role: 'user', content: 'Hi' }] });
    await expect(unknown).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
  });
});
