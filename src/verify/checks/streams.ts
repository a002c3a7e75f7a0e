import { type Check, rules } from '../check.ts';
import { equal, expect } from '../expect.ts';
import type { StreamEvent, Target } from '../target.ts';
import { askSecret, secretTool } from '../words.ts';

// oxlint-disable no-explicit-any -- whatever a server answers is looked at

const terminals = new Set(['response.completed', 'response.incomplete', 'response.failed']);

const streamText = (target: Target) => target.createStream({ input: 'Write one sentence about the sea.' });
const streamCall = (target: Target) =>
  target.createStream({ input: askSecret, tools: [secretTool], tool_choice: 'required' });

/** The rules that hold of every stream, whatever it carries. */
export function checkGrammar(events: StreamEvent[]): void {
  const types = events.map(({ type }) => type);
  equal(types[0], 'response.created', 'the first event');
  equal(types.filter((type) => terminals.has(type)).length, 1, 'the number of terminal events');
  expect(terminals.has(types.at(-1) ?? ''), `the last event is ${types.at(-1)}, which ends nothing`);
  const open = new Map<number, any>();
  const done = new Map<number, any>();
  const written = new Map<string, string>();
  for (const { type, data } of events) {
    const index = data.output_index;
    if (type === 'response.output_item.added') {
      equal(index, open.size, 'the output_index of an item that was added');
      open.set(index, data.item);
    } else if (type === 'response.output_item.done') {
      expect(open.has(index), `item ${index} is done and was never added`);
      expect(!done.has(index), `item ${index} is done twice`);
      equal(data.item.id, open.get(index).id, `the id of item ${index} when it is done`);
      equal(data.item.type, open.get(index).type, `the type of item ${index} when it is done`);
      done.set(index, data.item);
    } else if (data.item_id !== undefined) {
      expect(open.has(index) && !done.has(index), `${type} came while item ${index} was not open`);
      equal(data.item_id, open.get(index).id, `item_id of ${type}`);
      const place = [type.replace(/\.(delta|done)$/, ''), index, data.content_index ?? data.summary_index].join(' ');
      if (type.endsWith('.delta')) written.set(place, (written.get(place) ?? '') + data.delta);
      const whole = data.text ?? data.arguments ?? data.input ?? data.refusal;
      if (type.endsWith('.done') && typeof whole === 'string') {
        equal(whole, written.get(place) ?? '', `the text of ${type}, against its deltas`);
      }
    }
  }
  const final = events.at(-1)?.data.response;
  equal(open.size, done.size, 'the number of items that are done');
  equal(
    final.output,
    [...done.entries()].toSorted(([a], [b]) => a - b).map(([, item]) => item),
    'the output of the terminal event',
  );
}

export const streamChecks: Check[] = [
  {
    name: 'streams/grammar-of-text',
    reason: 'Stream helpers of the SDKs throw, or lose text, where an event is missing or out of place.',
    rule: rules.streaming,
    async run(target) {
      const { status, events } = await streamText(target);
      equal(status, 200, 'the status');
      checkGrammar(events);
      const types = new Set(events.map(({ type }) => type));
      for (const type of ['response.content_part.added', 'response.output_text.delta', 'response.output_text.done'])
        expect(types.has(type), `there is no ${type}`);
    },
  },
  {
    name: 'streams/grammar-of-calls',
    reason: 'An agent runs the call that it is shown; half of one is worse than none.',
    rule: rules.streaming,
    async run(target) {
      const { events, response } = await streamCall(target);
      checkGrammar(events);
      const types = new Set(events.map(({ type }) => type));
      for (const type of ['response.function_call_arguments.delta', 'response.function_call_arguments.done'])
        expect(types.has(type), `there is no ${type}`);
      const call = response.output.find(({ type }: any) => type === 'function_call');
      equal(typeof JSON.parse(call?.arguments ?? 'null'), 'object', 'the type of the arguments');
    },
  },
  {
    name: 'streams/sequence-numbers',
    reason: 'A reader that resumes asks by number; strict clients refuse a hole.',
    rule: rules.streaming,
    async run(target) {
      for (const { events } of [await streamText(target), await streamCall(target)]) {
        equal(
          events.map(({ data }) => data.sequence_number),
          events.map((_, index) => index),
          'the sequence numbers',
        );
      }
    },
  },
  {
    name: 'streams/names',
    reason: 'Readers of event streams dispatch by the name in the `event:` line.',
    rule: rules.specification,
    async run(target) {
      for (const { name, type } of (await streamText(target)).events) equal(name, type, 'the event line');
    },
  },
  {
    name: 'streams/one-id',
    reason: 'The id of the first event is the one that a client keeps when the connection breaks.',
    rule: rules.streaming,
    async run(target) {
      const { events, response } = await streamText(target);
      const ids = new Set(events.flatMap(({ data }) => (data.response === undefined ? [] : [data.response.id])));
      equal([...ids], [response.id], 'the ids of the response in its events');
      equal((await target.request('GET', `/responses/${response.id}`)).body?.id, response.id, 'the id that GET gives');
    },
  },
  {
    name: 'streams/stored-as-streamed',
    reason: 'What is read back later is taken for what was streamed.',
    rule: rules.get,
    async run(target) {
      for (const { response } of [await streamText(target), await streamCall(target)]) {
        const { body } = await target.request('GET', `/responses/${response.id}`);
        for (const field of ['id', 'status', 'output', 'usage', 'tools', 'model', 'created_at'])
          equal(body?.[field], response[field], `${field} of the stored response`);
      }
    },
  },
  {
    name: 'streams/usage',
    reason: 'Whoever pays counts by the last event.',
    rule: rules.streaming,
    async run(target) {
      const { events, response } = await streamText(target);
      expect(response.usage?.output_tokens > 0, 'the terminal event has no usage');
      expect(response.usage?.input_tokens > 0, 'the terminal event has no input tokens');
      equal(events[0]?.data.response.usage ?? null, null, 'usage of the first event');
    },
  },
  {
    name: 'streams/begun-in-progress',
    reason: 'A status of completed before the end would be a lie.',
    rule: rules.streaming,
    async run(target) {
      const { events } = await streamText(target);
      for (const { type, data } of events) {
        if (terminals.has(type)) equal(data.response.status, type.slice('response.'.length), `status of ${type}`);
        else if (data.response !== undefined) {
          expect(['in_progress', 'queued'].includes(data.response.status), `the status of ${type}`);
          equal(data.response.output, [], `the output of ${type}`);
        }
        if (type === 'response.output_item.added' && data.item.status !== undefined)
          equal(data.item.status, 'in_progress', 'the status of an item that was added');
        if (type === 'response.output_item.done' && data.item.status !== undefined)
          equal(data.item.status, 'completed', 'the status of an item that is done');
      }
    },
  },
];
