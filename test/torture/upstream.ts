import type { ServerResponse } from 'node:http';
import { type Block, fakeUpstream, frame, messageEvents, type UpstreamRequest } from '../support/fake-upstream.ts';
import { chatCall, chatDone, chatFrame } from '../support/upstream-replies.ts';
import { type Clock, hop } from './clock.ts';
import { canaryOf, namesIn, proberNumber, type Served, spenderTokens, type Step } from './history.ts';
import { createJournal, now } from './journal.ts';
import { type Random, seeded } from './random.ts';

export interface TortureUpstream {
  url: string;
  ledger: Served[];
  close(): void;
}

interface Reply {
  thinking: string | undefined;
  text: string;
  calls: { id: string; input: string }[];
}

const toolName = 'get_weather';

/** Plays both upstream protocols, decides by the seed and the request's canary what to answer, and keeps a ledger. */
export async function startUpstream(seed: string, clock: Clock, ledgerPath: string): Promise<TortureUpstream> {
  const journal = createJournal<object>(ledgerPath);
  const ledger: Served[] = [];
  const triesOf = new Map<string, number>();
  const cleanups: (() => void)[] = [];

  async function serve(request: UpstreamRequest, response: ServerResponse): Promise<void> {
    const { body } = request;
    const dialect = request.path.endsWith('/messages') ? 'messages' : 'chat';
    const seen = dialect === 'messages' ? messagesSteps(body.messages) : chatSteps(body.messages);
    const name = namesIn(JSON.stringify(seen.at(-1))).at(-1) ?? '';
    const tries = triesOf.get(name) ?? 0;
    triesOf.set(name, tries + 1);
    const random = seeded(`${seed} ${name} ${tries}`);
    const thinks = dialect === 'messages' && body.thinking !== undefined && body.thinking.type !== 'disabled';
    const mayCall = body.tools !== undefined && body.tool_choice?.type !== 'none' && body.tool_choice !== 'none';
    const reply = replyTo(name, random, thinks, mayCall);
    const served: Served = {
      at: now(),
      name,
      dialect,
      stream: body.stream === true,
      seen,
      said: stepsOf(reply),
      inputTokens: 10 + random.below(5000),
      // The spender's calls cost nearly what they may, so that a few too many show.
      outputTokens: name === '' ? spenderTokens - random.below(50) : 5 + random.below(500),
      end: undefined,
      endedAt: 0,
    };
    const end = (how: NonNullable<Served['end']>): void => {
      if (served.end !== undefined) return;
      served.end = how;
      served.endedAt = now();
      journal.add({ at: served.endedAt, name, end: how });
      clock.tick();
    };
    ledger.push(served);
    journal.add(served);
    clock.tick();
    response.on('close', () => end('left'));

    const draw = name === '' || name.includes(`-${proberNumber}-`) ? 100 : random.below(100);
    if (draw < 4) {
      end('refused');
      response.writeHead(529, { 'content-type': 'application/json' });
      response.end('{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}');
      return;
    }
    const isCut = draw < 9;
    const [frames, last] = dialect === 'messages' ? messagesFrames(reply, served) : chatFrames(reply, served);
    if (!served.stream) {
      const text = dialect === 'messages' ? messagesReply(reply, served) : chatReply(reply, served);
      await hop(random.below(40));
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
      end(isCut ? 'cut' : 'done');
      if (isCut) response.write(text.slice(0, text.length >> 1), () => response.destroy());
      else response.end(text);
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const text of isCut ? frames.slice(0, 1 + random.below(frames.length)) : frames) {
      response.write(text);
      await hop(random.below(8));
      clock.tick();
    }
    // In the ledger before it is on the wire: what the gateway can have read, the ledger has.
    end(isCut ? 'cut' : 'done');
    response.end(isCut ? '' : last);
  }

  const { url, requests } = await fakeUpstream(
    async (request, response) => {
      requests.length = 0;
      response.on('error', () => undefined);
      await serve(request, response);
    },
    (cleanup) => void cleanups.push(cleanup),
  );
  return {
    url,
    ledger,
    close() {
      for (const cleanup of cleanups) cleanup();
      journal.close();
    },
  };
}

function replyTo(name: string, random: Random, thinks: boolean, mayCall: boolean): Reply {
  const canary = canaryOf(name);
  const calls = mayCall ? [0, 1, 2, 3][random.below(4)] : 0;
  return {
    thinking: thinks ? `I think of ${canary}.` : undefined,
    text: `Re ${canary}: "é\\👋" ${'.'.repeat(random.below(10) === 0 ? random.below(5000) : random.below(100))}`,
    calls: Array.from({ length: calls ?? 0 }, (_, index) => ({
      id: `toolu_${index}_${name}`,
      input: `{"location":"${canary}","unit":"C"}`,
    })),
  };
}

function stepsOf({ thinking, text, calls }: Reply): Step[] {
  return [
    ...(thinking === undefined ? [] : [['thinking', thinking] as const]),
    ['assistant', text],
    ...calls.map(({ id, input }) => ['call', id, toolName, input] as const),
  ];
}

function blocksOf({ thinking, text, calls }: Reply, parsed: boolean): Block[] {
  return [
    ...(thinking === undefined ? [] : [{ type: 'thinking', thinking, signature: `signed-${thinking}` }]),
    { type: 'text', text },
    ...calls.map(({ id, input }) => ({
      type: 'tool_use',
      id,
      name: toolName,
      input: parsed ? (JSON.parse(input) as unknown) : input,
    })),
  ];
}

/** The frames of a stream, and last the one that says that it is whole with what follows it. */
function messagesFrames(reply: Reply, { name, inputTokens, outputTokens }: Served): [string[], string] {
  const frames = messageEvents(blocksOf(reply, false), {
    id: `msg_${name}`,
    model: 'claude-haiku-4-5',
    stopReason: reply.calls.length > 0 ? 'tool_use' : 'end_turn',
    usage: { input_tokens: inputTokens },
    endUsage: { output_tokens: outputTokens },
  }).map(frame);
  return [frames.slice(0, -2), frames.slice(-2).join('')];
}

function messagesReply(reply: Reply, { name, inputTokens, outputTokens }: Served): string {
  return JSON.stringify({
    id: `msg_${name}`,
    type: 'message',
    role: 'assistant',
    model: 'claude-haiku-4-5',
    content: blocksOf(reply, true),
    stop_reason: reply.calls.length > 0 ? 'tool_use' : 'end_turn',
    stop_sequence: null,
    usage: { input_tokens: inputTokens, output_tokens: outputTokens },
  });
}

const chatUsage = ({ inputTokens, outputTokens }: Served) => ({
  prompt_tokens: inputTokens,
  completion_tokens: outputTokens,
  total_tokens: inputTokens + outputTokens,
});

const halves = (text: string) => [text.slice(0, text.length >> 1), text.slice(text.length >> 1)];

function chatFrames({ text, calls }: Reply, served: Served): [string[], string] {
  const deltas: object[] = [{ role: 'assistant', content: '' }];
  deltas.push(...halves(text).map((content) => ({ content })));
  for (const [index, { id, input }] of calls.entries()) {
    deltas.push(chatCall(index, id, ''));
    for (const half of halves(input)) deltas.push({ tool_calls: [{ index, function: { arguments: half } }] });
  }
  const finish = chatFrame({}, calls.length > 0 ? 'tool_calls' : 'stop');
  const usage = chatFrame({}, null, { choices: [], usage: chatUsage(served) });
  return [deltas.map((delta) => chatFrame(delta)), `${finish}${usage}${chatDone}`];
}

function chatReply({ text, calls }: Reply, served: Served): string {
  const tool_calls = calls.map(({ id, input }) => ({
    id,
    type: 'function',
    function: { name: toolName, arguments: input },
  }));
  const message = { role: 'assistant', content: text, ...(calls.length > 0 ? { tool_calls } : {}) };
  const choices = [{ index: 0, message, finish_reason: calls.length > 0 ? 'tool_calls' : 'stop' }];
  const model = 'qwen3-32b';
  return JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion', model, choices, usage: chatUsage(served) });
}

interface MessagesBlock {
  type: string;
  text?: string;
  thinking?: string;
  id?: string;
  name?: string;
  input?: unknown;
  tool_use_id?: string;
  content?: unknown;
}

/** Text of a content that is a text or a list of parts. */
function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  return (content as { text?: string }[]).map(({ text = '' }) => text).join('');
}

function messagesSteps(messages: { role: 'user' | 'assistant'; content: string | MessagesBlock[] }[]): Step[] {
  return messages.flatMap(({ role, content }): Step[] => {
    if (typeof content === 'string') return [[role, content]];
    return content.map((block): Step => {
      switch (block.type) {
        case 'text':
          return [role, block.text ?? ''];
        case 'thinking':
          return ['thinking', block.thinking ?? ''];
        case 'tool_use':
          return ['call', block.id ?? '', block.name ?? '', JSON.stringify(block.input)];
        case 'tool_result':
          return ['output', block.tool_use_id ?? '', textOf(block.content)];
        default:
          throw new Error(`unknown block ${block.type}`);
      }
    });
  });
}

interface ChatMessage {
  role: 'user' | 'assistant' | 'tool';
  content: unknown;
  tool_calls?: { id: string; function: { name: string; arguments: string } }[];
  tool_call_id?: string;
}

function chatSteps(messages: ChatMessage[]): Step[] {
  return messages.flatMap(({ role, content, tool_calls = [], tool_call_id = '' }): Step[] => {
    if (role === 'tool') return [['output', tool_call_id, textOf(content)]];
    const text: Step[] = content === null || content === undefined ? [] : [[role, textOf(content)]];
    return [...text, ...tool_calls.map(({ id, function: f }) => ['call', id, f.name, f.arguments] as const)];
  });
}
