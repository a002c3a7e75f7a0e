import type { ClientCodec } from '../protocols/codec.ts';
import { answerTurn, type TurnRoutes } from './answer-turn.ts';
import type { Route } from './route.ts';

/** An endpoint whose requests are turns. */
export function turnRoute(routes: TurnRoutes, path: string, client: ClientCodec): Route {
  return {
    method: 'POST',
    path,
    auth: 'key',
    content: 'json',
    encodeError: (error, requestId) => client.encodeError(error, requestId),
    handle: (exchange) => answerTurn(routes, exchange, path, client),
  };
}
