import { GatewayError } from '../core/errors.ts';
import type { Emit } from '../core/events.ts';
import type { Grammar } from '../core/grammar/grammar.ts';
import { noUsage } from '../core/usage.ts';
import type { DecodeOptions } from '../protocols/codec.ts';
import { headText } from '../protocols/responses/response.ts';
import type { Deployment } from '../providers/provider.ts';
import type { Seal } from '../store/store.ts';
import type { Answer } from './answer.ts';
import { type Assembler, createAssembler } from './assembler.ts';
import { splitOpenCalls } from './compact-context.ts';
import { sealCompaction } from './compaction-envelope.ts';
import { usageOf } from './conclude.ts';
import { leadWith } from './lead-with.ts';
import { move, turnLifecycle } from './lifecycle.ts';
import { sealNativeCompaction } from './native-compaction.ts';
import { prepareAttempt } from './open-turn.ts';
import { sealReasoning, wantsReasoning } from './reasoning-envelope.ts';
import { replayReply } from './replay-reply.ts';
import type { History } from './resolve-history.ts';
import { sendAttempt } from './send-attempt.ts';
import { storeNextAttempt } from './store-next-attempt.ts';
import { createCompactor } from './summary.ts';
import type { AttemptOutcome, PreparedAttempt, Turn, TurnCall, TurnDependencies } from './turn.ts';

/** The client had left before there was anything to pay for. */
export const notSent = {
  outcome: 'cancelled',
  sent: false,
  answered: false,
  error: undefined,
  firstTokenAtMs: undefined,
  rawReply: '',
  body: undefined,
  usage: noUsage,
} as const satisfies Omit<AttemptOutcome, 'assembler'>;

/**
 * Sends one attempt, streams its reply to the client as it comes, and resolves when the upstream is done with.
 * @param paused what was assembled of the replies that this one goes on from.
 */
export async function runAttempt(
  { router, ids, nowMs }: TurnDependencies,
  { request, store, sink }: TurnCall,
  turn: Turn,
  attempt: PreparedAttempt,
  answer: Answer,
  paused?: Assembler,
): Promise<AttemptOutcome> {
  const { deployment, encoded, codec, lane } = attempt;
  const { state } = turn.reply;
  if (state.inputTransformations.length > 0 || encoded.inputTransformations.length > 0) {
    state.inputTransformations = encoded.inputTransformations;
    turn.reply.head = headText(state);
  }

  const fresh = (): Assembler =>
    createAssembler({
      ids,
      nowMs,
      protocol: codec.protocol,
      signatureScope: (upstreamModel = deployment.model) => codec.signatureScope(upstreamModel, deployment.model),
      usedCallIds: new Set(turn.history.usedCallIds),
      grammarOf: lane === undefined ? (name, namespace) => grammarOf(encoded.decode, name, namespace) : undefined,
      sealReasoning: wantsReasoning(request, codec.protocol)
        ? (origin) => sealReasoning(store.seal, origin)
        : undefined,
      encoder: lane === undefined ? answer.encoder : undefined,
    });
  const assembler = paused ?? fresh();
  const forwarder = lane !== undefined && request.stream ? lane.createForwarder(turn.reply, encoded.decode) : undefined;
  let forwarded = '';
  const takeText = (): string => {
    const text = forwarder === undefined ? assembler.takeText() : forwarded;
    forwarded = '';
    return text;
  };
  // What a forwarder lets go is always a part of the output.
  const progress = () => answer.write(takeText(), forwarder !== undefined || assembler.itemStarted);
  if (sink.closed) return { ...notSent, assembler };
  attempt.usage = { ...noUsage, inputTokens: attempt.start.estimatedInputTokens, estimated: true };
  const accept: Emit = (event) => assembler.accept(event);
  const listener = {
    onEvent: throughCompaction(accept, turn.history, store.seal, attempt, paused !== undefined),
    onBegin: () => answer.announce(),
    onFrame: (event: string, data: string, text: string | undefined) => {
      if (forwarder !== undefined && assembler.end?.error === undefined)
        forwarded += forwarder.frame(event, data, text);
    },
    onProgress: progress,
  };
  const run = sendAttempt(attempt, assembler, listener, nowMs);
  answer.follow(run, encoded.warnings);
  const result = await run.done;
  if (lane !== undefined && result.outcome === 'ended') {
    const { body } = result;
    answer.endWith((reply) => {
      if (body === undefined) return forwarder?.rest() ?? '';
      // A stream was asked for, and the upstream has none.
      return answer.encoder === undefined ? lane.patchReply(body, reply) : replayReply(answer.encoder, reply);
    });
  }
  // Before anything else is done with the reply: a fault of ours in there leaves the bill as it is.
  const usage = usageOf({ ...result, assembler }, attempt.start.estimatedInputTokens);
  attempt.usage = usage;
  answer.warn(assembler.warnings);
  if (result.outcome !== 'ended') {
    assembler.cut();
    progress();
  }
  if (result.outcome === 'ended') router.succeeded(deployment);
  else if (result.error !== undefined) router.failed(deployment, result.error);
  turn.spent ||= usage.inputTokens + usage.outputTokens > 0;
  return { ...result, assembler, usage };
}

/** Of the tool that the client knows by this name. */
function grammarOf({ tools }: DecodeOptions, name: string, namespace: string | undefined): Grammar | undefined {
  for (const tool of tools.values()) {
    if (tool.kind !== 'custom' || tool.grammar === undefined || tool.name !== name) continue;
    if (tool.fields?.namespace === namespace) return tool.grammar;
  }
  return undefined;
}

/** What a compaction makes of the upstream's events: one item of all that was said, or one item before all. */
function throughCompaction(
  emit: Emit,
  { compaction, lead, shown }: History,
  seal: Seal,
  { codec, deployment, compactsAs }: PreparedAttempt,
  goesOn: boolean,
): Emit {
  if (lead !== undefined) return goesOn ? emit : leadWith(lead, emit);
  if (compaction === undefined || compactsAs !== undefined) {
    return sealNativeCompaction(emit, {
      protocol: codec.protocol,
      signatureScope: (upstreamModel = deployment.model) => codec.signatureScope(upstreamModel, deployment.model),
      demanded: compactsAs,
      seal(native, summary) {
        const { head, tail } = splitOpenCalls(shown);
        const kept = { native, head, tail, keepsUsers: compactsAs !== undefined };
        return sealCompaction(seal, summary === undefined ? kept : { ...kept, summary });
      },
    });
  }
  const { head, tail, keepsUsers } = compaction;
  return createCompactor(emit, (summary) => sealCompaction(seal, { summary, head, tail, keepsUsers }));
}

/** Another deployment may be tried as long as the client has seen no part of an item. */
export function isRetryable({ outcome, error }: AttemptOutcome, turn: Turn, { sink }: TurnCall): boolean {
  const isShown = turnLifecycle[turn.state].retry === null || turn.usageBefore !== undefined;
  return outcome === 'failed' && error !== undefined && error.retryable !== false && !isShown && !sink.closed;
}

/** The refusal taught how the same deployment is to be asked: it is asked again. */
export function isWorthRewording(
  outcome: AttemptOutcome,
  attempt: PreparedAttempt,
  turn: Turn,
  { request, sink }: TurnCall,
): boolean {
  const { deployment, codec, encoded } = attempt;
  const written = request.protocol === codec.protocol ? undefined : encoded.body;
  if (outcome.error === undefined) return false;
  // Also where it is too late for this turn: the next one is asked otherwise.
  const isLearnt = deployment.provider.learn?.(deployment, outcome.error, codec.protocol, written) === true;
  return isLearnt && turnLifecycle[turn.state].retry !== null && !sink.closed;
}

/**
 * Ends one attempt in the store and begins the next.
 * @returns undefined where there can be none: its protocol can't carry the request, or the store does not answer. What the
 * first attempt ended with then stands.
 */
export async function beginNextAttempt(
  dependencies: TurnDependencies,
  call: TurnCall,
  turn: Turn,
  attempt: PreparedAttempt,
  outcome: AttemptOutcome,
  deployment: Deployment,
): Promise<PreparedAttempt | undefined> {
  const { log } = dependencies;
  try {
    const next = await prepareAttempt(dependencies, call, turn.history, deployment, attempt.start.number + 1);
    await storeNextAttempt(dependencies, call, turn, { attempt, outcome }, next);
    turn.state = move(turnLifecycle, turn.state, 'retry');
    return next;
  } catch (cause) {
    // Also for a fault of ours: the turn has begun, and must end in the store however its attempts went.
    const level = cause instanceof GatewayError ? 'warn' : 'error';
    log[level]({ responseId: turn.id, err: cause }, 'no further attempt could be made');
    return undefined;
  }
}
