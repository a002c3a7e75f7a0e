/** One text where items have several: those of one owner follow each other, others stand apart. */
export interface TextJoiner {
  /** @returns what stands between all that came before and a text of this owner's. */
  before(owner: string): string;
}

export function createTextJoiner(): TextJoiner {
  let last: string | undefined;
  return {
    before(owner) {
      const isApart = last !== undefined && last !== owner;
      last = owner;
      return isApart ? '\n\n' : '';
    },
  };
}
