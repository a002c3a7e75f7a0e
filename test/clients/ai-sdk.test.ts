/** Vercel's AI SDK against a spawned gateway over each backend: tool loops with reasoning, in every way it keeps state. */
import { createOpenAI, type OpenAILanguageModelResponsesOptions } from '@ai-sdk/openai';
import { createOpenResponses } from '@ai-sdk/open-responses';
import { generateText, isStepCount, type LanguageModel, type ModelMessage, streamText, tool } from 'ai';
import OpenAI from 'openai';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { shareGateway } from './share-gateway.ts';
import { backends, reasoningSent, timeIn, weatherIn } from './weather-model.ts';

const model = 'weather-model';
const questions = ['What is the weather in Paris and Rome?', 'What time is it in Oslo?', 'And what did you find?'];

interface Options {
  store?: boolean;
  previousResponseId?: string;
  conversation?: string;
}

interface Asked {
  model: LanguageModel;
  messages: ModelMessage[];
  options: Options;
  /** Whether the gateway knows the turns before: each step then sends only what is new. */
  isChained: boolean;
  look: (name: string, city: string) => string;
}

interface Answered {
  text: string;
  reasoning: string;
  messages: ModelMessage[];
  responseId: string;
}

type Metadata = Record<string, Record<string, unknown>> | undefined;

const responseIdOf = (metadata: Metadata) => String(metadata?.['openai']?.['responseId']);

function settingsOf({ model: asked, messages, options, isChained, look }: Asked) {
  const inputSchema = z.object({ city: z.string() });
  const optionsWith = (added: Options) => ({
    openai: {
      forceReasoning: true,
      reasoningEffort: 'high',
      reasoningSummary: 'auto',
      ...options,
      ...added,
    } satisfies OpenAILanguageModelResponsesOptions,
    turnpike: { reasoningEffort: 'high', reasoningSummary: 'auto' },
  });
  /**
   * Left to itself the SDK repeats, with a `conversation`, the question and all outputs in every step; with a
   * `previousResponseId` it leaves the reasoning of the loop out.
   */
  function prepareStep({
    steps,
    messages: all,
  }: {
    steps: { providerMetadata: Metadata }[];
    messages: ModelMessage[];
  }) {
    const last = steps.at(-1);
    if (!isChained || last === undefined) return {};
    const previousResponseId = responseIdOf(last.providerMetadata);
    return {
      messages: all.slice(all.findLastIndex(({ role }) => role === 'assistant') + 1),
      providerOptions: optionsWith(options.conversation === undefined ? { previousResponseId } : {}),
    };
  }
  return {
    model: asked,
    messages,
    instructions: 'Look things up. Say what you found.',
    stopWhen: isStepCount(4),
    maxRetries: 0,
    tools: {
      get_weather: tool({ description: 'The weather', inputSchema, execute: ({ city }) => look('get_weather', city) }),
      get_time: tool({ description: 'The time', inputSchema, execute: ({ city }) => look('get_time', city) }),
    },
    prepareStep,
    providerOptions: optionsWith({}),
  };
}

const ways: Record<string, (asked: Asked) => Promise<Answered>> = {
  async plain(asked) {
    const { text, steps, responseMessages: messages, finalStep } = await generateText(settingsOf(asked));
    const reasoning = steps.map((step) => step.reasoningText ?? '').join('');
    return { text, reasoning, messages, responseId: responseIdOf(finalStep.providerMetadata) };
  },
  async streamed(asked) {
    const result = streamText({
      ...settingsOf(asked),
      onError({ error }) {
        throw error;
      },
    });
    let streamed = '';
    for await (const delta of result.textStream) streamed += delta;
    const text = await result.text;
    expect(streamed).toBe(text);
    const reasoning = (await result.steps).map((step) => step.reasoningText ?? '').join('');
    const { providerMetadata } = await result.finalStep;
    return {
      text,
      reasoning,
      messages: await result.responseMessages,
      responseId: responseIdOf(providerMetadata),
    };
  },
};

/** How the second turn is told of the first. */
type Mode = 'item references' | 'no store' | 'previous response' | 'conversation' | 'open responses';
const modes: Mode[] = ['item references', 'no store', 'previous response', 'conversation', 'open responses'];

describe.each(backends)('over $name', (backend) => {
  const { upstream, baseURL: urlOf } = shareGateway(backend);

  describe.each(Object.entries(ways))('%s', (_, ask) => {
    test.each(modes)('three turns with two tools: %s', async (mode) => {
      const from = upstream().requests.length;
      const baseURL = urlOf();
      const provider =
        mode === 'open responses'
          ? createOpenResponses({ url: `${baseURL}/responses`, name: 'turnpike', apiKey: 'none' })(model)
          : createOpenAI({ baseURL, apiKey: 'none' }).responses(model);
      const looked: string[] = [];
      const look = (name: string, city: string) => {
        looked.push(`${name} ${city}`);
        return (name === 'get_time' ? timeIn : weatherIn)[city] ?? `nothing of ${city}`;
      };
      const options: Options = {};
      if (mode === 'no store') options.store = false;
      if (mode === 'conversation') {
        const { id } = await new OpenAI({ baseURL, apiKey: 'none' }).conversations.create();
        options.conversation = id;
      }
      const isChained = mode === 'previous response' || mode === 'conversation';
      let messages: ModelMessage[] = [];
      const answers: Answered[] = [];
      for (const content of questions) {
        messages = [...(isChained ? [] : messages), { role: 'user', content }];
        // oxlint-disable-next-line no-await-in-loop -- a conversation
        const answer = await ask({ model: provider, messages, options, isChained, look });
        messages.push(...answer.messages);
        answers.push(answer);
        if (mode === 'previous response') options.previousResponseId = answer.responseId;
      }
      expect(looked.toSorted()).toEqual(['get_time Oslo', 'get_weather Paris', 'get_weather Rome']);
      expect(answers[0]?.text).toContain(weatherIn['Paris']);
      expect(answers[0]?.text).toContain(weatherIn['Rome']);
      expect(answers[1]?.text).toContain(timeIn['Oslo']);
      if (backend.repeats === 'all') {
        for (const value of [weatherIn['Paris'], weatherIn['Rome'], timeIn['Oslo']]) {
          expect(answers[2]?.text).toContain(value);
        }
      }
      const { sent, issued } = reasoningSent(backend, upstream().requests, from);
      expect(sent).toEqual(issued);
      if (issued.length > 0) expect(answers.every(({ reasoning }) => reasoning.includes('Thought'))).toBe(true);
    });
  });
});
