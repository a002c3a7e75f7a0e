import type { Finish } from '../../core/events.ts';
import type { StopReason } from './wire.ts';

const finishOf: Record<StopReason, Finish> = {
  end_turn: 'completed',
  stop_sequence: 'completed',
  tool_use: 'completed',
  pause_turn: 'paused',
  // The upstream compacted its context and waits to be called again with the summary.
  compaction: 'paused',
  max_tokens: 'max_tokens',
  model_context_window_exceeded: 'max_tokens',
  refusal: 'content_filter',
};

function isStopReason(reason: string): reason is StopReason {
  return Object.hasOwn(finishOf, reason);
}

/**
 * Undefined means that the vendor said something newer than we are: the caller warns and still finishes the turn,
 * because failing a paid, complete answer over its label helps nobody.
 * @see https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons
 */
export function mapStopReason(reason: string): Finish | undefined {
  return isStopReason(reason) ? finishOf[reason] : undefined;
}
