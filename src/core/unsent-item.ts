import { invalidChoice } from './check.ts';
import { GatewayError } from './errors.ts';
import { type NativeItem, nativeItemTypes, type NativeItemType, ofNative, ownItemTypes } from './items.ts';
import type { Report } from './report.ts';

/**
 * What becomes of the API's own items on the way to an upstream that has no word for them. `answered`: what a tool of an
 * upstream's own did, which the answer behind it rests on and does not need. `tools`: `offerTools` has read it. `needed`:
 * without it the conversation says something else.
 */
const fates: Record<NativeItemType, 'answered' | 'tools' | 'needed'> = {
  file_search_call: 'answered',
  web_search_call: 'answered',
  image_generation_call: 'answered',
  code_interpreter_call: 'answered',
  mcp_list_tools: 'answered',
  mcp_call: 'answered',
  program: 'answered',
  program_output: 'answered',
  tool_search_call: 'tools',
  tool_search_output: 'tools',
  additional_tools: 'tools',
  computer_call: 'needed',
  computer_call_output: 'needed',
  configuration_update: 'needed',
  compaction: 'answered',
  local_shell_call: 'needed',
  local_shell_call_output: 'needed',
  shell_call: 'needed',
  shell_call_output: 'needed',
  apply_patch_call: 'needed',
  apply_patch_call_output: 'needed',
  mcp_approval_request: 'needed',
  mcp_approval_response: 'needed',
};

/**
 * Says that the item is not sent.
 * @param path where the client finds the item: `input[2]`, or `input` for one of an earlier turn.
 * @throws GatewayError 400 where the conversation cannot do without it.
 */
export function leaveOut({ id, type, status }: NativeItem, path: string, report: Report): void {
  const fate = ofNative(fates, type);
  if (fate === 'tools') return;
  // What it was made of stands before it, unless the client carries the conversation and has dropped that.
  if (type === 'compaction') report.removed(id, 'model_mismatch');
  // What an upstream of the API's own has said, or was told, in words that are new to us.
  if (fate === 'answered' || status === 'incomplete' || (fate === undefined && path === 'input')) {
    report.warn('input', `An item of type ${type} was left out.`);
    return;
  }
  const param = path === 'input' ? path : `${path}.type`;
  if (fate === undefined) throw invalidChoice(param, type, [...ownItemTypes, ...nativeItemTypes]);
  throw new GatewayError('unsupported_value', `Items of type '${type}' are not supported with this model.`, { param });
}
