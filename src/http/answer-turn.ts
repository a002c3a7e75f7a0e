import { createHash, hash } from 'node:crypto';
import type { JsonObject } from '../core/json-object.ts';
import type { ClientCodec } from '../protocols/codec.ts';
import type { Store } from '../store/store.ts';
import type { Background } from '../turn/background/background.ts';
import { inClientsWords } from '../turn/in-clients-words.ts';
import type { KeyedRuns } from '../turn/keyed-runs.ts';
import { underLedger } from '../turn/keeps-content.ts';
import { runTurn } from '../turn/run-turn.ts';
import type { KeyedRun, TurnCall, TurnDependencies } from '../turn/turn.ts';
import { headerValues } from './header-values.ts';
import { idempotencyHeader } from './idempotency-header.ts';
import type { KeyExchange } from './route.ts';
import { answerBackground } from './routes/background.ts';
import { namedSession } from './session-header.ts';
import { createTurnSink } from './turn-sink.ts';

export interface TurnRoutes {
  store: Store;
  turns: TurnDependencies;
  /** Shared by all routes of a process: a key names one run, whatever protocol it was sent in. */
  keyedRuns: KeyedRuns;
  background: Background;
}

/**
 * One request that is a turn, in whatever protocol: decoded, and answered as the turn goes.
 * @param endpoint the same for all paths that lead there.
 */
export async function answerTurn(
  { store, turns, keyedRuns, background }: TurnRoutes,
  exchange: KeyExchange,
  endpoint: string,
  client: ClientCodec,
): Promise<void> {
  const { request, response, principal } = exchange;
  const { body, text, idempotency } = await readKeyed(exchange, endpoint, keyedRuns, client.verbatim !== undefined);
  const header = (name: string) => headerValues(request, name).join(',') || undefined;
  const decoded = underLedger(client.decodeRequest(body, { text, header }), turns.ledger);
  const call: Omit<TurnCall, 'sink'> = {
    request: decoded,
    client,
    bodyText: text,
    store: store.forTenant(principal.tenant),
    keyId: principal.keyId,
    budgetIds: principal.budgetIds,
    credential: exchange.credential,
    sessionId: namedSession(request, decoded),
    idempotency,
  };
  // What could be decoded is an object.
  if (call.request.background) return answerBackground(background, exchange, { ...call, body: body as JsonObject });
  await runTurn(turns, { ...call, sink: createTurnSink(response) })
    .catch((thrown: unknown) => {
      throw inClientsWords(thrown, call);
    })
    .finally(() => idempotency?.close());
}

interface KeyedBody {
  body: unknown;
  /** Undefined: nobody needs it. */
  text: string | undefined;
  /** The run that the request's idempotency key names; undefined: it has none. */
  idempotency: KeyedRun | undefined;
}

/** Keys are stored as hashes, each of one tenant. */
async function readKeyed(
  exchange: KeyExchange,
  endpoint: string,
  runs: KeyedRuns,
  keepsText: boolean,
): Promise<KeyedBody> {
  const key = idempotencyHeader(exchange.request);
  let text: string | undefined;
  let bodyHash = '';
  const body = await exchange.body((bytes, read) => {
    if (keepsText) text = read;
    if (key !== undefined) bodyHash = createHash('sha256').update(`${endpoint}\n`).update(bytes).digest('hex');
  });
  if (key === undefined) return { body, text, idempotency: undefined };
  const keyHash = hash('sha256', JSON.stringify([exchange.principal.tenant, key]));
  return { body, text, idempotency: runs.open(keyHash, bodyHash) };
}
