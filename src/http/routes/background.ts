import { responseText } from '../../protocols/responses/response.ts';
import type { Warning } from '../../core/warning.ts';
import type { StoredResponse } from '../../store/store.ts';
import { replayHeader, resultNotKept } from '../../turn/answer-again.ts';
import { answerHeaders } from '../../turn/answer.ts';
import type { Background, ClientCall } from '../../turn/background/background.ts';
import type { KeyExchange } from '../route.ts';
import { createTurnSink } from '../turn-sink.ts';

/** Answers a background request as soon as its turn is queued: with the response as it is then, or with its stream. */
export async function answerBackground(background: Background, exchange: KeyExchange, call: ClientCall): Promise<void> {
  const { client, store, request } = call;
  const queued = await background.queue(call, exchange.principal.tenant);
  if ('turn' in queued) {
    const { turn, warnings } = queued;
    if (request.stream) return followFrom(background, exchange, turn.id, -1, { warnings });
    return send(exchange, client.encodeReply(turn.reply), jsonHeaders(turn, warnings));
  }
  if (request.stream) return followFrom(background, exchange, queued.held, -1, { more: replayHeader });
  const held = await store.readResponse(queued.held);
  if (held === undefined) throw resultNotKept();
  return send(exchange, storedText(held), { ...jsonHeaders(held), ...replayHeader });
}

/** @throws GatewayError where the response has no stream that can be followed. */
export function followFrom(
  background: Background,
  { principal, response }: KeyExchange,
  id: string,
  after: number,
  { warnings = [], more = {} }: { warnings?: Warning[]; more?: Record<string, string> } = {},
): Promise<void> {
  const headers = (sessionId: string) => ({
    ...answerHeaders({ sessionId }, warnings, 'text/event-stream; charset=utf-8'),
    ...more,
  });
  return background.follow({ tenant: principal.tenant, id, after, headers, sink: createTurnSink(response) });
}

/** A stored response as its client reads it. */
export function storedText({ head, envelope, output }: StoredResponse): string {
  return responseText(
    head,
    envelope,
    output.map(({ body }) => body),
  );
}

function jsonHeaders(turn: { sessionId: string }, warnings: Warning[] = []): Record<string, string> {
  return answerHeaders(turn, warnings, 'application/json; charset=utf-8');
}

function send({ response }: KeyExchange, body: string, headers: Record<string, string>): void {
  response.writeHead(200, { ...headers, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}
