import { hash } from 'node:crypto';
import { GatewayError } from '../core/errors.ts';
import { createPace } from '../core/pace.ts';
import type { Report } from '../core/report.ts';
import type { TurnRequest } from '../core/request.ts';
import type { ResponseState } from '../core/response.ts';
import { noUsage } from '../core/usage.ts';
import type { EncodedRequest } from '../protocols/codec.ts';
import { envelopeText, headText } from '../protocols/responses/response.ts';
import type { Deployment, Dialect } from '../providers/provider.ts';
import { estimateTokens } from '../spend/estimate-tokens.ts';
import { type AttemptStart, claimLifeMs, type KeyClaim, type TurnIntent } from '../store/store.ts';
import type { RemovalReason, Warning } from '../core/warning.ts';
import { costOf } from './cost-of.ts';
import { keepsContent, keptItems } from './keeps-content.ts';
import { endUserOf } from './link-history.ts';
import { lendCredential } from './lend-credential.ts';
import type { History } from './resolve-history.ts';
import { nativeCompactionOf } from './native-compaction.ts';
import { sentContext, sentRequest } from './sent-context.ts';
import { storedLink } from './stored-link.ts';
import { summaryRequest } from './summary.ts';
import type { PreparedAttempt, Turn, TurnCall, TurnDependencies } from './turn.ts';
import { verbatimRequest } from './verbatim-lane.ts';

/** The response's id is minted here, once, before any upstream is called. */
export function openTurn(
  { ids, nowMs }: TurnDependencies,
  call: Pick<TurnCall, 'request' | 'sessionId'>,
  history: History,
): Turn {
  const createdAtMs = nowMs();
  return turnOf(call.request, history, {
    id: ids.mint('resp', createdAtMs),
    createdAtMs,
    sessionId: history.sessionId ?? call.sessionId ?? ids.mint('sess', createdAtMs),
    status: call.request.background ? 'queued' : 'in_progress',
  });
}

interface TurnIdentity extends Pick<ResponseState, 'id' | 'createdAtMs' | 'status'> {
  sessionId: string;
}

/** A turn that has an id already. */
export function turnOf(
  request: TurnRequest,
  history: History,
  { id, createdAtMs, sessionId, status }: TurnIdentity,
): Turn {
  const state: ResponseState = {
    id,
    createdAtMs,
    status,
    completedAtMs: undefined,
    error: undefined,
    incompleteReason: undefined,
    request,
    usage: undefined,
    serviceTier: undefined,
    inputTransformations: [],
  };
  return {
    id,
    sessionId,
    history,
    reply: { state, head: headText(state), envelope: envelopeText(request), output: [] },
    state: 'begun',
    announced: false,
    usageBefore: undefined,
    spent: false,
    error: undefined,
    storedOutput: [],
  };
}

/** Grows when a codec writes the same request differently, so that a stored hash says what it is the hash of. */
const codecVersion = 2;

/** Rejects with GatewayError 400 for what the deployment's protocol cannot carry. */
export async function prepareAttempt(
  { ids, nowMs }: TurnDependencies,
  call: Pick<TurnCall, 'request' | 'client' | 'bodyText' | 'credential'>,
  history: History,
  deployment: Deployment,
  number: number,
): Promise<PreparedAttempt> {
  const { request } = call;
  const { provider, model } = deployment;
  const dialect = dialectOf(deployment, request);
  const { codec, profile } = dialect;
  const compactsAs = nativeCompactionOf(request, profile);
  const verbatim = verbatimRequest(call, history, codec, model, profile);
  if (verbatim === undefined) refuseVerbatimOnly(request);
  const encoded =
    verbatim?.encoded ??
    codec.encodeRequest({
      ...sentRequest(requestOf(request, history), history.inheritedTools, codec.protocol),
      context: sentContext(compactsAs === undefined ? history : withoutPrompt(history), codec.protocol),
      model,
      profile,
    });
  const pace = createPace();
  const pause = pace.after(encoded.body.length);
  if (pause !== undefined) await pause;
  const upstream = lendCredential(dialect.buildRequest(encoded.body, request.stream), deployment, call.credential);
  const built = pace.after(encoded.body.length);
  if (built !== undefined) await built;
  const startedAtMs = nowMs();
  const estimatedInputTokens = estimateTokens(encoded.body);
  const requestHash = hash('sha256', encoded.body);
  const hashed = pace.after(encoded.body.length);
  if (hashed !== undefined) await hashed;
  return {
    deployment,
    codec,
    lane: verbatim?.lane,
    compactsAs,
    encoded: withReport(encoded, history.report, request),
    upstream,
    usage: noUsage,
    start: {
      id: ids.mint('att', startedAtMs),
      number,
      startedAtMs,
      provider: provider.name,
      apiBase: deployment.baseUrl,
      upstreamModel: model,
      requestHash,
      codecVersion: `${codec.protocol}/${codecVersion}`,
      estimatedInputTokens,
      estimatedCostNanoUsd: costOf({ ...noUsage, inputTokens: estimatedInputTokens }, deployment),
    },
  };
}

/** The context without what asks for a summary, which ends it. */
function withoutPrompt(history: History): History {
  return { ...history, context: history.context.slice(0, -1) };
}

/** What is asked of the upstream. A context that we have compacted just now is not to be compacted once more. */
function requestOf(request: TurnRequest, { lead }: History): TurnRequest {
  if (request.compaction !== undefined) return summaryRequest(request);
  if (lead === undefined) return request;
  const { compactThreshold: _, ...rest } = request;
  return rest;
}

/** The client's own protocol where the vendor speaks it too, since nothing is lost in it; else the one that the provider prefers. */
function dialectOf(deployment: Deployment, { protocol, headers }: TurnRequest): Dialect {
  const { provider } = deployment;
  const isSpoken = provider.codec.protocol === protocol;
  const own = isSpoken ? undefined : provider.dialect?.(deployment, protocol);
  return (
    own ?? {
      codec: provider.codec,
      profile: provider.profileNow?.(deployment) ?? deployment.profile,
      buildRequest: (body, stream) => provider.buildRequest(deployment, body, stream, isSpoken ? headers : undefined),
    }
  );
}

/** What the neutral model has no word for, and what would change the meaning of the answer if it were left out. */
export function refuseVerbatimOnly({ verbatimOnly: [param] = [] }: TurnRequest): void {
  if (param === undefined) return;
  const message = `Unsupported parameter: '${param}' is not supported with this model.`;
  throw new GatewayError('unsupported_parameter', message, { param });
}

/** What was left out before the codec saw the context is told with what the codec left out. */
export function withReport(
  encoded: EncodedRequest,
  { warnings, inputTransformations }: Report,
  { protocol }: TurnRequest,
): EncodedRequest {
  const removed = [...inputTransformations, ...encoded.inputTransformations];
  // Only the Responses API has a field for it in the answer.
  const told = protocol === 'responses' ? [] : [...new Set(removed.map(({ reason }) => reason))].map(removalWarning);
  return { ...encoded, warnings: [...warnings, ...encoded.warnings, ...told], inputTransformations: removed };
}

function removalWarning(reason: RemovalReason): Warning {
  return { param: 'input', message: `Reasoning of an earlier answer was left out (${reason}).` };
}

export function intentOf(
  dependencies: Pick<TurnDependencies, 'owner' | 'ledger'>,
  turn: Turn,
  call: Omit<TurnCall, 'sink'>,
  attempt: AttemptStart,
): TurnIntent {
  const { request } = call;
  const { conversation } = turn.history;
  const { createdAtMs } = turn.reply.state;
  const { parent, input } = storedLink(turn.history, createdAtMs);
  const keeps = keepsContent(dependencies, request);
  return {
    id: turn.id,
    createdAtMs,
    kept: turn.history.conversation !== undefined,
    parent,
    sessionId: turn.sessionId,
    model: request.model,
    protocol: call.client.protocol,
    store: request.store,
    keepsContent: keeps,
    keyId: call.keyId,
    endUser: endUserOf(request),
    owner: dependencies.owner,
    epoch: 0,
    head: keeps ? turn.reply.head : '',
    envelope: keeps ? turn.reply.envelope : '',
    input: keptItems(dependencies, request, input),
    attempt,
    idempotency: claimOf(call, createdAtMs),
    conversation,
  };
}

export function claimOf({ idempotency }: Pick<TurnCall, 'idempotency'>, createdAtMs: number): KeyClaim | undefined {
  if (idempotency === undefined) return undefined;
  const { keyHash, bodyHash } = idempotency;
  return { keyHash, bodyHash, expiresBeforeMs: createdAtMs - claimLifeMs };
}
