import { hash } from 'node:crypto';
import { weekEndMs } from './bucket.ts';
import type { Retention, Span } from './retention.ts';
import type { SqlValue } from './rows.ts';
import { deriveKey } from './secret.ts';
import type { TenantStore } from './store.ts';

/** Key of the contexts' hashes, in hex: what was said cannot be guessed from the database. */
export function contextKeyOf(secret: Uint8Array): string {
  return deriveKey(secret, 'context hash').toString('hex');
}

/** Gives the first row that the engine's statement finds, of the first hash that it finds any of, and which that is, from 0 on. */
export type FindFirst = <Row>(
  statement: 'selectByContext' | 'selectOpener',
  hashes: readonly string[],
  place: readonly [expiryMs: SqlValue, ...Span],
) => Promise<(Row & { at: number }) | undefined>;

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
  details_hashes: string;
  length: number;
  deployment: string | null;
}

/** @see TenantStore.contextHash. A prefix does for a key here, as it does for envelopes. */
export function contextHasher(key: string, tenant: string): TenantStore['contextHash'] {
  const prefix = `${key}\0${tenant}\0`;
  return (text) => hash('sha256', prefix + text, 'base64url').slice(0, hashLength);
}

/**
 * A conversation that its client has left alone for longer begins anew. On Postgres every week that is searched costs, of each
 * request whose history is nowhere.
 */
const searchedWeeks = 8;

export function createContextFinder(
  key: string,
  tenant: string,
  { expiresBeforeMs, spans }: Retention,
  first: FindFirst,
): Pick<TenantStore, 'contextHash' | 'findContext' | 'findOpener'> {
  const search = async <Row>(statement: Parameters<FindFirst>[0], hashes: readonly string[]) => {
    let best: Row | undefined;
    let better = hashes;
    for (const span of spans(searchedWeeks)) {
      if (better.length === 0) break;
      const found = await first<Row>(statement, better, [expiresBeforeMs(), ...span]);
      if (found === undefined) continue;
      best = found;
      better = better.slice(0, found.at);
    }
    return best;
  };

  return {
    contextHash: contextHasher(key, tenant),

    async findContext(said) {
      const row = await search<FoundRow>('selectByContext', said);
      if (row === undefined) return undefined;
      const { id, bucket, session_id: sessionId, anchor, depth, length } = row;
      const hashes = { said: row.context_hash, details: row.details_hashes.split(' ') };
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
      const row = await search<{ deployment: string }>('selectOpener', openCalls);
      return row?.deployment;
    },
  };
}
