import type { ServerResponse } from 'node:http';
import type { Warning } from '../../core/warning.ts';
import { usdText } from '../../core/usd-text.ts';
import { compactCodec } from '../../protocols/responses/compact.ts';
import { responsesCodec } from '../../protocols/responses/index.ts';
import { decodeInclude, itemText } from '../../protocols/responses/conversation.ts';
import { decodePage, inputItemsPage } from '../../protocols/responses/input-items-page.ts';
import { decodeCountRequest, inputTokensObject } from '../../protocols/responses/input-tokens.ts';
import { decodeResume } from '../../protocols/responses/resume-query.ts';
import type { TenantStore } from '../../store/store.ts';
import { warningsHeader } from '../../turn/answer.ts';
import { responseNotFound } from '../../turn/background/follow.ts';
import { countInputTokens } from '../../turn/count-tokens.ts';
import type { TurnRoutes } from '../answer-turn.ts';
import type { KeyExchange, Route } from '../route.ts';
import { sendJson } from '../send-json.ts';
import { missedParts, shownItem } from '../shown-item.ts';
import { turnRoute } from '../turn-route.ts';
import { followFrom, storedText } from './background.ts';

/** The Responses API. Every handler opens the store with the caller's tenant, and nothing else reaches the store. */
export function responsesRoutes(routes: TurnRoutes): Route[] {
  const { store, turns, background } = routes;
  const tenantOf = ({ principal }: KeyExchange): TenantStore => store.forTenant(principal.tenant);

  return [
    turnRoute(routes, '/v1/responses', responsesCodec),
    turnRoute(routes, '/v1/responses/compact', compactCodec),
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
        const { inputTokens, warnings } = await countInputTokens(
          turns,
          tenantOf(exchange),
          request,
          gone.signal,
          exchange.credential,
        );
        warnOf(response, warnings);
        sendJson(response, JSON.stringify(inputTokensObject(inputTokens)));
      },
    },
    {
      method: 'GET',
      path: '/v1/responses/{id}',
      auth: 'key',
      content: 'none',
      async handle(exchange) {
        const id = exchange.params['id'] ?? '';
        const include = decodeInclude(exchange.query);
        const resume = decodeResume(exchange.query);
        if (resume !== undefined) return followFrom(background, exchange, id, resume.after, resume);
        await sendStored(exchange, tenantOf(exchange), id, include);
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
        const include = decodeInclude(query);
        const tenant = tenantOf(exchange);
        const input = await tenant.readInput(params['id'] ?? '');
        if (input === undefined) throw responseNotFound(params['id'] ?? '');
        const shown = input.map((stored) => {
          const { id, type, body } = shownItem(tenant.seal, stored, include);
          return { id, body: itemText(type, body, include) };
        });
        warnOf(response, missedParts(shown, include));
        sendJson(response, inputItemsPage(shown, page));
      },
    },
  ];
}

function warnOf(response: ServerResponse, warnings: Warning[]): void {
  if (warnings.length > 0) response.setHeader('x-turnpike-warnings', warningsHeader(warnings));
}

/** As it was given when it was made, and with what is asked for now. */
async function sendStored(
  { response }: KeyExchange,
  tenant: TenantStore,
  id: string,
  include: ReadonlySet<string> = new Set(),
): Promise<void> {
  const found = await tenant.readResponse(id);
  if (found === undefined) throw responseNotFound(id);
  const cost = await tenant.readCost(id);
  response.setHeader('x-turnpike-session-id', found.sessionId);
  if (cost !== undefined) response.setHeader('x-turnpike-cost-usd', usdText(cost));
  const output = found.output.map((stored) => shownItem(tenant.seal, stored, include));
  warnOf(response, missedParts(output, include));
  sendJson(response, storedText({ ...found, output }));
}
