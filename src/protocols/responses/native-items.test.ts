import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../core/errors.ts';
import { nativeItemTypes } from '../../core/items.ts';
import type { JsonObject } from '../../core/json-object.ts';
import { decodeInput } from './request-items.ts';

const screenshot = { type: 'computer_screenshot', image_url: 'data:image/png;base64,AA' };
const tools = [{ type: 'function', name: 'f' }];

/** The least that OpenAI takes of each type; of each, a field without which it is refused. */
const least: Record<(typeof nativeItemTypes)[number], [JsonObject, string]> = {
  file_search_call: [{ queries: ['q'] }, 'queries'],
  computer_call: [{ call_id: 'c', actions: [], pending_safety_checks: [] }, 'call_id'],
  computer_call_output: [{ call_id: 'c', output: screenshot }, 'output'],
  web_search_call: [{ status: 'failed', action: { type: 'search', query: 'q' } }, ''],
  tool_search_call: [{ call_id: null, execution: 'server', arguments: { paths: [] } }, ''],
  tool_search_output: [{ call_id: null, execution: 'server', tools }, 'tools'],
  additional_tools: [{ role: 'developer', tools }, 'tools'],
  configuration_update: [{ reasoning: { effort: 'low' } }, ''],
  compaction: [{ encrypted_content: 'x' }, 'encrypted_content'],
  image_generation_call: [{ status: 'generating', result: null }, ''],
  code_interpreter_call: [{ container_id: 'cntr_1', code: null, outputs: null }, 'container_id'],
  local_shell_call: [{ call_id: 'c', action: { type: 'exec', command: ['ls'], env: {} } }, 'action'],
  local_shell_call_output: [{ call_id: 'c', output: 'x' }, 'call_id'],
  shell_call: [{ call_id: 'c', action: { commands: ['ls'] } }, 'action'],
  shell_call_output: [
    { call_id: 'c', output: [{ stdout: '', stderr: '', outcome: { type: 'exit', exit_code: 0 } }] },
    'output',
  ],
  apply_patch_call: [{ call_id: 'c', operation: { type: 'delete_file', path: 'a' } }, 'call_id'],
  apply_patch_call_output: [{ call_id: 'c', status: 'failed' }, 'status'],
  mcp_list_tools: [{ server_label: 'm', tools: [] }, 'tools'],
  mcp_approval_request: [{ server_label: 'm', name: 'n', arguments: '{}' }, 'arguments'],
  mcp_approval_response: [{ approval_request_id: 'mcpr_1', approve: false }, 'approve'],
  mcp_call: [{ server_label: 'm', name: 'n', arguments: '{}' }, 'server_label'],
  program: [{ call_id: 'c', code: 'x', fingerprint: 'f' }, 'fingerprint'],
  program_output: [{ call_id: 'c', result: 'x' }, 'result'],
};

describe.each(nativeItemTypes)('%s', (type) => {
  const [fields, needed] = least[type];

  test('is kept whole, with or without an id', () => {
    const sent = { type, ...fields, future: { '10': 1, '2': 2 } };
    expect(decodeInput([sent])).toEqual([{ ...sent, id: '' }]);
    expect(decodeInput([{ ...sent, id: 'x_1' }])).toEqual([{ ...sent, id: 'x_1' }]);
  });

  test('is refused without what it is', () => {
    if (needed === '') return;
    const { [needed]: _, ...rest } = fields;
    expect(refusal({ type, ...rest })).toBe(
      `missing_required_parameter input[0].${needed} Missing required parameter: 'input[0].${needed}'.`,
    );
  });
});

test.each<[JsonObject, string]>([
  [
    { type: 'apply_patch_call', call_id: 'c', operation: { type: 'move_file', path: 'a' } },
    "invalid_value input[0].operation.type Invalid value: 'move_file'. Supported values are: 'create_file', 'update_file', and 'delete_file'.",
  ],
  [
    { type: 'apply_patch_call', call_id: 'c', operation: { type: 'update_file', path: 'a' } },
    "missing_required_parameter input[0].operation.diff Missing required parameter: 'input[0].operation.diff'.",
  ],
  [
    { type: 'additional_tools', role: 'user', tools: [] },
    "invalid_value input[0].role Invalid value: 'user'. Supported values are: 'developer'.",
  ],
  [
    { type: 'additional_tools', role: 'developer', tools: [{ type: 'function' }] },
    "missing_required_parameter input[0].tools[0].name Missing required parameter: 'input[0].tools[0].name'.",
  ],
])('%j', (item, expected) => {
  expect(refusal(item)).toBe(expected);
});

test('the output of a local shell may name its call by its own id, as the reference has it', () => {
  expect(decodeInput([{ type: 'local_shell_call_output', id: 'call_1', output: 'x' }])).toEqual([
    { type: 'local_shell_call_output', id: '', call_id: 'call_1', output: 'x' },
  ]);
});

function refusal(item: JsonObject): string {
  try {
    decodeInput([item]);
    return 'accepted';
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    return `${error.code} ${error.param} ${error.message}`;
  }
}
