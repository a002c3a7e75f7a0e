import type { Log } from '../../core/log.ts';
import { remember } from '../../core/remember.ts';
import { reasonOf } from '../../core/reason-of.ts';
import { contextKeyOf } from '../context-finder.ts';
import { envelopeKeyOf } from '../envelope-hash.ts';
import { budgetSql } from '../budget-sql.ts';
import { createBudgetStore } from '../create-budget-store.ts';
import { createFileStore } from '../create-file-store.ts';
import { createKeyStore } from '../create-key-store.ts';
import { createRunStore, type RunEngine } from '../create-run-store.ts';
import { forgetClaims } from '../idempotency.ts';
import { createRecentSet } from '../recent-set.ts';
import { repeat } from '../../repeat.ts';
import { createSealer } from '../seal.ts';
import { createRetention, keepAll, type RetentionLimits } from '../retention.ts';
import { checkFingerprint, fingerprintOf, fingerprintSql } from '../secret-fingerprint.ts';
import type { FullStore } from '../run-store.ts';
import { claimLifeMs } from '../store.ts';
import { unavailable } from '../unavailable.ts';
import { createUnfinished } from '../unfinished.ts';
import { createBudgetEngine } from './budget-engine.ts';
import { bucketsAhead, makeBuckets } from './buckets.ts';
import { cannotOpen } from './cannot-open.ts';
import { createDatabase, type Database } from './database.ts';
import { isUnknownOutcome } from './database-error.ts';
import { expire } from './expire.ts';
import { createKeyEngine } from './key-engine.ts';
import { prepareDatabase } from './prepare-database.ts';
import { currentSchema, type Schema } from '../schema-version.ts';
import { createPresence } from './presence.ts';
import { statements } from './statements.ts';
import { runSteps } from './run-steps.ts';
import { sweep } from './sweep.ts';
import { createTenantStore } from './tenant-store.ts';

export interface PostgresStoreOptions {
  /** `postgres://…`; TLS and the rest as its query says (`sslmode`). */
  url: string;
  /** The store's secret, the same for every process that shares the database. */
  secret: Uint8Array;
  /** Names this process in the turns that it runs; another one at every start. */
  owner: string;
  /** Owners whose processes have ended for sure: their turns need not wait for a lease to end. */
  replaces?: readonly string[];
  log: Log;
  limits?: Partial<PostgresLimits>;
  /** Without it nothing grows too old. */
  retention?: RetentionLimits;
  nowMs?: () => number;
  schema?: Schema;
}

export interface PostgresLimits {
  /** A database that says nothing for so long counts as gone. */
  timeoutMs: number;
  /** How often this process says that it lives. */
  heartbeatMs: number;
  /** How long the others believe it. */
  leaseMs: number;
  /** How often the turns of processes that are gone are looked for. */
  sweepMs: number;
  /** How often what is too old is looked for. */
  expireMs: number;
  /** How long a write whose outcome is unknown is left to whoever asked for it. */
  unfinishedMs: number;
  maxConnections: number;
}

/** Several heartbeats fit into a lease, so that one that is late or lost ends nothing. */
export function leaseLimits(leaseMs: number): Pick<PostgresLimits, 'heartbeatMs' | 'leaseMs' | 'sweepMs'> {
  return { heartbeatMs: leaseMs / 5, leaseMs, sweepMs: (leaseMs * 2) / 3 };
}

const defaultLimits: PostgresLimits = {
  ...leaseLimits(15_000),
  timeoutMs: 1_000,
  expireMs: 60_000,
  unfinishedMs: 10_000,
  maxConnections: 10,
};

async function keepFingerprint({ query }: Database, fingerprint: string): Promise<void> {
  await query(fingerprintSql.keep, [fingerprint]);
  const [row] = await query<{ fingerprint: string }>(fingerprintSql.select);
  checkFingerprint(fingerprint, row?.fingerprint);
}

const rememberedEnvelopes = 10_000;
const rememberedTenants = 1_000;
/** No attempt lasts so long. */
const chargeLifeMs = 24 * 60 * 60 * 1000;

/**
 * A store in a Postgres database that any number of processes share. What processes that are gone left running is failed
 * from time to time, by whichever process finds it first.
 * @throws GatewayError `store_unavailable`, for the operator: it names the database, without its password.
 */
export async function createPostgresStore(options: PostgresStoreOptions): Promise<FullStore> {
  const { url, secret, owner, replaces = [], log, nowMs: clock = Date.now, schema = currentSchema } = options;
  const retention = createRetention(options.retention ?? keepAll, clock);
  const limits = { ...defaultLimits, ...options.limits };
  const { timeoutMs, heartbeatMs, leaseMs, sweepMs } = limits;

  const connect = (maxConnections: number, limitsOnServer: boolean): Database =>
    createDatabase({
      url,
      maxConnections,
      timeoutMs,
      limitsOnServer,
      onLostConnection: (error) => log.warn({ reason: error.message }, 'a connection to the database was lost'),
    });

  const open = async (limitsOnServer: boolean): Promise<{ database: Database; own: Database }> => {
    // Heartbeats have a connection of their own: a process whose connections are all busy lives.
    const databases = { database: connect(limits.maxConnections, limitsOnServer), own: connect(1, limitsOnServer) };
    try {
      const { isNewer, version } = await prepareDatabase(databases.database, url, timeoutMs, { schema });
      if (isNewer) log.warn({ schema: version }, 'a newer Turnpike wrote the database, and this one can run on it');
      await keepFingerprint(databases.database, fingerprintOf(secret));
      return databases;
    } catch (error) {
      await Promise.all([databases.database.close(), databases.own.close()]);
      if (!limitsOnServer || !/unsupported startup parameter/.test(reasonOf(error))) throw error;
      log.warn({}, 'a pooler refuses timeouts: set lock_timeout and statement_timeout for the database user');
      return open(false);
    }
  };

  const { database, own } = await open(true).catch((error: unknown) => {
    throw cannotOpen(url, error);
  });
  const presence = createPresence(own, owner, heartbeatMs);
  const enter = async () => {
    await makeBuckets(database, bucketsAhead(clock()));
    await presence.beat();
    for (const dead of replaces) await own.query(statements.leave, [dead]);
  };
  await enter().catch((error: unknown) => {
    throw cannotOpen(url, error);
  });

  const unfinished = createUnfinished(limits.unfinishedMs);
  const all: RunEngine['all'] = (text, ...parameters) => database.query(text, parameters);
  const writeSteps: RunEngine['write'] = ([first, ...others]) =>
    database.transaction(async (query) => {
      if (first === undefined || (await query(first.sql, first.parameters)).length === 0) return false;
      await runSteps(query, others);
      return true;
    });
  const files = createFileStore({ all, write: writeSteps, nowMs: clock });
  const parts = {
    database,
    unfinished,
    retention,
    files,
    envelopeKey: envelopeKeyOf(secret),
    contextKey: contextKeyOf(secret),
    sealer: createSealer(secret),
    knownEnvelopes: createRecentSet(rememberedEnvelopes),
  };
  const tenantStore = remember(rememberedTenants, (tenant) => createTenantStore(tenant, parts));

  const sweepOnce = async (nowMs: number): Promise<number> => {
    const trustsLeases = presence.steadyMs() >= leaseMs;
    const count = await sweep(database, { owner, leaseMs, trustsLeases, expiryMs: retention.expiresBeforeMs() }, nowMs);
    if (count > 0) log.warn({ turns: count }, 'turns of a dead process were failed');
    return count;
  };
  const tell = (error: unknown) => log.warn({ reason: reasonOf(error) }, 'the database does not answer');
  const heartbeat = repeat(heartbeatMs, presence.beat, tell);
  const sweeping = repeat(
    sweepMs,
    async () => {
      await sweepOnce(clock());
      await makeBuckets(database, bucketsAhead(clock()));
      await database.query(statements.forgetNodes, [owner]);
      await database.query(forgetClaims, [clock() - claimLifeMs]);
      await database.query(budgetSql.forgetCharges, [clock() - chargeLifeMs]);
      // The last, since it may have to wait for rows that another process holds.
      await unfinished.finish();
    },
    tell,
  );
  let closing: Promise<void> | undefined;
  const limitsOfAge = options.retention ?? keepAll;
  const expireOnce = () =>
    expire(database, { ...limitsOfAge, nowMs: clock(), isStopped: () => closing !== undefined, log });
  const expiring = repeat(limits.expireMs, expireOnce, tell);

  const close = async () => {
    await Promise.all([heartbeat.stop(), sweeping.stop(), expiring.stop()]);
    await database.close();
    // The turns that it leaves behind need not wait for the lease to end.
    await presence.leave().catch(tell);
    await own.close();
  };

  return {
    forTenant: tenantStore,
    keys: createKeyStore(createKeyEngine(database)),
    files,
    runs: createRunStore({
      all,
      write: writeSteps,
      async writeOrUndo(id, steps, undo) {
        try {
          return await writeSteps(steps);
        } catch (error) {
          if (isUnknownOutcome(error)) unfinished.add(id, () => writeSteps(undo));
          throw error;
        }
      },
      queueTurn: (tenant, intent) => tenantStore(tenant).queueTurn(intent),
      expiresBeforeMs: retention.expiresBeforeMs,
    }),
    budgets: createBudgetStore(createBudgetEngine(database, clock)),
    sweep: sweepOnce,
    expire: expireOnce,

    async check() {
      if (closing !== undefined) throw unavailable('it is closed');
      await database.query(statements.check);
    },

    close() {
      closing ??= close();
      return closing;
    },
  };
}
