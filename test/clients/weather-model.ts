import type { ServerResponse } from 'node:http';
import { expect } from 'vitest';
import { messageEvents, sendEvents, sendJson, type UpstreamRequest } from '../support/fake-upstream.ts';
import { geminiRefusal, googleError, readGeminiPath, sendGemini, signatureOf } from '../support/gemini-upstream.ts';
import {
  call as openAiCall,
  responseEvents,
  responseOf,
  text as openAiText,
  thought,
} from '../support/openai-upstream.ts';

/** What a model sees of a conversation, whatever the protocol. */
interface Seen {
  /** What the user wrote at its end; undefined: it ends in tool results. */
  question: string | undefined;
  /** Every tool result of the conversation, in order. */
  results: string[];
  wantsJson: boolean;
}

type Answer = { text: string } | { calls: { name: string; input: object }[] };

/**
 * A model of few words: it looks up the weather, or where the question is about it the time, in every city it is asked
 * about, answers with every tool result that it was ever shown, and says what it was asked where there is none.
 */
function answerTo({ question, results, wantsJson }: Seen): Answer {
  const cities = question?.match(/Paris|Rome|Oslo|San Francisco/g) ?? [];
  if (wantsJson) return { text: JSON.stringify({ city: cities[0] ?? '', sunny: true }) };
  const name = question?.includes('time') === true ? 'get_time' : 'get_weather';
  if (cities.length > 0) return { calls: cities.map((city) => ({ name, input: { city } })) };
  return { text: results.length > 0 ? results.join(' / ') : `You said: ${question ?? ''}` };
}

/** Where thinking is asked for: a block whose signature nobody can make up. */
export const thinkingBlock = (count: number) => ({
  type: 'thinking',
  thinking: `Thought ${count}: "which", \\ and — so.`,
  signature: `c2lnbmF0dXJl${count}/+==`,
});

interface MessagesBlock {
  type: string;
  text?: string;
  content?: string | { text?: string }[];
}

/** A client's own words reach an upstream of its protocol as they are. */
const blocksOf = ({ content }: MessagesBody['messages'][number]): MessagesBlock[] =>
  typeof content === 'string' ? [{ type: 'text', text: content }] : content;

const resultOf = ({ content = '' }: MessagesBlock) =>
  typeof content === 'string' ? content : content.map(({ text }) => text).join('');

interface MessagesBody {
  stream?: boolean;
  thinking?: { type: string };
  messages: { role: string; content: string | MessagesBlock[] }[];
  output_config?: { format?: unknown };
}

/** The model behind Anthropic's wire format. */
function answerAsAnthropic({ body }: UpstreamRequest, response: ServerResponse, count: number): void {
  const { messages, stream, thinking, output_config: output } = body as MessagesBody;
  const answer = answerTo({
    question: messages
      .slice(-1)
      .flatMap(blocksOf)
      .findLast((block) => block.type === 'text')?.text,
    results: messages.flatMap(blocksOf).flatMap((block) => (block.type === 'tool_result' ? [resultOf(block)] : [])),
    wantsJson: output?.format !== undefined,
  });
  const isThinking = thinking !== undefined && thinking.type !== 'disabled';
  const said =
    'text' in answer
      ? [{ type: 'text', text: answer.text }]
      : answer.calls.map((call, index) => ({ type: 'tool_use', id: `toolu_${count}_${index}`, ...call }));
  const blocks = isThinking ? [thinkingBlock(count), ...said] : said;
  const model = 'claude-haiku-4-5-20251001';
  const stopReason = 'text' in answer ? 'end_turn' : 'tool_use';
  if (stream === true) {
    sendEvents(response, messageEvents(blocks, { model, stopReason, id: `msg_${count}` }));
    return;
  }
  sendJson(response, {
    id: `msg_${count}`,
    type: 'message',
    role: 'assistant',
    model,
    content: blocks,
    stop_reason: stopReason,
    stop_sequence: null,
    usage: { input_tokens: 25, cache_creation_input_tokens: 3, cache_read_input_tokens: 2, output_tokens: 7 },
  });
}

interface ChatBody {
  stream?: boolean;
  /** Parts, where a user sends more than text. */
  messages: { role: string; content: string | object[] | null }[];
  response_format?: unknown;
}

function textOf(content: ChatBody['messages'][number]['content']): string {
  if (typeof content === 'string') return content;
  return (content ?? []).map((part) => ('text' in part ? String(part.text) : '')).join('');
}

/** The model behind OpenAI's Chat Completions. */
function answerAsChat({ body }: UpstreamRequest, response: ServerResponse, count: number): void {
  const { messages, stream, response_format: format } = body as ChatBody;
  const last = messages.at(-1);
  const answer = answerTo({
    question: last?.role === 'user' ? textOf(last.content) : undefined,
    results: messages.flatMap(({ role, content }) => (role === 'tool' ? [textOf(content)] : [])),
    wantsJson: format !== undefined,
  });
  const toolCalls =
    'text' in answer
      ? undefined
      : answer.calls.map(({ name, input }, index) => ({
          index,
          id: `call_${count}_${index}`,
          type: 'function',
          function: { name, arguments: JSON.stringify(input) },
        }));
  const message = { role: 'assistant', content: 'text' in answer ? answer.text : null, tool_calls: toolCalls };
  const finish = toolCalls === undefined ? 'stop' : 'tool_calls';
  const usage = { prompt_tokens: 30, completion_tokens: 7, total_tokens: 37 };
  const head = { id: `chatcmpl-${count}`, created: 1_700_000_000, model: 'small-model-1' };
  if (stream !== true) {
    const choices = [{ index: 0, message, finish_reason: finish }];
    sendJson(response, { ...head, object: 'chat.completion', choices, usage });
    return;
  }
  const chunks = [
    { choices: [{ index: 0, delta: message, finish_reason: null }] },
    { choices: [{ index: 0, delta: {}, finish_reason: finish }] },
    { choices: [], usage },
  ];
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const chunk of chunks) {
    response.write(`data: ${JSON.stringify({ ...head, object: 'chat.completion.chunk', ...chunk })}\n\n`);
  }
  response.end('data: [DONE]\n\n');
}

interface ResponsesBody {
  model: string;
  stream?: boolean;
  input: { type: string; content?: { text?: string }[]; output?: string }[];
  text?: { format?: unknown };
  reasoning?: { effort?: string };
}

/** The model behind OpenAI's API: Responses, and Chat Completions for clients of those. */
function answerAsOpenAi(request: UpstreamRequest, response: ServerResponse, count: number): void {
  const { body, path } = request;
  if (path.endsWith('/chat/completions')) return answerAsChat(request, response, count);
  const { model, input, stream, text, reasoning } = body as ResponsesBody;
  const answer = answerTo({
    question: input.at(-1)?.content?.findLast((part) => part.text !== undefined)?.text,
    results: input.flatMap(({ output }) => output ?? []),
    wantsJson: text?.format !== undefined,
  });
  const said =
    'text' in answer
      ? [openAiText(answer.text)]
      : answer.calls.map(({ name, input: args }) => openAiCall(name, JSON.stringify(args)));
  const output = reasoning?.effort === undefined ? said : [thought(model, `Thought ${count}.`), ...said];
  const whole = responseOf(body, { output }, count);
  if (stream === true) sendEvents(response, responseEvents(whole));
  else sendJson(response, whole);
}

interface GeminiBody {
  contents: {
    role: string;
    parts: { text?: string; thoughtSignature?: string; functionResponse?: { response: object } }[];
  }[];
  generationConfig?: { responseMimeType?: string; thinkingConfig?: object };
}

/** Reasoning that only its model takes back. */
const googleThought = (model: string, count: number) => [
  { text: `Thought ${count}: "which", and so.`, thought: true },
  { text: '', thoughtSignature: signatureOf(model, `thought ${count}`) },
];

/** The model behind Gemini's API, which refuses what Google refuses. */
function answerAsGemini({ path, body, text }: UpstreamRequest, response: ServerResponse, count: number): void {
  const { model, streamed } = readGeminiPath(path);
  const refusal = geminiRefusal(text, model);
  if (refusal !== undefined) return sendJson(response, googleError(400, 'INVALID_ARGUMENT', refusal), 400);
  const { contents, generationConfig: config } = body as GeminiBody;
  const resultOf = (given: object) => ('output' in given ? String(given.output) : JSON.stringify(given));
  const answer = answerTo({
    question: contents.at(-1)?.parts.findLast((part) => part.text !== undefined)?.text,
    results: contents.flatMap(({ parts }) =>
      parts.flatMap((part) => (part.functionResponse === undefined ? [] : [resultOf(part.functionResponse.response)])),
    ),
    wantsJson: config?.responseMimeType !== undefined,
  });
  const signed = { thoughtSignature: signatureOf(model, `answer ${count}`) };
  const said =
    'text' in answer
      ? [{ text: answer.text, ...signed }]
      : answer.calls.map(({ name, input }, index) => ({
          functionCall: { name, args: input },
          ...(index === 0 ? signed : {}),
        }));
  const thoughts = config?.thinkingConfig === undefined ? [] : googleThought(model, count);
  sendGemini(response, model, streamed, { parts: [...thoughts, ...said] });
}

/** What a client is tried over: the simulator, or the model above behind an upstream's wire format. */
export interface Backend {
  name: string;
  /** Which tool results its answers repeat: those that came last, or all of the conversation. */
  repeats: 'newest' | 'all';
  /** An entry of the configuration's `models`, without its name. */
  entry: (upstreamUrl: string) => string;
  answer: (request: UpstreamRequest, response: ServerResponse, count: number) => void;
}

export const simulator: Backend = {
  name: 'simulator',
  repeats: 'newest',
  entry: () => 'provider: simulator, model: any',
  answer() {
    throw new Error('the simulator needs no upstream');
  },
};

export const anthropic: Backend = {
  name: 'anthropic',
  repeats: 'all',
  entry: (url) => `provider: anthropic, model: claude-haiku-4-5, base_url: "${url}", api_key: upstream-key`,
  answer: answerAsAnthropic,
};

export const openAiCompatible: Backend = {
  name: 'openai-compatible',
  repeats: 'all',
  entry: (url) => `provider: openai-compatible, model: small-model, base_url: "${url}/v1", api_key: upstream-key`,
  answer: answerAsChat,
};

export const openAi: Backend = {
  name: 'openai',
  repeats: 'all',
  entry: (url) => `provider: openai, model: gpt-5.1, base_url: "${url}/v1", api_key: upstream-key`,
  answer: answerAsOpenAi,
};

/** Of models that OpenAI does not serve in Chat Completions. */
export const openAiInResponsesOnly: Backend = {
  ...openAi,
  name: 'openai, in Responses only',
  answer(request, response, count) {
    if (!request.path.endsWith('/chat/completions')) return answerAsOpenAi(request, response, count);
    const message = 'This model is only supported in v1/responses and not in v1/chat/completions.';
    sendJson(response, { error: { message, type: 'invalid_request_error', param: 'model', code: null } }, 404);
  },
};

export const gemini: Backend = {
  name: 'gemini',
  repeats: 'all',
  entry: (url) => `provider: gemini, model: gemini-3-flash-preview, base_url: "${url}", api_key: upstream-key`,
  answer: answerAsGemini,
};

export const backends: readonly Backend[] = [simulator, anthropic, openAi, openAiCompatible, gemini];

/** Values that nobody but the tool can know. */
export const weatherIn: Record<string, string> = {
  Paris: '18 °C, station kestrel-4711',
  Rome: '27 °C, station heron-0815',
};

export const timeIn: Record<string, string> = { Oslo: '14:07, clock plover-23' };

export const thinkHard = { effort: 'high' as const, summary: 'auto' as const };

/** All that the model thought came back to it, and was shown to the client where the backend tells it. */
export function expectReasoningSent(
  backend: Backend,
  requests: UpstreamRequest[],
  responses: readonly { output: readonly { type: string }[] }[] = [],
  from = 0,
): void {
  const { sent, issued } = reasoningSent(backend, requests, from);
  expect(sent).toEqual(issued);
  if (issued.length === 0) return;
  for (const { output } of responses) expect(output.map(({ type }) => type)).toContain('reasoning');
}

/** The reasoning that the last request brought back, and what all the answers of its conversation had held. */
export function reasoningSent(
  { name }: Backend,
  requests: UpstreamRequest[],
  from = 0,
): { sent: unknown[]; issued: unknown[] } {
  const before = requests.slice(from, -1);
  const last: unknown = requests.at(-1)?.body;
  if (name === 'anthropic') {
    const sent = (last as MessagesBody).messages.flatMap(blocksOf);
    return {
      sent: sent.filter(({ type }) => type === 'thinking'),
      issued: before.map((_, index) => thinkingBlock(from + index + 1)),
    };
  }
  if (name === 'gemini') {
    const { model } = readGeminiPath(requests.at(-1)?.path ?? '');
    const parts = (last as GeminiBody).contents.flatMap((content) => content.parts);
    // Few clients carry what is told behind a text; what stands in for a signature shows that one was lost.
    const answers = new Set(before.map((_, index) => signatureOf(model, `answer ${from + index + 1}`)));
    return {
      sent: parts.flatMap(({ thoughtSignature: sign }) => (sign === undefined || answers.has(sign) ? [] : [sign])),
      issued: before.map((_, index) => signatureOf(model, `thought ${from + index + 1}`)),
    };
  }
  if (name === 'openai') {
    const fields = (item: object & { encrypted_content?: string; summary?: unknown }) => [
      item.encrypted_content,
      item.summary,
    ];
    return {
      sent: (last as ResponsesBody).input.filter(({ type }) => type === 'reasoning').map(fields),
      issued: before.map(({ body }, index) =>
        fields(thought((body as ResponsesBody).model, `Thought ${from + index + 1}.`)),
      ),
    };
  }
  return { sent: [], issued: [] };
}
