import type { ServerResponse } from 'node:http';
import { obey, summaryOf, sumUp, type Talk } from '../../src/providers/simulator/obey.ts';
import { createSimulatorTransport } from '../../src/providers/simulator/transport.ts';
import type { UpstreamRequest } from '../support/fake-upstream.ts';
import { type GeminiAnswer, type GeminiRequest, signatureOf } from '../support/gemini-upstream.ts';
import { compacted, compaction, type OpenAiAnswer } from '../support/openai-upstream.ts';

interface ChatMessage {
  role: string;
  content: string | { type: string; text?: string }[] | null;
  tool_calls?: object[];
}

interface ChatBody {
  stream?: boolean;
  messages: ChatMessage[];
  tools?: { function: { name: string; parameters?: Parameters } }[];
  tool_choice?: string | object;
  response_format?: { type: string };
  max_tokens?: number;
  max_completion_tokens?: number;
}

interface Parameters {
  properties?: Record<string, unknown>;
}

/** A call is about one thing, whatever the tool calls it. */
const argumentsAbout = (about: string, parameters: Parameters = {}) =>
  JSON.stringify({ [Object.keys(parameters.properties ?? {})[0] ?? 'name']: about });

const textOf = ({ content }: ChatMessage) =>
  typeof content === 'string' ? content : (content ?? []).map(({ text = '' }) => text).join('');

/** What a model sees of a conversation, whatever the protocol. */
interface Seen {
  /** What the user wrote at its end; '' where it ends in outputs of tools. */
  asked: string;
  /** Outputs that came since the model last spoke. */
  newResults: string[];
  talk: Talk;
  hasTools: boolean;
  choice: unknown;
  wantsJson: boolean;
  maxTokens: number;
}

/** Whoever has to count so far is never done: the run can only be cancelled. */
const isEndless = (text: string) => text.includes('Count from one to two thousand');

/** Plain orders are carried out, and the tool is called that the model is told to use. */
function answerTo({ asked, newResults, talk, hasTools, choice, wantsJson, maxTokens }: Seen) {
  const summary = sumUp(asked, talk);
  const isForced = choice === 'required' || typeof choice === 'object';
  const wanted = /\buse \w+/i.test(asked) && choice !== 'none';
  const named = [...asked.matchAll(/"([\w ]+)"/g)].map(([, word = '']) => word);
  const names = named.length === 0 ? ['alpha'] : named;
  const calls =
    summary === undefined && hasTools && (isForced || wanted)
      ? /both at once/.test(asked)
        ? names
        : names.slice(0, 1)
      : [];
  const spoken = wantsJson
    ? '{"city":"Paris","sunny":true}'
    : summary !== undefined
      ? summary
      : newResults.length > 0
        ? newResults.join(' ')
        : (obey(asked, talk) ?? `You said: ${asked}. I am a model of few words, and these are some of them.`);
  const text = spoken.slice(0, 4 * maxTokens);
  /** `calls`: what each is about. */
  return { calls, text, isCut: text !== spoken };
}

/** OpenAI's Chat Completions. */
export function answerAsChat({ body, text: sent }: UpstreamRequest, response: ServerResponse, count: number): void {
  if (isEndless(sent)) return;
  const { messages, tools = [], tool_choice: choice, stream, response_format: format, ...limits } = body as ChatBody;
  const said = (role: string) => messages.filter((message) => message.role === role).map(textOf);
  const last = messages.at(-1);
  const since = messages.slice(messages.findLastIndex(({ role }) => role === 'assistant') + 1);
  const { calls, text, isCut } = answerTo({
    asked: last?.role === 'user' ? textOf(last) : '',
    newResults: since.filter(({ role }) => role === 'tool').map(textOf),
    talk: {
      user: said('user').slice(0, -1),
      assistant: said('assistant').filter((each) => each !== ''),
      toolResults: said('tool'),
    },
    hasTools: tools.length > 0,
    choice,
    wantsJson: format?.type === 'json_schema',
    maxTokens: limits.max_completion_tokens ?? limits.max_tokens ?? 100_000,
  });
  const toolCalls = calls.map((input, index) => ({
    index,
    id: `call_${count}_${index}`,
    type: 'function',
    function: { name: tools[0]?.function.name, arguments: argumentsAbout(input, tools[0]?.function.parameters) },
  }));
  const message =
    calls.length === 0
      ? { role: 'assistant', content: text }
      : { role: 'assistant', content: null, tool_calls: toolCalls };
  const reason = calls.length > 0 ? 'tool_calls' : isCut ? 'length' : 'stop';
  const prompt = Math.ceil(JSON.stringify(messages).length / 4);
  const usage = { prompt_tokens: prompt, completion_tokens: 7, total_tokens: prompt + 7 };
  const head = { id: `chatcmpl-${count}`, created: 1_700_000_000, model: 'small-model-1' };
  if (stream !== true) {
    const choices = [{ index: 0, message, finish_reason: reason }];
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ ...head, object: 'chat.completion', choices, usage }));
    return;
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const chunk of [
    { choices: [{ index: 0, delta: message, finish_reason: null }] },
    { choices: [{ index: 0, delta: {}, finish_reason: reason }] },
    { choices: [], usage },
  ]) {
    response.write(`data: ${JSON.stringify({ ...head, object: 'chat.completion.chunk', ...chunk })}\n\n`);
  }
  response.end('data: [DONE]\n\n');
}

/** The simulator behind a socket: Anthropic's wire format, and everything that Anthropic refuses. */
export function createMessagesAnswer() {
  const transport = createSimulatorTransport();
  return ({ path, headers, text }: UpstreamRequest, response: ServerResponse): void => {
    if (isEndless(text)) return;
    const sent = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
    const timeouts = { connectMs: 1000, firstByteMs: 1000, idleMs: 1000 };
    transport.send(
      { origin: 'http://simulator', path, headers: sent, body: text, timeouts },
      {
        onHeaders(status, replied) {
          const known = Object.entries(replied).filter((entry): entry is [string, string] => entry[1] !== undefined);
          response.writeHead(status, Object.fromEntries(known));
        },
        onData: (chunk) => void response.write(chunk),
        onEnd: () => void response.end(),
        onError: () => response.destroy(),
      },
    );
  };
}

interface GeminiPart {
  text?: string;
  functionResponse?: { response: { output?: string } };
}

interface GeminiBody {
  contents: { role: string; parts: GeminiPart[] }[];
  tools?: { functionDeclarations?: { name: string; parametersJsonSchema?: Parameters }[] }[];
  toolConfig?: { functionCallingConfig?: { mode: string } };
  generationConfig?: { responseMimeType?: string; maxOutputTokens?: number };
}

/** Google's Gemini API. */
export function answerAsGemini({ body, text: whole, model }: GeminiRequest): GeminiAnswer | undefined {
  if (isEndless(whole)) return undefined;
  const { contents, tools = [], toolConfig, generationConfig = {} } = body as GeminiBody;
  const partsOf = (among: GeminiBody['contents']) => among.flatMap(({ parts }) => parts);
  const said = (role: string) =>
    partsOf(contents.filter((content) => content.role === role)).flatMap(({ text }) => text || []);
  const results = (parts: GeminiPart[]) =>
    parts.flatMap(({ functionResponse: given }) => (given === undefined ? [] : [String(given.response.output)]));
  const since = partsOf(contents.slice(contents.findLastIndex(({ role }) => role === 'model') + 1));
  const declared = tools.flatMap(({ functionDeclarations: functions = [] }) => functions);
  const mode = toolConfig?.functionCallingConfig?.mode;
  const { calls, text, isCut } = answerTo({
    asked: since.at(-1)?.text ?? '',
    newResults: results(since),
    talk: { user: said('user').slice(0, -1), assistant: said('model'), toolResults: results(partsOf(contents)) },
    hasTools: declared.length > 0,
    choice: mode === 'ANY' ? 'required' : mode === 'NONE' ? 'none' : undefined,
    wantsJson: generationConfig.responseMimeType !== undefined,
    maxTokens: generationConfig.maxOutputTokens ?? 100_000,
  });
  const [tool] = declared;
  const parts = calls.map((about, index) => ({
    functionCall: { name: tool?.name, args: JSON.parse(argumentsAbout(about, tool?.parametersJsonSchema)) as object },
    ...(index === 0 ? { thoughtSignature: signatureOf(model, about) } : {}),
  }));
  return { parts: parts.length > 0 ? parts : [{ text }], ...(isCut ? { finishReason: 'MAX_TOKENS' } : {}) };
}

interface ResponsesItem {
  type?: string;
  role?: string;
  content?: string | { text?: string }[];
  output?: string | { text?: string }[];
  encrypted_content?: string;
}

interface ResponsesBody {
  model: string;
  input: ResponsesItem[];
  tools?: { type: string; name?: string; parameters?: Parameters; format?: { type: string } }[];
  context_management?: { compact_threshold: number }[];
  tool_choice?: string | object;
  text?: { format?: { type: string } };
  max_output_tokens?: number | null;
}

const plain = (content: ResponsesItem['content']) =>
  typeof content === 'string' ? content : (content ?? []).map(({ text = '' }) => text).join('');

/** What OpenAI's models are held to by the grammar of these tests. */
const letters = (about: string) => about.toLowerCase().replaceAll(/[^a-z]/g, '');

let responseCount = 0;

/** OpenAI's Responses API. */
export function answerAsResponses({ body, text: whole }: UpstreamRequest): OpenAiAnswer | undefined {
  if (isEndless(whole)) return undefined;
  const { model, input: sent, tools = [], tool_choice: choice, text: format, ...limits } = body as ResponsesBody;
  const input = sent.map((item) =>
    item.type === 'compaction' ? { role: 'user', content: compacted(item.encrypted_content ?? '') } : item,
  );
  const said = (role: string) => input.filter((item) => item.role === role).map(({ content }) => plain(content));
  const results = (items: ResponsesItem[]) =>
    items.filter(({ type = '' }) => /^\w+_call_output$/.test(type)).map(({ output }) => plain(output));
  const last = input.at(-1);
  const talk = { user: said('user'), assistant: said('assistant'), toolResults: results(input) };
  if (last?.type === 'compaction_trigger') return { output: [compaction(model, summaryOf(talk))] };
  const spokeAt = input.findLastIndex(({ role, type = '' }) => role === 'assistant' || /^\w+_call$/.test(type));
  const { calls, text, isCut } = answerTo({
    asked: last?.role === 'user' ? plain(last.content) : '',
    newResults: results(input.slice(spokeAt + 1)),
    talk: { ...talk, user: talk.user.slice(0, -1) },
    hasTools: tools.some(({ name }) => name !== undefined),
    choice,
    wantsJson: format?.format?.type === 'json_schema',
    maxTokens: limits.max_output_tokens ?? 100_000,
  });
  const number = ++responseCount;
  if (calls.length > 0) {
    return {
      output: calls.map((about, index) => {
        const [tool] = tools;
        const isFree = tool?.format?.type !== 'grammar';
        const called = { status: 'completed', call_id: `call_${number}_${index}`, name: tool?.name };
        return tool?.type === 'custom'
          ? {
              ...called,
              type: 'custom_tool_call',
              id: `ctc_${number}_${index}`,
              input: isFree ? about : letters(about),
            }
          : {
              ...called,
              type: 'function_call',
              id: `fc_${number}_${index}`,
              arguments: argumentsAbout(about, tool?.parameters),
            };
      }),
    };
  }
  const content = [{ type: 'output_text', annotations: [], logprobs: [], text }];
  const status: 'completed' | 'incomplete' = isCut ? 'incomplete' : 'completed';
  const message = { type: 'message', id: `msg_${number}`, status, role: 'assistant', content };
  const threshold = limits.context_management?.[0]?.compact_threshold ?? Infinity;
  const isLong = JSON.stringify(input).length / 4 > threshold;
  return { output: isLong ? [compaction(model, summaryOf(talk)), message] : [message], status };
}
