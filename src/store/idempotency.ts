import type { SqlValue } from './rows.ts';
import type { KeyHolder, TurnIntent } from './store.ts';

/** A row of `claim`: whoever holds the key from now on. */
export interface ClaimRow {
  turn_id: string;
  body_hash: string;
}

/**
 * A turn that gives its key back: what it ended with is no answer to keep (its client left, its process died), or it failed
 * before an upstream was paid, so that it may be tried again. A background turn never does: its client was answered when it
 * was queued, and asks for its end by its id.
 */
const gaveUp = `EXISTS (SELECT 1 FROM turns t
    WHERE t.tenant = idempotency.tenant AND t.id = idempotency.turn_id
    AND (t.status = 'cancelled' OR t.status = 'failed' AND (t.epoch > 0 OR NOT EXISTS (SELECT 1 FROM attempts a
      WHERE a.tenant = t.tenant AND a.turn_id = t.id AND a.input_tokens + a.output_tokens > 0)))
    AND NOT EXISTS (SELECT 1 FROM background_runs r WHERE r.tenant = t.tenant AND r.turn_id = t.id))`;

/**
 * Claims a key for a turn: tenant, key hash, body hash, turn id, time. One statement that gives the holder's row whether or
 * not it is the new one, since what another process has just written is seen by its conflict only.
 * @param values `VALUES (…)` or a SELECT of the five. @param expiresBefore the parameter below which a claim has expired.
 */
export function claim(values: string, expiresBefore: string): string {
  const columns = ['body_hash', 'turn_id', 'created_at_ms'];
  const isFree = `idempotency.created_at_ms < ${expiresBefore} OR ${gaveUp}`;
  const taken = columns.map(
    (name) => `${name} = CASE WHEN ${isFree} THEN excluded.${name} ELSE idempotency.${name} END`,
  );
  return `INSERT INTO idempotency (tenant, key_hash, body_hash, turn_id, created_at_ms) ${values}
    ON CONFLICT (tenant, key_hash) DO UPDATE SET ${taken.join(', ')}
    RETURNING turn_id, body_hash`;
}

/** tenant, key hash, time before which claims have expired. */
export const selectHolder = `SELECT turn_id, body_hash FROM idempotency
  WHERE tenant = $1 AND key_hash = $2 AND created_at_ms >= $3 AND NOT ${gaveUp}`;

/** Time before which claims have expired. */
export const forgetClaims = 'DELETE FROM idempotency WHERE created_at_ms < $1';

/** Key hash, body hash and the time of expiry, as `TurnIntent.idempotency` has them; nulls where there is no key. */
export function claimValues({ idempotency }: Pick<TurnIntent, 'idempotency'>): [SqlValue, SqlValue, SqlValue] {
  if (idempotency === undefined) return [null, null, null];
  return [idempotency.keyHash, idempotency.bodyHash, idempotency.expiresBeforeMs];
}

/** @returns undefined where the turn holds its key, or needs none. */
export function otherHolder(row: ClaimRow | undefined, turnId: string): KeyHolder | undefined {
  return row === undefined || row.turn_id === turnId ? undefined : { turnId: row.turn_id, bodyHash: row.body_hash };
}
