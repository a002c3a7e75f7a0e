import type { RawData, WebSocket } from 'ws';
import { errorFields } from '../core/error-body.ts';
import { GatewayError } from '../core/errors.ts';
import { isJsonObject, type JsonObject } from '../core/json-object.ts';
import { invalidChoice, invalidType, missing } from '../core/check.ts';
import { withPatience } from '../store/patience.ts';
import { responsesCodec } from '../protocols/responses/index.ts';
import type { Store } from '../store/store.ts';
import { underLedger } from '../turn/keeps-content.ts';
import { createLocalChain } from '../turn/local-chain.ts';
import { runTurn } from '../turn/run-turn.ts';
import type { TurnDependencies } from '../turn/turn.ts';
import { jsonText, parseJson } from './check-json.ts';
import { namedSession } from './session-header.ts';
import { createSocketLine } from './socket-line.ts';
import { createSocketSink } from './socket-sink.ts';
import { defaultStalledMs } from './stall.ts';
import type { SocketCaller, SocketRoute, SocketSession } from './upgrade.ts';

export interface ResponsesSocketLimits {
  /** How long a socket is served. */
  lifeMs: number;
  /** A client that answers no ping within this time is gone. */
  pingMs: number;
  /** So is one that has read nothing of what is there for it for this long. */
  stalledMs: number;
  /** Requests that wait for the one that runs. */
  maxWaiting: number;
  /** Of those together. One may be as large as a message may be. */
  maxWaitingBytes: number;
  /** Of the context of the newest response that is not stored. */
  maxLocalCharacters: number;
}

const defaultLimits: ResponsesSocketLimits = {
  lifeMs: 60 * 60_000,
  pingMs: 30_000,
  stalledMs: defaultStalledMs,
  maxWaiting: 16,
  maxWaitingBytes: 32 * 1024 * 1024,
  maxLocalCharacters: 64 * 1024 * 1024,
};

interface CreateMessage {
  body: JsonObject;
  /** As it came. */
  bytes: number;
  streamId: string | undefined;
}

const normalClose = 1000;
const goingAway = 1001;
const policyViolation = 1008;
const internalFault = 1011;

export const clientEvents = ['response.create', 'response.steer'] as const;
const maxStreamIdLength = 256;

/**
 * The Responses API over a WebSocket: one response at a time, in the order in which they were asked for. A chain that is not
 * stored goes on from the connection's own memory.
 * @see https://www.openresponses.org/specification (WebSocket transport)
 */
export function responsesSocket(
  store: Store,
  turns: TurnDependencies,
  options: Partial<ResponsesSocketLimits> = {},
): SocketRoute {
  const limits = { ...defaultLimits, ...options };
  return { path: '/v1/responses', open: (socket, caller) => openSession(socket, caller, { store, turns, limits }) };
}

function openSession(
  socket: WebSocket,
  { request, connection, authenticate, principal }: SocketCaller,
  { store, turns, limits }: { store: Store; turns: TurnDependencies; limits: ResponsesSocketLimits },
): SocketSession {
  const { log } = turns;
  const tenant = store.forTenant(principal.tenant);
  const line = createSocketLine(socket, connection, limits.stalledMs);
  const local = createLocalChain(limits.maxLocalCharacters);
  const waiting: CreateMessage[] = [];
  /** The one whose response is under way. */
  let current: CreateMessage | undefined;
  /** Nothing more is taken; closed with this when nothing runs. */
  let last: { code: number; error: GatewayError | undefined } | undefined;
  let answersPings = true;
  let settle = () => {};
  const ended = new Promise<void>((resolve) => {
    settle = resolve;
  });

  function sendError(thrown: unknown, streamId: string | undefined): void {
    let error = thrown;
    if (!(error instanceof GatewayError)) {
      log.error({ err: thrown }, 'a message failed for an unforeseen reason');
      error = new GatewayError('internal_error', 'The gateway failed on this message. Its log tells why.');
    }
    line.send(JSON.stringify(errorFrame(error as GatewayError, streamId)));
  }

  function finish(code: number, error?: GatewayError): void {
    last ??= { code, error };
    if (current === undefined) close();
  }

  function close(): void {
    if (last?.error !== undefined) sendError(last.error, undefined);
    socket.close(last?.code ?? normalClose);
  }

  async function run({ body, streamId }: CreateMessage): Promise<void> {
    const sink = createSocketSink(line, streamId);
    const parent = body['previous_response_id'];
    let turnEnded = false;
    try {
      const now = await authenticate();
      if (now.tenant !== principal.tenant) throw new GatewayError('invalid_api_key', 'Incorrect API key provided.');
      const decoded = underLedger(decodeCreate(body), turns.ledger, (id) => local.find(id) !== undefined);
      await runTurn(turns, {
        request: decoded,
        client: responsesCodec,
        store: tenant,
        keyId: now.keyId,
        budgetIds: now.budgetIds,
        sessionId: namedSession(request, decoded),
        local: { ...local, remember: (...turn) => ((turnEnded = true), local.remember(...turn)) },
        sink,
      });
    } catch (thrown) {
      if (sink.started) {
        log.error({ err: thrown }, 'a response was cut');
        socket.close(internalFault);
      } else {
        sendError(thrown, streamId);
        if (thrown instanceof GatewayError && thrown.code === 'invalid_api_key') finish(policyViolation);
      }
    } finally {
      sink.release();
      if (!turnEnded && typeof parent === 'string') local.evict(parent);
    }
  }

  async function pump(): Promise<void> {
    for (;;) {
      current = last === undefined ? waiting.shift() : undefined;
      if (current === undefined) break;
      const message = current;
      await withPatience(() => run(message));
    }
    if (last !== undefined) close();
    if (socket.readyState === socket.CLOSED) settle();
  }

  function receive(data: RawData, isBinary: boolean): void {
    if (last !== undefined) return;
    let streamId: string | undefined;
    try {
      if (isBinary) throw new GatewayError('invalid_json', 'A message must be text.');
      const bytes = bytesOf(data);
      const body = parseJson(jsonText(bytes));
      if (!isJsonObject(body)) throw invalidType('', 'an object', body);
      streamId = streamIdOf(body);
      const type = clientEvents.find((name) => name === body['type']);
      if (body['type'] === undefined) throw missing('type');
      if (type === undefined) throw invalidChoice('type', body['type'], clientEvents);
      if (type === 'response.steer') line.send(JSON.stringify(steerFailed(body, streamId)));
      else enqueue({ body, bytes: bytes.length, streamId });
    } catch (thrown) {
      sendError(thrown, streamId);
    }
  }

  function enqueue(message: CreateMessage): void {
    if (current !== undefined) {
      if (message.streamId !== current.streamId) {
        throw limitReached('This connection serves one stream at a time: open another one for another stream_id.');
      }
      const bytes = waiting.reduce((sum, each) => sum + each.bytes, message.bytes);
      if (waiting.length >= limits.maxWaiting || bytes > limits.maxWaitingBytes)
        throw limitReached('Too many requests wait on this connection.');
    }
    waiting.push(message);
    if (current === undefined) {
      pump().catch((err: unknown) => {
        log.error({ err }, 'a socket failed for an unforeseen reason');
        socket.terminate();
        settle();
      });
    }
  }

  const pinging = setInterval(() => {
    // No pong is read while the line is full; how long that lasts is watched by the line.
    if (line.full) return;
    if (!answersPings) socket.terminate();
    answersPings = false;
    line.ping();
  }, limits.pingMs).unref();
  const life = setTimeout(() => {
    const message = 'This connection has reached its limit of 60 minutes. Open a new one to go on.';
    finish(normalClose, new GatewayError('websocket_connection_limit_reached', message));
  }, limits.lifeMs).unref();

  const isThere = () => {
    answersPings = true;
  };

  socket.on('message', receive);
  socket.on('pong', isThere);
  // Its pong may be behind much that is read only now.
  line.watch(isThere, () => {});
  socket.on('error', (error) => log.info({ reason: error.message }, 'a socket was closed'));
  socket.on('close', () => {
    clearInterval(pinging);
    clearTimeout(life);
    waiting.length = 0;
    last ??= { code: normalClose, error: undefined };
    if (current === undefined) settle();
  });

  return { drain: () => finish(goingAway), cut: () => socket.terminate(), ended };
}

/** @throws GatewayError 400 for what has no meaning on a socket, and as `decodeRequest` does. */
function decodeCreate({ type: _type, stream_id: _streamId, ...body }: JsonObject) {
  if (body['background'] === true) throw notOnSockets('background');
  if (body['stream'] === false) throw notOnSockets('stream');
  return responsesCodec.decodeRequest({ ...body, stream: true });
}

function notOnSockets(param: string): GatewayError {
  const message = `The '${param}' parameter is not supported over WebSocket.`;
  return new GatewayError('unsupported_parameter', message, { param });
}

function streamIdOf({ stream_id: streamId }: JsonObject): string | undefined {
  if (streamId === undefined || streamId === null) return undefined;
  if (typeof streamId !== 'string') throw invalidType('stream_id', 'a string', streamId);
  if (streamId === '' || streamId.length > maxStreamIdLength) {
    const message = `Invalid 'stream_id': expected 1 to ${maxStreamIdLength} characters.`;
    throw new GatewayError('invalid_value', message, { param: 'stream_id' });
  }
  return streamId;
}

function limitReached(message: string): GatewayError {
  return new GatewayError('websocket_stream_limit_reached', message, { param: 'stream_id' });
}

export function errorFrame(error: GatewayError, streamId: string | undefined) {
  return { type: 'error' as const, status: error.status, ...laneOf(streamId), error: errorFields(error) };
}

/** @returns `input` as it came, whatever it is. */
export function steerFailed({ previous_response_id: id, input = [] }: JsonObject, streamId: string | undefined) {
  const message = 'The model cannot be steered while it answers.';
  return {
    type: 'response.steer.failed' as const,
    sequence_number: 0,
    ...laneOf(streamId),
    steer: { input, previous_response_id: typeof id === 'string' ? id : '' },
    error: { type: 'invalid_request_error' as const, code: 'steering_not_supported' as const, message },
  };
}

function laneOf(streamId: string | undefined): { stream_id?: string } {
  return streamId === undefined ? {} : { stream_id: streamId };
}

function bytesOf(data: RawData): Buffer {
  if (Buffer.isBuffer(data)) return data;
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
}
