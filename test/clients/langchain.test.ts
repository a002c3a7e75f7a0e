/** LangChain.js against a spawned gateway over each backend: tool loops with reasoning. */
import { type AIMessage, type BaseMessage, HumanMessage, type ToolMessage } from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';
import { ChatOpenAI } from '@langchain/openai';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { shareGateway } from './share-gateway.ts';
import { backends, reasoningSent, timeIn, weatherIn } from './weather-model.ts';

const questions = ['What is the weather in Paris and Rome?', 'What time is it in Oslo?', 'And what did you find?'];
const schema = z.object({ city: z.string() });
const lookUp = (name: string, known: Record<string, string>) =>
  tool(({ city }: { city: string }) => known[city] ?? `nothing of ${city}`, {
    name,
    description: 'Looks it up',
    schema,
  });
const tools = [lookUp('get_weather', weatherIn), lookUp('get_time', timeIn)];

const modes = ['whole history', 'no store', 'previous response'] as const;

describe.each(backends)('over $name', (backend) => {
  const { upstream, baseURL } = shareGateway(backend);
  describe.each(['plain', 'streamed'])('%s', (way) => {
    test.each(modes)('three turns with two tools: %s', async (mode) => {
      const from = upstream().requests.length;
      const chat = new ChatOpenAI({
        model: 'weather-model',
        apiKey: 'none',
        configuration: { baseURL: baseURL() },
        maxRetries: 0,
        useResponsesApi: true,
        streaming: way === 'streamed',
        // A setting of that name goes along for models that LangChain knows to reason.
        modelKwargs: { reasoning: { effort: 'high', summary: 'auto' } },
        ...(mode === 'no store' ? { zdrEnabled: true } : {}),
      });

      let messages: BaseMessage[] = [];
      let previous: string | undefined;
      const ask = async (added: BaseMessage[]): Promise<AIMessage> => {
        messages = mode === 'previous response' ? added : [...messages, ...added];
        const bound = chat.bindTools(tools, {
          ...(mode === 'previous response' && previous !== undefined ? { previous_response_id: previous } : {}),
          ...(mode === 'no store' ? { include: ['reasoning.encrypted_content'] } : {}),
        });
        const answer = await bound.invoke(messages);
        previous = String(answer.response_metadata['id']);
        messages.push(answer);
        return answer;
      };
      const texts: string[] = [];
      for (const question of questions) {
        // oxlint-disable-next-line no-await-in-loop -- a conversation
        let answer = await ask([new HumanMessage(question)]);
        while ((answer.tool_calls ?? []).length > 0) {
          const outputs: ToolMessage[] = [];
          for (const call of answer.tool_calls ?? []) {
            const called = tools.find(({ name }) => name === call.name);
            // oxlint-disable-next-line no-await-in-loop -- in the order of the calls
            outputs.push((await called?.invoke({ ...call, type: 'tool_call' })) as ToolMessage);
          }
          // oxlint-disable-next-line no-await-in-loop -- a conversation
          answer = await ask(outputs);
        }
        texts.push(answer.text);
      }
      expect(texts[0]).toContain(weatherIn['Paris']);
      expect(texts[0]).toContain(weatherIn['Rome']);
      expect(texts[1]).toContain(timeIn['Oslo']);
      if (backend.repeats === 'all') {
        for (const value of [weatherIn['Paris'], weatherIn['Rome'], timeIn['Oslo']]) expect(texts[2]).toContain(value);
      }
      const { sent, issued } = reasoningSent(backend, upstream().requests, from);
      expect(sent).toEqual(issued);
    });
  });
});
