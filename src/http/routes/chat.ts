import { chatClientCodec } from '../../protocols/chat/client.ts';
import { answerTurn, type TurnRoutes } from '../answer-turn.ts';
import type { Route } from '../route.ts';

/** OpenAI's Chat Completions. What is answered there is a response like any other, by the id that the answer has. */
export function chatRoutes(routes: TurnRoutes): Route[] {
  return [
    {
      method: 'POST',
      path: '/v1/chat/completions',
      auth: 'key',
      content: 'json',
      encodeError: chatClientCodec.encodeError,
      handle: (exchange) => answerTurn(routes, exchange, chatClientCodec),
    },
  ];
}
