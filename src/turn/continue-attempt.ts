import { callHalf } from '../core/call-pairs.ts';
import { GatewayError } from '../core/errors.ts';
import { addUsage, noUsage } from '../core/usage.ts';
import type { Answer } from './answer.ts';
import { prepareAttempt } from './open-turn.ts';
import { contextItemOf } from './bring-item.ts';
import { runAttempt } from './run-attempt.ts';
import { storeNextAttempt } from './store-next-attempt.ts';
import type { AttemptOutcome, PreparedAttempt, Turn, TurnCall, TurnDependencies } from './turn.ts';

/** A model that searches without end is stopped somewhere; each pause comes after about ten uses of a tool. */
const maxContinuations = 10;

/** What `max_tool_calls` counts. */
const hostedCalls: ReadonlySet<string> = new Set(['web_search_call', 'code_interpreter_call', 'mcp_call']);

interface Continued {
  attempt: PreparedAttempt;
  outcome: AttemptOutcome;
}

/**
 * Goes on with a reply that the upstream has paused, as long as it pauses it: the upstream is given back what it said, and
 * what it says then is part of the same response. Each call is an attempt of its own in the store; the client sees the sum.
 * @returns how the last call went. A pause that cannot be gone on from is a failure, and the client's leaving an end.
 */
export async function continueAttempt(
  dependencies: TurnDependencies,
  call: TurnCall,
  turn: Turn,
  attempt: PreparedAttempt,
  outcome: AttemptOutcome,
  answer: Answer,
): Promise<Continued> {
  const current: Continued = { attempt, outcome };
  for (let continuations = 0; isPaused(current); continuations++) {
    if (call.sink.closed) {
      current.outcome.assembler.cut();
      return { ...current, outcome: { ...current.outcome, outcome: 'cancelled' } };
    }
    const next = continuations < maxContinuations ? await beginNext(dependencies, call, turn, current) : undefined;
    if (next === undefined) {
      const error = new GatewayError('upstream_error', 'The upstream did not finish its reply.');
      current.outcome.assembler.cut();
      return { ...current, outcome: { ...current.outcome, outcome: 'failed', error } };
    }
    const { assembler, usage } = current.outcome;
    turn.usageBefore = addUsage(turn.usageBefore ?? noUsage, usage);
    assembler.goOn();
    current.attempt = next;
    current.outcome = await runAttempt(dependencies, call, turn, next, answer, assembler);
  }
  return current;
}

/** In a verbatim lane the client goes on itself. */
function isPaused({ attempt: { lane }, outcome: { outcome, assembler } }: Continued): boolean {
  return lane === undefined && outcome === 'ended' && assembler.end?.finish === 'paused';
}

/** Undefined: there can be no continuation. */
async function beginNext(
  dependencies: TurnDependencies,
  call: TurnCall,
  turn: Turn,
  { attempt, outcome }: Continued,
): Promise<PreparedAttempt | undefined> {
  const { log } = dependencies;
  // The model has seen the summary that a compaction item stands for.
  const said = outcome.assembler.storedOutput.map(contextItemOf).filter(({ item }) => item.type !== 'compaction');
  // A call that the client is to answer is not the upstream's to go on from.
  if (said.length === 0 || said.some(({ item }) => callHalf(item) !== undefined)) return undefined;
  const history = { ...turn.history, context: [...turn.history.context, ...said] };
  const { maxToolCalls } = call.request;
  const used = said.filter(({ item }) => hostedCalls.has(item.type)).length;
  const left = maxToolCalls === undefined ? undefined : Math.max(maxToolCalls - used, 0);
  const rest = { ...call, request: { ...call.request, maxToolCalls: left } };
  try {
    const next = await prepareAttempt(dependencies, rest, history, attempt.deployment, attempt.start.number + 1);
    next.encoded.decode.goesOn = true;
    await storeNextAttempt(dependencies, call, turn, { attempt, outcome }, next);
    return next;
  } catch (cause) {
    const level = cause instanceof GatewayError ? 'warn' : 'error';
    log[level]({ responseId: turn.id, err: cause }, 'a paused reply could not be gone on from');
    return undefined;
  }
}
