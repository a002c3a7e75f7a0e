/**
 * An upstream's reply means the same streamed and plain, and its stream however the network cuts it. Every recorded stream goes
 * through the whole way of a reply (parser, decoder, assembler, client encoder), whole, cut in two, in pieces at random, and byte
 * by byte. TURNPIKE_RECORDINGS names a folder with more (`test/support/recordings.ts`).
 */
import { describe, expect, test, vi } from 'vitest';
import type { UpstreamEvent } from '../../src/core/events.ts';
import type { IdMint } from '../../src/core/ids.ts';
import type { ContextItem } from '../../src/core/items.ts';
import { compactJson } from '../../src/core/json-slice.ts';
import { aiSdkCodec } from '../../src/protocols/ai-sdk/index.ts';
import { chatCodec } from '../../src/protocols/chat/index.ts';
import type { ModelProfile, UpstreamCodec } from '../../src/protocols/codec.ts';
import { geminiCodec } from '../../src/protocols/gemini/index.ts';
import { messagesCodec } from '../../src/protocols/messages/index.ts';
import { createStreamEncoder } from '../../src/protocols/responses/encode-stream.ts';
import { responsesUpstreamCodec } from '../../src/protocols/responses/upstream.ts';
import { anthropicProfile } from '../../src/providers/anthropic.ts';
import { openAiProfile } from '../../src/providers/openai.ts';
import { createAiSdkTransport } from '../../src/providers/ai-sdk/transport.ts';
import { createSseParser } from '../../src/sse/parse.ts';
import { type Assembler, createAssembler } from '../../src/turn/assembler.ts';
import { contextItemOf } from '../../src/turn/bring-item.ts';
import { message, plainProfile } from '../fixtures/chat/encode-input.ts';
import { customTools } from '../fixtures/custom-tools.ts';
import { plainRequest } from '../fixtures/plain-request.ts';
import { createRandom } from '../simulation/random.ts';
import {
  isError,
  type Kind,
  kinds,
  piecesOf,
  type Recording,
  recordings,
  saidOf,
  streamOf,
} from '../support/recordings.ts';
import { frozen } from '../support/frozen.ts';

const options = customTools('apply_patch');
const codecs: Record<Kind, UpstreamCodec> = {
  messages: messagesCodec,
  responses: responsesUpstreamCodec,
  chat: chatCodec,
  gemini: geminiCodec,
  converse: aiSdkCodec,
};

/** Ids that are the same in every run. */
function countedIds(): IdMint {
  let count = 0;
  return { mint: (prefix) => `${prefix}_${(count += 1)}` };
}

function assemblerOf(codec: UpstreamCodec): Assembler {
  return createAssembler({
    ids: countedIds(),
    nowMs: () => 0,
    protocol: codec.protocol,
    signatureScope: (model = 'm') => codec.signatureScope(model, model),
    usedCallIds: new Set(),
    encoder: createStreamEncoder(),
  });
}

/** What the client reads and what the store gets. */
function madeBy(assembler: Assembler) {
  const { end, usage, storedOutput } = assembler;
  return { stream: assembler.takeText(), end, usage, storedOutput };
}

type Made = ReturnType<typeof madeBy>;

function decode(codec: UpstreamCodec, pieces: Iterable<Buffer>): Assembler {
  const decoder = codec.createStreamDecoder(options);
  const assembler = assemblerOf(codec);
  const emit = (event: UpstreamEvent) => assembler.accept(event);
  const parser = createSseParser((event, data) => decoder.frame(event, data, emit));
  for (const piece of pieces) parser.push(piece);
  parser.end();
  decoder.end(emit);
  return assembler;
}

function plain({ kind }: Pick<Recording, 'kind'>, body: string): Assembler {
  const assembler = assemblerOf(codecs[kind]);
  codecs[kind].decodeResponse(body, options, (event) => assembler.accept(event));
  return assembler;
}

const asked = JSON.stringify({ prompt: [{ role: 'user', content: [{ type: 'text', text: 'Oslo?' }] }] });
let askedOfBedrock = '';

/** Bedrock's bytes are read by the vendor's package, which says what they are in parts. */
function throughPackage(
  pieces: Buffer[],
  contentType: string,
  path: 'doStream' | 'doGenerate',
  options = asked,
): Promise<string> {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece);
      controller.close();
    },
  });
  vi.stubGlobal('fetch', (_url: string, { body: text }: { body: string }) => {
    askedOfBedrock = text;
    return Promise.resolve(new Response(body, { headers: { 'content-type': contentType } }));
  });
  const address = { package: '@ai-sdk/amazon-bedrock', model: 'amazon.nova-pro-v1:0' };
  const settings = { apiKey: 'k', region: 'us-east-1' };
  return new Promise((resolve, reject) => {
    let text = '';
    transport.send(
      {
        origin: 'ai-sdk:',
        path,
        headers: { model: JSON.stringify(address), settings: JSON.stringify(settings) },
        body: options,
        timeouts: { connectMs: 60_000, firstByteMs: 60_000, idleMs: 60_000 },
      },
      {
        onHeaders: () => undefined,
        onData: (chunk) => (text += chunk.toString()),
        onEnd: () => resolve(text),
        onError: reject,
      },
    );
  });
}
const transport = createAiSdkTransport();

async function reply({ kind }: Recording, pieces: Buffer[]): Promise<Made> {
  if (kind !== 'converse') return madeBy(decode(codecs[kind], pieces));
  const parts = await throughPackage(pieces, 'application/vnd.amazon.eventstream', 'doStream');
  return madeBy(decode(codecs[kind], [Buffer.from(parts)]));
}

/** Every place of a small stream; of a large one as many as there is time for, its ends among them. */
function cutsOf({ kind }: Recording, length: number): number[] {
  const most = kind === 'converse' ? 60 : length < 9000 ? length : 4_000_000 / length;
  const step = Math.max(1, Math.ceil(length / most));
  // A step that is odd falls at every place of a frame in time.
  const cuts = Array.from({ length: Math.floor((length - 1) / (step | 1)) }, (_, at) => 1 + at * (step | 1));
  return [...cuts, length - 1];
}

test('there are recordings of each provider', () => {
  for (const kind of kinds) expect(recordings.filter((each) => each.kind === kind).length).toBeGreaterThan(2);
});

const streams = recordings.filter(({ lines }) => lines !== undefined);

describe.each(streams)('$kind $name', (recording) => {
  const bytes = streamOf(recording);

  test('ends well', async () => {
    const whole = await reply(recording, [bytes]);
    expect(whole.end?.error !== undefined).toBe(isError(recording));
    if (isError(recording)) return;
    expect(whole.end?.finish).toBeDefined();
  });

  test('is the same cut in two', async () => {
    const whole = await reply(recording, [bytes]);
    for (const at of cutsOf(recording, bytes.length)) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      const cut = await reply(recording, [bytes.subarray(0, at), bytes.subarray(at)]);
      if (cut.stream !== whole.stream) expect(cut, `cut at byte ${at}`).toEqual(whole);
    }
    expect(await reply(recording, [bytes.subarray(0, 7), bytes.subarray(7)])).toEqual(whole);
  });

  test('is the same in pieces, and byte by byte', async () => {
    const whole = await reply(recording, [bytes]);
    for (const seed of [1, 2, 3, 4, 5]) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      expect(await reply(recording, piecesOf(bytes, createRandom(seed))), `seed ${seed}`).toEqual(whole);
    }
    expect(
      await reply(
        recording,
        Array.from(bytes, (byte) => Buffer.of(byte)),
      ),
    ).toEqual(whole);
  });

  test('is the same with other line ends', async () => {
    if (recording.kind === 'converse') return;
    const whole = await reply(recording, [bytes]);
    const lines = bytes.toString('utf8').replaceAll('\r\n', '\n');
    expect(await reply(recording, [Buffer.from(lines)])).toEqual(whole);
    expect(await reply(recording, [Buffer.from(lines.replaceAll('\n', '\r\n'))])).toEqual(whole);
  });

  test('says what the plain reply says', async () => {
    const { body, kind } = recording;
    const whole = await reply(recording, [bytes]);
    const text =
      kind === 'converse' ? await throughPackage([Buffer.from(body)], 'application/json', 'doGenerate') : body;
    const once = madeBy(plain(recording, text));
    expect([once.end?.finish, once.end?.error?.code]).toEqual([whole.end?.finish, whole.end?.error?.code]);
    expect(once.usage).toEqual(whole.usage);
    expect(comparable(once)).toEqual(comparable(whole));
  });
});

// oxlint-disable-next-line no-explicit-any -- whatever was recorded
type Json = any;

/** A field that is null may be left out; numbers beyond doubles are compared as text, elsewhere. */
const lean = (value: Json): Json =>
  JSON.parse(JSON.stringify(value, (_, inner: unknown) => (inner === null ? undefined : inner)) ?? 'null');

const unnamed = (items: Json[]): Json[] => items.map(({ id: _id, ...rest }) => rest);

const toolOf = (name: string) => ({
  type: 'function' as const,
  name,
  description: null,
  parameters: { type: 'object', properties: {} },
  strict: null,
});

/** Some say of a call which it is, others not even that it is a function's. */
const chatWords = ({ content, tool_calls: calls }: Json): Json => [
  content || null,
  (calls ?? []).map(({ id, function: { name, arguments: args } }: Json) => ({ id, name, args })),
];

/** What of a reply its model is to be sent again, and where it is in the next request. */
const returns: Record<
  Exclude<Kind, 'gemini'>,
  { profile: (model: string) => ModelProfile; given: (body: Json) => Json; sent: (request: Json) => Json }
> = {
  messages: {
    profile: () => ({ ...anthropicProfile('claude-haiku-4-5'), minCachedTokens: undefined }),
    // The model itself writes blank blocks at times, and is refused them afterwards.
    given: ({ content }) => content.filter(({ type, text }: Json) => type !== 'text' || text.trim() !== ''),
    sent: ({ messages }) =>
      messages.filter(({ role }: Json) => role === 'assistant').flatMap((each: Json) => each.content),
  },
  responses: {
    profile: openAiProfile,
    // What is not sealed cannot go back, and what follows it has another id then.
    given: ({ output }) => unnamed(output.filter((item: Json) => item.type !== 'reasoning' || item.encrypted_content)),
    sent: ({ input }) => unnamed(input.slice(1, -1).filter(({ output }: Json) => output !== 'x')),
  },
  chat: {
    profile: () => ({ ...plainProfile, reasoningField: 'reasoning_content' }),
    given: ({ choices: [{ message: given }] }) => chatWords(given),
    sent: ({ messages }) => chatWords(messages.find(({ role }: Json) => role === 'assistant')),
  },
  converse: {
    profile: () => ({ ...plainProfile, maxTokensField: 'max_tokens' }),
    given: ({ output }) => output.message.content,
    sent: ({ messages }) => messages.find(({ role }: Json) => role === 'assistant').content,
  },
};

describe.each(recordings.filter((each) => each.kind !== 'gemini' && !isError(each)))('$kind $name', (recording) => {
  test('goes back to its model as it came', async () => {
    const { kind, body } = recording;
    if (kind === 'gemini') return;
    const codec = codecs[kind];
    const plainBody =
      kind === 'converse' ? await throughPackage([Buffer.from(body)], 'application/json', 'doGenerate') : body;
    const assembler = plain(recording, plainBody);
    const isRefused = kind === 'chat' && JSON.parse(body).choices[0].message.refusal;
    // What was cut or refused does not go back; what a compaction leaves is put in its place elsewhere.
    if (isRefused || assembler.end?.finish !== 'completed' || /"type": *"compaction"/.test(body)) return;
    const model = assembler.upstreamModel ?? 'm';
    const user = { item: message('user', 'Hello.'), origin: undefined };
    const context = frozen(assembler.storedOutput.map(contextItemOf));
    const results = context.flatMap(({ item }): ContextItem[] => {
      if (item.type !== 'function_call' && item.type !== 'custom_tool_call') return [];
      const { call_id } = item;
      const result = { id: 'o', call_id, output: 'x' };
      const type = item.type === 'function_call' ? 'function_call_output' : 'custom_tool_call_output';
      return [{ item: { ...result, type }, origin: undefined }];
    });
    const encoded = codec.encodeRequest({
      request: { ...plainRequest, input: [], tools: saidOf(recording).calls.map(({ name }) => toolOf(name)) },
      context: [user, ...context, ...results, user],
      inheritedTools: [],
      model,
      profile: returns[kind].profile(model),
    });
    let text = encoded.body;
    if (kind === 'converse') {
      await throughPackage([Buffer.from(body)], 'application/json', 'doGenerate', text);
      text = askedOfBedrock;
    }
    const { given, sent } = returns[kind];
    expect(lean(sent(JSON.parse(text)))).toEqual(lean(given(JSON.parse(body))));
  });
});

/** Items without the ids that we give them, and without the spaces that a plain reply's arguments never had. */
function comparable({ storedOutput }: Made): unknown {
  return storedOutput.map(({ body }) =>
    JSON.parse(body, (key, value: unknown) => {
      if (key === 'id' || key === 'encrypted_content') return undefined;
      return key === 'arguments' && isJson(value) ? compactJson(value) : value;
    }),
  );
}

function isJson(value: unknown): value is string {
  try {
    return typeof value === 'string' && JSON.parse(value) !== undefined;
  } catch {
    return false;
  }
}

describe.each(recordings.filter(({ lines }) => lines === undefined))('$kind $name', (recording) => {
  test('is read in plain', async () => {
    if (isError(recording)) return;
    const { body, kind } = recording;
    const text =
      kind === 'converse' ? await throughPackage([Buffer.from(body)], 'application/json', 'doGenerate') : body;
    const { end, usage, storedOutput } = madeBy(plain(recording, text));
    expect(end?.error).toBeUndefined();
    expect(usage).toBeDefined();
    expect(storedOutput.length + (end?.finish === 'content_filter' ? 1 : 0)).toBeGreaterThan(0);
  });
});
