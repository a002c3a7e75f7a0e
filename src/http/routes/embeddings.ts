import { embeddingsClientCodec } from '../../protocols/embeddings/index.ts';
import type { TurnRoutes } from '../answer-turn.ts';
import type { Route } from '../route.ts';
import { turnRoute } from '../turn-route.ts';

/**
 * A turn like others, of deployments that make embeddings.
 * @param routes whose router leads to such deployments.
 * @see https://platform.openai.com/docs/api-reference/embeddings
 */
export function embeddingsRoutes(routes: TurnRoutes): Route[] {
  return [turnRoute(routes, '/v1/embeddings', embeddingsClientCodec)];
}
