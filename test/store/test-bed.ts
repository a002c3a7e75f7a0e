import { expect } from 'vitest';
import type { RetentionLimits } from '../../src/store/retention.ts';
import type { FullStore } from '../../src/store/run-store.ts';
import type { StoredItem, TenantStore, TurnCommit, TurnIntent } from '../../src/store/store.ts';
import { commitOf, nextId } from './make.ts';

export interface Age {
  retention: RetentionLimits;
  nowMs: () => number;
}

/** One database of the engine under test. */
export interface Engine {
  /** Opens the database as this process. The store opened before must have been closed where the engine has one owner. */
  open(owner: string, secret?: Uint8Array, age?: Age): Promise<FullStore>;
  /** Reads what is committed, past the interface. */
  query(sql: string): Promise<Record<string, unknown>[]>;
  destroy(): Promise<void>;
}

/** What the laws work with. */
export interface TestBed {
  engine: Engine;
  /** Another one after a test that restarts it. */
  store: FullStore;
  /** Who runs the turns of `store`. */
  owner: string;
  createEngine: () => Promise<Engine>;
  /** Each test has a tenant of its own: isolation is one of the laws. */
  newTenant: () => { tenant: string; own: TenantStore };
  /** Begins and commits a turn. */
  run: (own: TenantStore, intent: TurnIntent, overrides?: Partial<TurnCommit>) => Promise<TurnCommit>;
  rowsOf: (table: string, tenant: string) => Promise<Record<string, unknown>[]>;
  ids: (items: readonly StoredItem[] | undefined) => string[] | undefined;
  /** The envelope that an item of the response's context names: the newest, or that of a turn. */
  envelopeBy: (own: TenantStore, responseId: string, turnId?: string) => Promise<string | undefined>;
}

/** Turns that expiry would take for what they are not. None: it finds those with content, and those without. */
export function unlikeTheirHead(engine: Engine): Promise<Record<string, unknown>[]> {
  return engine.query(`SELECT id, status, stored, deleted_at_ms, blanked, head FROM turns
    WHERE blanked <> CASE WHEN head = '' THEN 1 ELSE 0 END`);
}

export async function createTestBed(createEngine: () => Promise<Engine>): Promise<TestBed> {
  const engine = await createEngine();
  const owner = 'process-1';
  const bed: TestBed = {
    engine,
    store: await engine.open(owner),
    owner,
    createEngine,
    newTenant: () => {
      const tenant = nextId('tenant');
      return { tenant, own: bed.store.forTenant(tenant) };
    },
    run: async (own, intent, overrides = {}) => {
      const commit = commitOf(intent, overrides);
      await own.beginTurn(intent);
      expect(await own.commitTurn(commit)).toBe('committed');
      return commit;
    },
    rowsOf: (table, tenant) => engine.query(`SELECT * FROM ${table} WHERE tenant = '${tenant}' ORDER BY 2, 3`),
    ids: (items) => items?.map((item) => item.id),
    envelopeBy: async (own, responseId, turnId) => {
      const context = await own.readContext(responseId);
      const item = context?.items.findLast((candidate) => turnId === undefined || candidate.turnId === turnId);
      return own.readEnvelope(responseId, item?.envelope ?? 'none');
    },
  };
  return bed;
}
