/** How long an envelope is left alone after a process has sent it: far longer than any process counts on it to be there. */
export const envelopeGraceMs = 24 * 60 * 60 * 1000;

/** Statements of what time takes away, as those in sql.ts. */
export const retentionSql = {
  /** tenant, id, week. Of a turn that is too old: what its row says that is content. */
  blankTurn: `UPDATE turns SET head = '', blanked = 1, context_hash = NULL, details_hashes = NULL
    WHERE tenant = $1 AND id = $2 AND bucket IN (0, $3)`,

  /** time before which an envelope was sent last, how many. */
  selectSuspects: `SELECT tenant, hash, bucket FROM envelopes WHERE suspect = 1 AND written_at_ms < $1
    ORDER BY written_at_ms LIMIT $2`,

  /** tenant, hash, bucket. Goes over the tenant's turns of that bucket: an index for it would cost every turn, and few are asked for. */
  deleteUnused: `DELETE FROM envelopes WHERE tenant = $1 AND hash = $2 AND bucket = $3
    AND NOT EXISTS (SELECT 1 FROM turns t
      WHERE t.tenant = $1 AND t.bucket = $3 AND t.envelope_hash = $2 AND t.purged = 0)
    AND NOT EXISTS (SELECT 1 FROM items i WHERE i.tenant = $1 AND i.bucket = $3 AND i.envelope_hash = $2)`,

  /** tenant, hash, bucket. */
  trustEnvelope: 'UPDATE envelopes SET suspect = 0 WHERE tenant = $1 AND hash = $2 AND bucket = $3',
} as const;
