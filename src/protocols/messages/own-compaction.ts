import type { ContextItem } from '../../core/items.ts';
import { objectMembers, printMembers } from '../../core/json-slice.ts';
import type { EncodeInput } from '../codec.ts';
import { signatureScope } from './signature-scope.ts';

/**
 * What the model is sent of a context that it has compacted itself: its own block, which stands first and for all before it but
 * instructions. Compactions by others are the texts they are.
 */
export function fromOwnCompaction(
  context: ContextItem[],
  { model, profile }: Pick<EncodeInput, 'model' | 'profile'>,
): ContextItem[] {
  const isOwn = (entry: ContextItem) =>
    compactionBlock(entry) !== undefined && entry.origin?.model === signatureScope(model);
  const begin = profile.nativeCompaction === 'readable' ? context.findLastIndex(isOwn) : -1;
  return context.flatMap((entry, at) => {
    if (at < begin) return isInstruction(entry) ? [entry] : [];
    return at === begin || compactionBlock(entry) === undefined ? [entry] : [{ ...entry, origin: undefined }];
  });
}

/** The block that stands for the summary; undefined: the item is none. */
export function compactionBlock({ item, origin }: ContextItem): string | undefined {
  if (origin?.protocol !== 'messages' || item.type !== 'message' || item.role !== 'user') return undefined;
  const members = objectMembers(origin.source);
  // By its first words the provider knows that the request has one.
  return members?.get('type') === '"compaction"'
    ? printMembers(new Map([['type', '"compaction"'], ...members]))
    : undefined;
}

const isInstruction = ({ item }: ContextItem) =>
  item.type === 'message' && (item.role === 'system' || item.role === 'developer');
