/**
 * What content of turns is kept beside what clients store. `request`: as the request says, so nothing of one with `store: false`;
 * `always`: that too, to be looked at, not to be reached through the API; `never`: nothing but what is state of the API; `none`: not even that (zero
 * data retention), so that clients carry their conversations themselves.
 */
export const ledgerContents = ['request', 'always', 'never', 'none'] as const;
export type LedgerContent = (typeof ledgerContents)[number];
