import { weekOf } from './bucket.ts';
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
const gaveUp = (isThere: (table: string) => string) => `EXISTS (SELECT 1 FROM turns t
    WHERE t.tenant = idempotency.tenant AND t.id = idempotency.turn_id AND ${isThere('t')}
    AND (t.status = 'cancelled' OR t.status = 'failed' AND (t.epoch > 0 OR NOT EXISTS (SELECT 1 FROM attempts a
      WHERE a.tenant = t.tenant AND a.turn_id = t.id AND ${isThere('a')} AND a.input_tokens + a.output_tokens > 0)))
    AND NOT EXISTS (SELECT 1 FROM background_runs r WHERE r.tenant = t.tenant AND r.turn_id = t.id))`;

/**
 * Claims a key for a turn: tenant, key hash, body hash, turn id, time. One statement that gives the holder's row whether or
 * not it is the new one, since what another process has just written is seen by its conflict only.
 * @param values `VALUES (…)` or a SELECT of the five.
 * @param expiresBefore the parameter below which a claim has expired; the two behind it are the weeks of that time and of the
 * new turn: whoever holds a claim lies between them.
 */
export function claim(values: string, expiresBefore: number): string {
  const columns = ['body_hash', 'turn_id', 'created_at_ms'];
  // A clock that goes before ours may have begun the next week.
  const isThere = (table: string) =>
    `(${table}.bucket = 0 OR ${table}.bucket BETWEEN $${expiresBefore + 1} AND $${expiresBefore + 2} + 1)`;
  const isFree = `idempotency.created_at_ms < $${expiresBefore} OR ${gaveUp(isThere)}`;
  const taken = columns.map(
    (name) => `${name} = CASE WHEN ${isFree} THEN excluded.${name} ELSE idempotency.${name} END`,
  );
  return `INSERT INTO idempotency (tenant, key_hash, body_hash, turn_id, created_at_ms) ${values}
    ON CONFLICT (tenant, key_hash) DO UPDATE SET ${taken.join(', ')}
    RETURNING turn_id, body_hash`;
}

/** tenant, key hash, time before which claims have expired, its week. */
export const selectHolder = `SELECT turn_id, body_hash FROM idempotency
  WHERE tenant = $1 AND key_hash = $2 AND created_at_ms >= $3
    AND NOT ${gaveUp((table) => `(${table}.bucket = 0 OR ${table}.bucket >= $4)`)}`;

/** Time before which claims have expired. */
export const forgetClaims = 'DELETE FROM idempotency WHERE created_at_ms < $1';

/** Key hash and body hash, as `TurnIntent.idempotency` has them; nulls where there is no key. */
export function claimValues({ idempotency }: Pick<TurnIntent, 'idempotency'>): [SqlValue, SqlValue] {
  return [idempotency?.keyHash ?? null, idempotency?.bodyHash ?? null];
}

/** The time of expiry, its week, and the turn's own. */
export function claimSpan({
  idempotency,
  createdAtMs,
}: Pick<TurnIntent, 'idempotency' | 'createdAtMs'>): [SqlValue, SqlValue, SqlValue] {
  if (idempotency === undefined) return [null, null, null];
  return [idempotency.expiresBeforeMs, weekOf(idempotency.expiresBeforeMs), weekOf(createdAtMs)];
}

/** @returns undefined where the turn holds its key, or needs none. */
export function otherHolder(row: ClaimRow | undefined, turnId: string): KeyHolder | undefined {
  return row === undefined || row.turn_id === turnId ? undefined : { turnId: row.turn_id, bodyHash: row.body_hash };
}
