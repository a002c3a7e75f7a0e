import type { FinishedItem, ResponseState } from '../../core/response.ts';

/** JSON members that say why a message has ended. */
export function stopOf(state: ResponseState, output: readonly FinishedItem[]): string {
  const refusal = refusalOf(output);
  const reason = reasonOf(state, output, refusal);
  const details =
    reason === 'refusal'
      ? `{"type":"refusal","category":null,"explanation":${JSON.stringify(refusal ?? null)}}`
      : 'null';
  const sequence = reason === 'stop_sequence' ? JSON.stringify(state.stopSequence) : 'null';
  return `"stop_reason":"${reason}","stop_sequence":${sequence},"stop_details":${details}`;
}

function reasonOf(
  { incompleteReason, stopSequence }: ResponseState,
  output: readonly FinishedItem[],
  refusal?: string,
) {
  if (incompleteReason === 'max_output_tokens') return 'max_tokens';
  if (incompleteReason === 'content_filter' || refusal !== undefined) return 'refusal';
  if (output.some(({ item }) => item.type === 'function_call' || item.type === 'custom_tool_call')) return 'tool_use';
  if (output.length === 1 && output[0]?.item.type === 'messages:compaction') return 'compaction';
  return stopSequence === undefined ? 'end_turn' : 'stop_sequence';
}

/** Undefined: nothing was refused. */
export function refusalOf(output: readonly FinishedItem[]): string | undefined {
  const parts = output.flatMap(({ item }) => (item.type === 'message' && 'content' in item ? item.content : []));
  const texts = (Array.isArray(parts) ? parts : []).flatMap((part) => (part.type === 'refusal' ? [part.refusal] : []));
  return texts.length === 0 ? undefined : texts.join('\n');
}
