import type { Deployment } from '../../providers/provider.ts';
import { createAssembler } from '../assembler.ts';
import { compactFirst } from '../compact-first.ts';
import { failTurn } from '../fail-turn.ts';
import { notSent } from '../run-attempt.ts';
import { compactsItself } from '../native-compaction.ts';
import { prepareAttempt } from '../open-turn.ts';
import { runTurn } from '../run-turn.ts';
import { storeNextAttempt } from '../store-next-attempt.ts';
import type { PreparedAttempt, Turn, TurnCall, TurnDependencies } from '../turn.ts';

/**
 * Compacts the context of a turn that has begun, where its client wants that. It takes as long as a model's answer, which
 * other turns that wait are not to wait for: that is why it comes only now, and the attempt that was begun with is not sent.
 * @returns the attempt that is. Undefined: the turn has failed.
 */
export async function compactQueued(
  dependencies: TurnDependencies,
  call: TurnCall,
  turn: Turn,
  attempt: PreparedAttempt,
  others: readonly Deployment[],
): Promise<PreparedAttempt | undefined> {
  const { ids, nowMs, log } = dependencies;
  if ([attempt.deployment, ...others].every(compactsItself)) return attempt;
  const history = await compactFirst(dependencies, call, turn.history, runTurn).catch((err: unknown) => {
    // The turn has begun, and must come to its end.
    log.error({ responseId: turn.id, err }, 'the context of a background turn could not be compacted');
    return turn.history;
  });
  if (history === turn.history) return attempt;
  const { codec, deployment } = attempt;
  const signatureScope = () => codec.signatureScope(deployment.model, deployment.model);
  const assembler = createAssembler({
    ids,
    nowMs,
    protocol: codec.protocol,
    signatureScope,
    usedCallIds: new Set(),
    encoder: undefined,
  });
  const number = attempt.start.number + 1;
  const next = await prepareAttempt(dependencies, call, history, deployment, number).catch((err: unknown) => {
    log.error({ responseId: turn.id, err }, 'what was compacted could not be encoded');
    return undefined;
  });
  if (next === undefined) return attempt;
  try {
    await storeNextAttempt(dependencies, call, turn, { attempt, outcome: { ...notSent, assembler } }, next);
  } catch (cause) {
    // The first may have been ended all the same: if it were sent now, what it costs would be written nowhere.
    await failTurn(dependencies, call, turn, attempt, undefined, cause);
    return undefined;
  }
  turn.history = history;
  return next;
}
