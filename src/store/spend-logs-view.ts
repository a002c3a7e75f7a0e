import { wholeBodySql } from './stored-body.ts';
import { unknownCosts } from './unknown-costs.ts';

/** What the engines spell differently in the view. */
export interface ViewDialect {
  /** Milliseconds since the epoch, or null, as a timestamp in UTC. */
  timestamp: (ms: string) => string;
  /** Text as the engine's type for JSON that keeps its text. */
  json: (text: string) => string;
}

const ofTurn = 'a.tenant = t.tenant AND a.turn_id = t.id AND a.bucket = t.bucket';
const total = (column: string) => `COALESCE((SELECT SUM(a.${column}) FROM attempts a WHERE ${ofTurn}), 0)`;
const items = (
  output: 0 | 1,
) => `COALESCE((SELECT string_agg(${wholeBodySql('i')}, ',' ORDER BY i.position) FROM items i
    WHERE i.tenant = t.tenant AND i.turn_id = t.id AND i.bucket = t.bucket AND i.output = ${output} AND i.body <> ''), '')`;
/** Null where it is not known, in whole or in part. The column `spend` has what is known: LiteLLM's is never null. */
const cost = `(SELECT CASE WHEN COALESCE(${unknownCosts}, 0) = 0 THEN COALESCE(SUM(a.cost_nano_usd), 0) END
    FROM attempts a WHERE ${ofTurn})`;
/** Of the last attempt, or of a background turn that ended before its first. */
const errorCode = `COALESCE(l.error_code, (SELECT r.error_code FROM background_runs r
    WHERE r.tenant = t.tenant AND r.turn_id = t.id))`;
const text = (number: string) => `CAST(${number} AS text)`;

/** Content is withheld with a reason: an empty object would read as if nothing had been said. */
const content = (json: string) => `CASE WHEN t.stored NOT IN (1, 3) THEN '{"content":"withheld","reason":"store_false"}'
    WHEN t.deleted_at_ms IS NOT NULL THEN '{"content":"withheld","reason":"deleted"}'
    WHEN t.head = '' THEN '{"content":"withheld","reason":"expired"}'
    ELSE ${json} END`;

const messages = `'[' || ${items(0)} || ']'`;

/** Head and envelope are the text of objects without white space around; together with the output they are the Response. */
const response = `substr(t.head, 1, length(t.head) - 1)
      || CASE WHEN e.body IS NULL OR e.body = '{}' THEN '' ELSE ',' || substr(e.body, 2, length(e.body) - 2) END
      || ',"output":[' || ${items(1)} || ']}'`;

/** Only ids that we minted, numbers and codes of our own table: nothing here needs escaping. */
const metadata = `'{"previous_response_id":' || COALESCE('"' || t.parent || '"', 'null')
    || ',"attempts":' || (SELECT ${text('COUNT(*)')} FROM attempts a WHERE ${ofTurn})
    || ',"estimated":' || CASE WHEN ${total('estimated')} > 0 THEN 'true' ELSE 'false' END
    || ',"cost_nano_usd":' || COALESCE(${text(cost)}, 'null')
    || ',"usage_object":{"prompt_tokens":' || ${text(total('input_tokens'))}
    || ',"completion_tokens":' || ${text(total('output_tokens'))}
    || ',"total_tokens":' || ${text(`${total('input_tokens')} + ${total('output_tokens')}`)}
    || ',"prompt_tokens_details":{"cached_tokens":' || ${text(total('cached_tokens'))}
    || ',"cache_creation_tokens":' || ${text(total('cache_write_tokens'))}
    || '},"completion_tokens_details":{"reasoning_tokens":' || ${text(total('reasoning_tokens'))}
    || '}},"error_information":' || COALESCE('{"error_code":"' || ${errorCode} || '"}', 'null') || '}'`;

/**
 * `"LiteLLM_SpendLogs"` with the columns of LiteLLM 1.109.1, one row for each turn, so that reports written for that
 * table go on working. Read-only: what it shows is the turns and their attempts.
 * @see https://github.com/BerriAI/litellm/blob/main/schema.prisma
 */
export function spendLogsView({ timestamp, json }: ViewDialect): string {
  return `CREATE VIEW "LiteLLM_SpendLogs" AS SELECT
  t.id AS request_id,
  CASE t.protocol WHEN 'responses' THEN 'aresponses' WHEN 'chat' THEN 'acompletion'
    WHEN 'embeddings' THEN 'aembedding' ELSE 'anthropic_messages' END AS call_type,
  t.key_id AS api_key,
  CAST(${total('cost_nano_usd')} AS double precision) / 1e9 AS spend,
  CAST(${total('input_tokens')} + ${total('output_tokens')} AS integer) AS total_tokens,
  CAST(${total('input_tokens')} AS integer) AS prompt_tokens,
  CAST(${total('output_tokens')} AS integer) AS completion_tokens,
  ${timestamp('t.created_at_ms')} AS "startTime",
  ${timestamp('COALESCE(l.ended_at_ms, t.created_at_ms)')} AS "endTime",
  CAST(l.ended_at_ms - t.created_at_ms AS integer) AS request_duration_ms,
  ${timestamp('l.first_token_at_ms')} AS "completionStartTime",
  COALESCE(l.provider || '/' || l.upstream_model, '') AS model,
  '' AS model_id,
  t.model AS model_group,
  COALESCE(l.provider, '') AS custom_llm_provider,
  COALESCE(l.api_base, '') AS api_base,
  '' AS "user",
  ${json(metadata)} AS metadata,
  '' AS cache_hit,
  '' AS cache_key,
  ${json(`'[]'`)} AS request_tags,
  t.tenant AS team_id,
  CAST(NULL AS text) AS organization_id,
  t.end_user AS end_user,
  CAST(NULL AS text) AS requester_ip_address,
  ${json(content(messages))} AS messages,
  ${json(content(response))} AS response,
  t.session_id AS session_id,
  CASE t.status WHEN 'queued' THEN NULL WHEN 'in_progress' THEN NULL WHEN 'completed' THEN 'success' WHEN 'incomplete' THEN 'success'
    ELSE 'failure' END AS status,
  CAST(NULL AS text) AS mcp_namespaced_tool_name,
  CAST(NULL AS text) AS agent_id,
  ${json('CAST(NULL AS text)')} AS proxy_server_request,
  CAST(NULL AS text) AS billing_agent_id,
  t.id AS litellm_call_id,
  ${timestamp('t.created_at_ms')} AS created_at,
  ${timestamp('COALESCE(l.ended_at_ms, t.created_at_ms)')} AS updated_at
FROM turns t
LEFT JOIN attempts l ON l.tenant = t.tenant AND l.turn_id = t.id AND l.bucket = t.bucket
  AND l.number = (SELECT MAX(a.number) FROM attempts a WHERE ${ofTurn})
LEFT JOIN envelopes e ON e.tenant = t.tenant AND e.hash = t.envelope_hash AND e.bucket = t.bucket
WHERE t.protocol <> 'items'`;
}
