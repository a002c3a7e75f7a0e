import { type ErrorCode, GatewayError } from '../core/errors.ts';
import type { Finish } from '../core/events.ts';
import type { FinishedItem, ResponseState } from '../core/response.ts';
import { addUsage, countsNothing, noUsage, type Usage } from '../core/usage.ts';
import { headText, responseErrorCode } from '../protocols/responses/response.ts';
import { estimateTokens } from '../spend/estimate-tokens.ts';
import type { AttemptEnd } from '../store/store.ts';
import { costOf } from './cost-of.ts';
import { move, responseLifecycle, type ResponseEvent, turnLifecycle } from './lifecycle.ts';
import type { AttemptOutcome, PreparedAttempt, Turn } from './turn.ts';

const endOf: Record<Finish, { event: ResponseEvent; reason: ResponseState['incompleteReason'] }> = {
  completed: { event: 'complete', reason: undefined },
  max_tokens: { event: 'cut', reason: 'max_output_tokens' },
  content_filter: { event: 'cut', reason: 'content_filter' },
  // `continueAttempt` has gone on from it, or made an error of it.
  paused: { event: 'fail', reason: undefined },
};

/** Writes into the reply how the last attempt ended. */
export function concludeReply(
  turn: Turn,
  { lane }: PreparedAttempt,
  { outcome, error, assembler, usage }: AttemptOutcome,
  nowMs: number,
): void {
  const { state } = turn.reply;
  turn.state = move(turnLifecycle, turn.state, 'end');
  let event: ResponseEvent = outcome === 'cancelled' ? 'cancel' : 'fail';
  if (outcome === 'ended') {
    const finish = assembler.end?.finish ?? 'paused';
    // A client that speaks the upstream's protocol is told of a pause in its words, and goes on itself.
    const end = endOf[lane !== undefined && finish === 'paused' ? 'completed' : finish];
    event = end.event;
    state.incompleteReason = end.reason;
  }
  state.status = move(responseLifecycle, state.status, event);
  if (event === 'fail') {
    turn.error = error;
    state.error = responseError(error);
  }
  state.completedAtMs = Math.max(nowMs, state.createdAtMs);
  const total = turn.usageBefore === undefined ? usage : addUsage(turn.usageBefore, usage);
  state.usage = total.inputTokens + total.outputTokens > 0 ? total : undefined;
  state.serviceTier = assembler.serviceTier;
  state.stopSequence = assembler.stopSequence;
  state.upstreamFields = assembler.fields;
  turn.reply.head = headText(state);
  turn.reply.output = [...windowBefore(turn), ...assembler.output];
  turn.storedOutput = assembler.storedOutput;
}

/** What stands before the compaction item where a client asked for the whole window. */
function windowBefore({ reply, history }: Turn): FinishedItem[] {
  if (reply.state.request.compaction !== 'window') return [];
  return history.compaction?.users.map(({ item }) => ({ item, body: JSON.stringify(item) })) ?? [];
}

/** Writes into the reply that it could not be ended as it was to be: what the client gets then is a failure. */
export function concludeLost(turn: Turn, error: GatewayError): void {
  const { state } = turn.reply;
  state.status = 'failed';
  state.incompleteReason = undefined;
  state.error = responseError(error);
  turn.error = error;
  turn.reply.head = headText(state);
}

/** Writes into the reply that a fault of ours has ended it, wherever that struck. */
export function concludeFault(turn: Turn, error: GatewayError, usage: Usage, nowMs: number): void {
  const { state } = turn.reply;
  if (turn.state !== 'ended') turn.state = move(turnLifecycle, turn.state, 'end');
  state.completedAtMs = Math.max(nowMs, state.createdAtMs);
  state.usage = turn.usageBefore === undefined ? usage : addUsage(turn.usageBefore, usage);
  concludeLost(turn, error);
}

function responseError(error: GatewayError | undefined): ResponseState['error'] {
  const known = error ?? new GatewayError('upstream_error', 'The upstream did not finish its reply.');
  return { code: responseErrorCode(known.code), message: known.message };
}

/** An upstream that rejects a request may quote it. */
const withheld = 'Withheld, because the turn is not stored.';

/** The spend row's end. */
export function concludeAttempt(
  { deployment, start, hold }: PreparedAttempt,
  { outcome, error, assembler, usage, firstTokenAtMs, rawReply }: AttemptOutcome,
  keepsContent: boolean,
  nowMs: number,
): AttemptEnd {
  return {
    id: start.id,
    status: outcome === 'ended' ? 'completed' : outcome,
    endedAtMs: Math.max(nowMs, start.startedAtMs),
    firstTokenAtMs,
    upstreamId: assembler.upstreamId,
    upstreamModel: assembler.upstreamModel,
    usage,
    costNanoUsd: costOf(usage, deployment),
    error: error === undefined ? undefined : { code: error.code, message: keepsContent ? error.message : withheld },
    rawReply: keepsContent && outcome === 'failed' ? rawReply : undefined,
    settles: hold !== undefined,
  };
}

/**
 * The provider's figures where it gave them; zeros under an answer are none. A reply that was cut has been billed all the same:
 * its output is counted from its text and marked as our estimate. What is no answer costs what it says, and nothing where it gives
 * no figures.
 */
export function usageOf(outcome: Omit<AttemptOutcome, 'usage'>, estimatedInputTokens: number): Usage {
  const { assembler } = outcome;
  const { usage, itemStarted } = assembler;
  const said = usage !== undefined && itemStarted && countsNothing(usage) ? undefined : usage;
  if (assembler.usageFinal && said !== undefined) return said;
  if (!outcome.answered && !mayHaveRun(outcome)) return said ?? noUsage;
  const known = said ?? { ...noUsage, inputTokens: estimatedInputTokens };
  const outputTokens = Math.max(known.outputTokens, estimateTokens(assembler.outputCharacters));
  return { ...known, outputTokens, estimated: true };
}

const unheard: ReadonlySet<ErrorCode> = new Set(['upstream_timeout', 'upstream_stream_broken', 'internal_error']);

/** The request was sent and nothing came back that says that it was not served. */
function mayHaveRun({ outcome, sent, error }: Omit<AttemptOutcome, 'usage'>): boolean {
  return outcome === 'cancelled' || (sent && error !== undefined && unheard.has(error.code));
}
