/** The clients before the newest, as people still run them: OpenAI's SDK 6 and the AI SDK 6, in tool loops over each backend. */
import { createOpenAI } from 'ai-sdk-openai-3';
import { generateText, type ModelMessage, stepCountIs, streamText, tool } from 'ai-6';
import OpenAI from 'openai-6';
import type { ResponseInputItem, Tool } from 'openai-6/resources/responses/responses';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { shareGateway } from './share-gateway.ts';
import { backends, timeIn, weatherIn } from './weather-model.ts';

const model = 'weather-model';
const questions = ['What is the weather in Paris and Rome?', 'What time is it in Oslo?', 'And what did you find?'];

const look = (name: string, city: string) => (name === 'get_time' ? timeIn : weatherIn)[city] ?? `nothing of ${city}`;

const parameters = {
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
  additionalProperties: false,
};
const tools: Tool[] = ['get_weather', 'get_time'].map((name) => ({ type: 'function', name, parameters, strict: true }));

function expectFound(answers: string[], repeats: 'newest' | 'all'): void {
  expect(answers[0]).toContain(weatherIn['Paris']);
  expect(answers[0]).toContain(weatherIn['Rome']);
  expect(answers[1]).toContain(timeIn['Oslo']);
  if (repeats === 'all') expect(answers[2]).toContain(weatherIn['Rome']);
}

describe.each(backends)('over $name', (backend) => {
  const { baseURL } = shareGateway(backend);

  test.each([false, true])('openai 6, streamed: %s', async (stream) => {
    const client = new OpenAI({ baseURL: baseURL(), apiKey: 'none', maxRetries: 0 });
    let previous: string | null = null;
    const ask = async (input: string | ResponseInputItem[]) => {
      const body = { model, tools, input, previous_response_id: previous };
      const response = stream
        ? await client.responses.stream(body).finalResponse()
        : await client.responses.create(body);
      previous = response.id;
      return response;
    };
    const answers: string[] = [];
    for (const question of questions) {
      let response = await ask(question);
      for (;;) {
        const calls = response.output.flatMap((item) => (item.type === 'function_call' ? [item] : []));
        if (calls.length === 0) break;
        // oxlint-disable-next-line no-await-in-loop -- a conversation
        response = await ask(
          calls.map(({ call_id, name, arguments: text }): ResponseInputItem => {
            const { city } = JSON.parse(text) as { city: string };
            return { type: 'function_call_output', call_id, output: look(name, city) };
          }),
        );
      }
      answers.push(response.output_text);
    }
    expectFound(answers, backend.repeats);
  });

  test.each([false, true])('ai 6, streamed: %s', async (stream) => {
    const inputSchema = z.object({ city: z.string() });
    const messages: ModelMessage[] = [];
    const answers: string[] = [];
    for (const content of questions) {
      messages.push({ role: 'user', content });
      const settings = {
        model: createOpenAI({ baseURL: baseURL(), apiKey: 'none' }).responses(model),
        messages,
        system: 'Look things up.',
        stopWhen: stepCountIs(4),
        maxRetries: 0,
        tools: {
          get_weather: tool({ inputSchema, execute: ({ city }) => look('get_weather', city) }),
          get_time: tool({ inputSchema, execute: ({ city }) => look('get_time', city) }),
        },
      };
      // oxlint-disable-next-line no-await-in-loop -- a conversation
      const { text, response } = stream ? streamText(settings) : await generateText(settings);
      // oxlint-disable-next-line no-await-in-loop
      answers.push(await text);
      // oxlint-disable-next-line no-await-in-loop
      messages.push(...(await response).messages);
    }
    expectFound(answers, backend.repeats);
  });
});
