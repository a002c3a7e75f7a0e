import type { Emit } from './events.ts';

// oxlint-disable-next-line no-generated-empty-object-type -- most have no fields
type Nothing = Record<never, never>;

/** How far an item is, in the words that the gateway tells it in itself; what an upstream tells in the same API's passes as it is. */
export interface ItemEvents {
  'compaction.compacting': Nothing;
  'web_search_call.in_progress': Nothing;
  'web_search_call.searching': Nothing;
  'web_search_call.completed': Nothing;
  'code_interpreter_call.in_progress': Nothing;
  'code_interpreter_call.interpreting': Nothing;
  'code_interpreter_call.completed': Nothing;
  'code_interpreter_call_code.delta': { delta: string };
  'code_interpreter_call_code.done': { code: string };
  'mcp_list_tools.in_progress': Nothing;
  'mcp_list_tools.completed': Nothing;
  'mcp_call.in_progress': Nothing;
  'mcp_call_arguments.delta': { delta: string };
  'mcp_call_arguments.done': { arguments: string };
  'mcp_call.completed': Nothing;
  'mcp_call.failed': Nothing;
  'image_generation_call.in_progress': Nothing;
  'image_generation_call.generating': Nothing;
  'image_generation_call.completed': Nothing;
  'shell_call_command.added': { command_index: number; command: string };
  'shell_call_command.delta': { command_index: number; delta: string };
  'shell_call_command.done': { command_index: number; command: string };
  'apply_patch_call_operation_diff.delta': { delta: string };
  'apply_patch_call_operation_diff.done': { diff: string };
}

export type ItemEvent = { [Name in keyof ItemEvents]: [name: Name, fields: ItemEvents[Name]] }[keyof ItemEvents];

export function tell(emit: Emit, index: number, ...[name, fields]: ItemEvent): void {
  emit({ type: 'item-event', index, name, fields });
}
