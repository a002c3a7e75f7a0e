import { endPatience } from '../store/patience.ts';
import { crashPoint } from '../crash-point.ts';
import type { Deployment } from '../providers/provider.ts';
import { deploymentName, isAmong } from '../routing/deployment-name.ts';
import { answerAgain, holderBehind } from './answer-again.ts';
import { type Answer, createAnswer } from './answer.ts';
import { beginTurn } from './begin-turn.ts';
import { checkFormat } from './check-format.ts';
import { commitTurn } from './commit-turn.ts';
import { compactFirst } from './compact-first.ts';
import { concludeAttempt, concludeReply } from './conclude.ts';
import { continueAttempt } from './continue-attempt.ts';
import { failTurn } from './fail-turn.ts';
import { keepsContent } from './keeps-content.ts';
import { linkerOf } from './link-history.ts';
import { compactsItself } from './native-compaction.ts';
import { openTurn, prepareAttempt } from './open-turn.ts';
import { prepareTurn } from './prepare-turn.ts';
import { resolveHistory } from './resolve-history.ts';
import { openCallsOf, routeTurn } from './route-turn.ts';
import { beginNextAttempt, isRetryable, isWorthRewording, runAttempt } from './run-attempt.ts';
import { truncateHistory } from './truncate-history.ts';
import type { PreparedAttempt, Turn, TurnCall, TurnDependencies } from './turn.ts';

/**
 * The path of a request, top to bottom (ARCHITECTURE.md draws the same steps).
 * @throws GatewayError for whatever ends it before the client has its headers.
 */
export async function runTurn(dependencies: TurnDependencies, given: TurnCall): Promise<void> {
  const { router, ids, nowMs } = dependencies;
  const { store, sink } = given;

  // 4 resolve state: unknown parents, locked conversations and unpaired tool calls end here, with nothing spent
  const held = (error: unknown) => holderBehind(dependencies, given, error);
  const resolved = await resolveHistory(
    store,
    given.request,
    ids,
    nowMs(),
    given.local,
    linkerOf(dependencies, given),
  ).catch(held);
  if ('turnId' in resolved) return answerAgain(dependencies, given, resolved, runTurn);
  const { request } = resolved;
  const call: TurnCall = { ...given, request };

  // 5 route: in the order in which they are to be tried
  const deployments = await routeTurn(router, call, resolved);
  const [first, ...others] = deployments;
  const history = deployments.every(compactsItself)
    ? resolved
    : await compactFirst(dependencies, call, resolved, runTurn);

  if (!request.generate) return prepareTurn(dependencies, call, history);

  // 6 begin: encoded first, since what the target cannot carry is a 400; then the intent with what it may cost at most
  // reserved in the call's budgets, before any upstream is called
  const turn = openTurn(dependencies, call, history);
  const attempt = await prepareAttempt(dependencies, call, history, first, 1);
  if (sink.closed) return;
  crashPoint('admitted');
  call.idempotency?.start(turn);
  const holder = await beginTurn(dependencies, call, turn, attempt).catch(held);
  crashPoint('intent-written');
  endPatience();
  if (holder !== undefined) return answerAgain(dependencies, call, holder, runTurn);
  await carryOut(dependencies, call, turn, attempt, others);
}

/**
 * The rest of the path, of a turn whose first attempt is in the store: it ends there, however it ends.
 * @param others deployments to be tried after the first.
 */
export async function carryOut(
  dependencies: TurnDependencies,
  call: TurnCall,
  turn: Turn,
  first: PreparedAttempt,
  others: readonly Deployment[],
): Promise<void> {
  const { nowMs } = dependencies;
  const { request } = call;
  let attempt = first;

  // 7 send, 8 stream back: another deployment is tried until the client has seen part of an item
  let answer: Answer | undefined;
  try {
    answer = createAnswer(dependencies, call, turn);
    let outcome = await runAttempt(dependencies, call, turn, attempt, answer);
    ({ attempt, outcome } = await continueAttempt(dependencies, call, turn, attempt, outcome, answer));
    const queue = [...others];
    // They would refuse again.
    const refused: Deployment[] = [];
    for (;;) {
      const isReworded = isWorthRewording(outcome, attempt, turn, call) || truncateHistory(outcome, turn, call);
      if (isReworded) queue.unshift(attempt.deployment);
      else if (!isRetryable(outcome, turn, call)) break;
      if (outcome.error?.retryable === 'elsewhere') refused.push(attempt.deployment);
      const deployment = queue.shift();
      if (deployment === undefined) break;
      if (isAmong(refused, deployment)) continue;
      const next = await beginNextAttempt(dependencies, call, turn, attempt, outcome, deployment);
      if (next === undefined) break;
      attempt = next;
      outcome = await runAttempt(dependencies, call, turn, attempt, answer);
      ({ attempt, outcome } = await continueAttempt(dependencies, call, turn, attempt, outcome, answer));
    }

    outcome = checkFormat(call, attempt, outcome, answer);

    // 9 commit: output, status and spend in one transaction, before the client is told that the turn has ended
    concludeReply(turn, attempt, outcome, nowMs());
    const attemptEnd = concludeAttempt(attempt, outcome, keepsContent(dependencies, request), nowMs());
    if (outcome.outcome === 'ended') attemptEnd.openCalls = openCallsOf(call, turn, [first.deployment, ...others]);
    const lost = await commitTurn(dependencies, call, turn, attemptEnd, await answer.seal(), attempt.hold);
    if (turn.state === 'committed' && outcome.outcome === 'ended')
      call.local?.remember(turn, deploymentName(attempt.deployment));

    // 10 terminal event out
    answer.finish(lost ?? outcome.error);
    crashPoint('terminal-written');
  } catch (thrown) {
    if (turn.state === 'committed' || turn.state === 'lost') throw thrown;
    // A fault of ours: what has begun ends in the store all the same. A stream is cut where its end would leave out items.
    const isShown = turn.state === 'shown';
    const error = await failTurn(dependencies, call, turn, attempt, answer, thrown);
    if (isShown || answer === undefined) throw error;
    answer.finish(error);
  } finally {
    answer?.release();
  }
}
