import { columnText } from './column-text.ts';
import { type FileStore, type StoredFile, type TenantFiles, uploadLifeMs } from './file-store.ts';
import type { SqlValue } from './rows.ts';
import type { RunEngine } from './create-run-store.ts';
import type { Step } from './run-sql.ts';

const columns = 'id, created_at_ms, filename, purpose, media_type, size, expires_at_ms';
/** From the third parameter on: the time. */
const isLive = `tenant = $1 AND state = 'ready' AND (expires_at_ms IS NULL OR expires_at_ms > $2)`;
const ofPage = (sign: '<' | '>', order: 'ASC' | 'DESC') => `SELECT ${columns} FROM files
  WHERE ${isLive} AND (CAST($3 AS text) IS NULL OR id ${sign} $3) AND (CAST($4 AS text) IS NULL OR purpose = $4)
  ORDER BY id ${order} LIMIT $5`;

const fileSql = {
  /** tenant, id, time. */
  insert: `INSERT INTO files (tenant, id, created_at_ms, state, filename, purpose, media_type, size)
    VALUES ($1, $2, $3, 'uploading', '', '', '', 0) RETURNING id`,
  /** tenant. */
  openUsage: 'INSERT INTO file_usage (tenant, size) VALUES ($1, 0) ON CONFLICT (tenant) DO NOTHING',
  /** tenant, bytes, the most. No row: it would be more. */
  use: `UPDATE file_usage SET size = size + CAST($2 AS bigint)
    WHERE tenant = $1 AND size + CAST($2 AS bigint) <= CAST($3 AS bigint) RETURNING tenant`,
  /** tenant, id, position, bytes, data. */
  insertChunk: 'INSERT INTO file_chunks (tenant, file_id, position, size, data) VALUES ($1, $2, $3, $4, $5)',
  /** tenant, id, name, purpose, media type, bytes, expiry or null. No row: it is not being uploaded. */
  finish: `UPDATE files SET state = 'ready', filename = $3, purpose = $4, media_type = $5, size = $6, expires_at_ms = $7
    WHERE tenant = $1 AND id = $2 AND state = 'uploading' RETURNING id`,
  /** tenant, time, id. */
  select: `SELECT ${columns} FROM files WHERE ${isLive} AND id = $3`,
  /** tenant, time, id before the page or null, purpose or null, how many. */
  selectUp: ofPage('>', 'ASC'),
  selectDown: ofPage('<', 'DESC'),
  /** tenant, id, position. */
  selectChunk: 'SELECT data FROM file_chunks WHERE tenant = $1 AND file_id = $2 AND position = $3',
  /** tenant, time, id. */
  hide: `UPDATE files SET state = 'deleted' WHERE ${isLive} AND id = $3 RETURNING id`,
  /** tenant, id. Locks the row, so that of two that remove its chunks each gives back what it removes itself. */
  hideAny: `UPDATE files SET state = 'deleted' WHERE tenant = $1 AND id = $2 RETURNING id`,
  /** tenant, id. */
  firstChunk: 'SELECT position FROM file_chunks WHERE tenant = $1 AND file_id = $2 ORDER BY position LIMIT 1',
  /** tenant, id, the position that they lie before. */
  giveBack: `UPDATE file_usage SET size = size - (SELECT COALESCE(SUM(c.size), 0) FROM file_chunks c
      WHERE c.tenant = $1 AND c.file_id = $2 AND c.position < $3) WHERE tenant = $1`,
  deleteChunks: 'DELETE FROM file_chunks WHERE tenant = $1 AND file_id = $2 AND position < $3',
  /** tenant, id. */
  forget: `DELETE FROM files WHERE tenant = $1 AND id = $2 AND state = 'deleted' RETURNING id`,
  /** time, time before which uploads are given up. */
  selectDue: `SELECT tenant, id FROM files WHERE expires_at_ms <= $1
    UNION SELECT tenant, id FROM files WHERE state = 'deleted'
    UNION SELECT tenant, id FROM files WHERE state = 'uploading' AND created_at_ms < $2
    LIMIT 100`,
} as const;

interface FileRow {
  id: string;
  created_at_ms: number;
  filename: string;
  purpose: string;
  media_type: string;
  size: number;
  expires_at_ms: number | null;
}

/** What one transaction removes: overwriting all of a large file at once would hold up everybody's turns. */
const chunksAtOnce = 32;

const fileOf = (row: FileRow): StoredFile => ({
  id: row.id,
  createdAtMs: row.created_at_ms,
  filename: row.filename,
  purpose: row.purpose,
  mediaType: row.media_type,
  size: row.size,
  expiresAtMs: row.expires_at_ms ?? undefined,
});

/** The same on every engine. */
export function createFileStore({
  all,
  write,
  nowMs,
}: Pick<RunEngine, 'all' | 'write'> & { nowMs: () => number }): FileStore {
  const remove = async (tenant: string, id: string): Promise<void> => {
    const lock: Step = { sql: fileSql.hideAny, parameters: [tenant, id] };
    for (;;) {
      const [first] = await all<{ position: number }>(fileSql.firstChunk, tenant, id);
      if (first === undefined) break;
      const parameters: SqlValue[] = [tenant, id, first.position + chunksAtOnce];
      const [giveBack, drop] = [fileSql.giveBack, fileSql.deleteChunks].map((sql) => ({ sql, parameters }));
      if (giveBack === undefined || drop === undefined || !(await write([lock, giveBack, drop]))) return;
    }
    await write([lock, { sql: fileSql.forget, parameters: [tenant, id] }], true);
  };

  const forTenant = (tenant: string): TenantFiles => ({
    async begin(id, createdAtMs) {
      await write([
        { sql: fileSql.insert, parameters: [tenant, id, createdAtMs] },
        { sql: fileSql.openUsage, parameters: [tenant] },
      ]);
    },

    append: (id, position, data, maxTotalBytes) =>
      write([
        { sql: fileSql.use, parameters: [tenant, data.length, maxTotalBytes] },
        { sql: fileSql.insertChunk, parameters: [tenant, id, position, data.length, data] },
      ]),

    finish({ id, filename, purpose, mediaType, size, expiresAtMs }) {
      const texts = [filename, purpose, mediaType].map(columnText);
      return write([{ sql: fileSql.finish, parameters: [tenant, id, ...texts, size, expiresAtMs ?? null] }], true);
    },

    discard: (id) => remove(tenant, id),

    async read(id) {
      const [row] = await all<FileRow>(fileSql.select, tenant, nowMs(), columnText(id));
      return row && fileOf(row);
    },

    async readChunk(id, position) {
      const [row] = await all<{ data: Uint8Array }>(fileSql.selectChunk, tenant, columnText(id), position);
      return row?.data;
    },

    async list({ limit, order, after, purpose }) {
      const before = after === undefined ? null : columnText(after);
      const only = purpose === undefined ? null : columnText(purpose);
      const statement = order === 'asc' ? fileSql.selectUp : fileSql.selectDown;
      return (await all<FileRow>(statement, tenant, nowMs(), before, only, limit)).map(fileOf);
    },

    async delete(id) {
      if (!(await write([{ sql: fileSql.hide, parameters: [tenant, nowMs(), columnText(id)] }], true))) return false;
      await remove(tenant, id);
      return true;
    },
  });

  return {
    forTenant,
    async sweep(now) {
      const due = await all<{ tenant: string; id: string }>(fileSql.selectDue, now, now - uploadLifeMs);
      for (const { tenant, id } of due) await remove(tenant, id);
      return due.length;
    },
  };
}
