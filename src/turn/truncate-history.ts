import { createReport } from '../core/report.ts';
import { turnLifecycle } from './lifecycle.ts';
import { truncateContext } from './truncate-context.ts';
import type { AttemptOutcome, Turn, TurnCall } from './turn.ts';

/** A quarter goes each time: after so many a tenth is left, and a conversation that still does not fit never will. */
const maxTruncations = 8;

/**
 * `truncation: auto`: what the upstream refuses as too long is to be sent again without its oldest part, as often as it takes.
 * The upstream bills no refusal, and knows its own limit best. What is stored stays whole.
 * @returns true: the turn's history is shorter now.
 */
export function truncateHistory({ error }: AttemptOutcome, turn: Turn, { request, sink }: TurnCall): boolean {
  if (request.truncation !== 'auto' || error?.code !== 'context_length_exceeded') return false;
  if (sink.closed || turnLifecycle[turn.state].retry === null || turn.usageBefore !== undefined) return false;
  const { whole, times } = turn.history.truncation ?? { whole: turn.history, times: 0 };
  const context = times === maxTruncations ? undefined : truncateContext(turn.history.context);
  if (context === undefined) return false;
  const report = createReport();
  for (const { param, message } of whole.report.warnings) report.warn(param, message);
  report.inputTransformations.push(...whole.report.inputTransformations);
  const left = whole.context.length - context.length;
  report.warn('truncation', `The ${left} oldest items of the conversation were left out, for the rest to fit.`);
  turn.history = { ...whole, context, report, truncation: { whole, times: times + 1 } };
  return true;
}
