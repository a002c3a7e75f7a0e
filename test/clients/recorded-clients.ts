/**
 * The npm clients, each in a conversation: a question, the outputs of the tools that the answer calls, and a second question.
 * Each says what its own objects say of every answer.
 */
import Anthropic from '@anthropic-ai/sdk';
import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenResponses } from '@ai-sdk/open-responses';
import { createOpenAI as createOlderOpenAI } from 'ai-sdk-openai-3';
import { ChatAnthropic } from '@langchain/anthropic';
import { type AIMessage, type BaseMessage, HumanMessage, ToolMessage } from '@langchain/core/messages';
import { ChatOpenAI } from '@langchain/openai';
import { Agent, OpenAIResponsesModel, run, tool as agentTool } from '@openai/agents';
import { generateText, isStepCount, jsonSchema, type LanguageModel, type ModelMessage, streamText, tool } from 'ai';
import * as older from 'ai-6';
import OpenAI from 'openai';
import OlderOpenAI from 'openai-6';
import type { ChatCompletionMessageParam } from 'openai/resources/chat/completions';
import type { Response, ResponseInputItem } from 'openai/resources/responses/responses';
import type { Said } from '../support/recordings.ts';

export interface Setup {
  /** With `/v1`. */
  baseURL: string;
  model: string;
  /** Names of tools, each of which takes any object. */
  tools: readonly string[];
  /** What each of them gives. */
  output: string;
}
/** What was said, answer by answer. */
type Converse = (setup: Setup) => Promise<Said[]>;

const questions = ['Look it up.', 'And what did you find?'] as const;
const schema = { type: 'object' as const, properties: {}, additionalProperties: true };
const description = 'Looks it up.';
const parsed = (text: string): unknown => JSON.parse(text === '' ? '{}' : text);

const saidByResponse = ({ output_text: text, output, usage }: Response): Said => ({
  text,
  calls: output.flatMap((item) =>
    item.type === 'function_call' ? [{ name: item.name, arguments: parsed(item.arguments) }] : [],
  ),
  input: usage?.input_tokens ?? 0,
  output: usage?.output_tokens ?? 0,
});

/** Goes on by the id, or carries what it was given. */
function responses(client: typeof OpenAI, streamed: boolean, isChained: boolean): Converse {
  return async ({ baseURL, model, tools: names, output }) => {
    const sdk = new client({ baseURL, apiKey: 'none', maxRetries: 0 });
    const tools = names.map((name) => ({
      type: 'function' as const,
      name,
      parameters: schema,
      strict: false,
      description,
    }));
    const said: Said[] = [];
    const history: ResponseInputItem[] = [];
    let previous: string | undefined;
    for (const content of questions) {
      let added: ResponseInputItem[] = [{ role: 'user', content }];
      while (added.length > 0) {
        history.push(...added);
        const body = {
          model,
          tools,
          input: isChained ? added : history,
          ...(isChained && previous !== undefined && { previous_response_id: previous }),
        };
        // oxlint-disable-next-line no-await-in-loop -- a conversation
        const response = streamed ? await sdk.responses.stream(body).finalResponse() : await sdk.responses.create(body);
        said.push(saidByResponse(response));
        previous = response.id;
        history.push(...(response.output as ResponseInputItem[]));
        added = response.output.flatMap((item): ResponseInputItem[] =>
          item.type === 'function_call' ? [{ type: 'function_call_output', call_id: item.call_id, output }] : [],
        );
      }
    }
    return said;
  };
}

function chat(client: typeof OpenAI, streamed: boolean): Converse {
  return async ({ baseURL, model, tools: names, output }) => {
    const sdk = new client({ baseURL, apiKey: 'none', maxRetries: 0 });
    const tools = names.map((name) => ({
      type: 'function' as const,
      function: { name, description, parameters: schema },
    }));
    const said: Said[] = [];
    const messages: ChatCompletionMessageParam[] = [];
    for (const content of questions) {
      messages.push({ role: 'user', content });
      for (let isOpen = true; isOpen;) {
        const body = { model, messages, ...(tools.length > 0 && { tools }) };
        // oxlint-disable no-await-in-loop -- a conversation
        const { choices, usage } = streamed
          ? await sdk.chat.completions
              .stream({ ...body, stream_options: { include_usage: true } })
              .finalChatCompletion()
          : await sdk.chat.completions.create(body);
        // oxlint-enable no-await-in-loop
        const message = choices[0]?.message;
        if (message === undefined) throw new Error('an answer without a choice');
        const calls = (message.tool_calls ?? []).flatMap((call) => (call.type === 'function' ? [call] : []));
        said.push({
          text: message.content ?? '',
          calls: calls.map((call) => ({ name: call.function.name, arguments: parsed(call.function.arguments) })),
          input: usage?.prompt_tokens ?? 0,
          output: usage?.completion_tokens ?? 0,
        });
        messages.push(message);
        for (const { id } of calls) messages.push({ role: 'tool', tool_call_id: id, content: output });
        isOpen = calls.length > 0;
      }
    }
    return said;
  };
}

function anthropic(streamed: boolean): Converse {
  return async ({ baseURL, model, tools: names, output }) => {
    const url = baseURL.replace(/\/v1$/, '');
    const sdk = new Anthropic({ baseURL: url, apiKey: 'none', maxRetries: 0, dangerouslyAllowBrowser: true });
    const tools = names.map((name) => ({ name, description, input_schema: schema }));
    const said: Said[] = [];
    const messages: Anthropic.MessageParam[] = [];
    for (const question of questions) {
      let content: Anthropic.MessageParam['content'] = question;
      while (content.length > 0) {
        messages.push({ role: 'user', content });
        const body = { model, max_tokens: 4000, messages, tools };
        // oxlint-disable-next-line no-await-in-loop -- a conversation
        const message = streamed ? await sdk.messages.stream(body).finalMessage() : await sdk.messages.create(body);
        const uses = message.content.filter((block) => block.type === 'tool_use');
        const { usage } = message;
        said.push({
          text: message.content.map((block) => (block.type === 'text' ? block.text : '')).join(''),
          calls: uses.map(({ name, input }) => ({ name, arguments: input })),
          input: usage.input_tokens + (usage.cache_read_input_tokens ?? 0) + (usage.cache_creation_input_tokens ?? 0),
          output: usage.output_tokens,
        });
        if (message.content.length > 0) messages.push({ role: 'assistant', content: message.content });
        content = uses.map(({ id }) => ({ type: 'tool_result', tool_use_id: id, content: output }));
      }
    }
    return said;
  };
}

interface Step {
  text: string;
  toolCalls: readonly { toolName: string; input: unknown; providerExecuted?: boolean | undefined }[];
  usage: { inputTokens: number | undefined; outputTokens: number | undefined };
}

const saidByStep = ({ text, toolCalls, usage }: Step): Said => ({
  text,
  calls: toolCalls
    .filter(({ providerExecuted }) => providerExecuted !== true)
    .map(({ toolName, input }) => ({ name: toolName, arguments: input })),
  input: usage.inputTokens ?? 0,
  output: usage.outputTokens ?? 0,
});

function aiSdk(modelOf: (setup: Setup) => LanguageModel, streamed: boolean): Converse {
  return async (setup) => {
    const execute = () => setup.output;
    const inputSchema = jsonSchema<object>(schema);
    const tools = Object.fromEntries(setup.tools.map((name) => [name, tool({ description, inputSchema, execute })]));
    const messages: ModelMessage[] = [];
    const said: Said[] = [];
    for (const content of questions) {
      messages.push({ role: 'user', content });
      const settings = { model: modelOf(setup), messages, stopWhen: isStepCount(3), maxRetries: 0, tools };
      // oxlint-disable no-await-in-loop -- a conversation
      const result = streamed
        ? streamText({
            ...settings,
            onError({ error }) {
              throw error;
            },
          })
        : await generateText(settings);
      if ('textStream' in result) for await (const _ of result.textStream);
      said.push(...(await result.steps).map(saidByStep));
      messages.push(...(await result.responseMessages));
      // oxlint-enable no-await-in-loop
    }
    return said;
  };
}

function olderAiSdk(streamed: boolean, api: 'responses' | 'chat'): Converse {
  return async ({ baseURL, model, tools: names, output }) => {
    const execute = () => output;
    const inputSchema = older.jsonSchema<object>(schema);
    const tools = Object.fromEntries(names.map((name) => [name, older.tool({ description, inputSchema, execute })]));
    const provider = createOlderOpenAI({ baseURL, apiKey: 'none' });
    const messages: older.ModelMessage[] = [];
    const said: Said[] = [];
    for (const content of questions) {
      messages.push({ role: 'user', content });
      const settings = {
        model: provider[api](model),
        messages,
        stopWhen: older.stepCountIs(3),
        maxRetries: 0,
        tools,
      };
      // oxlint-disable no-await-in-loop -- a conversation
      const result = streamed
        ? older.streamText({
            ...settings,
            onError({ error }) {
              throw error;
            },
          })
        : await older.generateText(settings);
      if ('textStream' in result) for await (const _ of result.textStream);
      said.push(...(await result.steps).map(saidByStep));
      messages.push(...(await result.response).messages);
      // oxlint-enable no-await-in-loop
    }
    return said;
  };
}

function langChain(chatOf: (setup: Setup) => ChatOpenAI | ChatAnthropic): Converse {
  return async (setup) => {
    const tools = setup.tools.map((name) => ({
      type: 'function' as const,
      function: { name, description, parameters: schema },
    }));
    const asking = chatOf(setup).bindTools(tools);
    const messages: BaseMessage[] = [];
    const said: Said[] = [];
    for (const question of questions) {
      messages.push(new HumanMessage(question));
      for (let isOpen = true; isOpen;) {
        // oxlint-disable-next-line no-await-in-loop -- a conversation
        const answer: AIMessage = await asking.invoke(messages);
        const calls = answer.tool_calls ?? [];
        const { input_tokens: input = 0, output_tokens: output = 0 } = answer.usage_metadata ?? {};
        said.push({
          text: answer.text,
          calls: calls.map(({ name, args }) => ({ name, arguments: args })),
          input,
          output,
        });
        messages.push(
          answer,
          ...calls.map(({ id = '' }) => new ToolMessage({ tool_call_id: id, content: setup.output })),
        );
        isOpen = calls.length > 0;
      }
    }
    return said;
  };
}

const langChainOpenAi = (streaming: boolean, useResponsesApi: boolean) =>
  langChain(
    ({ baseURL, model }) =>
      new ChatOpenAI({ model, apiKey: 'none', configuration: { baseURL }, maxRetries: 0, useResponsesApi, streaming }),
  );

const langChainAnthropic = (streaming: boolean) =>
  langChain(
    ({ baseURL, model }) =>
      new ChatAnthropic({
        model,
        apiKey: 'none',
        anthropicApiUrl: baseURL.replace(/\/v1$/, ''),
        clientOptions: { dangerouslyAllowBrowser: true },
        maxRetries: 0,
        maxTokens: 4000,
        streaming,
      }),
  );

function agents(streamed: boolean): Converse {
  return async ({ baseURL, model, tools: names, output }) => {
    const client = new OpenAI({ baseURL, apiKey: 'none', maxRetries: 0 });
    const agent = new Agent({
      name: 'reporter',
      model: new OpenAIResponsesModel(client, model),
      tools: names.map((name) =>
        agentTool({
          name,
          description,
          parameters: { type: 'object', properties: {}, required: [], additionalProperties: true },
          strict: false as const,
          execute: () => output,
        }),
      ),
    });
    const said: Said[] = [];
    let previousResponseId: string | undefined;
    for (const question of questions) {
      const options = previousResponseId === undefined ? {} : { previousResponseId };
      // oxlint-disable no-await-in-loop -- a conversation
      const result = streamed
        ? await run(agent, question, { ...options, stream: true })
        : await run(agent, question, options);
      if ('completed' in result) await result.completed;
      // oxlint-enable no-await-in-loop
      previousResponseId = result.lastResponseId;
      said.push(
        ...result.rawResponses.map(({ output: items, usage }): Said => ({
          text: items
            .flatMap((item) => (item.type === 'message' && item.role === 'assistant' ? item.content : []))
            .map((part) => (part.type === 'output_text' ? part.text : ''))
            .join(''),
          calls: items.flatMap((item) =>
            item.type === 'function_call' ? [{ name: item.name, arguments: parsed(item.arguments) }] : [],
          ),
          input: usage.inputTokens,
          output: usage.outputTokens,
        })),
      );
    }
    return said;
  };
}

// The older SDK's types are other types of the same shape.
const olderOpenAi = OlderOpenAI as unknown as typeof OpenAI;
const ways = [
  ['plain', false],
  ['streamed', true],
] as const;

const openAiOf =
  (api: 'responses' | 'chat') =>
  ({ baseURL, model }: Setup) =>
    createOpenAI({ baseURL, apiKey: 'none' })[api](model);
const openResponsesOf = ({ baseURL, model }: Setup) =>
  createOpenResponses({ url: `${baseURL}/responses`, name: 'turnpike', apiKey: 'none' })(model);
const anthropicOf = ({ baseURL, model }: Setup) => createAnthropic({ baseURL, apiKey: 'none' })(model);

export const clients: Record<string, Converse> = Object.fromEntries(
  ways.flatMap(([way, streamed]): [string, Converse][] => [
    [`openai 7, responses, by id, ${way}`, responses(OpenAI, streamed, true)],
    [`openai 7, responses, ${way}`, responses(OpenAI, streamed, false)],
    [`openai 6, responses, ${way}`, responses(olderOpenAi, streamed, false)],
    [`openai 7, chat, ${way}`, chat(OpenAI, streamed)],
    [`openai 6, chat, ${way}`, chat(olderOpenAi, streamed)],
    [`@anthropic-ai/sdk, ${way}`, anthropic(streamed)],
    [`@openai/agents, ${way}`, agents(streamed)],
    [`ai 7, @ai-sdk/openai, responses, ${way}`, aiSdk(openAiOf('responses'), streamed)],
    [`ai 7, @ai-sdk/openai, chat, ${way}`, aiSdk(openAiOf('chat'), streamed)],
    [`ai 7, @ai-sdk/open-responses, ${way}`, aiSdk(openResponsesOf, streamed)],
    [`ai 7, @ai-sdk/anthropic, ${way}`, aiSdk(anthropicOf, streamed)],
    [`ai 6, @ai-sdk/openai 3, responses, ${way}`, olderAiSdk(streamed, 'responses')],
    [`ai 6, @ai-sdk/openai 3, chat, ${way}`, olderAiSdk(streamed, 'chat')],
    [`@langchain/openai, responses, ${way}`, langChainOpenAi(streamed, true)],
    // Streaming, it counts tokens in chat by a list that it fetches from elsewhere, unless it is told how.
    ...(streamed ? [] : [['@langchain/openai, chat, plain', langChainOpenAi(false, false)] as [string, Converse]]),
    [`@langchain/anthropic, ${way}`, langChainAnthropic(streamed)],
  ]),
);
