import { hash } from 'node:crypto';
import type { JsonObject } from '../../core/json-object.ts';
import { usdText } from '../../core/usd-text.ts';
import type { ClientCodec } from '../../protocols/codec.ts';
import { compactCodec } from '../../protocols/responses/compact.ts';
import { responsesCodec } from '../../protocols/responses/index.ts';
import { decodePage, inputItemsPage } from '../../protocols/responses/input-items-page.ts';
import { decodeCountRequest, inputTokensText } from '../../protocols/responses/input-tokens.ts';
import { decodeResume } from '../../protocols/responses/resume-query.ts';
import type { Store, TenantStore } from '../../store/store.ts';
import { warningsHeader } from '../../turn/answer.ts';
import type { Background } from '../../turn/background/background.ts';
import { responseNotFound } from '../../turn/background/follow.ts';
import { countInputTokens } from '../../turn/count-tokens.ts';
import { createKeyedRuns, type KeyedRuns } from '../../turn/keyed-runs.ts';
import { runTurn } from '../../turn/run-turn.ts';
import type { KeyedRun, TurnDependencies } from '../../turn/turn.ts';
import { idempotencyHeader } from '../idempotency-header.ts';
import type { KeyExchange, Route } from '../route.ts';
import { sendJson } from '../send-json.ts';
import { sessionHeader } from '../session-header.ts';
import { answerBackground, followFrom, storedText } from './background.ts';
import { createTurnSink } from '../turn-sink.ts';

/** The Responses API. Every handler opens the store with the caller's tenant, and nothing else reaches the store. */
export function responsesRoutes(store: Store, turns: TurnDependencies, background: Background): Route[] {
  const keyedRuns = createKeyedRuns();
  const tenantOf = ({ principal }: KeyExchange): TenantStore => store.forTenant(principal.tenant);

  async function answer(exchange: KeyExchange, client: ClientCodec): Promise<void> {
    const { request, response, principal } = exchange;
    const sessionId = sessionHeader(request);
    const { body, idempotency } = await readKeyed(exchange, keyedRuns);
    const call = {
      request: client.decodeRequest(body),
      client,
      store: tenantOf(exchange),
      keyId: principal.keyId,
      budgetIds: principal.budgetIds,
      sessionId,
      idempotency,
    };
    // What could be decoded is an object.
    if (call.request.background) return answerBackground(background, exchange, { ...call, body: body as JsonObject });
    await runTurn(turns, { ...call, sink: createTurnSink(response) }).finally(() => idempotency?.close());
  }

  return [
    {
      method: 'POST',
      path: '/v1/responses',
      auth: 'key',
      content: 'json',
      handle: (exchange) => answer(exchange, responsesCodec),
    },
    {
      method: 'POST',
      path: '/v1/responses/compact',
      auth: 'key',
      content: 'json',
      handle: (exchange) => answer(exchange, compactCodec),
    },
    {
      method: 'POST',
      path: '/v1/responses/input_tokens',
      auth: 'key',
      content: 'json',
      async handle(exchange) {
        const { response } = exchange;
        const gone = new AbortController();
        response.once('close', () => gone.abort());
        const request = decodeCountRequest(await exchange.body());
        const { inputTokens, warnings } = await countInputTokens(turns, tenantOf(exchange), request, gone.signal);
        if (warnings.length > 0) response.setHeader('x-turnpike-warnings', warningsHeader(warnings));
        sendJson(response, inputTokensText(inputTokens));
      },
    },
    {
      method: 'GET',
      path: '/v1/responses/{id}',
      auth: 'key',
      content: 'none',
      async handle(exchange) {
        const id = exchange.params['id'] ?? '';
        const resume = decodeResume(exchange.query);
        if (resume !== undefined) return followFrom(background, exchange, id, resume.after, resume);
        await sendStored(exchange, tenantOf(exchange), id);
      },
    },
    {
      method: 'POST',
      path: '/v1/responses/{id}/cancel',
      auth: 'key',
      content: 'none',
      async handle(exchange) {
        const id = exchange.params['id'] ?? '';
        await background.cancel(exchange.principal.tenant, id);
        await sendStored(exchange, tenantOf(exchange), id);
      },
    },
    {
      method: 'DELETE',
      path: '/v1/responses/{id}',
      auth: 'key',
      content: 'none',
      async handle(exchange) {
        const id = exchange.params['id'] ?? '';
        if (!(await tenantOf(exchange).deleteResponse(id, turns.nowMs()))) throw responseNotFound(id);
        background.deleted(exchange.principal.tenant, id);
        sendJson(exchange.response, JSON.stringify({ id, object: 'response', deleted: true }));
      },
    },
    {
      method: 'GET',
      path: '/v1/responses/{id}/input_items',
      auth: 'key',
      content: 'none',
      async handle(exchange) {
        const { params, query, response } = exchange;
        const page = decodePage(query);
        const input = await tenantOf(exchange).readInput(params['id'] ?? '');
        if (input === undefined) throw responseNotFound(params['id'] ?? '');
        sendJson(response, inputItemsPage(input, page));
      },
    },
  ];
}

/** The body, and the run that its idempotency key names, if there is one. Keys are stored as hashes, each of one tenant. */
async function readKeyed(
  exchange: KeyExchange,
  runs: KeyedRuns,
): Promise<{ body: unknown; idempotency: KeyedRun | undefined }> {
  const key = idempotencyHeader(exchange.request);
  if (key === undefined) return { body: await exchange.body(), idempotency: undefined };
  let bodyHash = '';
  const body = await exchange.body((bytes) => {
    bodyHash = hash('sha256', bytes);
  });
  const keyHash = hash('sha256', JSON.stringify([exchange.principal.tenant, key]));
  return { body, idempotency: runs.open(keyHash, bodyHash) };
}

async function sendStored({ response }: KeyExchange, tenant: TenantStore, id: string): Promise<void> {
  const found = await tenant.readResponse(id);
  if (found === undefined) throw responseNotFound(id);
  const cost = await tenant.readCost(id);
  response.setHeader('x-turnpike-session-id', found.sessionId);
  if (cost !== undefined) response.setHeader('x-turnpike-cost-usd', usdText(cost));
  sendJson(response, storedText(found));
}
