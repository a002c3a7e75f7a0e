import { DatabaseError } from 'pg';
import type { KeyEngine } from '../create-key-store.ts';
import { keyReads, keyWrites } from '../key-sql.ts';
import type { SqlValue } from '../rows.ts';
import type { Database } from './database.ts';

export function createKeyEngine(database: Database): KeyEngine {
  return {
    all: <Row>(text: string, ...parameters: SqlValue[]) => database.query<Row>(text, parameters),

    async write(statement, parameters, teamId) {
      const text = `${keyWrites[statement]} RETURNING id`;
      try {
        if (teamId === undefined) return (await database.query(text, parameters)).length > 0;
        // A team that is being deleted and a key that is being made for it do not see one another without a lock.
        return await database.transaction(async (query) => {
          await query(`${keyReads.selectTeam} FOR UPDATE`, [teamId]);
          return (await query(text, parameters)).length > 0;
        });
      } catch (error) {
        if (isTaken(error)) return false;
        throw error;
      }
    },
  };
}

/** Somebody else took the name since the statement began. */
function isTaken(error: unknown): boolean {
  return error instanceof Error && error.cause instanceof DatabaseError && error.cause.code === '23505';
}
