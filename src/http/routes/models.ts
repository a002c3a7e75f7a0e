import type { IncomingMessage } from 'node:http';
import { errorBody } from '../../core/error-body.ts';
import { GatewayError } from '../../core/errors.ts';
import { messagesClientCodec } from '../../protocols/messages/client.ts';
import type { Router } from '../../routing/router.ts';
import type { Exchange, Route } from '../route.ts';
import { sendJson } from '../send-json.ts';

/**
 * What can be asked for: groups and aliases, and by its id every name that a pattern (`claude-*`) serves, in the words of
 * whoever asks.
 * @see https://platform.openai.com/docs/api-reference/models
 * @see https://platform.claude.com/docs/en/api/models-list
 */
export function modelsRoutes(router: Router, startedAtMs: number): Route[] {
  const created = Math.floor(startedAtMs / 1000);
  const openAiModel = (id: string) => ({ id, object: 'model', created, owned_by: 'turnpike' });

  return [
    {
      method: 'GET',
      path: '/v1/models',
      auth: 'key',
      content: 'none',
      // Of what is below the path too.
      encodeError: (error, requestId, request) =>
        isAnthropic(request) ? messagesClientCodec.encodeError(error, requestId) : errorBody(error),
      async handle({ request, response, query }) {
        const names = router.names();
        if (isAnthropic(request)) return sendJson(response, JSON.stringify(pageOf(names, query)));
        const list = { object: 'list', data: names.map(openAiModel) };
        sendJson(response, JSON.stringify(query.has('client_version') ? { ...list, models: codexModels } : list));
      },
    },
    {
      method: 'GET',
      path: '/v1/models/{id}',
      auth: 'key',
      content: 'none',
      async handle({ request, response, params }: Exchange) {
        const id = params['id'] ?? '';
        router.route(id);
        sendJson(response, JSON.stringify(isAnthropic(request) ? anthropicModel(id) : openAiModel(id)));
      },
    },
  ];
}

/**
 * Codex asks for its own kind of list (`GET /models?client_version=…`), where it is told to run a command for its key. What is
 * in it replaces what Codex knows of a model, its instructions for it too; an empty one leaves all as it was.
 * @see https://github.com/openai/codex/blob/main/codex-rs/models-manager/src/manager.rs
 */
const codexModels: never[] = [];

/** Anthropic's clients name the version of its API, and send the key in a header of theirs. */
function isAnthropic({ headers }: IncomingMessage): boolean {
  return (
    headers['anthropic-version'] !== undefined ||
    (headers['x-api-key'] !== undefined && headers.authorization === undefined)
  );
}

/** "May be set to an epoch value if the release date is unknown." */
const unknownDate = '1970-01-01T00:00:00Z';

const anthropicModel = (id: string) => ({ type: 'model', id, display_name: id, created_at: unknownDate });

/** @throws GatewayError (400) for a `limit`, `after_id` or `before_id` that is none. */
function pageOf(names: readonly string[], query: URLSearchParams): object {
  const limit = query.get('limit') ?? '20';
  if (!/^\d{1,4}$/.test(limit) || Number(limit) < 1 || Number(limit) > 1000) {
    throw new GatewayError('invalid_value', "Invalid 'limit': expected a number from 1 to 1000.", { param: 'limit' });
  }
  const from = query.has('after_id') ? placeOf(names, query, 'after_id') + 1 : 0;
  const to = query.has('before_id') ? placeOf(names, query, 'before_id') : names.length;
  const range = names.slice(from, Math.max(from, to));
  const isBackwards = query.has('before_id') && !query.has('after_id');
  const page = isBackwards ? range.slice(-Number(limit)) : range.slice(0, Number(limit));
  return {
    data: page.map(anthropicModel),
    has_more: page.length < range.length,
    first_id: page[0] ?? null,
    last_id: page.at(-1) ?? null,
  };
}

function placeOf(names: readonly string[], query: URLSearchParams, param: 'after_id' | 'before_id'): number {
  const place = names.indexOf(query.get(param) ?? '');
  if (place >= 0) return place;
  throw new GatewayError('invalid_value', `Invalid '${param}': no model in the list has this id.`, { param });
}
