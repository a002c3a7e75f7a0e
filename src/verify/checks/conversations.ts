import { type Check, rules } from '../check.ts';
import { equal, expect, Skip } from '../expect.ts';
import type { Target } from '../target.ts';
import { askSecret, callsOf, codeWord, outputOf, recite, secretTool, tell, textOf, wordsIn } from '../words.ts';

// oxlint-disable no-explicit-any -- whatever a server answers is looked at

async function begin(target: Target, body: object = {}): Promise<any> {
  const reply = await target.request('POST', '/conversations', body);
  if (reply.status === 404 || reply.status === 405) throw new Skip('the server has no conversations');
  equal(reply.status, 200, 'the status of POST /conversations');
  return reply.body;
}

const user = (content: string) => ({ type: 'message', role: 'user', content });
const textsOf = (items: any[]) =>
  items.map(({ role, content }) => `${role}: ${content?.map(({ text }: any) => text).join('')}`);

export const conversationChecks: Check[] = [
  {
    name: 'conversations/object',
    reason: 'A conversation is made, found, changed and deleted by its id.',
    rule: rules.conversations,
    async run(target) {
      const made = await begin(target, { metadata: { topic: 'verify' } });
      equal(made.object, 'conversation', 'object');
      expect(String(made.id).startsWith('conv_'), `the id is ${made.id}`);
      const path = `/conversations/${made.id}`;
      equal((await target.request('GET', path)).body, made, 'what GET gives');
      const changed = await target.request('POST', path, { metadata: { topic: 'changed' } });
      equal(changed.body?.metadata, { topic: 'changed' }, 'metadata after the change');
      const deleted = await target.request('DELETE', path);
      equal(deleted.body?.deleted, true, 'deleted');
      equal(deleted.body?.object, 'conversation.deleted', 'object of the deletion');
      equal((await target.request('GET', path)).status, 404, 'the status of GET afterwards');
    },
  },
  {
    name: 'conversations/turns',
    reason: 'A turn in a conversation sees all of it, and is added to it.',
    rule: rules.conversations,
    async run(target) {
      const { id } = await begin(target);
      const words = [codeWord(), codeWord()];
      for (const word of words) {
        const response = await target.create({ conversation: id, input: tell(word) });
        equal(response.conversation?.id, id, 'conversation.id of the response');
      }
      const told = await target.createStream({ conversation: { id }, input: recite });
      equal(wordsIn(textOf(told.response)), words, 'what the model was shown');
      const { body } = await target.request('GET', `/conversations/${id}/items?order=asc&limit=100`);
      equal(
        body.data.filter(({ type }: any) => type === 'message').map(({ role }: any) => role),
        ['user', 'assistant', 'user', 'assistant', 'user', 'assistant'],
        'the roles of the items',
      );
    },
  },
  {
    name: 'conversations/items',
    reason: 'Clients keep the conversation themselves through its items.',
    rule: rules.conversations,
    async run(target) {
      const [one, two] = [codeWord(), codeWord()];
      const { id } = await begin(target, { items: [user(tell(one))] });
      const path = `/conversations/${id}/items`;
      const added = await target.request('POST', path, { items: [user(tell(two)), user('Thanks.')] });
      equal(added.status, 200, 'the status of POST');
      equal(added.body.object, 'list', 'object');
      const all = (await target.request('GET', `${path}?order=asc`)).body.data;
      equal(textsOf(all), [`user: ${tell(one)}`, `user: ${tell(two)}`, 'user: Thanks.'], 'the items in order');
      const newest = (await target.request('GET', path)).body.data;
      equal(newest[0]?.id, all[2].id, 'the first item where no order is asked for (newest first)');
      equal((await target.request('GET', `${path}/${all[1].id}`)).body?.id, all[1].id, 'the item by its id');
      equal(
        wordsIn(textOf(await target.create({ conversation: id, input: recite }))),
        [one, two],
        'what the model was shown',
      );
      const deleted = await target.request('DELETE', `${path}/${all[1].id}`);
      equal(deleted.body?.id, id, 'DELETE of an item gives the conversation');
      equal((await target.request('GET', `${path}/${all[1].id}`)).status, 404, 'the status of a deleted item');
      const after = await target.create({ conversation: id, input: recite, store: false });
      // By its id: the model may have repeated its words.
      const left = (await target.request('GET', `${path}?limit=100`)).body.data;
      expect(!left.some((item: any) => item.id === all[1].id), 'it is listed still');
      equal(after.status, 'completed', 'the status of a turn afterwards');
    },
  },
  {
    name: 'conversations/tool-loop',
    reason: 'A call of one turn takes its output in the next.',
    rule: rules.conversations,
    async run(target) {
      const { id } = await begin(target);
      const secret = codeWord();
      const tools = [secretTool];
      const [call] = callsOf(
        await target.create({ conversation: id, input: askSecret, tools, tool_choice: 'required' }),
      );
      if (call === undefined) throw new Skip('the model called no tool');
      const answer = await target.create({ conversation: id, input: [outputOf(call.call_id, secret)], tools });
      equal(wordsIn(textOf(answer)), [secret], 'the secret that the model tells');
    },
  },
  {
    name: 'conversations/one-writer',
    reason: 'Two turns at once would mix their words.',
    rule: rules.conversations,
    async run(target) {
      const { id } = await begin(target);
      const words = Array.from({ length: 4 }, codeWord);
      const replies = await Promise.all(words.map((word) => target.tryCreate({ conversation: id, input: tell(word) })));
      const kept = words.filter((_, index) => replies[index]?.status === 200);
      expect(kept.length > 0, 'none of four turns at once was taken');
      for (const { status, body } of replies) {
        if (status !== 200)
          equal([status, body?.error?.code], [400, 'conversation_locked'], 'status and code of a refusal');
      }
      const told = wordsIn(textOf(await target.create({ conversation: id, input: recite })));
      equal(told.toSorted(), kept.toSorted(), 'what the model was shown');
    },
  },
  {
    name: 'conversations/failed-turn-adds-nothing',
    reason: 'What was refused was not said.',
    rule: rules.conversations,
    async run(target) {
      const { id } = await begin(target);
      const word = codeWord();
      await target.create({ conversation: id, input: tell(word) });
      equal(
        (await target.tryCreate({ conversation: id, input: tell(codeWord()), temperature: 9 })).status,
        400,
        'the status',
      );
      equal(
        wordsIn(textOf(await target.create({ conversation: id, input: recite }))),
        [word],
        'what the model was shown',
      );
    },
  },
  {
    name: 'conversations/or-a-parent',
    reason: 'Of two histories the server cannot choose one.',
    rule: rules.create,
    async run(target) {
      const { id } = await begin(target);
      const parent = await target.create({ conversation: id, input: 'Hello.' });
      const both = await target.tryCreate({ conversation: id, previous_response_id: parent.id, input: 'Hello.' });
      equal(both.status, 400, 'the status of a turn with both');
    },
  },
  {
    name: 'conversations/unknown',
    reason: 'A turn in a conversation that is not there must not begin a new one.',
    rule: rules.conversations,
    async run(target) {
      const { id } = await begin(target);
      const unknown = id.replace(/[0-9a-zA-Z]{8}$/, '00000000');
      const turn = await target.tryCreate({ conversation: unknown, input: 'Hello.' });
      expect(turn.status === 404 || turn.status === 400, `the status is ${turn.status}`);
      equal((await target.request('GET', `/conversations/${unknown}`)).status, 404, 'the status of GET');
      equal((await target.request('GET', `/conversations/${unknown}/items`)).status, 404, 'the status of its items');
    },
  },
  {
    name: 'isolation/conversation',
    reason: 'A conversation is its tenant’s alone.',
    rule: rules.ownership,
    needs: ['key2'],
    async run(target) {
      const { id } = await begin(target, { items: [user('mine')] });
      const other = { key: target.key2 };
      for (const [method, path, body] of [
        ['GET', `/conversations/${id}`],
        ['POST', `/conversations/${id}`, { metadata: {} }],
        ['DELETE', `/conversations/${id}`],
        ['GET', `/conversations/${id}/items`],
        ['POST', `/conversations/${id}/items`, { items: [user('theirs')] }],
      ] as const) {
        equal(
          (await target.request(method, path, body, other)).status,
          404,
          `the status of ${method} for the other tenant`,
        );
      }
      const turn = await target.tryCreate({ conversation: id, input: 'Hello.' }, other);
      expect(turn.status === 404 || turn.status === 400, `a turn of the other tenant answered ${turn.status}`);
      equal(
        (await target.request('GET', `/conversations/${id}/items`)).body.data.length,
        1,
        'the number of items afterwards',
      );
    },
  },
  {
    name: 'restart/conversation-survives',
    reason: 'A conversation has no end of its own.',
    rule: rules.conversations,
    needs: ['restart'],
    async run(target) {
      const { id } = await begin(target);
      const word = codeWord();
      await target.create({ conversation: id, input: tell(word) });
      await target.restart();
      equal(
        wordsIn(textOf(await target.create({ conversation: id, input: recite }))),
        [word],
        'what the model was shown',
      );
    },
  },
];
