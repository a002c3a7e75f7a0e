import { GatewayError } from '../core/errors.ts';
import type { ContextItem } from '../core/items.ts';
import type { TurnRequest } from '../core/request.ts';
import { modalities, noUsage, type Usage } from '../core/usage.ts';
import { mostInputTokens } from '../spend/most-input-tokens.ts';
import { costOf } from './cost-of.ts';
import { withFiles } from './attach-files.ts';
import type { PreparedAttempt, Turn, TurnCall, TurnDependencies } from './turn.ts';

/**
 * Holds what the attempt may cost at most in every budget that the call is under. A model without a price is held to none.
 * @throws GatewayError budget_exceeded, or store_unavailable.
 */
export async function reserveBudget(
  { budgets }: TurnDependencies,
  { budgetIds, request, store }: TurnCall,
  { history }: Pick<Turn, 'history'>,
  attempt: PreparedAttempt,
): Promise<void> {
  if (budgetIds === undefined || budgetIds.length === 0) return;
  attempt.hold = await budgets.reserve(
    store.tenant,
    budgetIds,
    highestCost(attempt, request, withFiles(history.context, history.files)),
  );
  attempt.start.reservation = attempt.hold?.reservation;
}

/** The attempt was not begun, as far as the store could tell. */
export function unhold({ hold, start }: PreparedAttempt, cause: unknown): void {
  if (cause instanceof GatewayError && cause.code === 'store_unavailable') hold?.doubt(start.id);
  else hold?.cancel();
}

/** As much as any model writes, where neither the client nor the configuration says how much is too much. */
const unknownMaxOutput = 128_000;

/**
 * Of all the input that there may be, all of it written to the cache where that is dearer, for an hour even, and of all the output;
 * all of it sound or pictures where those are dearer.
 */
function highestCost(
  { deployment, encoded }: PreparedAttempt,
  { maxOutputTokens, answers = 1 }: TurnRequest,
  context: readonly ContextItem[],
): number {
  const most = deployment.profile.maxOutputTokens ?? Infinity;
  const output = Math.min(maxOutputTokens ?? Infinity, most);
  const inputTokens = mostInputTokens(encoded.body, context, deployment.model);
  const outputTokens = answers * (output === Infinity ? unknownMaxOutput : output);
  const all: Usage = { ...noUsage, inputTokens, outputTokens };
  const written = { ...all, cacheWriteTokens: inputTokens };
  const usages = [
    ...[all, written, { ...written, cacheWriteHourTokens: inputTokens }].flatMap((each) => [
      each,
      { ...each, reasoningTokens: outputTokens },
    ]),
    ...modalities.map((modality) => ({
      ...all,
      media: { [modality]: { input: inputTokens, cached: 0, output: outputTokens } },
    })),
  ];
  return Math.max(...usages.map((usage) => costOf(usage, deployment) ?? 0));
}
