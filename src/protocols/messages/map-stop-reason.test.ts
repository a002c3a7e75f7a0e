import type { Messages } from '@anthropic-ai/sdk/resources/messages';
import type { BetaStopReason } from '@anthropic-ai/sdk/resources/beta/messages';
import { expect, test } from 'vitest';
import type { Finish } from '../../core/events.ts';
import { mapStopReason } from './map-stop-reason.ts';
import type { StopReason } from './wire.ts';

// A reason that a newer SDK knows and this table does not fails to compile.
type Known = BetaStopReason | NonNullable<Messages.Message['stop_reason']>;
const finishes: Record<Known & StopReason, Finish> & Record<Known, Finish> = {
  end_turn: 'completed',
  stop_sequence: 'completed',
  tool_use: 'completed',
  pause_turn: 'paused',
  compaction: 'paused',
  max_tokens: 'max_tokens',
  model_context_window_exceeded: 'max_tokens',
  refusal: 'content_filter',
};

test.each(Object.entries(finishes))('%s is %s', (reason, finish) => {
  expect(mapStopReason(reason)).toBe(finish);
});

test.each(['new_reason', '', 'toString', '__proto__'])('%j is not known', (reason) => {
  expect(mapStopReason(reason)).toBeUndefined();
});
