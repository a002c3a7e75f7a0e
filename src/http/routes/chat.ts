import { chatClientCodec } from '../../protocols/chat/client.ts';
import type { TurnRoutes } from '../answer-turn.ts';
import type { Route } from '../route.ts';
import { turnRoute } from '../turn-route.ts';

/** OpenAI's Chat Completions. What is answered there is a response like any other, by the id that the answer has. */
export function chatRoutes(routes: TurnRoutes): Route[] {
  return [turnRoute(routes, '/v1/chat/completions', chatClientCodec)];
}
