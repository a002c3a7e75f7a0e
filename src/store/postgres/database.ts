import { Pool, type PoolClient, type PoolConfig, type QueryArrayConfig } from 'pg';
import { startWait, type Wait } from '../patience.ts';
import { crashPoint } from '../../crash-point.ts';
import type { SqlValue } from '../rows.ts';
import { unavailable } from '../unavailable.ts';
import { databaseError, isReadOnly, isStatementError, NoAnswer } from './database-error.ts';

export type SqlParameter = SqlValue | SqlValue[];

/** Runs one statement: one round trip. `Row` names the columns that it gives. */
export type Query = <Row>(text: string, parameters?: SqlParameter[]) => Promise<Row[]>;

export interface Database {
  /** Outside of a transaction of ours, so that the statement is one. @throws GatewayError `store_unavailable` */
  query: Query;
  /** The same, with a row as the list of its columns. */
  tuples: <Row extends unknown[]>(text: string, parameters: SqlParameter[]) => Promise<Row[]>;
  /** Runs `work` in one transaction. Each statement sees what was committed when it began. */
  transaction<Result>(work: (query: Query) => Promise<Result>): Promise<Result>;
  /** Waits for what runs, then hangs up. */
  close(): Promise<void>;
}

export interface DatabaseOptions {
  url: string;
  maxConnections: number;
  /** How long a connection is waited for, and then each statement; of a request that has spent nothing yet, all of them together. */
  timeoutMs: number;
  /** Whether the server is told our limits. What stands between may refuse to pass them on. */
  limitsOnServer: boolean;
  onLostConnection: (error: Error) => void;
}

/**
 * The first statement of a transaction that gives up soon where somebody else holds what it wants: better to come again than to
 * wait behind a process that was stopped, or to let turns wait behind a report that reads for minutes. Half of the shortest
 * `store.timeout_ms`, so that the server gives up before the gateway does.
 */
export const impatience = `SET LOCAL lock_timeout = '50ms'`;

/** Whole numbers of ours stay below 2^53; JSON is text to us; text is what the rest is. */
const parsers = new Map<number, (text: string) => number | boolean | Uint8Array>([
  [17, (text) => Buffer.from(text.slice('\\x'.length), 'hex')],
  [16, (text) => text === 't'],
  [20, Number],
  [21, Number],
  [23, Number],
  [1700, Number],
]);

/** As every other program that reads such a URL takes it: `require` encrypts, and checks only against an authority that is named. */
function withLibpqModes(url: string): string {
  if (!/[?&]sslmode=(require|verify-ca)(&|$)/.test(url)) return url;
  const compatible = new URL(url);
  compatible.searchParams.set('uselibpqcompat', 'true');
  return compatible.href;
}

export function poolConfigOf(url: string, maxConnections: number, timeoutMs: number): PoolConfig {
  return {
    connectionString: withLibpqModes(url),
    max: maxConnections,
    connectionTimeoutMillis: timeoutMs,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    fallback_application_name: 'turnpike',
    types: { getTypeParser: (oid: number) => parsers.get(oid) ?? String },
  };
}

/**
 * Connections to one database. No connection has a state of ours between two calls (no prepared statements, settings or
 * locks), so that a pooler may stand between which hands them out by transaction.
 */
export function createDatabase(options: DatabaseOptions): Database {
  const { url, maxConnections, timeoutMs, limitsOnServer, onLostConnection } = options;
  const pool = new Pool({
    ...poolConfigOf(url, maxConnections, timeoutMs),
    // What we no longer wait for must not go on waiting there: each would hold a connection of the server.
    ...(limitsOnServer && {
      lock_timeout: timeoutMs,
      statement_timeout: 30 * timeoutMs,
      idle_in_transaction_session_timeout: 10 * timeoutMs,
    }),
  });
  pool.on('error', onLostConnection);
  // A connection that is lost while it is in use fails the statement that uses it; its event needs no other listener.
  pool.on('connect', (client) => client.on('error', () => {}));
  let running = 0;
  let closing: Promise<void> | undefined;
  let onIdle = () => {};

  async function withClient<Result>(work: (client: PoolClient, wait: Wait) => Promise<Result>): Promise<Result> {
    if (closing !== undefined) throw unavailable('it is closed');
    running += 1;
    const wait = startWait();
    try {
      let client: PoolClient;
      try {
        client = await connected(pool, wait.leftOf(timeoutMs));
      } catch (error) {
        throw databaseError(error, false);
      }
      try {
        const result = await work(client, wait);
        client.release();
        return result;
      } catch (error) {
        client.release(!isStatementError(error) || isReadOnly(error));
        throw databaseError(error, true);
      }
    } finally {
      wait.end();
      running -= 1;
      if (running === 0) onIdle();
    }
  }

  const queryOn =
    (client: PoolClient, wait: Wait): Query =>
    <Row>(text: string, parameters: SqlParameter[] = []) =>
      ask<Row>(client, text, parameters, wait.leftOf(timeoutMs));

  const close = async () => {
    if (running > 0) {
      await new Promise<void>((resolve) => {
        onIdle = resolve;
      });
    }
    await pool.end();
  };

  return {
    query: <Row>(text: string, parameters?: SqlParameter[]) =>
      withClient((client, wait) => queryOn(client, wait)<Row>(text, parameters)),

    tuples: (text, parameters) =>
      withClient((client, wait) => ask(client, { text, rowMode: 'array' }, parameters, wait.leftOf(timeoutMs))),

    transaction: (work) =>
      withClient(async (client, wait) => {
        const query = queryOn(client, wait);
        await query('BEGIN ISOLATION LEVEL READ COMMITTED');
        try {
          const result = await work(query);
          await query('COMMIT');
          return result;
        } catch (error) {
          if (isStatementError(error)) await query('ROLLBACK');
          throw error;
        }
      }),

    close() {
      closing ??= close();
      return closing;
    },
  };
}

/** A free connection of the pool, or a new one. One that comes when nobody waits for it any more is the next one's. */
async function connected(pool: Pool, patienceMs: number): Promise<PoolClient> {
  const connecting = pool.connect();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    // What has arrived while this process was busy is looked at first.
    timer = setTimeout(() => setImmediate(reject, new NoAnswer('no connection in time')), patienceMs);
  });
  try {
    return await Promise.race([connecting, late]);
  } catch (error) {
    if (error instanceof NoAnswer) {
      connecting.then(
        (client) => client.release(),
        () => {},
      );
    }
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** Large parameters take their time to arrive, at 100 Mbit/s. */
const parameterBytesPerMs = 12_500;

/**
 * One statement, given up when nothing was heard for the time, be it that the server is gone, frozen, or waits for a lock.
 * A long answer may take longer, as long as it comes.
 */
async function ask<Row>(
  client: PoolClient,
  statement: string | QueryArrayConfig,
  parameters: SqlParameter[],
  timeoutMs: number,
): Promise<Row[]> {
  const { stream } = (client as unknown as { connection: { stream: Reading } }).connection;
  const length = parameters.flat().reduce<number>((sum, value) => sum + lengthOf(value), 0);
  let stop = () => {};
  const silence = new Promise<never>((_, reject) => {
    stop = onSilence(stream, timeoutMs + length / parameterBytesPerMs, timeoutMs, reject);
  });
  try {
    const answer = client.query<Row & object>(statement, parameters);
    crashPoint('transaction-begun');
    const { rows } = await Promise.race([answer, silence]);
    crashPoint('transaction-committed');
    return rows;
  } finally {
    stop();
  }
}

/** What we need of a socket. */
interface Reading {
  readonly bytesRead: number;
}

const lengthOf = (value: SqlValue) => (typeof value === 'string' ? value.length : 0);

/** Calls back when nothing was read from the socket for `firstMs`, or later for `nextMs`. @returns what ends it. */
function onSilence(socket: Reading, firstMs: number, nextMs: number, callback: (error: NoAnswer) => void): () => void {
  let bytesRead = socket.bytesRead;
  let stopped = false;
  const look = () => {
    if (stopped) return;
    if (socket.bytesRead === bytesRead) {
      callback(new NoAnswer('no answer in time'));
      return;
    }
    bytesRead = socket.bytesRead;
    timer = setTimeout(lookLater, nextMs);
  };
  // What has arrived while this process was busy is read before the server is blamed.
  const lookLater = () => setImmediate(look);
  let timer = setTimeout(lookLater, firstMs);
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}
