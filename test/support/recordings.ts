/**
 * Replies as providers send them: fixtures of our own, and what the folder holds that TURNPIKE_RECORDINGS names (`anthropic/`,
 * `openai-responses/`, `openai-chat/`, `google/`, `bedrock/`; `NAME.chunks.txt`: a stream, an event a line; `NAME.json`: a plain reply).
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Random } from '../simulation/random.ts';
import { awsMessage } from './bedrock-frames.ts';
import { collectMessage } from './collect-message.ts';

// oxlint-disable-next-line no-explicit-any -- whatever was recorded
type Json = any;

export type Kind = 'messages' | 'responses' | 'chat' | 'gemini' | 'converse';

export interface Recording {
  kind: Kind;
  name: string;
  /** The events of a stream, as JSON; undefined: a plain reply. */
  lines: string[] | undefined;
  /** The plain reply, or the one that says what the stream says. */
  body: string;
}

interface Source {
  /** Below `test/fixtures`, and there the ends of the names of streams and of the same replies in plain. */
  own: string;
  stream: string;
  plain: string;
  /** Below the folder of recordings. */
  recorded: string;
  /** The type of a stream's first event, where several replies may be in one file. */
  begin?: string;
  framed: (line: string) => string | Buffer;
  end: string;
  wholeOf: (events: Json[], lines: string[]) => Json;
}

const named = (line: string) => `event: ${JSON.parse(line).type}\ndata: ${line}\n\n`;

function eventOfConverse(line: string): Buffer {
  const [[name, event] = ['', {}]] = Object.entries(JSON.parse(line));
  const names = { ':event-type': name, ':content-type': 'application/json', ':message-type': 'event' };
  return awsMessage(names, JSON.stringify(event));
}

const sources: Record<Kind, Source> = {
  messages: {
    own: 'messages',
    stream: '.stream.jsonl',
    plain: '.plain.json',
    recorded: 'anthropic',
    begin: 'message_start',
    framed: named,
    end: '',
    wholeOf: (_events, lines) => collectMessage(lines.map(named).join('')).message,
  },
  responses: {
    own: 'responses',
    stream: '.jsonl',
    plain: '.none',
    recorded: 'openai-responses',
    begin: 'response.created',
    framed: named,
    end: '',
    wholeOf: wholeResponse,
  },
  chat: {
    own: 'chat',
    stream: '.sse',
    plain: '.json',
    recorded: 'openai-chat',
    framed: (line) => `data: ${line}\n\n`,
    end: 'data: [DONE]\n\n',
    wholeOf: wholeCompletion,
  },
  gemini: {
    own: 'gemini',
    stream: '.sse',
    plain: '.json',
    recorded: 'google',
    framed: (line) => `data: ${line}\r\n\r\n`,
    end: '',
    wholeOf: wholeContent,
  },
  converse: {
    own: 'converse',
    stream: '.jsonl',
    plain: '.none',
    recorded: 'bedrock',
    framed: eventOfConverse,
    end: '',
    wholeOf: wholeConverse,
  },
};
export const kinds = Object.keys(sources) as Kind[];

/** Some recordings were cut down to their events, without the items at the end. */
function wholeResponse(events: Json[]): Json {
  const { response } = events.at(-1);
  const done = events.filter(({ type }) => type === 'response.output_item.done').map(({ item }) => item);
  return { ...response, output: response.output?.length > 0 ? response.output : done };
}

function wholeCompletion(events: Json[]): Json {
  const message: Json = { role: 'assistant', content: null };
  const logprobs: Json[] = [];
  let finish_reason: Json = null;
  for (const { choices } of events) {
    const [choice] = choices ?? [];
    if (choice === undefined) continue;
    finish_reason = choice.finish_reason ?? finish_reason;
    logprobs.push(...(choice.logprobs?.content ?? []));
    const { tool_calls: calls, ...delta } = choice.delta ?? {};
    for (const [field, value] of Object.entries(delta)) {
      if (field === 'role' || value === null) continue;
      if (typeof value === 'string') message[field] = (message[field] ?? '') + value;
      else if (Array.isArray(value)) message[field] = [...(message[field] ?? []), ...value];
      else message[field] = value;
    }
    for (const call of calls ?? []) {
      message.tool_calls ??= [];
      const at = call.index ?? message.tool_calls.length;
      const made = (message.tool_calls[at] ??= { type: 'function', function: { name: '', arguments: '' } });
      if (call.id !== undefined) made.id = call.id;
      made.function.name += call.function?.name ?? '';
      made.function.arguments += call.function?.arguments ?? '';
    }
  }
  const { choices: _, object: __, usage: ___, ...head } = events[0];
  const usage = events.findLast((event) => event.usage)?.usage;
  const choice = { index: 0, message, logprobs: logprobs.length === 0 ? null : { content: logprobs }, finish_reason };
  return { ...head, object: 'chat.completion', choices: [choice], usage };
}

function wholeContent(events: Json[]): Json {
  const parts: Json[] = [];
  for (const part of events.flatMap((event): Json[] => event.candidates?.[0]?.content?.parts ?? [])) {
    const call = part.functionCall;
    if (call === undefined || call.name !== undefined) parts.push(structuredClone(part));
    // Texts of arguments, in pieces.
    for (const { jsonPath, stringValue } of call?.partialArgs ?? []) {
      const { functionCall: whole } = parts.at(-1);
      const args = (whole.args ??= {});
      const name = jsonPath.slice('$.'.length);
      args[name] = (args[name] ?? '') + stringValue;
      delete whole.willContinue;
    }
  }
  const last = events.findLast((event) => event.candidates !== undefined);
  const usageMetadata = events.findLast((event) => event.usageMetadata !== undefined)?.usageMetadata;
  return { ...last, usageMetadata, candidates: [{ ...last.candidates[0], content: { role: 'model', parts } }] };
}

function wholeConverse(events: Json[]): Json {
  const blocks: Json[] = [];
  const whole: Json = { metrics: { latencyMs: 1 } };
  for (const { contentBlockStart: start, contentBlockDelta: delta, messageStop, metadata } of events) {
    if (start !== undefined) blocks[start.contentBlockIndex] = { toolUse: { ...start.start.toolUse, input: '' } };
    if (delta !== undefined) addConverseDelta(blocks, delta);
    if (messageStop !== undefined) whole.stopReason = messageStop.stopReason;
    if (metadata !== undefined) whole.usage = metadata.usage;
  }
  for (const { toolUse } of blocks) {
    if (toolUse !== undefined) toolUse.input = JSON.parse(toolUse.input || '{}');
  }
  return { ...whole, output: { message: { role: 'assistant', content: blocks } } };
}

function addConverseDelta(blocks: Json[], { contentBlockIndex: at, delta }: Json): void {
  if (delta.text !== undefined) (blocks[at] ??= { text: '' }).text += delta.text;
  if (delta.toolUse !== undefined) blocks[at].toolUse.input += delta.toolUse.input;
  if (delta.reasoningContent === undefined) return;
  const { text = '', signature, data } = delta.reasoningContent;
  if (data !== undefined) {
    blocks[at] = { reasoningContent: { redactedContent: data } };
    return;
  }
  const { reasoningText } = (blocks[at] ??= { reasoningContent: { reasoningText: { text: '' } } }).reasoningContent;
  reasoningText.text += text;
  if (signature !== undefined) reasoningText.signature = signature;
}

/** The events of a file, reply by reply. */
function repliesOf(text: string, begin: string | undefined): string[][] {
  const lines = text
    .split(/\r?\n/)
    .map((line) => line.replace(/^data: /, ''))
    .filter((line) => line.startsWith('{'));
  if (begin === undefined) return [lines];
  const replies: string[][] = [];
  for (const line of lines) {
    if (JSON.parse(line).type === begin || replies.length === 0) replies.push([]);
    replies.at(-1)?.push(line);
  }
  return replies;
}

const fixtures = new URL('../fixtures', import.meta.url).pathname;
const recordingsFolder = process.env['TURNPIKE_RECORDINGS'];

function read(kind: Kind, folder: string, streamEnd: string, plainEnd: string): Recording[] {
  if (!existsSync(folder)) return [];
  const { begin, wholeOf } = sources[kind];
  return readdirSync(folder).flatMap((file): Recording[] => {
    const textOf = (name: string) => readFileSync(join(folder, name), 'utf8');
    if (file.endsWith(streamEnd)) {
      const replies = repliesOf(textOf(file), begin);
      const plain = join(folder, file.slice(0, -streamEnd.length) + plainEnd);
      // Only our own fixtures say one thing twice.
      const isPair = folder.startsWith(fixtures) && existsSync(plain);
      return replies.map((lines, at) => ({
        kind,
        name: replies.length === 1 ? file : `${file} (${at + 1})`,
        lines,
        body: isPair
          ? readFileSync(plain, 'utf8')
          : JSON.stringify(
              wholeOf(
                lines.map((line): Json => JSON.parse(line)),
                lines,
              ),
            ),
      }));
    }
    if (!file.endsWith(plainEnd) || folder.startsWith(fixtures)) return [];
    return [{ kind, name: file, lines: undefined, body: textOf(file) }];
  });
}

export const recordings: Recording[] = kinds.flatMap((kind) => {
  const { own, stream, plain, recorded } = sources[kind];
  return [
    ...read(kind, join(fixtures, own), stream, plain),
    ...(recordingsFolder === undefined ? [] : read(kind, join(recordingsFolder, recorded), '.chunks.txt', '.json')),
  ];
});

/** The recorded streams of a protocol. */
export const streamsOf = (kind: Kind): (Recording & { lines: string[] })[] =>
  recordings.flatMap((each) =>
    each.kind === kind && each.lines !== undefined ? [{ ...each, lines: each.lines }] : [],
  );

/** That the provider answered with an error, in a stream or in plain. */
export const isError = ({ body }: Recording): boolean => {
  const { error, status } = JSON.parse(body);
  return (error ?? undefined) !== undefined || status === 'failed';
};

/** The bytes of a stream, with the framing of its provider. */
export function streamOf({ kind, lines = [] }: Recording): Buffer {
  const { framed, end } = sources[kind];
  return Buffer.concat([...lines.map((line) => Buffer.from(framed(line))), Buffer.from(end)]);
}

/** What a reply says, whatever the protocol: its texts, its calls of the client's tools and what it cost. */
export interface Said {
  text: string;
  calls: { name: string; arguments: unknown }[];
  input: number;
  output: number;
}

/** Of a call that was cut, the text that there is. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text === '' ? '{}' : text);
  } catch {
    return text;
  }
}

const readers: Record<Kind, (body: Json) => Said> = {
  messages: ({ content, usage }) => ({
    text: content.map(({ type, text }: Json) => (type === 'text' ? text : '')).join(''),
    calls: content.flatMap(({ type, name, input }: Json) => (type === 'tool_use' ? [{ name, arguments: input }] : [])),
    input: usage.input_tokens + (usage.cache_read_input_tokens ?? 0) + (usage.cache_creation_input_tokens ?? 0),
    output: usage.output_tokens,
  }),
  responses: ({ output, usage }) => ({
    text: output
      .flatMap(({ type, content }: Json) => (type === 'message' ? content : []))
      .map(({ text }: Json) => text ?? '')
      .join(''),
    calls: output.flatMap(({ type, name, arguments: args }: Json) =>
      type === 'function_call' ? [{ name, arguments: parsed(args) }] : [],
    ),
    input: usage?.input_tokens ?? 0,
    output: usage?.output_tokens ?? 0,
  }),
  chat: ({ choices: [{ message }], usage }) => ({
    text: typeof message.content === 'string' ? message.content : '',
    calls: (message.tool_calls ?? []).map(({ function: { name, arguments: args } }: Json) => ({
      name,
      arguments: parsed(args),
    })),
    input: usage?.prompt_tokens ?? 0,
    // xAI counts what was thought beside what was said.
    output: usage === undefined ? 0 : usage.total_tokens - usage.prompt_tokens,
  }),
  gemini: ({ candidates: [{ content }], usageMetadata: usage }) => ({
    text: (content?.parts ?? []).map(({ text, thought }: Json) => (thought === true ? '' : (text ?? ''))).join(''),
    calls: (content?.parts ?? []).flatMap(({ functionCall: call }: Json) =>
      call === undefined ? [] : [{ name: call.name, arguments: call.args ?? {} }],
    ),
    input: (usage.promptTokenCount ?? 0) + (usage.toolUsePromptTokenCount ?? 0),
    output: (usage.candidatesTokenCount ?? 0) + (usage.thoughtsTokenCount ?? 0),
  }),
  converse: ({ output, usage }) => ({
    text: output.message.content.map(({ text }: Json) => text ?? '').join(''),
    calls: output.message.content.flatMap(({ toolUse }: Json) =>
      toolUse === undefined ? [] : [{ name: toolUse.name, arguments: toolUse.input }],
    ),
    input: usage.inputTokens + (usage.cacheReadInputTokens ?? 0) + (usage.cacheWriteInputTokens ?? 0),
    output: usage.outputTokens,
  }),
};

export const saidOf = ({ kind, body }: Recording): Said => readers[kind](JSON.parse(body));

/** The bytes in pieces of every size up to a packet's. */
export function piecesOf(bytes: Buffer, random: Random): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const size = 1 + random.below(random.chance(0.1) ? 1400 : random.chance(0.3) ? 3 : 120);
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return pieces;
}
