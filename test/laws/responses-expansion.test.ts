/**
 * OpenAI's own streams, reduced to our few events and expanded again, give the stream back: what our clients read has the
 * ceremony that they were written against. Left out of the comparison are ids, sequence numbers, padding (`obfuscation`) and
 * the Response objects around the items.
 *
 * TURNPIKE_RECORDINGS names a folder with more (`test/support/recordings.ts`).
 */
import { describe, expect, test } from 'vitest';
import { createIdMint } from '../../src/core/ids.ts';
import { createStreamEncoder } from '../../src/protocols/responses/encode-stream.ts';
import { responsesUpstreamCodec as codec } from '../../src/protocols/responses/upstream.ts';
import { type Assembler, createAssembler } from '../../src/turn/assembler.ts';
import { streamsOf } from '../support/recordings.ts';

// oxlint-disable-next-line no-explicit-any -- whatever was recorded
type Recorded = any;

function assemblerOf(): Assembler {
  return createAssembler({
    ids: createIdMint(),
    nowMs: () => 0,
    protocol: 'responses',
    signatureScope: () => '',
    usedCallIds: new Set(),
    encoder: createStreamEncoder(),
  });
}

/** The recorded events in our words, put together. */
function reduce(events: Recorded[]): Assembler {
  const assembler = assemblerOf();
  const decoder = codec.createStreamDecoder();
  for (const event of events) decoder.frame(event.type, JSON.stringify(event), (reduced) => assembler.accept(reduced));
  return assembler;
}

function eventsOf(text: string): Recorded[] {
  return text
    .split('\n\n')
    .filter((frame) => frame !== '')
    .map((frame): Recorded => JSON.parse(frame.slice(frame.indexOf('data: ') + 'data: '.length)));
}

/** What must be equal of a recorded and of an expanded event. */
function comparable(event: Recorded): unknown {
  const { item_id: _itemId, sequence_number: _number, obfuscation: _padding, ...rest } = event;
  // OpenAI's description demands a name that OpenAI does not send.
  if (rest.type === 'response.function_call_arguments.done') delete rest.name;
  if (rest.item !== undefined) {
    const { id: _id, status, encrypted_content, ...item } = rest.item;
    // OpenAI leaves the status out where the Open Responses schema demands one; sealed reasoning is in an envelope of ours.
    const sealed = item.type === 'reasoning' ? {} : { encrypted_content };
    const stands = item.type === 'reasoning' || item.type === 'custom_tool_call' ? {} : { status };
    rest.item = { ...item, ...stands, ...sealed };
  }
  // Logprobs that nobody asked for are an empty list or left out.
  return JSON.parse(
    JSON.stringify(rest, (key, value: unknown) => (key === 'logprobs' && String(value) === '' ? undefined : value)),
  );
}

/** Nothing was cut out of the recording: places without gaps, and all that a call says of its input. */
function isWhole({ events }: { events: Recorded[] }): boolean {
  const of = (type: string) => events.filter((event) => event.type === type);
  const inputs = of('response.output_item.done').filter(({ item }) => item.type === 'custom_tool_call');
  return (
    of('response.output_item.added').every(({ output_index }, index) => output_index === index) &&
    inputs.length === of('response.custom_tool_call_input.done').length &&
    of('response.output_text.done').every(({ text, item_id, content_index }) => {
      const deltas = of('response.output_text.delta').filter(
        (delta) => delta.item_id === item_id && delta.content_index === content_index,
      );
      return deltas.map(({ delta }) => delta).join('') === text;
    })
  );
}

const recordings = streamsOf('responses')
  .map(({ name, lines }) => ({ name, events: lines.map((line): Recorded => JSON.parse(line)) }))
  .filter(isWhole);

/** Ids are ours, and sealed reasoning is sealed anew each time that it is said. */
const unnamed = (output: Recorded): unknown =>
  JSON.parse(
    JSON.stringify(output, (key, value: unknown) => (key === 'id' || key === 'encrypted_content' ? undefined : value)),
  );

test('there are recordings', () => {
  expect(recordings.length).toBeGreaterThan(15);
});

describe.each(recordings)('$name', ({ events }) => {
  test('reduced and expanded it is itself again', () => {
    const given = events.filter(({ type }) =>
      /^response\.(?!created|in_progress|completed|incomplete|failed|queued)/.test(type),
    );
    expect(eventsOf(reduce(events).takeText()).map(comparable)).toEqual(given.map(comparable));
  });

  test('the plain reply gives the same items', () => {
    const streamed = reduce(events);
    const { response } = events.at(-1);
    const plain = assemblerOf();
    codec.decodeResponse(
      JSON.stringify({ ...response, output: response.output ?? [] }),
      { tools: new Map() },
      (event) => plain.accept(event),
    );
    expect(plain.end?.finish).toBe(streamed.end?.finish);
    expect(plain.end?.error?.code).toBe(streamed.end?.error?.code);
    expect([plain.usage, plain.fields, plain.serviceTier]).toEqual([
      streamed.usage,
      streamed.fields,
      streamed.serviceTier,
    ]);
    // Some of the streams were cut down to their events, without the items at the end.
    if (response.output.length === 0) return;
    expect(unnamed(plain.output.map(({ item }) => item))).toEqual(unnamed(streamed.output.map(({ item }) => item)));
    expect(unnamed(streamed.output.map(({ item }) => ({ ...item, status: undefined })))).toEqual(
      unnamed(response.output.map((item: Recorded) => ({ ...item, status: undefined }))),
    );
  });
});
