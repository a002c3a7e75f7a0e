import type { Deployment } from '../../providers/provider.ts';
import { createAssembler } from '../assembler.ts';
import { compactFirst } from '../compact-first.ts';
import { beginNextAttempt, notSent } from '../run-attempt.ts';
import { compactsItself } from '../native-compaction.ts';
import { runTurn } from '../run-turn.ts';
import type { PreparedAttempt, Turn, TurnCall, TurnDependencies } from '../turn.ts';

/**
 * Compacts the context of a turn that has begun, where its client wants that. It takes as long as a model's answer, which
 * other turns that wait are not to wait for: that is why it comes only now, and the attempt that was begun with is not sent.
 * @returns the attempt that is.
 */
export async function compactQueued(
  dependencies: TurnDependencies,
  call: TurnCall,
  turn: Turn,
  attempt: PreparedAttempt,
  others: readonly Deployment[],
): Promise<PreparedAttempt> {
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
  const compacted: Turn = { ...turn, history };
  const next = await beginNextAttempt(dependencies, call, compacted, attempt, { ...notSent, assembler }, deployment);
  if (next !== undefined) turn.history = history;
  return next ?? attempt;
}
