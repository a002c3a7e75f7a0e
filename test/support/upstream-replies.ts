import { frame, messageEvents } from './fake-upstream.ts';
import { chunksOf, type GeminiAnswer, wholeOf } from './gemini-upstream.ts';
import {
  call as openAiCall,
  responseEvents,
  responseOf,
  text as openAiText,
  thought as openAiThought,
} from './openai-upstream.ts';

/** The protocols of upstreams. */
export type Dialect = 'messages' | 'chat' | 'responses' | 'gemini';
export const dialects: Dialect[] = ['messages', 'chat', 'responses', 'gemini'];
/** The provider that speaks each. */
export const providerOf: Record<Dialect, string> = {
  messages: 'anthropic',
  chat: 'openai-compatible',
  responses: 'openai',
  gemini: 'gemini',
};

export type Shape = 'text' | 'call' | 'parallel' | 'thinking';
export const shapes: Shape[] = ['text', 'call', 'parallel', 'thinking'];

export const said = 'It is 18 °C in Paris. 👋';
export const thought = 'The user wants the weather.';
export const callArguments = '{"location":"Paris é"}';

interface Call {
  id: string;
  arguments: string;
}
interface Reply {
  thinking?: string;
  text?: string;
  calls?: Call[];
}

const replies: Record<Shape, Reply> = {
  text: { text: said },
  call: { calls: [{ id: 'toolu_1', arguments: callArguments }] },
  parallel: {
    text: said,
    calls: [
      { id: 'toolu_1', arguments: callArguments },
      { id: 'toolu_2', arguments: callArguments },
    ],
  },
  thinking: { thinking: thought, calls: [{ id: 'toolu_1', arguments: callArguments }] },
};

export function blocksOf({ thinking, text, calls = [] }: Reply): { type: string; [field: string]: unknown }[] {
  return [
    ...(thinking === undefined ? [] : [{ type: 'thinking', thinking, signature: 'c2lnbmVk' }]),
    ...(text === undefined ? [] : [{ type: 'text', text }]),
    ...calls.map((call) => ({ type: 'tool_use', id: call.id, name: 'get_weather', input: call.arguments })),
  ];
}

/** One frame of a Chat Completions stream. */
export function chatFrame(delta: object, finishReason: string | null = null, more: object = {}): string {
  const choices = [{ index: 0, delta, finish_reason: finishReason }];
  const chunk = {
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'chat-test-1',
    choices,
    ...more,
  };
  return `data: ${JSON.stringify(chunk)}\n\n`;
}

export const chatUsage = { prompt_tokens: 25, completion_tokens: 7, total_tokens: 32 };
export const chatUsageFrame = chatFrame({}, null, { choices: [], usage: chatUsage });
export const chatDone = 'data: [DONE]\n\n';

export function chatCall(index: number, id: string, argumentsText: string): object {
  return { tool_calls: [{ index, id, type: 'function', function: { name: 'get_weather', arguments: argumentsText } }] };
}

function halves(text: string): string[] {
  return [text.slice(0, text.length >> 1), text.slice(text.length >> 1)];
}

function chatFrames({ thinking, text, calls = [] }: Reply): string[] {
  const deltas: object[] = [{ role: 'assistant', content: '' }];
  if (thinking !== undefined) deltas.push(...halves(thinking).map((half) => ({ reasoning_content: half })));
  if (text !== undefined) deltas.push(...halves(text).map((half) => ({ content: half })));
  for (const [index, call] of calls.entries()) {
    deltas.push(chatCall(index, call.id, ''));
    for (const half of halves(call.arguments)) {
      deltas.push({ tool_calls: [{ index, function: { arguments: half } }] });
    }
  }
  const finish = chatFrame({}, calls.length > 0 ? 'tool_calls' : 'stop');
  return [...deltas.map((delta) => chatFrame(delta)), finish, chatUsageFrame, chatDone];
}

/** The Response object of OpenAI's own API, with the same counts. */
function responseObject({ thinking, text, calls = [] }: Reply): ReturnType<typeof responseOf> {
  const output = [
    ...(thinking === undefined ? [] : [openAiThought('gpt-test-1', thinking)]),
    ...(text === undefined ? [] : [openAiText(text)]),
    ...calls.map((call) => openAiCall('get_weather', call.arguments, call.id)),
  ];
  return responseOf({ model: 'gpt-test-1' }, { output, fields: { usage: { input_tokens: 25, output_tokens: 7 } } });
}

/** What Google's model says of it. A call whose arguments are no JSON has none there. */
function geminiAnswer({ thinking, text, calls = [] }: Reply): GeminiAnswer {
  return {
    parts: [
      ...(thinking === undefined ? [] : [{ text: thinking, thought: true }]),
      ...(text === undefined ? [] : [{ text }]),
      ...calls.map((call) => ({
        functionCall: { id: call.id, name: 'get_weather', args: JSON.parse(call.arguments) as unknown },
      })),
    ],
    usage: { promptTokenCount: 25, candidatesTokenCount: 7, totalTokenCount: 32 },
  };
}

/** One chunk of Google's, as a stream has it. */
export const geminiFrame = (chunk: unknown): string => `data: ${JSON.stringify(chunk)}\n\n`;

export const geminiFrames = (answer: GeminiAnswer): string[] => chunksOf('gemini-test-1', answer).map(geminiFrame);

/** The frames of a good stream: the last is the terminal marker, and all that counts was said before it. */
export function framesOf(dialect: Dialect, shape: Shape = 'text'): string[] {
  const reply = replies[shape];
  if (dialect === 'chat') return chatFrames(reply);
  if (dialect === 'gemini') return geminiFrames(geminiAnswer(reply));
  if (dialect === 'responses') return responseEvents(responseObject(reply)).map(frame);
  const stopReason = reply.calls === undefined ? 'end_turn' : 'tool_use';
  return messageEvents(blocksOf(reply), { stopReason }).map(frame);
}

/** The same as a plain reply. */
export function plainOf(dialect: Dialect, shape: Shape = 'text'): string {
  if (dialect === 'responses') return JSON.stringify(responseObject(replies[shape]));
  if (dialect === 'gemini') return JSON.stringify(wholeOf('gemini-test-1', geminiAnswer(replies[shape])));
  const { thinking, text, calls } = replies[shape];
  if (dialect === 'messages') {
    const content = blocksOf(replies[shape]).map((block) =>
      block.type === 'tool_use' ? { ...block, input: JSON.parse(callArguments) as unknown } : block,
    );
    const stop_reason = calls === undefined ? 'end_turn' : 'tool_use';
    const usage = { input_tokens: 25, output_tokens: 7, cache_creation_input_tokens: 3, cache_read_input_tokens: 2 };
    return JSON.stringify({ id: 'msg_1', type: 'message', role: 'assistant', model: 'm', content, stop_reason, usage });
  }
  const tool_calls = calls?.map((call) => ({
    id: call.id,
    type: 'function',
    function: { name: 'get_weather', arguments: call.arguments },
  }));
  const message = { role: 'assistant', content: text ?? null, reasoning_content: thinking, tool_calls };
  const choices = [{ index: 0, message, finish_reason: calls === undefined ? 'stop' : 'tool_calls' }];
  return JSON.stringify({
    id: 'chatcmpl-1',
    object: 'chat.completion',
    model: 'chat-test-1',
    choices,
    usage: chatUsage,
  });
}
