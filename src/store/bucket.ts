import { mintedAtMs } from '../core/ids.ts';

const weekMs = 7 * 24 * 60 * 60 * 1000;

/** Where turns lie that time does not drop. */
export const keptBucket = 0;

/** The week of a time, as buckets are numbered. */
export function weekOf(ms: number): number {
  return Math.floor(ms / weekMs);
}

/** When the last moment of a week is over. */
export function weekEndMs(week: number): number {
  return (week + 1) * weekMs;
}

/** No bucket: where nothing is found. */
const nowhere = -1;

/**
 * The week in which an id was minted. Whatever the id names lies in that bucket or in the one of what is kept, so that a read
 * by id looks at two partitions at most.
 */
export function weekOfId(id: string): number {
  const ms = mintedAtMs(id);
  return ms === undefined ? nowhere : weekOf(ms);
}

/** Where a turn is to lie. @throws Error where its id tells no time, so that nobody would find it again. */
export function bucketOf({ id, kept }: { id: string; kept: boolean }): number {
  const week = weekOfId(id);
  if (week === nowhere) throw new Error(`the id ${id} was not minted here`);
  return kept ? keptBucket : week;
}
