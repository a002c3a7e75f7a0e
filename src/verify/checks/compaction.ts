import { type Check, rules } from '../check.ts';
import { equal, expect, Skip } from '../expect.ts';
import type { Target } from '../target.ts';
import { askSecret, callsOf, codeWord, outputOf, recite, secretTool, tell, textOf, wordsIn } from '../words.ts';

// oxlint-disable no-explicit-any -- whatever a server answers is looked at

const trigger = { type: 'compaction_trigger' };

/** @returns the response that the trigger makes, and its one item. @throws Skip where the server knows no trigger. */
async function compact(target: Target, body: object): Promise<{ response: any; item: any }> {
  const { status, body: response, text } = await target.tryCreate(body);
  if (status === 400) throw new Skip('the server does not compact on a trigger');
  equal(status, 200, `the status of a compaction (${text.slice(0, 200)})`);
  equal(response.status, 'completed', 'the status of the response');
  const items: any[] = response.output;
  equal(
    items.map(({ type }) => type),
    ['compaction'],
    'the types of its items',
  );
  expect(typeof items[0].encrypted_content === 'string', 'the item has no encrypted_content');
  return { response, item: items[0] };
}

const filler = 'The quick brown fox jumps over the lazy dog. '.repeat(200);

export const compactionChecks: Check[] = [
  {
    name: 'compaction/window',
    reason: 'Agents shrink their context with it, and go on from what it gives.',
    rule: rules.compact,
    async run(target) {
      const word = codeWord();
      const input = [
        { role: 'user', content: tell(word) },
        { role: 'assistant', content: 'OK' },
        { role: 'user', content: 'Thank you.' },
      ];
      const reply = await target.request('POST', '/responses/compact', { model: target.model, input });
      if (reply.status === 404 || reply.status === 405) throw new Skip('the server does not compact');
      equal(reply.status, 200, 'the status');
      equal(reply.body.object, 'response.compaction', 'object');
      expect(typeof reply.body.usage?.total_tokens === 'number', 'it does not say what was used');
      const items: any[] = reply.body.output;
      equal(items.filter(({ type }) => type === 'compaction').length, 1, 'the number of compaction items');
      equal(items.at(-1).type, 'compaction', 'the type of the last item');
      const next = await target.create({ input: [...items, { role: 'user', content: recite }] });
      expect(wordsIn(textOf(next)).includes(word), 'the model that goes on from it does not know what was said');
    },
  },
  {
    name: 'compaction/trigger',
    reason: 'A chain goes on from its compaction, with all that the model needs of what stood before.',
    rule: rules.compaction,
    async run(target) {
      const word = codeWord();
      const first = await target.create({ input: tell(word) });
      const { response, item } = await compact(target, { previous_response_id: first.id, input: [trigger] });
      const next = await target.create({ previous_response_id: response.id, input: recite });
      expect(wordsIn(textOf(next)).includes(word), 'the chain does not know what was said before its compaction');
      const alone = await target.create({ input: [item, { role: 'user', content: recite }], store: false });
      expect(wordsIn(textOf(alone)).includes(word), 'a client that kept the item alone has lost what was said');
    },
  },
  {
    name: 'compaction/trigger-comes-last',
    reason: 'What follows a trigger would neither be compacted nor answered.',
    rule: rules.compaction,
    async run(target) {
      const input = [{ role: 'user', content: 'Hello.' }, trigger];
      await compact(target, { input });
      const { status } = await target.tryCreate({ input: input.toReversed() });
      equal(status, 400, 'the status of a trigger with something behind it');
    },
  },
  {
    name: 'compaction/threshold',
    reason:
      'A context that grows past the threshold is compacted in the answer itself, and the chain goes on from there.',
    rule: rules.compaction,
    async run(target) {
      const word = codeWord();
      const first = await target.create({ input: tell(word) });
      const second = await target.create({ previous_response_id: first.id, input: filler });
      const body = {
        previous_response_id: second.id,
        input: recite,
        context_management: [{ type: 'compaction', compact_threshold: 1000 }],
      };
      const { status, events, response } = await target.createStream(body);
      if (status === 400) throw new Skip('the server manages no contexts');
      const place = response.output.findIndex(({ type }: any) => type === 'compaction');
      expect(place >= 0, 'the context was not compacted');
      const isDone = ({ type, data }: any) => type === 'response.output_item.done' && data.item.type === 'compaction';
      equal(events.find(isDone)?.data.item, response.output[place], 'the item in the events');
      expect(wordsIn(textOf(response)).includes(word), 'the answer does not know what was said');
      const next = await target.create({ previous_response_id: response.id, input: recite });
      expect(wordsIn(textOf(next)).includes(word), 'the next turn does not know what was said');
    },
  },
  {
    name: 'compaction/open-calls',
    reason: 'A call whose output is still to come must be there when it comes.',
    rule: rules.compaction,
    async run(target) {
      const secret = codeWord();
      const called = await target.create({ input: askSecret, tools: [secretTool], tool_choice: 'required' });
      const [call] = callsOf(called);
      if (call === undefined) throw new Skip('the model called no tool');
      const { response } = await compact(target, {
        previous_response_id: called.id,
        input: [trigger],
        tools: [secretTool],
      });
      const answer = await target.create({
        previous_response_id: response.id,
        input: [outputOf(call.call_id, secret)],
        tools: [secretTool],
      });
      equal(wordsIn(textOf(answer)), [secret], 'the secret that the model tells');
    },
  },
  {
    name: 'compaction/altered',
    reason: 'An item that was changed on its way must not bring the conversation down, nor be believed.',
    rule: rules.compaction,
    async run(target) {
      const word = codeWord();
      const input = [{ role: 'user', content: tell(word) }, trigger];
      const { item } = await compact(target, { input });
      const changed = { ...item, encrypted_content: `${item.encrypted_content.slice(0, -12)}AAAAAAAAAAAA` };
      const { status, body } = await target.tryCreate({ input: [changed, { role: 'user', content: recite }] });
      expect(status === 200 || status === 400, `the status is ${status}`);
      equal(wordsIn(textOf(body)), [], 'what the model was shown of it');
    },
  },
  {
    name: 'isolation/compaction',
    reason: 'The item holds a conversation: whoever gets hold of it must not be able to have it read.',
    rule: rules.ownership,
    needs: ['key2'],
    async run(target) {
      const word = codeWord();
      const { item } = await compact(target, { input: [{ role: 'user', content: tell(word) }, trigger] });
      const input = [item, { role: 'user', content: recite }];
      const { status, body } = await target.tryCreate({ input }, { key: target.key2 });
      expect(status === 200 || status === 400, `the status is ${status}`);
      equal(wordsIn(textOf(body)), [], 'what the other tenant was shown of it');
    },
  },
];
