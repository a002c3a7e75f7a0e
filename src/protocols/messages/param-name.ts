import { findPlace } from '../../core/find-place.ts';
import type { TurnRequest } from '../../core/request.ts';

/** The Responses API's names of parameters, and where a messages client has the same. */
const names: readonly [neutral: RegExp, name: string][] = [
  [/^max_output_tokens$/, 'max_tokens'],
  [/^instructions$/, 'system'],
  [/^input(?![_\w]).*$/, 'messages'],
  [/^text\.format/, 'output_config.format'],
  [/^text\.verbosity$|^reasoning\.effort$/, 'output_config.effort'],
  [/^reasoning\.summary$/, 'thinking.display'],
  [/^reasoning(?:\..*)?$|^include$/, 'thinking'],
  [/^previous_response_id$/, 'thread.previous_message_id'],
  [/^stop$/, 'stop_sequences'],
  [/^parallel_tool_calls$/, 'tool_choice.disable_parallel_tool_use'],
  [/^(?:user|safety_identifier)$/, 'metadata.user_id'],
  [/^(tools\[\d+\])\.parameters/, '$1.input_schema'],
];

/** What the client calls a parameter. Names of its own stay as they are. */
export function paramName(param: string, request: Pick<TurnRequest, 'places'>): string {
  const found = findPlace(param, request);
  if (found !== undefined) return found.place + found.rest.replace(/^\.output/, '.content');
  for (const [neutral, name] of names) if (neutral.test(param)) return param.replace(neutral, name);
  return param;
}
