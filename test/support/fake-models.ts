import type { ServerResponse } from 'node:http';
import {
  type Block,
  type FakeUpstream,
  fakeUpstream,
  messageEvents,
  sendEvents,
  sendJson,
  type UpstreamRequest,
} from './fake-upstream.ts';

/** What a model of Anthropic's answers. A block's `input` given as text is sent as that text. */
export interface MessagesAnswer {
  blocks: Block[];
  stopReason?: string;
  model?: string;
  id?: string;
  /** Of the input, as the stream's begin says it. */
  usage?: object;
  /** Of the output, as the stream's end says it. */
  endUsage?: object;
}

/** What a chat model answers: the message's fields, and what stands around them. */
export interface ChatAnswer {
  content?: string | null;
  reasoning_content?: string;
  tool_calls?: { id: string; type: 'function'; function: { name: string; arguments: string } }[];
  finishReason?: string;
  usage?: object;
  serviceTier?: string;
}

type Answerer<T> = (request: UpstreamRequest, response: ServerResponse) => T | undefined | Promise<T | undefined>;

export interface FakeModel<T> extends FakeUpstream {
  /** Undefined: it has answered by itself. */
  answer: Answerer<T>;
}

/** The text that a user said last, of a request in either protocol; outputs of tools are no texts. */
export function lastText({ body }: UpstreamRequest): string {
  const said = body.messages.flatMap(({ role, content }: { role: string; content: string | Block[] }) => {
    if (role !== 'user') return [];
    return typeof content === 'string' ? [content] : content.flatMap(({ text }) => text ?? []);
  });
  return String(said.at(-1));
}

export const messagesEcho: Answerer<MessagesAnswer> = (request) => ({
  blocks: [{ type: 'text', text: `Re: ${lastText(request)}` }],
});

export const chatEcho: Answerer<ChatAnswer> = (request) => ({ content: `Re: ${lastText(request)}` });

export async function fakeMessagesModel(onCleanup?: (cleanup: () => void) => void): Promise<FakeModel<MessagesAnswer>> {
  const upstream = await fakeUpstream(async (request, response) => {
    const answer = await fake.answer(request, response);
    if (answer === undefined) return;
    const options = { model: `${request.body.model}-20251001`, ...answer };
    if (request.body.stream === true) sendEvents(response, messageEvents(answer.blocks, options));
    else response.writeHead(200, { 'content-type': 'application/json' }).end(messageText(options));
  }, onCleanup);
  const fake: FakeModel<MessagesAnswer> = { ...upstream, answer: messagesEcho };
  return fake;
}

/** Written as text, so that a tool's input stays as it is. */
function messageText({ blocks, ...options }: MessagesAnswer & { model: string }): string {
  const content = blocks.map(({ input, ...block }) => {
    const json = JSON.stringify(block);
    return input === undefined
      ? json
      : `${json.slice(0, -1)},"input":${typeof input === 'string' ? input : JSON.stringify(input)}}`;
  });
  const usage = JSON.stringify({
    ...(options.usage ?? { input_tokens: 25, cache_creation_input_tokens: 3, cache_read_input_tokens: 2 }),
    ...(options.endUsage ?? { output_tokens: 7 }),
  });
  const { model, stopReason = 'end_turn', id = 'msg_upstream' } = options;
  return `{"id":"${id}","type":"message","role":"assistant","model":"${model}","content":[${content.join(',')}],"stop_reason":"${stopReason}","stop_sequence":null,"usage":${usage}}`;
}

export async function fakeChatModel(onCleanup?: (cleanup: () => void) => void): Promise<FakeModel<ChatAnswer>> {
  const upstream = await fakeUpstream(async (request, response) => {
    const answer = await fake.answer(request, response);
    if (answer === undefined) return;
    if (request.body.stream === true) sendChunks(response, request.body.model, answer);
    else sendJson(response, completionOf(request.body.model, answer));
  }, onCleanup);
  const fake: FakeModel<ChatAnswer> = { ...upstream, answer: chatEcho };
  return fake;
}

const chatUsage = { prompt_tokens: 12, completion_tokens: 5, total_tokens: 17 };

function finishOf({ finishReason, tool_calls }: ChatAnswer): string {
  return finishReason ?? (tool_calls === undefined ? 'stop' : 'tool_calls');
}

function completionOf(model: string, answer: ChatAnswer): object {
  const { content = null, reasoning_content, tool_calls, usage = chatUsage, serviceTier } = answer;
  return {
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1_763_800_000,
    model,
    service_tier: serviceTier,
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content, reasoning_content, tool_calls },
        finish_reason: finishOf(answer),
      },
    ],
    usage,
  };
}

function sendChunks(response: ServerResponse, model: string, answer: ChatAnswer): void {
  const { content, reasoning_content, tool_calls = [], usage = chatUsage, serviceTier } = answer;
  const base = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1_763_800_000, model };
  const halves = (text: string) => [text.slice(0, text.length >> 1), text.slice(text.length >> 1)];
  const deltas: object[] = [{ role: 'assistant', content: '' }];
  for (const text of halves(reasoning_content ?? '')) deltas.push({ reasoning_content: text });
  for (const text of halves(content ?? '')) deltas.push({ content: text });
  tool_calls.forEach(({ id, type, function: { name, arguments: text } }, index) => {
    const [first, second] = halves(text);
    deltas.push({ tool_calls: [{ index, id, type, function: { name, arguments: first } }] });
    deltas.push({ tool_calls: [{ index, function: { arguments: second } }] });
  });
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const send = (fields: object) => response.write(`data: ${JSON.stringify({ ...base, ...fields })}\n\n`);
  for (const delta of deltas) send({ choices: [{ index: 0, delta, finish_reason: null }] });
  send({ choices: [{ index: 0, delta: {}, finish_reason: finishOf(answer) }], service_tier: serviceTier });
  send({ choices: [], usage });
  response.end('data: [DONE]\n\n');
}
