/** The model of a store is held to the laws of the real ones, where those look at nothing but the interface. */
import { afterAll, describe } from 'vitest';
import type { ConversationStore } from '../../src/store/conversation-store.ts';
import type { FileStore, TenantFiles } from '../../src/store/file-store.ts';
import type { FullStore, RunStore } from '../../src/store/run-store.ts';
import type { BudgetStore } from '../../src/store/budget-store.ts';
import type { KeyStore } from '../../src/store/key-store.ts';
import { contextHasher } from '../../src/store/context-finder.ts';
import { createSealer } from '../../src/store/seal.ts';
import type { TenantStore } from '../../src/store/store.ts';
import { costLaws } from '../store/cost-laws.ts';
import { idempotencyLaws } from '../store/idempotency-laws.ts';
import { readingLaws } from '../store/reading-laws.ts';
import { createTestBed, type Engine } from '../store/test-bed.ts';
import { createModelDatabase, type ModelDatabase } from './model-database.ts';

function tenantStore(database: ModelDatabase, tenant: string): TenantStore {
  const answer = <T>(execute: () => T) =>
    new Promise<T>((resolve) => {
      resolve(execute());
    });
  return {
    tenant,
    seal: createSealer(Buffer.alloc(32, 7)).forTenant(tenant),
    beginTurn: (intent) => answer(() => database.begin(tenant, intent)),
    nextAttempt: (id, ended, started) => answer(() => database.nextAttempt(tenant, id, ended, started)),
    commitTurn: (commit) => answer(() => database.commit(tenant, commit)),
    deleteResponse: (id) => answer(() => database.delete(tenant, id)),
    readContext: (id) => answer(() => database.readContext(tenant, id)),
    readInput: (id) => answer(() => database.readInput(tenant, id)),
    readResponse: (id) => answer(() => database.readResponse(tenant, id)),
    readCost: (id) => answer(() => database.readCost(tenant, id)),
    readEnvelope: (id, envelope) => answer(() => database.readEnvelope(tenant, id, envelope)),
    readItem: (id) => answer(() => database.readItem(tenant, id)),
    readFollowing: (id) => answer(() => database.readFollowing(tenant, id)),
    listSession: (id) => answer(() => database.listSession(tenant, id)),
    contextHash: contextHasher('key', tenant),
    findContext: (hashes) => answer(() => database.findContext(tenant, hashes)),
    findOpener: (openCalls) => answer(() => database.findOpener(tenant, openCalls)),
    readKeyHolder: (claim) => answer(() => database.readKeyHolder(tenant, claim)),
    // The model holds turns only.
    conversations: {} as ConversationStore,
    files: {} as TenantFiles,
  };
}

/** The model is no SQL database: it knows what the laws ask of all rows of a tenant, and no more. */
function rowsOf({ turns, claims }: ModelDatabase, sql: string): Record<string, unknown>[] {
  const [, table = '', tenant] = /^SELECT \* FROM (\w+) WHERE tenant = '(.*)' ORDER BY 2, 3$/.exec(sql) ?? [];
  const own = Array.from(turns.values()).filter((row) => row.tenant === tenant);
  const keys = Array.from(claims.values()).filter((row) => row.tenant === tenant);
  const tables: Record<string, Record<string, unknown>[]> = {
    turns: own.map(({ intent, status }) => ({ id: intent.id, status })),
    items: own.flatMap(({ intent, output }) => [...intent.input, ...output].map(({ id }) => ({ id }))),
    attempts: own.flatMap(({ attempts }) => attempts.map(({ start, status }) => ({ id: start.id, status }))),
    envelopes: own.map(({ intent }) => ({ body: intent.envelope })),
    idempotency: keys.map(({ keyHash }) => ({ key_hash: keyHash })),
  };
  const found = tables[table];
  if (found === undefined) throw new Error(`the model has no answer to ${sql}`);
  return found;
}

function createEngine(): Promise<Engine> {
  const database = createModelDatabase();
  const store: FullStore = {
    forTenant: (tenant) => tenantStore(database, tenant),
    // The model holds turns only.
    keys: {} as KeyStore,
    runs: {} as RunStore,
    budgets: {} as BudgetStore,
    files: {} as FileStore,
    sweep: (nowMs) => Promise.resolve(database.sweep((owner) => owner !== 'process-1', nowMs)),
    expire: () => Promise.resolve(),
    check: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
  return Promise.resolve({
    open: () => Promise.resolve(store),
    query: (sql) => Promise.resolve(rowsOf(database, sql)),
    destroy: () => Promise.resolve(),
  });
}

describe('the model', async () => {
  const bed = await createTestBed(createEngine);
  afterAll(() => bed.store.close());
  readingLaws(bed);
  costLaws(bed);
  idempotencyLaws(bed);
});
