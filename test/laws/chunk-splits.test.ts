/**
 * An upstream's stream means the same however the network cuts it. Every recorded stream goes through the whole way of a
 * reply (SSE parser, decoder, assembler, client encoder), whole, cut at every byte, and byte by byte.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { UpstreamEvent } from '../../src/core/events.ts';
import type { IdMint } from '../../src/core/ids.ts';
import { chatCodec } from '../../src/protocols/chat/index.ts';
import type { UpstreamCodec } from '../../src/protocols/codec.ts';
import { geminiCodec } from '../../src/protocols/gemini/index.ts';
import { messagesCodec } from '../../src/protocols/messages/index.ts';
import { createStreamEncoder } from '../../src/protocols/responses/encode-stream.ts';
import { responsesUpstreamCodec } from '../../src/protocols/responses/upstream.ts';
import { createSseParser } from '../../src/sse/parse.ts';
import { customTools } from '../fixtures/custom-tools.ts';
import { createAssembler } from '../../src/turn/assembler.ts';

const options = customTools('apply_patch');

/** Ids that are the same in every run. */
function countedIds(): IdMint {
  let count = 0;
  return { mint: (prefix) => `${prefix}_${(count += 1)}` };
}

function read(folder: string, ending: string): [string, string][] {
  const url = new URL(`../fixtures/${folder}/`, import.meta.url);
  return readdirSync(url)
    .filter((name) => name.endsWith(ending))
    .map((name) => [name, readFileSync(new URL(name, url), 'utf8')]);
}

/** The framing that Anthropic's and OpenAI's Responses streams have on the wire. */
function framed(lines: string): string {
  return lines
    .trimEnd()
    .split('\n')
    .map((line) => `event: ${(JSON.parse(line) as { type: string }).type}\ndata: ${line}\n\n`)
    .join('');
}

const recordings: { codec: UpstreamCodec; name: string; bytes: Buffer }[] = [
  ...read('messages', '.stream.jsonl').map(([name, text]) => ({
    codec: messagesCodec,
    name,
    bytes: Buffer.from(framed(text)),
  })),
  ...read('responses', '.jsonl')
    .filter(([name]) => name !== 'quota.jsonl')
    .map(([name, text]) => ({ codec: responsesUpstreamCodec, name, bytes: Buffer.from(framed(text)) })),
  ...read('chat', '.sse').map(([name, text]) => ({ codec: chatCodec, name, bytes: Buffer.from(text) })),
  ...read('gemini', '.sse').map(([name, text]) => ({ codec: geminiCodec, name, bytes: Buffer.from(text) })),
];

/** What the client reads and what the store gets, for the upstream's bytes in these pieces. */
function reply(codec: UpstreamCodec, pieces: Buffer[]) {
  const decoder = codec.createStreamDecoder(options);
  const assembler = createAssembler({
    ids: countedIds(),
    nowMs: () => 0,
    protocol: codec.protocol,
    signatureScope: (model = '') => codec.signatureScope(model, model),
    usedCallIds: new Set(),
    encoder: createStreamEncoder(),
  });
  const emit = (event: UpstreamEvent) => assembler.accept(event);
  const parser = createSseParser((event, data) => decoder.frame(event, data, emit));
  for (const piece of pieces) parser.push(piece);
  parser.end();
  decoder.end(emit);
  const { end, usage, storedOutput } = assembler;
  return { stream: assembler.takeText(), end, usage, storedOutput };
}

test('there are recordings of each protocol', () => {
  const protocols = new Set(recordings.map(({ codec }) => codec.protocol));
  expect(protocols).toEqual(new Set(['messages', 'chat', 'responses', 'gemini']));
  expect(recordings.length).toBeGreaterThan(10);
});

describe.each(recordings)('$codec.protocol $name', ({ codec, bytes }) => {
  const whole = reply(codec, [bytes]);

  test('ends well', () => {
    expect(whole.end?.error).toBeUndefined();
    expect(whole.end?.finish).toBeDefined();
    expect(whole.storedOutput.length).toBeGreaterThan(0);
  });

  test('is the same cut at every byte', () => {
    for (let at = 1; at < bytes.length; at++) {
      const cut = reply(codec, [bytes.subarray(0, at), bytes.subarray(at)]);
      if (cut.stream !== whole.stream) expect(cut, `cut at byte ${at}`).toEqual(whole);
    }
    expect(reply(codec, [bytes.subarray(0, 7), bytes.subarray(7)])).toEqual(whole);
  });

  test('is the same byte by byte', () => {
    expect(
      reply(
        codec,
        Array.from(bytes, (byte) => Buffer.of(byte)),
      ),
    ).toEqual(whole);
  });

  test('is the same with CRLF line ends', () => {
    const crlf = Buffer.from(bytes.toString('utf8').replaceAll('\n', '\r\n'));
    expect(reply(codec, [crlf])).toEqual(whole);
  });
});
