import { GatewayError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { remember } from '../../core/remember.ts';
import type { LeaseHolder } from '../budget-script.ts';
import { budgetSql } from '../budget-sql.ts';
import { createBudgetStore } from '../create-budget-store.ts';
import { weekEndMs, weekOf } from '../bucket.ts';
import { createFileStore } from '../create-file-store.ts';
import { createKeyStore } from '../create-key-store.ts';
import { createRunStore, type RunEngine } from '../create-run-store.ts';
import { contextKeyOf } from '../context-finder.ts';
import { envelopeKeyOf } from '../envelope-hash.ts';
import { crashError, failedHead } from '../failed-head.ts';
import { createRecentContexts, type RecentContexts } from '../recent-contexts.ts';
import { createRecentSet } from '../recent-set.ts';
import { repeat } from '../../repeat.ts';
import { createSealer } from '../seal.ts';
import { attemptEndRow } from '../rows.ts';
import { crashStep } from '../run-sql.ts';
import { createRetention, keepAll, type RetentionLimits } from '../retention.ts';
import { sql } from '../sql.ts';
import type { FullStore } from '../run-store.ts';
import { unavailable } from '../unavailable.ts';
import { type ForgottenAttempt, isUnsent, unsentAttempt } from '../unsent-attempt.ts';
import { createUnfinished } from '../unfinished.ts';
import { acquireLock } from './lock.ts';
import { prepareFile } from './prepare-file.ts';
import type { Schema } from '../schema-version.ts';
import { createReader, type Reader } from './reader.ts';
import { createTenantStore } from './tenant-store.ts';
import type { WriteOp } from './write-op.ts';
import { createWriter, type Writer } from './writer.ts';

export interface SqliteStoreOptions {
  /** The database file. Its lock and its log lie beside it. */
  path: string;
  /** The store's secret, as `loadOrCreateSecret` gives it. */
  secret: Uint8Array;
  /** Names this process in the turns that it runs; another one at every start. */
  owner: string;
  log: Log;
  /** For the writing connection, after our own: `max_page_count` is a quota. */
  pragmas?: Record<string, string | number>;
  limits?: Partial<SqliteLimits>;
  /** Without it nothing grows too old. */
  retention?: RetentionLimits;
  nowMs?: () => number;
  schema?: Schema;
}

export interface SqliteLimits {
  /** How long a commit that was refused is left to whoever asked for it. */
  unfinishedMs: number;
  /** How often such commits are looked for. */
  finishMs: number;
  /** How often what is too old is looked for. */
  expireMs: number;
}

const defaultLimits: SqliteLimits = { unfinishedMs: 10_000, finishMs: 5_000, expireMs: 60_000 };

/** owner. Attempts that nobody has ended, of turns that have. */
const selectForgotten = `SELECT a.tenant, a.turn_id, a.id, a.started_at_ms, t.epoch FROM attempts a
  JOIN turns t ON t.tenant = a.tenant AND t.id = a.turn_id AND t.bucket = a.bucket
  WHERE a.status = 'started' AND t.status NOT IN ('queued', 'in_progress') AND t.owner <> $1`;

interface AbandonedTurn {
  tenant: string;
  id: string;
  owner: string;
  epoch: number;
  head: string;
}

/**
 * `secure_delete`: what was deleted is overwritten, not only forgotten. `wal_autocheckpoint`, in pages of 4 KB: fewer and
 * longer merges of the log into the file.
 */
const writerPragmas = { secure_delete: 'ON', wal_autocheckpoint: 4000, cache_size: -8000 };

const rememberedEnvelopes = 10_000;
const rememberedTenants = 1_000;
const rememberedCharacters = 8 * 1024 * 1024;

/**
 * A store in one SQLite file, owned by this process alone until `close`. What dead processes left running is still
 * `in_progress` when this resolves: call `sweep`.
 * @throws GatewayError `store_unavailable`, for the operator: it names the file.
 */
export async function createSqliteStore(options: SqliteStoreOptions): Promise<FullStore> {
  const { path, secret, owner, log, pragmas, nowMs: clock = Date.now } = options;
  const retention = createRetention(options.retention ?? keepAll, clock);
  const recentContexts = createRecentContexts(rememberedCharacters);
  const lock = acquireLock(path);
  let writer: Writer | undefined;
  let reader: Reader;
  try {
    const { isNewer, version } = await prepareFile(path, secret, options.schema);
    if (isNewer) log.warn({ schema: version }, 'a newer Turnpike wrote the database, and this one can run on it');
    writer = forgetting(await createWriter({ path, pragmas: { ...writerPragmas, ...pragmas } }), recentContexts);
    reader = createReader(path);
  } catch (error) {
    await writer?.close();
    lock.release();
    const reason = error instanceof GatewayError && error.cause instanceof Error ? error.cause : error;
    const message = reason instanceof Error ? reason.message : String(reason);
    throw new GatewayError('store_unavailable', `The store ${path} cannot be opened: ${message}.`, { cause: error });
  }

  const { unfinishedMs, finishMs, expireMs } = { ...defaultLimits, ...options.limits };
  const unfinished = createUnfinished(unfinishedMs);
  const finishing = repeat(
    finishMs,
    () => unfinished.finish(),
    (err) => log.warn({ err }, 'a turn cannot be ended yet'),
  );
  const writeSteps: RunEngine['write'] = (steps, survivesPowerCut = false) =>
    writer.submit({ kind: 'steps', steps, survivesPowerCut });
  const files = createFileStore({ all: reader.all, write: writeSteps, nowMs: clock });
  const parts = {
    reader,
    writer,
    unfinished,
    retention,
    files,
    envelopeKey: envelopeKeyOf(secret),
    contextKey: contextKeyOf(secret),
    sealer: createSealer(secret),
    knownEnvelopes: createRecentSet(rememberedEnvelopes),
    recentContexts,
  };
  const tenantStore = remember(rememberedTenants, (tenant) => createTenantStore(tenant, parts));
  let closing: Promise<void> | undefined;

  const { contentMs = Infinity, metadataMs = Infinity } = options.retention ?? {};
  const expireOnce = async () => {
    const now = clock();
    // Rows go by whole weeks, so that none goes before those that were built on it.
    const rowsBeforeMs = metadataMs === Infinity ? 0 : Math.max(0, weekEndMs(weekOf(now - metadataMs) - 1));
    const op = { kind: 'expire' as const, contentBeforeMs: Math.max(0, now - contentMs), rowsBeforeMs, nowMs: now };
    const isStopped = () => closing !== undefined;
    let more = true;
    while (more) more = !isStopped() && (await writer.submit(op));
  };
  const expiring = repeat(expireMs, expireOnce, (err) => log.warn({ err }, 'what is too old cannot be removed yet'));

  const close = async () => {
    await Promise.all([finishing.stop(), expiring.stop()]);
    // The writer's connection is to be the last: the last one folds the log into the file and removes it.
    reader.close();
    await writer.close();
    lock.release();
  };

  return {
    forTenant: tenantStore,
    keys: createKeyStore({
      all: reader.all,
      write: (statement, parameters) => writer.submit({ kind: 'keys', statement, parameters }),
    }),
    budgets: createBudgetStore({
      all: reader.all,
      setLimit: (tenant, id, limitNanoUsd) =>
        writer.submit({ kind: 'set-limit', tenant, id, limitNanoUsd, nowMs: clock() }),
      renewLease: (tenant, ask) => writer.submit({ kind: 'renew-lease', tenant, ask }),
    }),

    files,
    runs: createRunStore({
      all: reader.all,
      write: writeSteps,
      // The writer always tells.
      writeOrUndo: (_id, steps) => writeSteps(steps),
      queueTurn: (tenant, intent) => tenantStore(tenant).queueTurn(intent),
      expiresBeforeMs: retention.expiresBeforeMs,
    }),

    async sweep(nowMs) {
      const abandoned = reader.all<AbandonedTurn>(sql.selectAbandoned, owner);
      const failed = await Promise.all(
        abandoned.map((turn) =>
          writer.submit({
            kind: 'fail',
            ...turn,
            head: failedHead(turn.head, nowMs),
            expiryMs: retention.expiresBeforeMs(),
            nowMs,
            error: crashError,
          }),
        ),
      );
      for (const attempt of reader.all<ForgottenAttempt>(selectForgotten, owner)) {
        const { tenant, turn_id: turnId, id, started_at_ms: startedAtMs } = attempt;
        const ended = attemptEndRow(tenant, turnId, unsentAttempt({ id, startedAtMs }));
        if (isUnsent(attempt))
          await writer.submit({ kind: 'end-attempt', tenant, ended, settles: { attemptId: id, costNanoUsd: 0 } });
        else await writeSteps([crashStep(tenant, turnId, nowMs)]);
      }
      const leases = reader.all<LeaseHolder>(budgetSql.selectLeasesOfOthers, owner);
      await Promise.all(leases.map((lease) => writer.submit({ kind: 'release-lease', lease, nowMs })));
      const count = failed.filter(Boolean).length;
      if (count > 0) log.warn({ turns: count }, 'turns of a dead process were failed');
      return count;
    },

    expire: expireOnce,

    async check() {
      if (closing !== undefined) throw unavailable('it is closed');
      reader.all('SELECT 1');
      await writer.submit({ kind: 'check' });
    },

    close() {
      closing ??= close();
      return closing;
    },
  };
}

/** What takes content away takes it from memory as well, before anybody is told that it is done. */
function forgetting(writer: Writer, contexts: RecentContexts): Writer {
  return {
    ...writer,
    submit(op) {
      const written = writer.submit(op);
      if (!takesAway(op)) return written;
      return written.then((isDone) => {
        if (isDone !== false) forget(op, contexts);
        return isDone;
      });
    },
  };
}

function takesAway(op: WriteOp): boolean {
  if (op.kind === 'conversations') return op.statement === 'delete' || op.statement === 'deleteItem';
  return op.kind === 'delete' || op.kind === 'expire' || op.kind === 'fail';
}

/** Of a response that is deleted its own context alone: what lives on below it keeps its items. */
function forget(op: WriteOp, contexts: RecentContexts): void {
  if (op.kind === 'delete') contexts.forget(op.tenant, op.id);
  else contexts.clear();
}
