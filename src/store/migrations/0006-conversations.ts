import { type Kysely, sql } from 'kysely';

/** `writer` is the turn that wrote last, or writes now: as long as it runs, nobody else may. */
const statements = [
  `CREATE TABLE conversations (
    tenant text NOT NULL,
    id text NOT NULL,
    created_at_ms bigint NOT NULL,
    session_id text NOT NULL,
    metadata text NOT NULL,
    head text,
    writer text,
    deleted_at_ms bigint,
    PRIMARY KEY (tenant, id)
  )`,
  'CREATE INDEX conversations_head ON conversations (tenant, head)',
  'ALTER TABLE turns ADD COLUMN conversation text',
  'CREATE INDEX turns_conversation ON turns (tenant, conversation, depth) WHERE conversation IS NOT NULL',
];

export const conversations = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of statements) await sql.raw(statement).execute(db);
  },
};
