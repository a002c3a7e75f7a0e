import { type Check, rules } from '../check.ts';
import { equal, expect, Skip } from '../expect.ts';
import type { Target } from '../target.ts';
import { codeWord, recite, tell, textOf, wordsIn } from '../words.ts';

// oxlint-disable no-explicit-any -- whatever a server answers is looked at

/** A chain of turns, each of which tells one word. @returns the responses. */
async function tellAll(target: Target, words: string[]): Promise<any[]> {
  const responses: any[] = [];
  for (const word of words) {
    const parent = responses.at(-1)?.id;
    responses.push(await target.create({ input: tell(word), ...(parent && { previous_response_id: parent }) }));
  }
  return responses;
}

/** The words that the model says it was told before this turn. */
async function recall(target: Target, parent: string, model = target.model): Promise<string[]> {
  return wordsIn(textOf(await target.create({ model, previous_response_id: parent, input: recite })));
}

export const stateChecks: Check[] = [
  {
    name: 'state/chain',
    reason: 'The model must see every earlier turn once, in order, whoever remembers it.',
    rule: rules.state,
    async run(target) {
      const words = [codeWord(), codeWord(), codeWord()];
      const responses = await tellAll(target, words);
      equal(await recall(target, responses[2].id), words, 'what the model was shown');
      equal(responses[1].previous_response_id, responses[0].id, 'previous_response_id');
    },
  },
  {
    name: 'state/output-is-kept',
    reason: 'What the model said is half of the conversation.',
    rule: rules.state,
    async run(target) {
      const word = codeWord();
      const first = await target.create({ input: `Repeat this code word, and nothing else: ${word}` });
      equal(wordsIn(textOf(first)), [word], 'the answer of the first turn');
      const second = await target.create({
        previous_response_id: first.id,
        input: 'Repeat your last answer word for word, and nothing else.',
      });
      equal(wordsIn(textOf(second)), [word], 'the answer of the second turn');
      const { body } = await target.request('GET', `/responses/${second.id}/input_items?order=asc`);
      const roles = (body?.data ?? []).filter(({ type }: any) => type === 'message').map(({ role }: any) => role);
      equal(roles, ['user', 'assistant', 'user'], 'the roles in the input of the second turn');
    },
  },
  {
    name: 'state/at-once',
    reason: 'A chat client sends its next turn in the moment in which the last one ends.',
    rule: rules.state,
    async run(target) {
      for (let round = 0; round < 5; round++) {
        const word = codeWord();
        let next: Promise<any> | undefined;
        await target.createStream(
          { input: tell(word) },
          {
            until: ({ type, data }) => {
              if (type === 'response.completed') {
                next = target.create({ previous_response_id: data.response.id, input: recite });
              }
              return false;
            },
          },
        );
        equal(wordsIn(textOf(await next)), [word], 'what the model was shown, the moment its first turn had ended');
      }
    },
  },
  {
    name: 'state/streamed-and-plain',
    reason: 'Some servers store only what they did not stream.',
    rule: rules.state,
    async run(target) {
      const words = [codeWord(), codeWord()];
      const streamed = await target.createStream({ input: tell(words[0] ?? '') });
      const plain = await target.create({ previous_response_id: streamed.response?.id, input: tell(words[1] ?? '') });
      const last = await target.createStream({ previous_response_id: plain.id, input: recite });
      equal(wordsIn(textOf(last.response)), words, 'what the model was shown');
    },
  },
  {
    name: 'state/long-text',
    reason: 'A store that cuts long strings makes the model read the stump.',
    rule: rules.state,
    async run(target) {
      const [start, middle, end] = [codeWord(), codeWord(), codeWord()];
      const filler = 'This line is here to fill the page. '.repeat(150);
      const input = `The code words are ${start}, then ${filler} ${middle}, then ${filler} and ${end}. Answer with OK.`;
      const first = await target.create({ input });
      equal(await recall(target, first.id), [start, middle, end], 'what the model was shown of a long message');
    },
  },
  {
    name: 'state/tokens-grow-linearly',
    reason: 'A chain that sends its history twice doubles the bill with every turn.',
    rule: rules.state,
    async run(target) {
      const words = Array.from({ length: 5 }, codeWord);
      const responses = await tellAll(target, words);
      const tokens = responses.map(({ usage }) => usage.input_tokens as number);
      const grown = tokens.slice(1).map((count, index) => count - (tokens[index] ?? 0));
      const [first = 0] = grown;
      const last = grown.at(-1) ?? 0;
      expect(last <= 2 * first + 40, `from turn to turn the input grew by ${grown.join(', ')} tokens`);
    },
  },
  {
    name: 'state/instructions-are-not-inherited',
    reason: 'Instructions belong to one turn; a client sends them again where it wants them.',
    rule: rules.create,
    async run(target) {
      const first = await target.create({ input: 'Hello.', instructions: 'Be brief.', metadata: { turn: '1' } });
      equal(first.instructions, 'Be brief.', 'instructions of the first turn');
      const second = await target.create({ previous_response_id: first.id, input: 'Hello.' });
      equal(second.instructions, null, 'instructions of the second turn');
      equal(second.metadata, {}, 'metadata of the second turn');
      equal(second.tools, [], 'tools of the second turn');
    },
  },
  {
    name: 'state/unknown-parent',
    reason: 'A server that answers without the history gives a wrong answer that looks right.',
    rule: rules.state,
    async run(target) {
      const { id } = await target.create({ input: 'Hello.' });
      const unknown = `${id.slice(0, -6)}${id.endsWith('0') ? '1' : '0'}00000`;
      for (const stream of [false, true]) {
        const { status, body } = await target.tryCreate({ previous_response_id: unknown, input: 'Hello.', stream });
        equal(status, 400, 'the status');
        equal(body?.error?.code, 'previous_response_not_found', 'error.code');
        equal(body?.error?.param, 'previous_response_id', 'error.param');
      }
    },
  },
  {
    name: 'state/failed-child',
    reason: 'A turn that was refused must leave its parent as it was, so that it can be corrected.',
    rule: rules.state,
    async run(target) {
      const word = codeWord();
      const { id } = await target.create({ input: tell(word) });
      for (const bad of [
        { temperature: 9 },
        { input: [{ type: 'function_call_output', call_id: 'no', output: '' }] },
      ]) {
        const refused = await target.tryCreate({ previous_response_id: id, input: tell(codeWord()), ...bad });
        equal(refused.status, 400, 'the status of a bad turn');
      }
      equal(await recall(target, id), [word], 'what the model was shown afterwards');
    },
  },
  {
    name: 'state/unfinished-parent',
    reason: 'A turn on half an answer would go on from words that were never said.',
    rule: rules.state,
    async run(target) {
      let child: any;
      const parent = await target.createStream(
        { input: 'Write a short poem about the sea.' },
        {
          until: ({ type, data }) => {
            if (type === 'response.created') {
              child = target.tryCreate({ previous_response_id: data.response.id, input: recite });
            }
            return false;
          },
        },
      );
      const { status, body } = await child;
      if (status === 200) {
        const items = await target.request('GET', `/responses/${body.id}/input_items?order=asc`);
        const said = (items.body?.data ?? []).filter(({ role }: any) => role === 'assistant');
        equal(textOf({ output: said }), textOf(parent.response), 'what the model is told to have said so far');
        throw new Skip('the first turn was over before the second one came');
      }
      expect(status >= 400 && status < 500, `a turn on an unfinished parent answered ${status}`);
    },
  },
  {
    name: 'state/item-reference',
    reason: 'Some SDKs send earlier items by their ids alone.',
    rule: rules.create,
    async run(target) {
      const word = codeWord();
      const first = await target.create({ input: `Repeat this code word, and nothing else: ${word}` });
      const message = first.output.find(({ type }: any) => type === 'message');
      const input = [
        { role: 'user', content: 'Say the code word.' },
        { type: 'item_reference', id: message?.id },
        { role: 'user', content: 'Repeat your last answer word for word, and nothing else.' },
      ];
      equal(wordsIn(textOf(await target.create({ input }))), [word], 'what the model was shown of the item');
      const unknown = await target.tryCreate({ input: [{ type: 'item_reference', id: 'msg_nothing' }] });
      expect(unknown.status === 400 || unknown.status === 404, `an unknown item answered ${unknown.status}`);
    },
  },
  {
    name: 'state/duplicate-item',
    reason: 'An item that is in the chain already must not be told twice.',
    rule: rules.state,
    async run(target) {
      const first = await target.create({ input: 'Hello.' });
      const again = await target.tryCreate({
        previous_response_id: first.id,
        input: [...first.output, { role: 'user', content: 'Hi' }],
      });
      equal(again.status, 400, 'the status of a turn that sends an item of its own chain again');
    },
  },
  {
    name: 'forks/isolation',
    reason: 'Two turns on one parent are two conversations; one must not see the other.',
    rule: rules.state,
    async run(target) {
      const [shared, left, right] = [codeWord(), codeWord(), codeWord()];
      const root = await target.create({ input: tell(shared) });
      const a = await target.create({ previous_response_id: root.id, input: tell(left) });
      const b = await target.create({ previous_response_id: root.id, input: tell(right) });
      equal(await recall(target, a.id), [shared, left], 'what the first branch was shown');
      equal(await recall(target, b.id), [shared, right], 'what the second branch was shown');
      equal(await recall(target, root.id), [shared], 'what a late branch was shown');
    },
  },
  {
    name: 'forks/concurrent',
    reason: 'Agents try several ways at once.',
    rule: rules.state,
    async run(target) {
      const shared = codeWord();
      const root = await target.create({ input: tell(shared) });
      const words = Array.from({ length: 5 }, codeWord);
      const children = await Promise.all(
        words.map((word) => target.create({ previous_response_id: root.id, input: tell(word) })),
      );
      const seen = await Promise.all(children.map(({ id }) => recall(target, id)));
      equal(
        seen,
        words.map((word) => [shared, word]),
        'what the branches were shown',
      );
    },
  },
  {
    name: 'models/other-model-goes-on',
    reason: 'A chain belongs to its user, not to the model that began it.',
    rule: rules.state,
    needs: ['model2'],
    async run(target) {
      const words = [codeWord(), codeWord(), codeWord()];
      const [one = '', two = '', three = ''] = words;
      const first = await target.create({ input: tell(one) });
      const second = await target.create({ model: target.model2, previous_response_id: first.id, input: tell(two) });
      equal(second.model.includes(target.model2 ?? ''), true, `that the second response is ${target.model2}'s`);
      const third = await target.create({ previous_response_id: second.id, input: tell(three) });
      equal(await recall(target, third.id), words, 'what the first model was shown');
      equal(await recall(target, third.id, target.model2), words, 'what the other model was shown');
    },
  },
  {
    name: 'restart/state-survives',
    reason: 'An id that a client was given is worth as much as the store behind it.',
    rule: rules.state,
    needs: ['restart'],
    async run(target) {
      const words = [codeWord(), codeWord()];
      const responses = await tellAll(target, words);
      await target.restart();
      const { status, body } = await target.request('GET', `/responses/${responses[1].id}`);
      equal(status, 200, 'the status of GET after the restart');
      equal(body.output, responses[1].output, 'the output after the restart');
      equal(await recall(target, responses[1].id), words, 'what the model was shown after the restart');
    },
  },
];
