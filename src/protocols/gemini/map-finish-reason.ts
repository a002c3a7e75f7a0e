import type { Finish } from '../../core/events.ts';

type FinishReason =
  | 'STOP'
  | 'MAX_TOKENS'
  | 'CONTINUATION'
  | 'SAFETY'
  | 'RECITATION'
  | 'LANGUAGE'
  | 'BLOCKLIST'
  | 'PROHIBITED_CONTENT'
  | 'SPII'
  | 'IMAGE_SAFETY'
  | 'IMAGE_PROHIBITED_CONTENT'
  | 'IMAGE_RECITATION'
  | 'MODEL_ARMOR'
  | 'ESCALATION'
  | 'OTHER'
  | 'IMAGE_OTHER'
  | 'NO_IMAGE'
  | 'MALFORMED_FUNCTION_CALL'
  | 'MALFORMED_RESPONSE'
  | 'UNEXPECTED_TOOL_CALL'
  | 'TOO_MANY_TOOL_CALLS'
  | 'MISSING_THOUGHT_SIGNATURE'
  | 'PUP_LIMITED_DISABLED';

const finishOf: Record<FinishReason, Finish | 'failed'> = {
  STOP: 'completed',
  MAX_TOKENS: 'max_tokens',
  // A long answer reached the limit of one call; what comes after it would be another call's.
  CONTINUATION: 'max_tokens',
  SAFETY: 'content_filter',
  RECITATION: 'content_filter',
  LANGUAGE: 'content_filter',
  BLOCKLIST: 'content_filter',
  PROHIBITED_CONTENT: 'content_filter',
  SPII: 'content_filter',
  IMAGE_SAFETY: 'content_filter',
  IMAGE_PROHIBITED_CONTENT: 'content_filter',
  IMAGE_RECITATION: 'content_filter',
  MODEL_ARMOR: 'content_filter',
  ESCALATION: 'content_filter',
  OTHER: 'failed',
  IMAGE_OTHER: 'failed',
  NO_IMAGE: 'failed',
  MALFORMED_FUNCTION_CALL: 'failed',
  MALFORMED_RESPONSE: 'failed',
  UNEXPECTED_TOOL_CALL: 'failed',
  TOO_MANY_TOOL_CALLS: 'failed',
  MISSING_THOUGHT_SIGNATURE: 'failed',
  PUP_LIMITED_DISABLED: 'failed',
};

/**
 * `failed`: the model gave up in the middle. Undefined means that Google said something newer than we are: the caller warns
 * and still finishes the turn, because failing a paid, complete answer over its label helps nobody.
 * @see https://ai.google.dev/api/generate-content#FinishReason
 */
export function mapFinishReason(reason: string): Finish | 'failed' | undefined {
  return Object.hasOwn(finishOf, reason) ? finishOf[reason as FinishReason] : undefined;
}
