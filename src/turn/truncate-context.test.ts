import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ContextItem, Item } from '../core/items.ts';
import { pairToolCalls } from './pair-tool-calls.ts';
import { summaryMessage } from './summary.ts';
import { truncateContext } from './truncate-context.ts';

const said = (role: 'user' | 'assistant' | 'developer', id: string, length: number): Item => ({
  type: 'message',
  id,
  role,
  content: [{ type: 'input_text', text: 'x'.repeat(length) }],
});

/** Rounds: what a user said, and what the model did then, with calls and their outputs in any order. */
const rounds = fc.array(
  fc.record({ calls: fc.nat({ max: 3 }), thinks: fc.boolean(), developer: fc.boolean(), length: fc.nat({ max: 400 }) }),
  { minLength: 1, maxLength: 8 },
);

const conversation = fc.record({ rounds, open: fc.boolean(), summary: fc.boolean() }).map((given) => {
  const items: Item[] = [];
  given.rounds.forEach(({ calls, thinks, developer, length }, round) => {
    if (developer) items.push(said('developer', `dev_${round}`, 10));
    items.push(said('user', `user_${round}`, length));
    if (thinks) items.push({ type: 'reasoning', id: `rs_${round}`, summary: [] });
    const ids = Array.from({ length: calls }, (_, index) => `call_${round}_${index}`);
    for (const call_id of ids)
      items.push({ type: 'function_call', id: `f${call_id}`, call_id, name: 'f', arguments: '{}' });
    for (const call_id of ids.toReversed()) {
      items.push({ type: 'function_call_output', id: `o${call_id}`, call_id, output: 'y'.repeat(length) });
    }
    items.push(said('assistant', `a_${round}`, 20));
  });
  if (given.open) items.pop();
  else items.push(said('user', 'last', 5));
  const context: ContextItem[] = items.map((item) => ({ item, origin: undefined }));
  return given.summary ? [summaryMessage('cmp_1', 'so far'), ...context] : context;
});

test('a shorter conversation is one: pairs are whole, a user begins, instructions and the last words are there', () => {
  fc.assert(
    fc.property(conversation, (whole) => {
      let context = whole;
      for (let times = 0; ; times++) {
        expect(times).toBeLessThan(whole.length + 1);
        const shorter = truncateContext(context);
        if (shorter === undefined) break;
        expect(shorter.length).toBeLessThan(context.length);
        context = shorter;
        pairToolCalls(context, new Set());
        // In the order in which it was, and nothing that was not there.
        expect(whole.filter((entry) => context.includes(entry))).toEqual(context);
        const kept = new Set(context.map(({ item }) => item.id));
        const must = whole.filter(({ item }) => item.id === 'cmp_1' || item.id.startsWith('dev_'));
        for (const { item } of must) expect(kept).toContain(item.id);
        expect(context.at(-1)).toBe(whole.at(-1));
        const first = context.find(({ item }) => item.type !== 'message' || item.role !== 'developer');
        expect(first?.item).toMatchObject({ type: 'message', role: 'user' });
      }
    }),
  );
});
