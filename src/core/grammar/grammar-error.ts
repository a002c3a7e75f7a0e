/** A grammar that cannot be read. The message ends the sentence "the grammar cannot be read: …". */
export class GrammarError extends Error {}

/** Brackets within brackets: each costs a call of the reader. */
export const maxNesting = 100;
