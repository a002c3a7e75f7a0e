import { messagesClientCodec } from '../../protocols/messages/client.ts';
import { decodeCountRequest } from '../../protocols/messages/decode-request.ts';
import { warningsHeader } from '../../turn/answer.ts';
import { countInputTokens } from '../../turn/count-tokens.ts';
import { inClientsWords } from '../../turn/in-clients-words.ts';
import type { TurnRoutes } from '../answer-turn.ts';
import { headerValues } from '../header-values.ts';
import type { Route } from '../route.ts';
import { sendJson } from '../send-json.ts';
import { turnRoute } from '../turn-route.ts';

const { encodeError, paramName } = messagesClientCodec;

/** Anthropic's Messages API. */
export function messagesRoutes(routes: TurnRoutes): Route[] {
  const { store, turns } = routes;
  return [
    turnRoute(routes, '/v1/messages', messagesClientCodec),
    {
      method: 'POST',
      path: '/v1/messages/count_tokens',
      auth: 'key',
      content: 'json',
      encodeError,
      async handle({ request, response, principal, credential, body }) {
        const gone = new AbortController();
        response.once('close', () => gone.abort());
        let text: string | undefined;
        const json = await body((bytes) => (text = bytes.toString('utf8')));
        const header = (name: string) => headerValues(request, name).join(',') || undefined;
        const decoded = decodeCountRequest(json, { text, header });
        const tenant = store.forTenant(principal.tenant);
        const { inputTokens, warnings } = await countInputTokens(turns, tenant, decoded, gone.signal, credential).catch(
          (thrown: unknown) => {
            throw inClientsWords(thrown, { client: messagesClientCodec, request: decoded });
          },
        );
        const named = warnings.map((warning) => ({ ...warning, param: paramName(warning.param, decoded) }));
        if (named.length > 0) response.setHeader('x-turnpike-warnings', warningsHeader(named));
        sendJson(response, JSON.stringify({ input_tokens: inputTokens }));
      },
    },
    {
      // Claude Code asks whether anybody is there before it sends its first request.
      method: 'HEAD',
      path: '/',
      auth: 'none',
      content: 'none',
      async handle({ response }) {
        response.writeHead(200).end();
      },
    },
  ];
}
