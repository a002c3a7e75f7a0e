import fc from 'fast-check';
import { ResponseStream } from 'openai/lib/responses/ResponseStream';
import type { ResponseStreamEvent } from 'openai/resources/responses/responses';
import { describe, expect, test } from 'vitest';
import type { PartKind } from '../../core/events.ts';
import type { Item } from '../../core/items.ts';
import type { FinishedItem, OpenItem, ResponseState } from '../../core/response.ts';
import { noUsage } from '../../core/usage.ts';
import type { Reply, StreamEncoder } from '../codec.ts';
import { createStreamEncoder } from './encode-stream.ts';
import { decodeRequest } from './request.ts';
import { envelopeText, headText, responseText } from './response.ts';

type RequiredKeys<T> = { [K in keyof T]-?: object extends Pick<T, K> ? never : K }[keyof T] & string;
type Fields<T extends ResponseStreamEvent['type']> = Record<
  RequiredKeys<Extract<ResponseStreamEvent, { type: T }>>,
  true
>;

const common = { type: true, sequence_number: true } as const;
const ofItem = { ...common, item_id: true, output_index: true } as const;
const ofContent = { ...ofItem, content_index: true } as const;
const ofSummary = { ...ofItem, summary_index: true } as const;

/** Exactly the fields that the SDK's types require of each event that we write; a new one fails to compile. */
const requiredFields = {
  'response.created': { ...common, response: true },
  'response.in_progress': { ...common, response: true },
  'response.completed': { ...common, response: true },
  'response.incomplete': { ...common, response: true },
  'response.failed': { ...common, response: true },
  'response.output_item.added': { ...common, output_index: true, item: true },
  'response.output_item.done': { ...common, output_index: true, item: true },
  'response.content_part.added': { ...ofContent, part: true },
  'response.content_part.done': { ...ofContent, part: true },
  'response.output_text.delta': { ...ofContent, delta: true, logprobs: true },
  'response.output_text.done': { ...ofContent, text: true, logprobs: true },
  'response.output_text.annotation.added': { ...ofContent, annotation_index: true, annotation: true },
  'response.refusal.delta': { ...ofContent, delta: true },
  'response.refusal.done': { ...ofContent, refusal: true },
  'response.reasoning_text.delta': { ...ofContent, delta: true },
  'response.reasoning_text.done': { ...ofContent, text: true },
  'response.reasoning_summary_part.added': { ...ofSummary, part: true },
  'response.reasoning_summary_part.done': { ...ofSummary, part: true },
  'response.reasoning_summary_text.delta': { ...ofSummary, delta: true },
  'response.reasoning_summary_text.done': { ...ofSummary, text: true },
  'response.function_call_arguments.delta': { ...ofItem, delta: true },
  'response.function_call_arguments.done': { ...ofItem, arguments: true },
  'response.custom_tool_call_input.delta': { ...ofItem, delta: true },
  'response.custom_tool_call_input.done': { ...ofItem, input: true },
  error: { ...common, code: true, message: true, param: true },
} satisfies { [T in ResponseStreamEvent['type']]?: Fields<T> };

interface WireEvent {
  type: string;
  sequence_number: number;
  [field: string]: unknown;
}

interface PartScript {
  kind: PartKind;
  deltas: string[];
  annotations?: unknown[];
  logprobs?: unknown[];
}

type ItemScript =
  | { kind: 'message' | 'reasoning'; parts: PartScript[] }
  | { kind: 'function_call' | 'custom_tool_call'; deltas: string[] }
  | { kind: 'extension'; block: unknown };

function replyOf(state: Partial<ResponseState>, output: FinishedItem[]): Reply {
  const request = decodeRequest({ model: 'm', input: 'x', instructions: 'Be brief.' });
  const full: ResponseState = {
    id: 'resp_1',
    createdAtMs: 1_700_000_000_000,
    status: 'in_progress',
    completedAtMs: undefined,
    error: undefined,
    incompleteReason: undefined,
    request,
    usage: undefined,
    serviceTier: undefined,
    inputTransformations: [],
    ...state,
  };
  return { state: full, head: headText(full), envelope: envelopeText(request), output };
}

/** Does with an encoder what the assembler does. */
function play(encoder: StreamEncoder, script: ItemScript, index: number): { text: string; finished: FinishedItem } {
  const item: OpenItem = { index, id: `item_${index}`, kind: script.kind, parts: [], text: '', callId: '', name: '' };
  const { id } = item;
  let text = '';
  let done: Item;
  if (script.kind === 'extension') {
    text += encoder.itemStart(item);
    text += encoder.delta(item, -1, 'ignored', undefined);
    done = { type: 'messages:later', id, status: 'completed', block: script.block };
  } else if ('deltas' in script) {
    item.callId = `call_${index}`;
    item.name = 'look"up';
    text += encoder.itemStart(item);
    for (const delta of script.deltas) {
      item.text += delta;
      text += encoder.delta(item, -1, delta, undefined);
    }
    const call = { id, call_id: item.callId, name: item.name, status: 'completed' } as const;
    done =
      script.kind === 'function_call'
        ? { ...call, type: script.kind, arguments: item.text }
        : { ...call, type: script.kind, input: item.text };
  } else {
    text += encoder.itemStart(item);
    for (const [part, { kind, deltas, annotations = [], logprobs = [] }] of script.parts.entries()) {
      const open = { kind, text: '', annotations: [] as unknown[], logprobs: [] as unknown[] };
      item.parts.push(open);
      text += encoder.partStart(item, part);
      for (const [at, delta] of deltas.entries()) {
        open.text += delta;
        const logprob = logprobs.slice(at, at + 1);
        open.logprobs.push(...logprob);
        text += encoder.delta(item, part, delta, logprob.length === 0 ? undefined : logprob);
      }
      for (const annotation of annotations) {
        open.annotations.push(annotation);
        text += encoder.annotation(item, part, annotation);
      }
      text += encoder.partEnd(item, part);
    }
    done = finishedParts(item);
  }
  const finished = { item: done, body: JSON.stringify(done) };
  return { text: text + encoder.itemEnd(item, finished), finished };
}

function finishedParts({ id, kind, parts }: OpenItem): Item {
  if (kind === 'message') {
    const content = parts.map(({ kind: of, text, annotations, logprobs }) =>
      of === 'refusal'
        ? { type: 'refusal' as const, refusal: text }
        : { type: 'output_text' as const, annotations, logprobs, text },
    );
    return { id, type: 'message', status: 'completed', content, role: 'assistant' };
  }
  const textsOf = <T extends PartKind>(type: T) =>
    parts.filter((part) => part.kind === type).map(({ text }) => ({ type, text }));
  return { id, type: 'reasoning', summary: textsOf('summary_text'), content: textsOf('reasoning_text') };
}

/** The whole stream of a response, and the reply that ended it. */
function streamOf(scripts: ItemScript[], end: Partial<ResponseState> = { status: 'completed', usage: noUsage }) {
  const encoder = createStreamEncoder();
  let text = encoder.begin(replyOf({}, []));
  const output: FinishedItem[] = [];
  for (const [index, script] of scripts.entries()) {
    const played = play(encoder, script, index);
    text += played.text;
    output.push(played.finished);
  }
  const reply = replyOf(end, output);
  return { text: text + encoder.end(reply), reply };
}

function eventsOf(text: string): WireEvent[] {
  const frames = text.split('\n\n');
  expect(frames.pop()).toBe('');
  if (frames.at(-1) === 'data: [DONE]') frames.pop();
  return frames.map((frame) => {
    const [, name, data] = /^event: ([^\n]+)\ndata: ([^\n]+)$/.exec(frame) ?? [];
    const event: WireEvent = JSON.parse(data ?? '');
    expect(event.type).toBe(name);
    return event;
  });
}

const everything: ItemScript[] = [
  {
    kind: 'reasoning',
    parts: [
      { kind: 'summary_text', deltas: ['First', ' thought.'] },
      { kind: 'reasoning_text', deltas: ['raw'] },
      { kind: 'summary_text', deltas: ['Second.'] },
    ],
  },
  {
    kind: 'message',
    parts: [
      {
        kind: 'output_text',
        deltas: ['He\u2028llo', ' "wor\\ld"\n'],
        annotations: [{ type: 'url_citation', url: 'https://a.example' }, { type: 'file_path' }],
        logprobs: [{ token: 'He', logprob: -0.1 }],
      },
      { kind: 'refusal', deltas: ['No', '.'] },
      { kind: 'output_text', deltas: [] },
    ],
  },
  { kind: 'function_call', deltas: ['{"a"', ':1}'] },
  { kind: 'custom_tool_call', deltas: ['SELECT', ' 1'] },
];

test('the ceremony, in order', () => {
  const { text } = streamOf([...everything, { kind: 'extension', block: { type: 'later' } }]);
  const part = (kind: string, deltas: number) => [
    'response.content_part.added',
    ...Array.from({ length: deltas }, () => `response.${kind}.delta`),
  ];
  const summary = (deltas: number) => [
    'response.reasoning_summary_part.added',
    ...Array.from({ length: deltas }, () => 'response.reasoning_summary_text.delta'),
    'response.reasoning_summary_text.done',
    'response.reasoning_summary_part.done',
  ];
  const ended = (kind: string) => [`response.${kind}.done`, 'response.content_part.done'];
  const call = (word: string) => [`response.${word}.delta`, `response.${word}.delta`, `response.${word}.done`];
  const added = 'response.output_item.added';
  const done = 'response.output_item.done';
  const annotated = 'response.output_text.annotation.added';
  expect(eventsOf(text).map(({ type }) => type)).toEqual([
    'response.created',
    'response.in_progress',
    added,
    ...summary(2),
    ...part('reasoning_text', 1),
    ...ended('reasoning_text'),
    ...summary(1),
    done,
    added,
    ...part('output_text', 2),
    annotated,
    annotated,
    ...ended('output_text'),
    ...part('refusal', 2),
    ...ended('refusal'),
    ...part('output_text', 0),
    ...ended('output_text'),
    done,
    added,
    ...call('function_call_arguments'),
    done,
    added,
    ...call('custom_tool_call_input'),
    done,
    added,
    done,
    'response.completed',
  ]);
  expect(text.endsWith('\n\ndata: [DONE]\n\n')).toBe(true);
});

test('the bytes of one delta, of its part and of its item', () => {
  const { text } = streamOf([{ kind: 'message', parts: [{ kind: 'output_text', deltas: ['Hi'] }] }]);
  const place = '"item_id":"item_0","output_index":0,"content_index":0';
  const empty = '{"type":"output_text","annotations":[],"logprobs":[],"text":""}';
  const full = empty.replace('""', '"Hi"');
  const body = `{"id":"item_0","type":"message","status":"completed","content":[${full}],"role":"assistant"}`;
  const frame = (type: string, sequence: number, rest: string) =>
    `event: ${type}\ndata: {"type":"${type}","sequence_number":${sequence},${rest}}\n\n`;
  const zero = '{"id":"item_0","type":"message","status":"in_progress","content":[],"role":"assistant"}';
  expect(text.slice(text.indexOf('event: response.output_item.added'), text.indexOf('event: response.completed'))).toBe(
    frame('response.output_item.added', 2, `"output_index":0,"item":${zero}`) +
      frame('response.content_part.added', 3, `${place},"part":${empty}`) +
      frame('response.output_text.delta', 4, `${place},"delta":"Hi","logprobs":[]`) +
      frame('response.output_text.done', 5, `${place},"text":"Hi","logprobs":[]`) +
      frame('response.content_part.done', 6, `${place},"part":${full}`) +
      frame('response.output_item.done', 7, `"output_index":0,"item":${body}`),
  );
});

test.each([
  ['reasoning', { kind: 'reasoning', parts: [] }, { type: 'reasoning', summary: [] }],
  [
    'a function call',
    { kind: 'function_call', deltas: ['{}'] },
    { type: 'function_call', arguments: '', call_id: 'call_0', name: 'look"up' },
  ],
  [
    'a custom call',
    { kind: 'custom_tool_call', deltas: [] },
    { type: 'custom_tool_call', input: '', call_id: 'call_0', name: 'look"up' },
  ],
  ['an extension', { kind: 'extension', block: 1 }, { type: 'messages:later' }],
] as [string, ItemScript, object][])('%s is added with nothing in it', (_name, script, zero) => {
  const event = eventsOf(streamOf([script]).text).find(({ type }) => type === 'response.output_item.added');
  expect(event?.['item']).toEqual({ id: 'item_0', status: 'in_progress', ...zero });
});

describe('the laws of a stream', () => {
  const text = fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)) });
  const deltas = fc.array(text, { maxLength: 4 });
  const partOf = (kind: PartKind) => fc.record({ kind: fc.constant(kind), deltas });
  const outputText = fc.record({
    kind: fc.constant<PartKind>('output_text'),
    deltas,
    annotations: fc.array(fc.jsonValue(), { maxLength: 2 }),
    logprobs: fc.array(fc.jsonValue(), { maxLength: 4 }),
  });
  const script: fc.Arbitrary<ItemScript> = fc.oneof(
    fc.record({
      kind: fc.constant('message' as const),
      parts: fc.array(fc.oneof(outputText, partOf('refusal')), { maxLength: 3 }),
    }),
    fc.record({
      kind: fc.constant('reasoning' as const),
      parts: fc.array(fc.oneof(partOf('summary_text'), partOf('reasoning_text')), { maxLength: 4 }),
    }),
    fc.record({ kind: fc.constantFrom('function_call' as const, 'custom_tool_call' as const), deltas }),
    fc.record({ kind: fc.constant('extension' as const), block: fc.jsonValue() }),
  );

  test('hold for whatever a model says', () => {
    fc.assert(
      fc.property(fc.array(script, { maxLength: 4 }), (scripts) => {
        const { text: stream, reply } = streamOf(scripts);
        const events = eventsOf(stream);
        expect(events.map(({ sequence_number: number }) => number)).toEqual(events.map((_event, index) => index));

        const texts = new Map<string, string>();
        const finished: unknown[] = [];
        let annotations = 0;
        for (const event of events) {
          const index = event['content_index'] ?? event['summary_index'] ?? '';
          const place = `${String(event['item_id'])} ${event.type.replace(/\.(delta|done)$/, '')} ${JSON.stringify(index)}`;
          if (event.type.endsWith('.delta')) texts.set(place, (texts.get(place) ?? '') + String(event['delta']));
          if (event.type === 'response.content_part.added') annotations = 0;
          if (event.type.endsWith('annotation.added')) expect(event['annotation_index']).toBe(annotations++);
          const total = event['text'] ?? event['refusal'] ?? event['arguments'] ?? event['input'];
          if (total !== undefined) expect(texts.get(place) ?? '').toBe(total);
          if (event.type === 'response.output_item.done') {
            expect(event['output_index']).toBe(finished.length);
            finished.push(event['item']);
          }
          for (const key of Object.keys(requiredFields[event.type as keyof typeof requiredFields])) {
            expect(event).toHaveProperty([key]);
          }
        }
        const terminal = events.at(-1);
        expect(terminal?.['response']).toMatchObject({ id: 'resp_1', status: 'completed' });
        expect(finished).toEqual(reply.output.map(({ body }) => JSON.parse(body) as unknown));
        // What the store keeps, and so a later GET answers, is the very text of the terminal event.
        const bodies = reply.output.map(({ body }) => body);
        expect(stream).toContain(
          `,"response":${responseText(reply.head, reply.envelope, bodies)}}\n\ndata: [DONE]\n\n`,
        );
      }),
    );
  });

  test('parts are found again in the finished item, at the index that their events gave', () => {
    const events = eventsOf(streamOf(everything).text);
    for (const item of events.filter(({ type }) => type === 'response.output_item.done')) {
      for (const event of events) {
        if (event['output_index'] !== item['output_index'] || !event.type.endsWith('part.done')) continue;
        const list = event.type.includes('summary') ? 'summary' : 'content';
        expect(item).toHaveProperty(
          ['item', list, Number(event['content_index'] ?? event['summary_index'])],
          event['part'],
        );
      }
    }
  });

  test('items may be open at the same time', () => {
    const encoder = createStreamEncoder();
    const open = [0, 1].map((index): OpenItem => {
      return { index, id: `item_${index}`, kind: 'function_call', parts: [], text: '', callId: `c${index}`, name: 'f' };
    });
    const [first, second] = open as [OpenItem, OpenItem];
    const end = (item: OpenItem, args: string) => {
      const body = { type: 'function_call', id: item.id, call_id: item.callId, name: 'f', arguments: args } as const;
      return encoder.itemEnd(item, { item: body, body: JSON.stringify(body) });
    };
    const text =
      encoder.itemStart(first) +
      encoder.itemStart(second) +
      encoder.delta(second, 0, '2', undefined) +
      encoder.delta(first, 0, '1', undefined) +
      end(first, '1') +
      encoder.delta(second, 0, '2', undefined) +
      end(second, '22');
    const deltas = eventsOf(text).filter(({ type }) => type.endsWith('.delta'));
    expect(deltas.map((event) => [event['item_id'], event['output_index'], event['delta']])).toEqual([
      ['item_1', 1, '2'],
      ['item_0', 0, '1'],
      ['item_1', 1, '2'],
    ]);
  });
});

describe('the end', () => {
  test('of an incomplete response', () => {
    const { text } = streamOf([], { status: 'incomplete', incompleteReason: 'max_output_tokens' });
    expect(eventsOf(text).at(-1)).toMatchObject({
      type: 'response.incomplete',
      response: { status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } },
    });
  });

  test.each([
    ['server_error', 'server_error'],
    ['rate_limit_exceeded', 'rate_limit_error'],
    ['invalid_prompt', 'invalid_request_error'],
  ] as const)('of a response that failed with %s: an error event in both forms, then the response', (code, type) => {
    const error = { code, message: 'The upstream "broke".' };
    const { text } = streamOf(everything, { status: 'failed', error });
    const [first, second] = eventsOf(text).slice(-2);
    const flat = { ...error, param: null };
    expect(first).toEqual({
      type: 'error',
      sequence_number: first?.sequence_number,
      ...flat,
      error: { type, ...flat },
    });
    expect(second).toMatchObject({ type: 'response.failed', response: { status: 'failed', error } });
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
  });

  test('of a cancelled response is no event at all', () => {
    expect(createStreamEncoder().end(replyOf({ status: 'cancelled' }, []))).toBe('');
  });
});

test('the official SDK accumulates the stream into the response that a GET returns', async () => {
  const { text, reply } = streamOf(everything);
  const lines = eventsOf(text).map((event) => `${JSON.stringify(event)}\n`);
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const line of lines) controller.enqueue(new TextEncoder().encode(line));
      controller.close();
    },
  });
  const response = await ResponseStream.fromReadableStream(body).finalResponse();
  expect(JSON.parse(JSON.stringify(response.output))).toMatchObject(
    reply.output.map(({ body }) => JSON.parse(body) as object),
  );
});
