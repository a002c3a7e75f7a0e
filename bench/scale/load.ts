/* oxlint-disable no-console */
import { Client } from 'pg';
import { weekEndMs, weekOf } from '../../src/store/bucket.ts';
import { bucketTables, partitionOf } from '../../src/store/postgres/buckets.ts';

export interface LoadOptions {
  url: string;
  turns: number;
  weeks: number;
  nowMs: number;
  /** Stops when the database has become so large. */
  maxBytes: number;
}

/** Turns of a chain follow one another every half minute. */
const turnMs = 30_000;
const longest = 120;
/** Chains that run side by side, so that a chain's turns lie apart in the tables as they do in life. */
const sideBySide = 500;
/** Somewhat less than the mean of `1 + floor(119.99 r³)` over r in [0, 1). */
const meanLength = 30;
const hourMs = 3_600_000;

const hex = (ms: string) => `lpad(to_hex(${ms}), 12, '0')`;
const share = (seed: number) => `((hashint8extended(k, ${seed}) & 65535) / 65536.0::float8)`;

/** One row for each turn of a week: `k` names its chain, `d` counts its turns from 0. */
const turnsOf = (week: number, chains: number, nowMs: number) => {
  const firstMs = weekEndMs(week - 1);
  const spanMs = Math.min(weekEndMs(week), nowMs) - firstMs - 2 * hourMs;
  return `(
    SELECT k, d, tenant, start_ms + d * ${turnMs} AS ms, md5(k || '-' || d) AS own,
      CASE WHEN d > 0 THEN 'resp_' || ${hex(`start_ms + (d - 1) * ${turnMs}`)} || md5(k || '-' || (d - 1)) END AS parent,
      'resp_' || ${hex('start_ms')} || md5(k || '-0') AS anchor, ${hex(`start_ms + d * ${turnMs}`)} AS time,
      'resp_' || ${hex(`start_ms + d * ${turnMs}`)} || md5(k || '-' || d) AS id, ${hex('start_ms')} AS start
    FROM (
      SELECT k, d, ${firstMs} + (c::bigint * ${spanMs} / ${chains})::bigint AS start_ms,
        'tenant_' || lpad(floor(200 * ${share(2)} ^ 3)::integer::text, 3, '0') AS tenant
      FROM generate_series(0, ${Math.ceil(chains / sideBySide) - 1}) g,
        LATERAL generate_series(0 * g, ${longest - 1}) d,
        LATERAL (SELECT c, ${week} * 10000000::bigint + c AS k
          FROM generate_series(g * ${sideBySide} + 0 * d, least(g * ${sideBySide} + ${sideBySide - 1}, ${chains - 1})) c) chain
      WHERE d < 1 + floor(${longest - 0.01} * ${share(1)} ^ 3) OFFSET 0
    ) turn OFFSET 0
  ) t`;
};

const envelopeHash = (week: number, n: string) =>
  `md5(tenant || '-${week}-' || ${n}) || md5('envelope' || tenant || ${n})`;

const head = `'{"id":"' || id || '","object":"response","created_at":' || ms / 1000 || ',"status":"completed","background":false,'
  || '"error":null,"incomplete_details":null,"max_output_tokens":4096,"model":"fast","parallel_tool_calls":true,'
  || '"previous_response_id":' || COALESCE('"' || parent || '"', 'null') || ',"reasoning":{"effort":null,"summary":null},'
  || '"store":true,"temperature":1,"tool_choice":"auto","top_p":1,"truncation":"disabled",'
  || '"usage":{"input_tokens":1570,"input_tokens_details":{"cached_tokens":400},"output_tokens":250,'
  || '"output_tokens_details":{"reasoning_tokens":50},"total_tokens":1820},"metadata":{}}'`;

const inserts: Record<string, (week: number, source: string) => string> = {
  turns: (
    week,
    source,
  ) => `INSERT INTO turns_${week} (tenant, id, bucket, created_at_ms, parent, keep, anchor, depth, session_id,
      model, protocol, status, stored, key_id, end_user, owner, epoch, head, envelope_hash, input_count, output_count, kept_count)
    SELECT tenant, id, ${week}, ms, parent, d * 2, anchor, d, 'sess_' || start || md5('s' || k), 'fast', 'responses',
      'completed', 1, 'key_' || tenant, NULL, 'process-of-the-load', 0, ${head}, ${envelopeHash(week, 'k % 3')}, 1, 1, 0
    FROM ${source}`,
  attempts: (
    week,
    source,
  ) => `INSERT INTO attempts_${week} (tenant, id, turn_id, bucket, number, status, started_at_ms, provider,
      api_base, upstream_model, request_hash, codec_version, estimated_input_tokens, estimated_cost_nano_usd, ended_at_ms,
      first_token_at_ms, upstream_id, reported_model, input_tokens, cached_tokens, output_tokens, reasoning_tokens, cost_nano_usd)
    SELECT tenant, 'att_' || time || md5('a' || own), id, ${week}, 1, 'completed', ms, 'anthropic', 'https://api.example.com',
      'claude-x', md5(own) || md5('r' || own), '1', 1570, 247750, ms + 1500, ms + 200, 'msg_' || md5('u' || own),
      'claude-x-20261101', 1570, 400, 250, 50, 247750
    FROM ${source}`,
  items: (
    week,
    source,
  ) => `INSERT INTO items_${week} (tenant, turn_id, bucket, position, output, id, type, body, origin, envelope_hash)
    SELECT tenant, t.id, ${week}, p, p, item, 'message', CASE WHEN p = 0
        THEN '{"type":"message","id":"' || item || '","role":"user","content":[{"type":"input_text","text":"' || f.text || '"}]}'
        ELSE '{"type":"message","id":"' || item || '","status":"completed","role":"assistant","content":[{"type":"output_text",'
          || '"annotations":[],"logprobs":[],"text":"' || f.text || '"}]}' END,
      CASE WHEN p = 1 THEN '{"provider":"anthropic","model":"claude-x"}' END, NULL
    FROM (SELECT *, 'msg_' || time || md5(p || own) AS item, hashtext(own) + p & 4095 AS n
      FROM ${source}, (VALUES (0), (1)) side (p) OFFSET 0) t JOIN filler f ON f.n = t.n`,
  envelopes: (week) => `INSERT INTO envelopes_${week} (tenant, hash, bucket, body, written_at_ms)
    SELECT tenant, ${envelopeHash(week, 'n')}, ${week},
      '{"instructions":"' || (SELECT string_agg(f.text, ' ') FROM filler f WHERE f.n < 4) || '","tools":[]}', 0
    FROM (SELECT 'tenant_' || lpad(s::text, 3, '0') AS tenant, n FROM generate_series(0, 199) s, generate_series(0, 2) n) e`,
};

/** Text of 430 characters that Postgres stores as it is, since a row is too short to be compressed. */
const filler = `CREATE TEMP TABLE filler AS SELECT n, left(string_agg(md5(n || '-' || i), ' '), 430) AS text
  FROM generate_series(0, 4095) n, generate_series(1, 18) i GROUP BY n`;

/**
 * Fills `weeks` buckets, the last of them that of now. Each table of a week is filled before it has an index and before it
 * is attached, in the transaction that makes it, so that a server with `wal_level = minimal` writes no log of it.
 */
export async function load(options: LoadOptions): Promise<void> {
  const { url, turns, weeks, nowMs, maxBytes } = options;
  const last = weekOf(nowMs);
  const waiting = Array.from({ length: weeks }, (_, index) => last - weeks + 1 + index);
  const chains = Math.ceil(turns / weeks / meanLength);
  const worker = async () => {
    const client = new Client({ connectionString: url });
    await client.connect();
    try {
      await client.query(`SET jit = off; SET enable_mergejoin = off; SET max_parallel_maintenance_workers = 0`);
      await client.query(filler);
      for (let week = waiting.pop(); week !== undefined; week = waiting.pop()) {
        const { rows } = await client.query<{ bytes: string }>('SELECT pg_database_size(current_database()) AS bytes');
        if (Number(rows[0]?.bytes) > maxBytes) return;
        await loadWeek(client, week, chains, nowMs);
      }
    } finally {
      await client.end();
    }
  };
  await Promise.all([worker(), worker()]);
}

async function loadWeek(client: Client, week: number, chains: number, nowMs: number): Promise<void> {
  const began = performance.now();
  const tell = (what: string) => console.log(`${((performance.now() - began) / 1000).toFixed(1)} s  ${week} ${what}`);
  await client.query('BEGIN');
  for (const table of bucketTables) {
    const name = partitionOf(table, week);
    await client.query(
      `CREATE TABLE ${name} (LIKE ${table} INCLUDING DEFAULTS, CONSTRAINT lies_here CHECK (bucket = ${week}))`,
    );
    const { rowCount } = await client.query(inserts[table]?.(week, turnsOf(week, chains, nowMs)) ?? '');
    tell(`${table}: ${rowCount} rows`);
    for (const statement of await indexesOf(client, table, name)) await client.query(statement);
    tell(`${table}: indexes`);
  }
  await client.query('COMMIT');
  for (const table of bucketTables) {
    const name = partitionOf(table, week);
    await client.query(`ALTER TABLE ${table} ATTACH PARTITION ${name} FOR VALUES IN (${week})`);
    await client.query(`ALTER TABLE ${name} DROP CONSTRAINT lies_here`);
    await client.query(`VACUUM (FREEZE, ANALYZE) ${name}`);
  }
  tell('attached and vacuumed');
}

/** What makes the indexes of a partitioned table on a table that is to become its partition. */
async function indexesOf(client: Client, table: string, name: string): Promise<string[]> {
  const { rows } = await client.query<{ definition: string; key: string | null }>(
    `SELECT pg_get_indexdef(i.indexrelid) AS definition, pg_get_constraintdef(k.oid) AS key
      FROM pg_index i LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.contype = 'p' WHERE i.indrelid = $1::regclass`,
    [table],
  );
  return rows.map(({ definition, key }) =>
    key === null
      ? definition.replace(/INDEX \S+ ON (?:ONLY )?\S+ USING/, `INDEX ON ${name} USING`)
      : `ALTER TABLE ${name} ADD ${key}`,
  );
}
