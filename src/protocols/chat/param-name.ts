import { findPlace } from '../../core/find-place.ts';
import type { TurnRequest } from '../../core/request.ts';

const ownNames: Readonly<Record<string, string>> = {
  input: 'messages',
  instructions: 'messages',
  include: 'logprobs',
  max_output_tokens: 'max_completion_tokens',
  reasoning: 'reasoning_effort',
  'reasoning.effort': 'reasoning_effort',
  'reasoning.summary': 'reasoning_effort',
  'text.format': 'response_format',
  'text.format.schema': 'response_format.json_schema.schema',
  'text.verbosity': 'verbosity',
};

/** What the client calls a parameter that is named as the Responses API names it: `input[2].output[0]` → `messages[3].content[0]`. */
export function paramName(param: string, request: Pick<TurnRequest, 'places'>): string {
  const found = findPlace(param, request);
  if (found !== undefined) return found.place + found.rest;
  const own = Object.hasOwn(ownNames, param) ? ownNames[param] : undefined;
  return own ?? param.replace(/^tool_choice\.tools/, 'tool_choice.allowed_tools.tools');
}
