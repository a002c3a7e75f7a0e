/**
 * OpenAI's own streams, reduced to our few events and expanded again, give the stream back: what our clients read has the
 * ceremony that they were written against. Left out of the comparison are ids, sequence numbers, padding (`obfuscation`) and
 * the Response objects around the items.
 *
 * TURNPIKE_RECORDINGS names a folder with more streams (`*.chunks.txt`, one event a line) to hold the law against.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ItemStart, PartKind, UpstreamEvent } from '../../src/core/events.ts';
import { createIdMint } from '../../src/core/ids.ts';
import { createStreamEncoder } from '../../src/protocols/responses/encode-stream.ts';
import { createAssembler } from '../../src/turn/assembler.ts';

// oxlint-disable-next-line no-explicit-any -- whatever was recorded
type Recorded = any;

function startOf(item: Recorded): ItemStart | undefined {
  switch (item.type) {
    case 'message':
    case 'reasoning':
      return { kind: item.type };
    case 'function_call':
    case 'custom_tool_call':
      return { kind: item.type, callId: item.call_id, name: item.name };
    default:
      return undefined;
  }
}

const partKinds: Record<string, PartKind> = {
  output_text: 'output_text',
  refusal: 'refusal',
  reasoning_text: 'reasoning_text',
  summary_text: 'summary_text',
};

/** The recorded events in our words. */
function reduce(events: Recorded[]): UpstreamEvent[] {
  const index = (event: Recorded): number => event.output_index;
  return events.flatMap((event): UpstreamEvent[] => {
    const part: number = event.content_index ?? event.summary_index ?? 0;
    switch (event.type) {
      case 'response.output_item.added': {
        const start = startOf(event.item);
        return start === undefined ? [] : [{ type: 'item-start', index: index(event), start }];
      }
      case 'response.content_part.added':
      case 'response.reasoning_summary_part.added': {
        const kind = partKinds[event.part.type];
        if (kind === undefined) throw new Error(`no such part: ${event.part.type}`);
        return [{ type: 'part-start', index: index(event), part, kind }];
      }
      case 'response.output_text.delta':
        return [{ type: 'item-delta', index: index(event), part, delta: event.delta, logprobs: event.logprobs ?? [] }];
      case 'response.refusal.delta':
      case 'response.reasoning_summary_text.delta':
      case 'response.reasoning_text.delta':
      case 'response.function_call_arguments.delta':
      case 'response.custom_tool_call_input.delta':
        return [{ type: 'item-delta', index: index(event), part, delta: event.delta }];
      case 'response.output_text.annotation.added':
        return [{ type: 'annotation', index: index(event), part, annotation: event.annotation }];
      case 'response.content_part.done':
      case 'response.reasoning_summary_part.done':
        return [{ type: 'part-end', index: index(event), part }];
      case 'response.output_item.done': {
        const complete = event.item.status !== 'incomplete';
        const source = event.item.type === 'reasoning' ? JSON.stringify(event.item) : '';
        return [{ type: 'item-end', index: index(event), complete, source }];
      }
      default:
        return [];
    }
  });
}

function expand(events: UpstreamEvent[]): Recorded[] {
  const assembler = createAssembler({
    ids: createIdMint(),
    nowMs: () => 0,
    protocol: 'responses',
    signatureScope: () => '',
    usedCallIds: new Set(),
    // OpenAI's own envelope stands for ours.
    sealReasoning: ({ source }) => JSON.parse(source).encrypted_content,
    encoder: createStreamEncoder(),
  });
  for (const event of events) assembler.accept(event);
  return assembler
    .takeText()
    .split('\n\n')
    .filter((frame) => frame !== '')
    .map((frame): Recorded => JSON.parse(frame.slice(frame.indexOf('data: ') + 'data: '.length)));
}

/** What must be equal of a recorded and of an expanded event. */
function comparable(event: Recorded): unknown {
  const { item_id: _itemId, sequence_number: _number, obfuscation: _padding, ...rest } = event;
  if (rest.item !== undefined) {
    const { id: _id, phase: _phase, status, encrypted_content, ...item } = rest.item;
    // OpenAI leaves the status out where the Open Responses schema demands one, and seals reasoning as it goes along.
    const sealed = rest.type === 'response.output_item.done' ? { encrypted_content } : {};
    rest.item = { ...item, ...(item.type === 'message' || item.type === 'function_call' ? { status } : {}), ...sealed };
  }
  // Logprobs that nobody asked for are an empty list or left out.
  return JSON.parse(
    JSON.stringify(rest, (key, value: unknown) => (key === 'logprobs' && String(value) === '' ? undefined : value)),
  );
}

function eventsOf(text: string): Recorded[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line): Recorded => JSON.parse(line));
}

/** A file may hold several responses, one after another. */
function load(folder: string, ending: string): { name: string; events: Recorded[] }[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(ending))
    .flatMap((name) => {
      const responses: Recorded[][] = [];
      for (const event of eventsOf(readFileSync(join(folder, name), 'utf8'))) {
        if (event.type === 'response.created') responses.push([]);
        responses.at(-1)?.push(event);
      }
      return responses.map((events, index) => ({ name: `${name} (${index + 1})`, events }));
    });
}

/** Every item is of a kind that we write, and none was cut out of the recording. */
function isOurs({ events }: { events: Recorded[] }): boolean {
  const added = events.filter(({ type }) => type === 'response.output_item.added');
  return added.every(({ item, output_index }, index) => startOf(item) !== undefined && output_index === index);
}

const more = process.env['TURNPIKE_RECORDINGS'];
const recordings = [
  ...load(new URL('../fixtures/responses', import.meta.url).pathname, '.jsonl'),
  ...(more === undefined ? [] : load(more, '.chunks.txt')),
].filter(isOurs);

test('there are recordings', () => {
  expect(recordings.length).toBeGreaterThan(4);
});

describe.each(recordings)('$name', ({ events }) => {
  test('reduced and expanded it is itself again', () => {
    const given = events.filter(({ type }) =>
      /^response\.(?!created|in_progress|completed|incomplete|failed|queued)/.test(type),
    );
    expect(expand(reduce(events)).map(comparable)).toEqual(given.map(comparable));
  });
});
