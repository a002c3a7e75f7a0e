import { weekOf } from './bucket.ts';

/** How long what is stored is kept. Undefined: until it is deleted. */
export interface RetentionLimits {
  /** Older responses answer as unknown ones, and what they hold is removed. */
  contentMs: number | undefined;
  /** Older turns leave no row of spend. Not shorter than `contentMs`. */
  metadataMs: number | undefined;
}

export const keepAll: RetentionLimits = { contentMs: undefined, metadataMs: undefined };

export interface Retention {
  /** A response that was begun before this time is too old. */
  expiresBeforeMs: () => number;
  /**
   * The weeks to search for what does not tell its own, the youngest first: nearly all that is asked for lies there, and each week
   * that is asked costs.
   * @param weeks how far back.
   */
  spans: (weeks?: number) => Span[];
}

export type Span = readonly [fromWeek: number, beforeWeek: number];

/** The largest number of a bucket's column. */
const noWeek = 2 ** 31 - 1;

export function createRetention({ contentMs }: RetentionLimits, nowMs: () => number): Retention {
  const expiresBeforeMs = () => (contentMs === undefined ? 0 : Math.max(0, nowMs() - contentMs));
  return {
    expiresBeforeMs,
    spans(weeks = Infinity) {
      const now = weekOf(nowMs());
      const oldest = Math.max(weekOf(expiresBeforeMs()), now - weeks);
      const young = Math.max(oldest, now - 1);
      const spans: Span[] = [
        [young, noWeek],
        [oldest, young],
      ];
      return spans.filter(([from, before]) => from < before);
    },
  };
}
