import type { Finish } from '../../core/events.ts';

/** OpenAI's reasons, and those of vendors that speak its protocol: Mistral, DeepSeek, OpenRouter. */
type FinishReason =
  | 'stop'
  | 'tool_calls'
  | 'function_call'
  | 'length'
  | 'model_length'
  | 'content_filter'
  | 'error'
  | 'insufficient_system_resource';

const finishOf: Record<FinishReason, Finish | 'failed'> = {
  stop: 'completed',
  tool_calls: 'completed',
  function_call: 'completed',
  length: 'max_tokens',
  model_length: 'max_tokens',
  content_filter: 'content_filter',
  error: 'failed',
  insufficient_system_resource: 'failed',
};

/**
 * `failed`: the upstream gave up in the middle. Undefined means that the vendor said something newer than we are: the
 * caller warns and still finishes the turn, because failing a paid, complete answer over its label helps nobody.
 * @see https://platform.openai.com/docs/api-reference/chat/object
 * @see https://api-docs.deepseek.com/api/create-chat-completion
 */
export function mapFinishReason(reason: string): Finish | 'failed' | undefined {
  return Object.hasOwn(finishOf, reason) ? finishOf[reason as FinishReason] : undefined;
}
