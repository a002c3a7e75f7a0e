import { setTimeout as pause } from 'node:timers/promises';
import { type Check, rules } from '../check.ts';
import { equal, expect, Skip } from '../expect.ts';
import type { Target } from '../target.ts';
import { codeWord, recite, tell, textOf, wordsIn } from '../words.ts';
import { checkGrammar } from './streams.ts';

// oxlint-disable no-explicit-any -- whatever a server answers is looked at

const poem = 'Write a short poem about the sea.';
const pollMs = 200;

async function begin(target: Target, body: object = {}): Promise<any> {
  const reply = await target.tryCreate({ input: poem, background: true, ...body });
  if (reply.status === 400 && reply.body?.error?.param === 'background')
    throw new Skip('the server runs nothing in the background');
  equal(reply.status, 200, 'the status of POST');
  return reply.body;
}

async function beginStream(target: Target, until?: (event: { type: string; data: any }) => boolean) {
  const reply = await target.createStream({ input: poem, background: true }, until === undefined ? {} : { until });
  if (reply.status === 400 && reply.body?.error?.param === 'background')
    throw new Skip('the server runs nothing in the background');
  equal(reply.status, 200, 'the status of POST');
  return reply;
}

async function end(target: Target, id: string): Promise<any> {
  for (;;) {
    const { status, body } = await target.request('GET', `/responses/${id}`);
    equal(status, 200, 'the status of GET while it runs');
    if (body.status !== 'queued' && body.status !== 'in_progress') return body;
    await pause(pollMs);
  }
}

const resume = (target: Target, id: string, after: number) =>
  target.stream('GET', `/responses/${id}?stream=true&starting_after=${after}`);

export const backgroundChecks: Check[] = [
  {
    name: 'background/poll',
    reason: 'A run that outlives its connection is what background is for.',
    rule: rules.background,
    async run(target) {
      const word = codeWord();
      const begun = await begin(target, { input: tell(word) });
      expect(['queued', 'in_progress'].includes(begun.status), `the status at first is ${begun.status}`);
      equal(begun.background, true, 'background');
      const ended = await end(target, begun.id);
      equal(ended.status, 'completed', 'the status at last');
      const next = await target.create({ previous_response_id: begun.id, input: recite });
      equal(wordsIn(textOf(next)), [word], 'what the model was shown afterwards');
    },
  },
  {
    name: 'background/stream',
    reason: 'The stream of a background run is a stream like any other.',
    rule: rules.background,
    async run(target) {
      const { events, response } = await beginStream(target);
      checkGrammar(events);
      equal(response.status, 'completed', 'the status at last');
    },
  },
  {
    name: 'background/resume',
    reason: 'Whoever lost the connection must get what is missing, and nothing twice.',
    rule: rules.background,
    async run(target) {
      let seen = 0;
      const left = await beginStream(target, () => ++seen === 4);
      const id = left.events[0]?.data.response.id;
      const last = left.events.at(-1)?.data.sequence_number;
      const [rest, all] = [await resume(target, id, last), await resume(target, id, 0)];
      equal([rest.status, all.status], [200, 200], 'the status of the streams that were resumed');
      const joined = [...left.events, ...rest.events].map(({ data }) => data);
      equal(
        joined.map(({ sequence_number: number }) => number),
        joined.map((_, index) => index),
        'the sequence numbers of what was read before and after',
      );
      checkGrammar([...left.events, ...rest.events]);
      equal(
        all.events.map(({ data }) => data),
        joined.slice(1),
        'what a second reader got after the first event',
      );
      const again = await resume(target, id, last);
      equal(
        again.events.map(({ data }) => data),
        rest.events.map(({ data }) => data),
        'what a reader got after the end',
      );
    },
  },
  {
    name: 'background/resume-at-a-wrong-place',
    reason: 'A number that is none is a mistake, and must be called one.',
    rule: rules.get,
    async run(target) {
      const { response } = await beginStream(target);
      for (const wrong of ['x', '1.5', '-7']) {
        const reply = await target.request('GET', `/responses/${response.id}?stream=true&starting_after=${wrong}`);
        equal(reply.status, 400, `the status for starting_after=${wrong}`);
      }
    },
  },
  {
    name: 'background/cancel',
    reason: 'A run that is cancelled ends, once, and stays ended.',
    rule: rules.cancel,
    async run(target) {
      const { id } = await begin(target, { input: 'Count from one to two thousand in words.' });
      const first = await target.request('POST', `/responses/${id}/cancel`);
      equal(first.status, 200, 'the status of the cancellation');
      if (first.body.status === 'completed') throw new Skip('the run was over before it could be cancelled');
      equal(first.body.status, 'cancelled', 'the status of the response');
      const second = await target.request('POST', `/responses/${id}/cancel`);
      equal([second.status, second.body?.status], [200, 'cancelled'], 'the second cancellation');
      equal((await end(target, id)).status, 'cancelled', 'the status at last');
      const chained = await target.tryCreate({ previous_response_id: id, input: 'Hello.' });
      equal(chained.status, 400, 'the status of a turn that continues it');
    },
  },
  {
    name: 'background/cancel-what-is-none',
    reason: 'A response that its client waited for cannot be cancelled afterwards.',
    rule: rules.cancel,
    async run(target) {
      await end(target, (await begin(target)).id);
      const { id } = await target.create({ input: 'Hello.' });
      equal((await target.request('POST', `/responses/${id}/cancel`)).status, 400, 'the status');
    },
  },
  {
    name: 'background/cancel-too-late',
    reason: 'What has ended stays as it ended.',
    rule: rules.cancel,
    async run(target) {
      const { id } = await begin(target);
      const ended = await end(target, id);
      const { status, body } = await target.request('POST', `/responses/${id}/cancel`);
      equal([status, body?.status], [200, ended.status], 'the cancellation of a run that has ended');
    },
  },
  {
    name: 'background/delete-while-it-runs',
    reason: 'What is deleted is gone, whatever still runs.',
    rule: rules.delete,
    async run(target) {
      const { id } = await begin(target, { input: 'Count from one to two thousand in words.' });
      equal((await target.request('DELETE', `/responses/${id}`)).status, 200, 'the status of DELETE');
      equal((await target.request('GET', `/responses/${id}`)).status, 404, 'the status of GET afterwards');
    },
  },
  {
    name: 'background/needs-store',
    reason: 'What is not stored cannot be fetched later.',
    rule: rules.background,
    async run(target) {
      await end(target, (await begin(target)).id);
      const reply = await target.tryCreate({ input: 'Hello.', background: true, store: false });
      equal(reply.status, 400, 'the status');
    },
  },
];
