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
}

export function createRetention({ contentMs }: RetentionLimits, nowMs: () => number): Retention {
  return { expiresBeforeMs: () => (contentMs === undefined ? 0 : Math.max(0, nowMs() - contentMs)) };
}
