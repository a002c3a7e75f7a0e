import { type Kysely, sql } from 'kysely';
import type { SchemaDialect } from './0001-begin.ts';

/**
 * `state`: `uploading`, which nobody sees; `ready`; `deleted`, whose bytes are being removed. `file_usage` is what a tenant's
 * chunks have together, in one row, so that uploads at once cannot pass a limit that each of them keeps.
 */
const tables = ({ bytesType }: SchemaDialect) => [
  `CREATE TABLE files (
    tenant text NOT NULL,
    id text NOT NULL,
    created_at_ms bigint NOT NULL,
    state text NOT NULL,
    filename text NOT NULL,
    purpose text NOT NULL,
    media_type text NOT NULL,
    size bigint NOT NULL,
    expires_at_ms bigint,
    PRIMARY KEY (tenant, id)
  )`,
  `CREATE INDEX files_unready ON files (state, created_at_ms) WHERE state <> 'ready'`,
  'CREATE INDEX files_expiry ON files (expires_at_ms) WHERE expires_at_ms IS NOT NULL',
  `CREATE TABLE file_chunks (
    tenant text NOT NULL,
    file_id text NOT NULL,
    position integer NOT NULL,
    size integer NOT NULL,
    data ${bytesType} NOT NULL,
    PRIMARY KEY (tenant, file_id, position)
  )`,
  'CREATE TABLE file_usage (tenant text NOT NULL PRIMARY KEY, size bigint NOT NULL)',
];

export function files(dialect: SchemaDialect) {
  return {
    async up(db: Kysely<unknown>): Promise<void> {
      for (const statement of tables(dialect)) await sql.raw(statement).execute(db);
    },
  };
}
