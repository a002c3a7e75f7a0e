import { embeddingsClientCodec } from '../../protocols/embeddings/index.ts';
import { answerTurn, type TurnRoutes } from '../answer-turn.ts';
import type { Route } from '../route.ts';

/**
 * A turn like others, of deployments that make embeddings.
 * @param routes whose router leads to such deployments.
 * @see https://platform.openai.com/docs/api-reference/embeddings
 */
export function embeddingsRoutes(routes: TurnRoutes): Route[] {
  return [
    {
      method: 'POST',
      path: '/v1/embeddings',
      auth: 'key',
      content: 'json',
      handle: (exchange) => answerTurn(routes, exchange, embeddingsClientCodec),
    },
  ];
}
