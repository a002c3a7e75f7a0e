import type { ContextItem } from '../core/items.ts';
import { contextUnits, isInstruction, splitLastRound } from './compact-context.ts';
import { isSummary } from './summary.ts';

/**
 * The context without its oldest part: about a quarter of it goes, in whole units, that is a message, or what the model said
 * in one go with the outputs of its calls. What stays: instructions, a summary of what was compacted, what was said since the
 * model spoke last, and a message of a user for the conversation to begin with.
 * @returns undefined: nothing more can go.
 */
export function truncateContext(context: ContextItem[]): ContextItem[] | undefined {
  const last = new Set(splitLastRound(context).tail);
  const stays = ({ item }: ContextItem) => isInstruction(item) || isSummary(item);
  const isUsers = ({ item }: ContextItem) => item.type === 'message' && item.role === 'user';
  const opening = [...last].some(isUsers) ? undefined : context.findLast((entry) => isUsers(entry));
  const gone = new Set<ContextItem>();
  const goal = lengthOf(context) / 4;
  let length = 0;
  for (const unit of contextUnits(context)) {
    if (unit.some((entry) => last.has(entry) || stays(entry) || entry === opening)) continue;
    // Once enough has gone, what follows begins with a user's words.
    if (length >= goal && unit.every(isUsers)) break;
    for (const entry of unit) gone.add(entry);
    length += lengthOf(unit);
  }
  return gone.size === 0 ? undefined : context.filter((entry) => !gone.has(entry));
}

const lengthOf = (entries: ContextItem[]) => entries.reduce((sum, { item }) => sum + JSON.stringify(item).length, 0);
