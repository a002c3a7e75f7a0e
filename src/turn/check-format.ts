import { GatewayError } from '../core/errors.ts';
import { callHalf } from '../core/call-pairs.ts';
import type { Item } from '../core/items.ts';
import type { TextFormat } from '../core/request.ts';
import { schemaProblem } from '../core/schema-problem.ts';
import type { Answer } from './answer.ts';
import type { AttemptOutcome, PreparedAttempt, TurnCall } from './turn.ts';

/**
 * Holds a whole answer to the format that the client asked for, whoever was to enforce it, and its calls to the grammars of
 * their tools. With `strict` the client was promised the schema: an answer that breaks it has not completed. Otherwise it is
 * told, and gets what there is. In a verbatim lane that is between the client and the upstream.
 */
export function checkFormat(
  { request }: TurnCall,
  { lane }: PreparedAttempt,
  outcome: AttemptOutcome,
  answer: Answer,
): AttemptOutcome {
  const { textFormat } = request;
  const { assembler } = outcome;
  if (outcome.outcome !== 'ended' || assembler.end?.finish !== 'completed' || lane !== undefined) return outcome;
  if (assembler.misfit !== undefined)
    return failed(outcome, `The model broke the grammar of a tool: ${assembler.misfit}.`);
  if (textFormat.type === 'text') return outcome;
  const problem = formatProblem(
    textFormat,
    assembler.output.map(({ item }) => item),
  );
  if (problem === undefined) return outcome;
  const message = `The model's answer is not of the format that was asked for: ${problem}.`;
  if (textFormat.type !== 'json_schema' || textFormat.strict !== true) {
    answer.warn([{ param: 'text.format', message }]);
    return outcome;
  }
  return failed(outcome, message);
}

function failed(outcome: AttemptOutcome, message: string): AttemptOutcome {
  return { ...outcome, outcome: 'failed', error: new GatewayError('upstream_error', message) };
}

/** Of the last message; undefined too where the model refused, or wants to go on after a call. */
function formatProblem(format: Exclude<TextFormat, { type: 'text' }>, output: readonly Item[]): string | undefined {
  if (output.some((item) => callHalf(item) !== undefined)) return undefined;
  const message = output.findLast((item) => item.type === 'message');
  if (message?.type !== 'message' || message.content.some(({ type }) => type === 'refusal')) return undefined;
  const text = message.content.map((part) => (part.type === 'output_text' ? part.text : '')).join('');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'it is not JSON';
  }
  if (format.type === 'json_schema') return schemaProblem(format.schema, value);
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? undefined : 'it is not a JSON object';
}
