import { limitedBudgetIds, type LimitedBudgetsRow } from './budget-sql.ts';
import { columnText } from './column-text.ts';
import { keyReads, type KeyWrite } from './key-sql.ts';
import type { KeyStore, StoredKey, Team } from './key-store.ts';
import type { SqlValue } from './rows.ts';

/** What the engines do each in their own way. */
export interface KeyEngine {
  /** Runs a statement; `Row` names the columns that it selects. */
  all: <Row>(sql: string, ...parameters: SqlValue[]) => Row[] | Promise<Row[]>;
  /**
   * Runs a statement of `keyWrites` and says whether it changed a row.
   * @param teamId is deleted by nobody meanwhile, and gets no key.
   */
  write: (statement: KeyWrite, parameters: SqlValue[], teamId?: string) => Promise<boolean>;
}

interface TeamRow {
  id: string;
  name: string;
  created_at_ms: number;
}

interface KeyRow extends TeamRow {
  team_id: string | null;
  tenant: string;
  last4: string;
  blocked_at_ms: number | null;
  previous_until_ms: number | null;
  expires_at_ms: number | null;
}

interface FoundRow extends LimitedBudgetsRow {
  id: string;
  name: string;
  tenant: string;
  expires_at_ms: number | null;
  until_ms: number | null;
}

const teamOf = ({ id, name, created_at_ms: createdAtMs }: TeamRow): Team => ({ id, name, createdAtMs });

const keyOf = (row: KeyRow): StoredKey => ({
  id: row.id,
  name: row.name,
  teamId: row.team_id ?? undefined,
  tenant: row.tenant,
  last4: row.last4,
  createdAtMs: row.created_at_ms,
  blockedAtMs: row.blocked_at_ms ?? undefined,
  previousUntilMs: row.previous_until_ms ?? undefined,
  expiresAtMs: row.expires_at_ms ?? undefined,
});

/** The earlier of two times of which each may be none. */
function earlier(a: number | null, b: number | null): number | undefined {
  const earliest = Math.min(a ?? Infinity, b ?? Infinity);
  return earliest === Infinity ? undefined : earliest;
}

function flag(value: boolean | undefined): number | null {
  return value === undefined ? null : Number(value);
}

export function createKeyStore({ all, write }: KeyEngine): KeyStore {
  const readTeam = async (id: string): Promise<Team | undefined> => {
    const [row] = await all<TeamRow>(keyReads.selectTeam, columnText(id));
    return row && teamOf(row);
  };

  return {
    createTeam: ({ id, name, createdAtMs }) => write('insertTeam', [id, columnText(name), createdAtMs]),
    readTeam,

    async listTeams({ limit, after }) {
      const rows = await all<TeamRow>(keyReads.selectTeams, after === undefined ? null : columnText(after), limit);
      return rows.map(teamOf);
    },

    async renameTeam(id, name) {
      if (await write('renameTeam', [columnText(id), columnText(name)])) return 'renamed';
      return (await readTeam(id)) === undefined ? 'not-found' : 'name-taken';
    },

    async deleteTeam(id) {
      const teamId = columnText(id);
      if (await write('deleteTeam', [teamId], teamId)) return 'deleted';
      return (await readTeam(id)) === undefined ? 'not-found' : 'has-keys';
    },

    createKey({ id, name, teamId, hash, last4, createdAtMs, expiresAtMs }) {
      const team = teamId === undefined ? undefined : columnText(teamId);
      const row = [id, columnText(name), team ?? null, team ?? id, hash, last4, createdAtMs, expiresAtMs ?? null];
      return write('insertKey', row, team);
    },

    async readKey(id) {
      const [row] = await all<KeyRow>(keyReads.selectKey, columnText(id));
      return row && keyOf(row);
    },

    async listKeys({ limit, after }) {
      const rows = await all<KeyRow>(keyReads.selectKeys, after === undefined ? null : columnText(after), limit);
      return rows.map(keyOf);
    },

    updateKey(id, { name, blocked, expiresAtMs }, nowMs) {
      const newName = name === undefined ? null : columnText(name);
      const expiry = [Number(expiresAtMs !== undefined), expiresAtMs ?? null];
      return write('updateKey', [columnText(id), newName, flag(blocked), nowMs, ...expiry]);
    },

    rotateKey: (id, hash, last4, previousUntilMs) =>
      write('rotateKey', [columnText(id), hash, last4, previousUntilMs ?? null]),

    deleteKey: (id, nowMs) => write('deleteKey', [columnText(id), nowMs]),

    async findKey(hash) {
      const [row] = await all<FoundRow>(keyReads.selectByHash, hash);
      if (row === undefined) return undefined;
      const { id, name, tenant } = row;
      return { id, name, tenant, untilMs: earlier(row.expires_at_ms, row.until_ms), budgetIds: limitedBudgetIds(row) };
    },
  };
}
