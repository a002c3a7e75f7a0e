/**
 * Anthropic's own replies, as a client of the Messages API gets them: forwarded they are the same bytes, decoded and written
 * anew they are the same blocks, and sent back by the client they are the same again.
 *
 * TURNPIKE_RECORDINGS names a folder with more (`test/support/recordings.ts`).
 */
import { describe, expect, test } from 'vitest';
import { createIdMint } from '../../src/core/ids.ts';
import type { ResponseState } from '../../src/core/response.ts';
import type { DecodeOptions, Reply } from '../../src/protocols/codec.ts';
import { messagesClientCodec } from '../../src/protocols/messages/client.ts';
import { messagesCodec } from '../../src/protocols/messages/index.ts';
import { anthropicProfile } from '../../src/providers/anthropic.ts';
import { createSseParser } from '../../src/sse/parse.ts';
import { createAssembler } from '../../src/turn/assembler.ts';
import { collectMessage } from '../support/collect-message.ts';
import { streamsOf } from '../support/recordings.ts';

// oxlint-disable-next-line no-explicit-any -- whatever was recorded
type Json = any;

const recordings = streamsOf('messages');

const options = { tools: new Map(), include: [] };
const framesOf = (lines: readonly string[]) => lines.map((data) => ({ event: String(JSON.parse(data).type), data }));
const textOf = (frames: { event: string; data: string }[]) =>
  frames.map(({ event, data }) => `event: ${event}\ndata: ${data}\n\n`).join('');

const request = messagesClientCodec.decodeRequest({
  model: 'ours',
  max_tokens: 1000,
  thinking: { type: 'adaptive' },
  messages: [{ role: 'user', content: 'Hello.' }],
});
const stateOf = (fields: Partial<ResponseState>): ResponseState => ({
  id: 'resp_1',
  createdAtMs: 0,
  status: 'completed',
  completedAtMs: 0,
  error: undefined,
  incompleteReason: undefined,
  request,
  usage: undefined,
  serviceTier: undefined,
  inputTransformations: [],
  ...fields,
});
const replyOf = (fields: Partial<ResponseState>, output: Reply['output'] = []): Reply => ({
  state: stateOf(fields),
  head: '{}',
  envelope: '{}',
  output,
});

/** What comes of the calls that a paused reply ends with, as the reply that goes on begins. */
function restOf({ id, model, content, usage }: Json): {
  openCalls: Map<string, Json>;
  results: Json[];
  lines: string[];
} {
  const answered = new Set(content.map((block: Json) => block.tool_use_id));
  const open = content.filter((block: Json) => block.type === 'server_tool_use' && !answered.has(block.id));
  const results = open.map((call: Json) => ({ type: `${call.name}_tool_result`, tool_use_id: call.id, content: [] }));
  const events = [
    { type: 'message_start', message: { id, model, type: 'message', role: 'assistant', content: [], usage } },
    ...results.flatMap((block: Json, index: number) => [
      { type: 'content_block_start', index, content_block: block },
      { type: 'content_block_stop', index },
    ]),
    { type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage },
    { type: 'message_stop' },
  ];
  const openCalls = new Map<string, Json>(open.map((call: Json) => [call.id, call]));
  return { openCalls, results, lines: events.map((event) => JSON.stringify(event)) };
}

/** Decoded, put together, and written as a stream and as a plain answer. */
function translate(lines: readonly string[], rest?: ReturnType<typeof restOf>): { streamed: Json; plain: Json } {
  const encoder = messagesClientCodec.createStreamEncoder();
  const assembler = createAssembler({
    ids: createIdMint(),
    nowMs: () => 0,
    protocol: 'messages',
    signatureScope: () => '',
    usedCallIds: new Set(),
    encoder,
  });
  let text = encoder.begin(replyOf({ status: 'in_progress' }));
  const read = (replyLines: readonly string[], decode: DecodeOptions): void => {
    const decoder = messagesCodec.createStreamDecoder(decode);
    for (const { event, data } of framesOf(replyLines)) decoder.frame(event, data, (said) => assembler.accept(said));
    decoder.end((said) => assembler.accept(said));
  };
  read(lines, options);
  if (rest !== undefined) {
    assembler.goOn();
    read(rest.lines, { ...options, openCalls: rest.openCalls, goesOn: true });
  }
  text += assembler.takeText();
  const { finish } = assembler.end ?? {};
  const isCut = finish === 'max_tokens' || finish === 'content_filter';
  const fields: Partial<ResponseState> = {
    status: isCut ? 'incomplete' : 'completed',
    incompleteReason: finish === 'content_filter' ? finish : isCut ? 'max_output_tokens' : undefined,
    usage: assembler.usage,
    stopSequence: assembler.stopSequence,
  };
  const reply = replyOf(fields, assembler.output);
  const streamed = collectMessage(text + encoder.end(reply)).message;
  return { streamed, plain: JSON.parse(messagesClientCodec.encodeReply(reply)) };
}

/** A field that is null may be left out. */
const comparable = (value: Json): Json =>
  JSON.parse(JSON.stringify(value, (_, inner: unknown) => (inner === null ? undefined : inner)));

/** Anthropic's counts, those that it said last. */
const counted = ({ usage }: Json) => ({
  input_tokens: usage.input_tokens,
  output_tokens: usage.output_tokens,
  cache_read_input_tokens: usage.cache_read_input_tokens ?? 0,
  cache_creation_input_tokens: usage.cache_creation_input_tokens ?? 0,
});

test('there are recordings', () => {
  expect(recordings.length).toBeGreaterThan(10);
});

describe.each(recordings)('$name', ({ lines }) => {
  const given = collectMessage(textOf(framesOf(lines))).message;
  // The model goes on within one response, which no client is told of.
  const isPaused = given.stop_reason === 'pause_turn';

  test('forwarded it is the same bytes, but for its names', () => {
    const forwarder = messagesClientCodec.verbatim.createForwarder(replyOf({}), options);
    const sent: string[] = [];
    const parser = createSseParser((event, data, text) => sent.push(forwarder.frame(event, data, text)));
    parser.push(Buffer.from(textOf(framesOf(lines))));
    const kinds = framesOf(lines).map(({ event }) => event);
    const first = kinds.indexOf('content_block_start');
    const end = kinds.indexOf('message_delta');
    // Nothing before the first block, nothing of the end before it is asked for.
    expect(sent.slice(0, first < 0 ? undefined : first).join('')).toBe('');
    expect(sent.slice(end).join('')).toBe('');
    const whole = sent.join('') + forwarder.rest();
    const renamed = whole
      .replace('"id":"resp_1"', `"id":"${given.id}"`)
      .replace('"model":"ours"', `"model":"${given.model}"`);
    expect(renamed).toBe(textOf(framesOf(lines)));
    expect(forwarder.rest()).toBe('');
  });

  test('written anew it is the same blocks, streamed and plain', () => {
    const rest = isPaused ? restOf(given) : undefined;
    const { streamed, plain } = translate(lines, rest);
    for (const message of [streamed, plain]) {
      expect(comparable(message.content)).toEqual(comparable([...given.content, ...(rest?.results ?? [])]));
      expect(message).toMatchObject({ id: 'resp_1', model: 'ours', role: 'assistant', type: 'message' });
      if (!isPaused)
        expect([message.stop_reason, message.stop_sequence]).toEqual([given.stop_reason, given.stop_sequence]);
      expect(counted(message)).toEqual(counted(given));
    }
    expect(plain.stop_details?.explanation).toEqual(given.stop_details?.explanation);
  });

  test('sent back it is the same blocks', () => {
    const uses = given.content.filter(({ type }: Json) => type === 'tool_use');
    const results = uses.map(({ id }: Json) => ({ type: 'tool_result', tool_use_id: id, content: 'done' }));
    const messages = [
      { role: 'user', content: [{ type: 'text', text: 'Hello.' }] },
      { role: 'assistant', content: given.content },
      { role: 'user', content: results.length === 0 ? [{ type: 'text', text: 'Go on.' }] : results },
    ];
    if (given.content.length === 0) return;
    const body = { model: 'ours', max_tokens: 1000, messages };
    const decoded = messagesClientCodec.decodeRequest(body, { text: JSON.stringify(body), header: () => undefined });
    const context = decoded.input.map((item) => ({ item, origin: undefined }) as Json);
    const encoded = messagesCodec.encodeRequest({
      request: decoded,
      context,
      inheritedTools: [],
      model: 'theirs',
      // Without marks for the cache, which are the gateway's own where the client sets none.
      profile: { ...anthropicProfile('claude-haiku-4-5'), minCachedTokens: undefined },
    });
    // The model itself writes blank blocks at times, and is refused them afterwards.
    expect(encoded.warnings.filter(({ message }) => !message.startsWith('Text of white space'))).toEqual([]);
    const sent = JSON.parse(encoded.body);
    const isBlank = ({ type, text }: Json) => type === 'text' && text.trim() === '';
    expect(comparable(sent.messages)).toEqual(
      comparable(
        messages.map(({ role, content }) => ({ role, content: content.filter((block: Json) => !isBlank(block)) })),
      ),
    );
  });
});
