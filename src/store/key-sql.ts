import { limitedBudgets } from './budget-sql.ts';

const isLive = 'deleted_at_ms IS NULL';

/** 1 where the key was blocked or deleted. A key of the configuration is in no table. */
export const isRevoked = (keyId: string) => `(SELECT 1 FROM keys k
      WHERE k.id = ${keyId} AND (k.deleted_at_ms IS NOT NULL OR k.blocked_at_ms IS NOT NULL))`;

/** Writes of keys and teams: one statement each on every engine, and whether it changed a row is its outcome. */
export const keyWrites = {
  /** id, name, time. No row: the name is taken. */
  insertTeam: 'INSERT INTO teams (id, name, created_at_ms) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING',

  /** id, name. No row: there is no such team, or the name is another one's. */
  renameTeam: `UPDATE teams SET name = $2
    WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM teams o WHERE o.name = $2 AND o.id <> $1)`,

  /** id. No row: there is no such team, or it has keys. */
  deleteTeam: `DELETE FROM teams WHERE id = $1
    AND NOT EXISTS (SELECT 1 FROM keys k WHERE k.team_id = $1 AND k.${isLive})`,

  /** id, name, team or null, tenant, hash, last 4, time, expiry or null. No row: there is no such team. */
  insertKey: `INSERT INTO keys (id, name, team_id, tenant, hash, last4, created_at_ms, expires_at_ms)
    SELECT CAST($1 AS text), CAST($2 AS text), CAST($3 AS text), CAST($4 AS text), CAST($5 AS text), CAST($6 AS text),
      CAST($7 AS bigint), CAST($8 AS bigint)
    WHERE CAST($3 AS text) IS NULL OR EXISTS (SELECT 1 FROM teams WHERE id = $3)`,

  /** id, name or null, blocked (1, 0 or null), time, whether the expiry changes, expiry or null. Null: as it is. */
  updateKey: `UPDATE keys SET name = COALESCE(CAST($2 AS text), name),
      blocked_at_ms = CASE CAST($3 AS integer) WHEN 1 THEN COALESCE(blocked_at_ms, CAST($4 AS bigint)) WHEN 0 THEN NULL
        ELSE blocked_at_ms END,
      expires_at_ms = CASE WHEN CAST($5 AS integer) = 1 THEN CAST($6 AS bigint) ELSE expires_at_ms END
    WHERE id = $1 AND ${isLive}`,

  /** id, hash, last 4, until when the hash of before is good too, or null. */
  rotateKey: `UPDATE keys SET hash = $2, last4 = $3, previous_until_ms = CAST($4 AS bigint),
      previous_hash = CASE WHEN CAST($4 AS bigint) IS NULL THEN NULL ELSE hash END
    WHERE id = $1 AND ${isLive}`,

  /** id, time. */
  deleteKey: `UPDATE keys SET deleted_at_ms = $2, previous_hash = NULL, previous_until_ms = NULL
    WHERE id = $1 AND ${isLive}`,
} as const;

export type KeyWrite = keyof typeof keyWrites;

const teamColumns = 'id, name, created_at_ms';
const keyColumns = `id, name, team_id, tenant, last4, created_at_ms, blocked_at_ms, previous_until_ms, expires_at_ms`;

export const keyReads = {
  /** id. */
  selectTeam: `SELECT ${teamColumns} FROM teams WHERE id = $1`,

  /** The id before the page or null, and how many. Ids begin with their time: newest first. */
  selectTeams: `SELECT ${teamColumns} FROM teams WHERE CAST($1 AS text) IS NULL OR id < $1 ORDER BY id DESC LIMIT $2`,

  /** id. */
  selectKey: `SELECT ${keyColumns} FROM keys WHERE id = $1 AND ${isLive}`,

  /** As `selectTeams`. */
  selectKeys: `SELECT ${keyColumns} FROM keys
    WHERE ${isLive} AND (CAST($1 AS text) IS NULL OR id < $1) ORDER BY id DESC LIMIT $2`,

  /** hash. */
  selectByHash: `SELECT id, name, tenant, expires_at_ms, CASE WHEN hash = $1 THEN NULL ELSE previous_until_ms END AS until_ms,
      ${limitedBudgets('keys.tenant', 'keys.id', 'keys.team_id')}
    FROM keys WHERE (hash = $1 OR previous_hash = $1) AND ${isLive} AND blocked_at_ms IS NULL`,
} as const;
