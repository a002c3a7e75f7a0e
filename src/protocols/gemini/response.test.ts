/**
 * A reply means the same streamed and plain, and goes back to its model as it came. TURNPIKE_RECORDINGS names a folder with more
 * replies (`google/*.json`, and `*.chunks.txt` with one chunk a line) to hold that against.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  assemblePlain,
  assembleStream,
  contextOf,
  fixtureOptions,
  recordings,
} from '../../../test/fixtures/gemini/reply.ts';
import { encode, message } from '../../../test/fixtures/gemini/encode-input.ts';
import { compactJson, sliceJson } from '../../core/json-slice.ts';
import type { Assembler } from '../../turn/assembler.ts';

// oxlint-disable-next-line no-explicit-any -- whatever was recorded
type Json = any;

/** The parts that a stream is made of, texts in one. */
function partsOfStream(stream: string): Json[] {
  const parts: Json[] = [];
  for (const frame of stream.split('\n\n').filter((each) => each !== '')) {
    for (const part of JSON.parse(frame.slice('data: '.length)).candidates?.[0]?.content?.parts ?? []) {
      const last = parts.at(-1);
      const isText = (each: Json) => each?.text !== undefined && each.thoughtSignature === undefined;
      if (isText(part) && part.text === '') continue;
      if (isText(part) && isText(last) && part.thought === last.thought) last.text += part.text;
      else parts.push({ ...part });
    }
  }
  return parts;
}

function encodedParts(assembler: Assembler, model: string): Json[] {
  const context = contextOf(assembler);
  const answers = context.flatMap(({ item }): Json[] =>
    item.type === 'function_call' || item.type === 'custom_tool_call'
      ? [{ item: { type: `${item.type}_output`, id: 'o', call_id: item['call_id'], output: 'x' }, origin: undefined }]
      : [],
  );
  const next = { item: message('user', 'Go on.'), origin: undefined };
  const { parsed } = encode({ context: [...context, ...answers, next], model });
  return parsed.contents.find(({ role }) => role === 'model')?.parts ?? [];
}

const modelOf = (stream: string): string => /"modelVersion":\s*"([^"]+)"/.exec(stream)?.[1] ?? '';

describe.each(recordings)('$name', ({ stream, body }) => {
  const streamed = assembleStream(stream);
  const plain = assemblePlain(body);
  const comparable = ({ output, end, usage, usageFinal, upstreamId, upstreamModel, warnings }: Assembler) => ({
    output: output.map(({ item, body }) => ({ item, body })),
    end,
    usage,
    usageFinal,
    upstreamId,
    upstreamModel,
    warnings,
  });

  test('streamed and plain make the same items', () => {
    expect(streamed.end?.error).toBeUndefined();
    expect(comparable(streamed)).toEqual(comparable(plain));
  });

  test('what was decoded is encoded as it came', () => {
    const { parts } = JSON.parse(body).candidates[0].content;
    const [finish] = [JSON.parse(body).candidates[0].finishReason];
    if (finish === 'MAX_TOKENS') return;
    expect(encodedParts(plain, modelOf(body))).toEqual(parts);
    if (!stream.includes('willContinue')) expect(encodedParts(streamed, modelOf(body))).toEqual(partsOfStream(stream));
    else expect(encodedParts(streamed, modelOf(body))).toEqual(parts);
  });
});

test('numbers beyond doubles, the order of keys and escapes are the text that they were', () => {
  const { stream, body } = recordings.find(({ name }) => name === 'calls-without-ids') ?? { stream: '', body: '' };
  const args = compactJson(sliceJson(body, ['candidates', 0, 'content', 'parts', 0, 'functionCall', 'args']) ?? '');
  expect(args).toContain('{"z":18446744073709551616,"2":1,"1":{"b":1.0,');
  for (const assembler of [assembleStream(stream), assemblePlain(body)]) {
    expect(assembler.output[0]?.item).toMatchObject({ type: 'function_call', arguments: args });
    const context = contextOf(assembler).slice(0, 1);
    const output = {
      type: 'function_call_output' as const,
      id: 'o',
      call_id: context[0]?.item['call_id' as never] ?? '',
      output: 'x',
    };
    expect(encode({ context: [...context, { item: output, origin: undefined }] }).body).toContain(`"args":${args}`);
  }
});

const recorded = process.env['TURNPIKE_RECORDINGS'];
const folder = recorded === undefined ? undefined : join(recorded, 'google');
const names = folder !== undefined && existsSync(folder) ? readdirSync(folder) : [];
const chunked = names.filter((name) => name.endsWith('.chunks.txt'));

describe.runIf(chunked.length > 0)('recorded elsewhere', () => {
  const read = (name: string) => readFileSync(join(folder ?? '', name), 'utf8').trimEnd();

  test.each(chunked)('%s', (name) => {
    const lines = read(name).split('\n');
    const stream = lines.map((line) => `data: ${line}\n\n`).join('');
    const assembler = assembleStream(stream);
    expect(assembler.end?.error).toBeUndefined();
    // The same parts as one plain reply.
    const chunks = lines.map((line): Json => JSON.parse(line));
    const parts = chunks.flatMap((chunk) => chunk.candidates?.[0]?.content?.parts ?? []);
    const last = chunks.findLast((chunk) => chunk.candidates !== undefined);
    const whole = { ...last, candidates: [{ ...last.candidates[0], content: { role: 'model', parts } }] };
    const itemsOf = ({ output }: Assembler) => output.map(({ item }) => item);
    expect(itemsOf(assemblePlain(JSON.stringify(whole, null, 2)))).toEqual(itemsOf(assembler));
    if (!stream.includes('willContinue')) {
      expect(encodedParts(assembler, modelOf(stream))).toEqual(partsOfStream(stream));
    }
  });

  test.each(names.filter((name) => name.endsWith('.json') && read(name).includes('"candidates"')))('%s', (name) => {
    const assembler = assemblePlain(read(name), fixtureOptions);
    expect(assembler.end?.error).toBeUndefined();
    expect(encodedParts(assembler, modelOf(read(name)))).toEqual(JSON.parse(read(name)).candidates[0].content.parts);
  });
});
