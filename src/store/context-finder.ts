import { hash } from 'node:crypto';
import { weekEndMs, weekOf } from './bucket.ts';
import type { SqlValue } from './rows.ts';
import { deriveKey } from './secret.ts';
import type { TenantStore } from './store.ts';

/** Key of the contexts' hashes, in hex: what was said cannot be guessed from the database. */
export function contextKeyOf(secret: Uint8Array): string {
  return deriveKey(secret, 'context hash').toString('hex');
}

/** Gives the first row that the engine's statement finds, of the first hash that it finds any of. */
export type FindFirst = <Row>(
  statement: 'selectByContext' | 'selectOpener',
  hashes: readonly string[],
  expiry: readonly [atMs: SqlValue, week: SqlValue],
) => Promise<Row | undefined>;

/** 144 bits: nobody is shown one, and two that meet by chance are not to be feared. */
const hashLength = 24;

/** A row of `sql.selectByContext`. */
interface FoundRow {
  id: string;
  bucket: number;
  session_id: string;
  anchor: string;
  depth: number;
  context_hash: string;
  settings_hash: string;
  length: number;
  deployment: string | null;
}

/** @see TenantStore.contextHash. A prefix does for a key here, as it does for envelopes. */
export function contextHasher(key: string, tenant: string): TenantStore['contextHash'] {
  const prefix = `${key}\0${tenant}\0`;
  return (text) => hash('sha256', prefix + text, 'base64url').slice(0, hashLength);
}

export function createContextFinder(
  key: string,
  tenant: string,
  expiresBeforeMs: () => number,
  first: FindFirst,
): Pick<TenantStore, 'contextHash' | 'findContext' | 'findOpener'> {
  return {
    contextHash: contextHasher(key, tenant),

    async findContext(said) {
      if (said.length === 0) return undefined;
      const expiry = expiresBeforeMs();
      const row = await first<FoundRow>('selectByContext', said, [expiry, weekOf(expiry)]);
      if (row === undefined) return undefined;
      const { id, bucket, session_id: sessionId, anchor, depth, length } = row;
      const hashes = { said: row.context_hash, settings: row.settings_hash };
      return {
        id,
        bucket,
        bucketSpanMs: [weekEndMs(bucket - 1), weekEndMs(bucket)],
        sessionId,
        anchor,
        depth,
        length,
        deployment: row.deployment ?? undefined,
        ...hashes,
      };
    },

    async findOpener(openCalls) {
      const expiry = expiresBeforeMs();
      const row = await first<{ deployment: string }>('selectOpener', openCalls, [expiry, weekOf(expiry)]);
      return row?.deployment;
    },
  };
}
