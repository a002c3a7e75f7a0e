import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createSealer } from '../store/seal.ts';
import type { ContextItem, Item } from '../core/items.ts';
import { createReport } from '../core/report.ts';
import { fromLastCompaction, splitLastRound, splitOpenCalls, type Split } from './compact-context.ts';
import { sealCompaction } from './compaction-envelope.ts';
import { pairToolCalls } from './pair-tool-calls.ts';

const seal = createSealer(Buffer.alloc(32, 7)).forTenant('alpha');

/**
 * A step of a conversation: what somebody says, a call or two (which reuse ids, as some backends do), an output for the
 * oldest call that waits.
 */
type Step = 'user' | 'developer' | 'assistant' | 'reasoning' | 'call' | 'calls' | 'output' | 'update';
const steps = fc.array(
  fc.constantFrom<Step>('user', 'developer', 'assistant', 'reasoning', 'call', 'calls', 'output', 'output', 'update'),
  { maxLength: 24 },
);

function contextOf(given: Step[]): ContextItem[] {
  const items: Item[] = [];
  const waiting: string[] = [];
  let made = 0;
  const call = () => {
    const call_id = `call_${waiting.length}`;
    waiting.push(call_id);
    items.push({ type: 'function_call', id: `fc_${items.length}`, call_id, name: 'f', arguments: '{}' });
  };
  for (const step of given) {
    made += 1;
    const id = `item_${made}`;
    if (step === 'call') call();
    else if (step === 'calls') [call, call].forEach((make) => make());
    else if (step === 'output') {
      const call_id = waiting.pop();
      if (call_id !== undefined) items.push({ type: 'function_call_output', id, call_id, output: id });
    } else if (step === 'update') items.push({ type: 'configuration_update', id, reasoning: { effort: 'low' } });
    else if (step === 'reasoning') items.push({ type: 'reasoning', id, summary: [] });
    else items.push({ type: 'message', id, role: step, content: [{ type: 'input_text', text: id }] });
  }
  // Calls that still wait are answered, so that the whole pairs.
  for (const call_id of waiting.toReversed()) {
    made += 1;
    items.push({ type: 'function_call_output', id: `item_${made}`, call_id, output: 'late' });
  }
  return items.map((item) => ({ item, origin: undefined }));
}

const show = (context: ContextItem[]) => fromLastCompaction(context, seal, createReport());
const compactionItem = ({ head, tail }: Split, keepsUsers: boolean): ContextItem => {
  const encrypted_content = sealCompaction(seal, { summary: 'SUM', head, tail, keepsUsers }) ?? '';
  return { item: { type: 'compaction', id: 'cmp_1', encrypted_content }, origin: undefined };
};
const idsOf = (context: ContextItem[]) => context.map(({ item }) => item.id);

describe.each<[name: string, split: (context: ContextItem[]) => Split, keepsUsers: boolean]>([
  ['splitOpenCalls', splitOpenCalls, true],
  ['splitLastRound', splitLastRound, false],
])('%s', (_name, split, keepsUsers) => {
  test('wherever a conversation is compacted, what is summed up pairs, and so does what goes on from it', () => {
    fc.assert(
      fc.property(steps, fc.nat(), fc.boolean(), (given, cut, pruned) => {
        const whole = contextOf(given);
        const before = whole.slice(0, cut % (whole.length + 1));
        const after = whole.slice(before.length);
        // The model saw the calls that stand at the cut without their outputs: only whole rounds of them are summed up.
        const parts = split(before);
        pairToolCalls(parts.compactable, new Set());
        const item = compactionItem(parts, keepsUsers);
        const shown = show(pruned ? [item, ...after] : [...before, item, ...after]);
        const paired = pairToolCalls(shown, new Set());
        const calls = (context: ContextItem[]) =>
          context.filter(({ item: { type } }) => type === 'function_call').length;
        expect(calls(paired)).toBe(calls(parts.tail) + calls(after));

        // Nothing that stays is there twice, or in another order, and nothing after the cut is missing.
        const ids = idsOf(shown).filter((id) => id !== 'cmp_1');
        expect(new Set(ids).size).toBe(ids.length);
        expect(idsOf(shown).slice(shown.length - after.length)).toEqual(idsOf(after));
        expect(idsOf(parts.compactable).length + idsOf(parts.tail).length).toBe(before.length);
        // Instructions and settings are never summed up.
        for (const entry of before) {
          const { item: old } = entry;
          const stays = old.type === 'configuration_update' || (old.type === 'message' && old.role === 'developer');
          if (stays) expect(ids).toContain(old.id);
        }
      }),
    );
  });
});

test('what was said last is never summed up in the middle of a turn', () => {
  fc.assert(
    fc.property(steps, (given) => {
      for (const last of ['user', 'assistant', 'output'] as const) {
        const context = [...contextOf(given), ...contextOf(['call', last])];
        expect(splitLastRound(context).tail.at(-1)).toBe(context.at(-1));
      }
    }),
  );
});
