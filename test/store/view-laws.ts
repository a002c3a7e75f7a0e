import { describe, expect, test } from 'vitest';
import { noUsage } from '../../src/core/usage.ts';
import type { TurnCommit, TurnIntent } from '../../src/store/store.ts';
import type { TestBed } from './test-bed.ts';
import { attemptEndOf, attemptStartOf, commitOf, intentOf, itemOf, startMs } from './make.ts';

/** The view with the columns of LiteLLM's table. */
export function viewLaws(bed: TestBed): void {
  const { engine, newTenant, run } = bed;

  test('a body does not say again what its row says, and reads whole', async () => {
    const { own, tenant } = newTenant();
    const itemWith = (type: string, rest: string) => {
      const { id } = itemOf('');
      return { id, type, body: `{"id":"${id}","type":${JSON.stringify(type)}${rest}`, origin: null };
    };
    const lean = itemWith('message', ',"text":"\\ud800 é"}');
    const odd = itemWith('a"b', ',"text":"{"}');
    const bare = itemWith('reasoning', '}');
    const intent = intentOf({ input: [lean, odd], envelope: '' });
    await run(own, intent, { output: [bare] });
    const stored = await engine.query(
      `SELECT body FROM items WHERE tenant = '${tenant}' AND turn_id = '${intent.id}' ORDER BY position`,
    );
    expect(stored.map(({ body }) => body)).toEqual([',"text":"\\ud800 é"}', odd.body, '}']);
    expect(await own.readInput(intent.id)).toMatchObject([lean, odd]);
    expect((await own.readResponse(intent.id))?.output).toEqual([bare]);
    expect(await own.readItem(lean.id)).toEqual(lean);
    const [shown] = await engine.query(`SELECT messages FROM "LiteLLM_SpendLogs" WHERE request_id = '${intent.id}'`);
    const text = shown?.['messages'];
    expect(typeof text === 'string' ? text : JSON.stringify(text)).toBe(`[${lean.body},${odd.body}]`);
  });

  describe('the view "LiteLLM_SpendLogs"', () => {
    const columns = [
      'request_id call_type api_key spend total_tokens prompt_tokens completion_tokens startTime endTime',
      'request_duration_ms completionStartTime model model_id model_group custom_llm_provider api_base user metadata',
      'cache_hit cache_key request_tags team_id organization_id end_user requester_ip_address messages response',
      'session_id status mcp_namespaced_tool_name agent_id proxy_server_request billing_agent_id litellm_call_id',
      'created_at updated_at',
    ].flatMap((line) => line.split(' '));
    const asText = new Set(
      'metadata request_tags messages response startTime endTime completionStartTime created_at updated_at'.split(' '),
    );
    const select = columns
      .map((column) => (asText.has(column) ? `CAST("${column}" AS text) AS "${column}"` : `"${column}"`))
      .join(', ');
    const logsOf = async (tenant: string) =>
      engine.query(`SELECT ${select} FROM "LiteLLM_SpendLogs" WHERE team_id = '${tenant}' ORDER BY request_id`);

    test('has one row for each turn with that table columns', async () => {
      const { own, tenant } = newTenant();
      const text = '"quoted" \\ \u0000 \ud800 é';
      const intent = intentOf({ createdAtMs: startMs, input: [itemOf(text), itemOf('b')], endUser: 'someone' });
      await own.beginTurn(intent);
      const second = attemptStartOf({ number: 2, provider: 'openai', upstreamModel: 'gpt-x' });
      const failed = attemptEndOf(intent.attempt.id, { status: 'failed', costNanoUsd: 1 });
      await own.nextAttempt(intent.id, failed, second);
      const commit = commitOf(intent, { output: [itemOf(text)], attempt: attemptEndOf(second.id) });
      await own.commitTurn(commit);
      const rows = await logsOf(tenant);
      expect(rows).toHaveLength(1);
      const { metadata, messages, response, ...row } = rows[0] ?? {};
      expect(Object.keys(rows[0] ?? {})).toEqual(columns);
      expect(row).toEqual({
        request_id: intent.id,
        call_type: 'aresponses',
        api_key: 'key_1',
        spend: 0.000247751,
        total_tokens: 364,
        prompt_tokens: 314,
        completion_tokens: 50,
        startTime: '2025-11-22 08:26:40.007',
        endTime: '2025-11-22 08:26:41.507',
        request_duration_ms: 1500,
        completionStartTime: '2025-11-22 08:26:40.207',
        model: 'openai/gpt-x',
        model_id: '',
        model_group: 'fast',
        custom_llm_provider: 'openai',
        api_base: 'https://api.example.com',
        user: '',
        cache_hit: '',
        cache_key: '',
        request_tags: '[]',
        team_id: tenant,
        organization_id: null,
        end_user: 'someone',
        requester_ip_address: null,
        session_id: 'sess_1',
        status: 'success',
        mcp_namespaced_tool_name: null,
        agent_id: null,
        proxy_server_request: null,
        billing_agent_id: null,
        litellm_call_id: intent.id,
        created_at: '2025-11-22 08:26:40.007',
        updated_at: '2025-11-22 08:26:41.507',
      });
      expect(messages).toBe(`[${intent.input.map(({ body }) => body).join(',')}]`);
      expect(response).toBe(
        `${commit.head.slice(0, -1)},${intent.envelope.slice(1, -1)},"output":[${commit.output.map(({ body }) => body).join(',')}]}`,
      );
      expect(JSON.parse(String(metadata))).toEqual({
        previous_response_id: null,
        attempts: 2,
        estimated: false,
        cost_nano_usd: 247_751,
        usage_object: {
          prompt_tokens: 314,
          completion_tokens: 50,
          total_tokens: 364,
          prompt_tokens_details: { cached_tokens: 80, cache_creation_tokens: 14 },
          completion_tokens_details: { reasoning_tokens: 10 },
        },
        error_information: null,
      });
      // All columns, and no more, in this order.
      const [all] = await engine.query('SELECT * FROM "LiteLLM_SpendLogs" LIMIT 1');
      expect(Object.keys(all ?? {})).toEqual(columns);
    });

    test.each<[Partial<TurnIntent>, TurnCommit['status'] | undefined, Record<string, unknown>]>([
      [{ protocol: 'chat' }, 'incomplete', { call_type: 'acompletion', status: 'success' }],
      [{ protocol: 'messages' }, 'failed', { call_type: 'anthropic_messages', status: 'failure' }],
      [{ protocol: 'embeddings' }, 'completed', { call_type: 'aembedding', status: 'success' }],
      [{ input: [] }, 'cancelled', { call_type: 'aresponses', status: 'failure', messages: '[]' }],
      [{}, undefined, { status: null, request_duration_ms: null, spend: 0, endTime: '2025-11-22 08:26:40.007' }],
    ])('says how a turn stands: %o, %s', async (overrides, status, expected) => {
      const { own, tenant } = newTenant();
      const intent = intentOf({ createdAtMs: startMs, ...overrides });
      await own.beginTurn(intent);
      if (status !== undefined) await own.commitTurn(commitOf(intent, { status, output: [] }));
      const [row] = await logsOf(tenant);
      expect(row).toMatchObject(expected);
      expect(JSON.parse(String(row?.['response']))).toMatchObject({ instructions: 'be brief', output: [] });
    });

    test.each([
      { what: 'both are paid', first: { costNanoUsd: 1000 }, last: {}, cost: 248_750, spend: 0.000_248_75 },
      { what: 'the first was refused', first: { usage: noUsage }, last: {}, cost: 247_750, spend: 0.000_247_75 },
      { what: 'the first has no price', first: {}, last: {}, cost: null, spend: 0.000_247_75 },
      { what: 'none has a price', first: {}, last: { costNanoUsd: undefined }, cost: null, spend: 0 },
    ])('says what two attempts cost, or that it is not known: $what', async ({ first, last, cost, spend }) => {
      const { own, tenant } = newTenant();
      const shown = async () => {
        const [row] = await logsOf(tenant);
        return [row?.['spend'], JSON.parse(String(row?.['metadata'])).cost_nano_usd];
      };
      const intent = intentOf();
      await own.beginTurn(intent);
      expect(await shown()).toEqual([0, null]);
      const next = attemptStartOf({ number: 2 });
      const failed = attemptEndOf(intent.attempt.id, { status: 'failed', costNanoUsd: undefined, ...first });
      await own.nextAttempt(intent.id, failed, next);
      await own.commitTurn(commitOf(intent, { attempt: attemptEndOf(next.id, last) }));
      expect(await shown()).toEqual([spend, cost]);
    });

    test('says why content is withheld', async () => {
      const { own, tenant } = newTenant();
      const unstored = intentOf({ store: false });
      const deleted = intentOf({ envelope: '{}' });
      await run(own, unstored);
      await run(own, deleted);
      expect(JSON.parse(String((await logsOf(tenant))[1]?.['response']))).toMatchObject({ id: deleted.id });
      await own.deleteResponse(deleted.id, startMs);
      const withheld = (await logsOf(tenant)).map(({ messages, response }) => [messages, response]);
      const because = (reason: string) => `{"content":"withheld","reason":"${reason}"}`;
      expect(withheld).toEqual([
        [because('store_false'), because('store_false')],
        [because('deleted'), because('deleted')],
      ]);
    });
  });
}
