import { type ErrorCode, GatewayError } from '../../core/errors.ts';
import { responseText } from '../../protocols/responses/response.ts';
import type { Warning } from '../../core/warning.ts';
import type { StoredResponse } from '../../store/store.ts';
import { replayHeader, resultNotKept } from '../../turn/answer-again.ts';
import { answerHeaders } from '../../turn/answer.ts';
import type { Background, ClientCall } from '../../turn/background/background.ts';
import { replayReply, storedReply } from '../../turn/replay-reply.ts';
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
  if (request.stream) {
    const isOver = await followFrom(background, exchange, queued.held, -1, { more: replayHeader }).catch(isGone);
    if (isOver !== true) return;
  }
  const held = await store.readResponse(queued.held);
  if (held === undefined) throw resultNotKept();
  if (!request.stream) return send(exchange, storedText(held), { ...jsonHeaders(held), ...replayHeader });
  const stream = replayReply(client.createStreamEncoder(), storedReply(request, held));
  return send(exchange, stream, { ...answerHeaders(held, [], eventStream), ...replayHeader });
}

/** Whether the events of a stream are no more, be it with their response. @throws the error, where it says anything else. */
function isGone(error: unknown): true {
  const codes: ErrorCode[] = ['response_not_streamable', 'response_not_found'];
  if (error instanceof GatewayError && codes.includes(error.code)) return true;
  throw error;
}

const eventStream = 'text/event-stream; charset=utf-8';

/** @throws GatewayError where the response has no stream that can be followed. */
export function followFrom(
  background: Background,
  { principal, response }: KeyExchange,
  id: string,
  after: number,
  { warnings = [], more = {} }: { warnings?: Warning[]; more?: Record<string, string> } = {},
): Promise<void> {
  const headers = (sessionId: string) => ({
    ...answerHeaders({ sessionId }, warnings, eventStream),
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
