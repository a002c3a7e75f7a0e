import { nativeItemTypes, ownItemTypes } from '../../core/items.ts';
import { nativeToolTypes } from '../../core/request.ts';

/**
 * The closed lists of the Responses API, as this codec reads and writes them.
 * @see https://platform.openai.com/docs/api-reference/responses
 */

export const itemStatuses = ['in_progress', 'completed', 'incomplete'] as const;

export const inputItemTypes = [...ownItemTypes, ...nativeItemTypes] as const;
export type InputItemType = (typeof inputItemTypes)[number];

/** Items that OpenAI takes as input and that this gateway cannot carry yet. */
export const laterItemTypes = ['compaction_trigger'] as const;

export const toolTypes = ['function', 'custom', 'namespace', ...nativeToolTypes] as const;

export const includables = [
  'file_search_call.results',
  'web_search_call.results',
  'web_search_call.action.sources',
  'message.input_image.image_url',
  'computer_call_output.output.image_url',
  'code_interpreter_call.outputs',
  'reasoning.encrypted_content',
  'message.output_text.logprobs',
] as const;

export const serviceTiers = ['auto', 'default', 'flex', 'scale', 'priority', 'fast', 'ultrafast'] as const;
