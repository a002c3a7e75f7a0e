import { type Check, rules } from '../check.ts';
import { equal, expect } from '../expect.ts';
import type { Reply, Target } from '../target.ts';
import { codeWord, tell } from '../words.ts';

type Ask = (target: Target, id: string) => Promise<Reply>;

/** The same of each id: its own letters changed. */
const unknownLike = (id: string) => id.replace(/[0-9a-zA-Z]{12}$/, '0'.repeat(12));

/** Asks for a foreign id and for one that nobody has, as the second key. */
async function compare(target: Target, id: string, ask: Ask): Promise<void> {
  const unknown = unknownLike(id);
  const [foreign, nothing] = [await ask(target, id), await ask(target, unknown)];
  expect(foreign.status >= 400, `the other tenant was answered ${foreign.status}`);
  equal(foreign.status, nothing.status, 'the status for a foreign id, against that for an unknown one');
  equal(
    foreign.text.replaceAll(id, unknown),
    nothing.text,
    'the answer for a foreign id, against that for an unknown one',
  );
}

const asOther = (target: Target) => ({ key: target.key2 });

const asks: [string, Ask][] = [
  ['get', (target, id) => target.request('GET', `/responses/${id}`, undefined, asOther(target))],
  ['get-stream', (target, id) => target.request('GET', `/responses/${id}?stream=true`, undefined, asOther(target))],
  ['delete', (target, id) => target.request('DELETE', `/responses/${id}`, undefined, asOther(target))],
  ['cancel', (target, id) => target.request('POST', `/responses/${id}/cancel`, undefined, asOther(target))],
  ['input-items', (target, id) => target.request('GET', `/responses/${id}/input_items`, undefined, asOther(target))],
  [
    'input-tokens',
    (target, id) => {
      const body = { model: target.model, previous_response_id: id, input: 'Hello.' };
      return target.request('POST', '/responses/input_tokens', body, asOther(target));
    },
  ],
  [
    'compact',
    (target, id) => {
      const body = { model: target.model, previous_response_id: id };
      return target.request('POST', '/responses/compact', body, asOther(target));
    },
  ],
  ['chain', (target, id) => target.tryCreate({ previous_response_id: id, input: 'Hello.' }, asOther(target))],
];

export const isolationChecks: Check[] = [
  ...asks.map(([name, ask]): Check => ({
    name: `isolation/${name}`,
    reason: 'An answer that differs between a foreign id and an unknown one tells that the foreign one is there.',
    rule: rules.ownership,
    needs: ['key2'],
    async run(target) {
      const { id } = await target.create({ input: tell(codeWord()) });
      await compare(target, id, ask);
      equal((await target.request('GET', `/responses/${id}`)).status, 200, 'the status for the owner afterwards');
    },
  })),
  {
    name: 'isolation/item-reference',
    reason: 'An item can be reached by its own id, too.',
    rule: rules.ownership,
    needs: ['key2'],
    async run(target) {
      const { output } = await target.create({ input: tell(codeWord()) });
      await compare(target, output[0].id, (each, id) =>
        each.tryCreate({ input: [{ type: 'item_reference', id }] }, asOther(each)),
      );
    },
  },
];
