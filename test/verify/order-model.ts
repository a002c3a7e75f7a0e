import type { ServerResponse } from 'node:http';
import { obey } from '../../src/providers/simulator/obey.ts';
import { createSimulatorTransport } from '../../src/providers/simulator/transport.ts';
import type { UpstreamRequest } from '../support/fake-upstream.ts';

interface ChatMessage {
  role: string;
  content: string | { type: string; text?: string }[] | null;
  tool_calls?: object[];
}

interface ChatBody {
  stream?: boolean;
  messages: ChatMessage[];
  tools?: { function: { name: string } }[];
  tool_choice?: string | object;
  response_format?: { type: string };
  max_tokens?: number;
  max_completion_tokens?: number;
}

const textOf = ({ content }: ChatMessage) =>
  typeof content === 'string' ? content : (content ?? []).map(({ text = '' }) => text).join('');

/** A chat model that carries out plain orders, and calls the tool that it is told to use. */
export function answerAsChat({ body }: UpstreamRequest, response: ServerResponse, count: number): void {
  const { messages, tools = [], tool_choice: choice, stream, response_format: format, ...limits } = body as ChatBody;
  const said = (role: string) => messages.filter((message) => message.role === role).map(textOf);
  const last = messages.at(-1);
  const asked = last?.role === 'user' ? textOf(last) : '';
  const results = messages.slice(messages.findLastIndex(({ role }) => role === 'assistant') + 1);
  const toolResults = results.filter(({ role }) => role === 'tool').map(textOf);
  const isForced = choice === 'required' || typeof choice === 'object';
  const wanted = /\buse \w+/i.test(asked) && choice !== 'none';
  const names = asked.match(/"\w+"/g) ?? ['"alpha"'];
  const calls =
    tools.length > 0 && (isForced || wanted) ? (/both at once/.test(asked) ? names : names.slice(0, 1)) : [];
  const talk = {
    user: said('user').slice(0, -1),
    assistant: said('assistant').filter((text) => text !== ''),
    toolResults: said('tool'),
  };
  const spoken =
    format?.type === 'json_schema'
      ? '{"city":"Paris","sunny":true}'
      : toolResults.length > 0
        ? toolResults.join(' ')
        : (obey(asked, talk) ?? `You said: ${asked}. I am a model of few words, and these are some of them.`);
  const most = 4 * (limits.max_completion_tokens ?? limits.max_tokens ?? 100_000);
  const text = spoken.slice(0, most);
  const toolCalls = calls.map((name, index) => ({
    index,
    id: `call_${count}_${index}`,
    type: 'function',
    function: { name: tools[0]?.function.name, arguments: `{"name":${name}}` },
  }));
  const message =
    calls.length === 0
      ? { role: 'assistant', content: text }
      : { role: 'assistant', content: null, tool_calls: toolCalls };
  const reason = calls.length > 0 ? 'tool_calls' : text === spoken ? 'stop' : 'length';
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
