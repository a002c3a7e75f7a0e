export interface RecentSet {
  has(value: string): boolean;
  add(value: string): void;
}

/** Remembers the values used last, at most `limit` of them. */
export function createRecentSet(limit: number): RecentSet {
  const values = new Set<string>();
  const add = (value: string) => {
    values.delete(value);
    values.add(value);
    if (values.size <= limit) return;
    for (const oldest of values) {
      values.delete(oldest);
      return;
    }
  };
  return {
    has(value) {
      if (!values.has(value)) return false;
      add(value);
      return true;
    },
    add,
  };
}
