import { expect, test } from 'vitest';
import { GatewayError } from './errors.ts';
import { nativeItemTypes } from './items.ts';
import { createReport } from './report.ts';
import { leaveOut } from './unsent-item.ts';

/** What the conversation does not say without it: refused. The rest is left out, and said unless `offerTools` has read it. */
const needed = new Set([
  'computer_call',
  'computer_call_output',
  'configuration_update',
  'local_shell_call',
  'local_shell_call_output',
  'shell_call',
  'shell_call_output',
  'apply_patch_call',
  'apply_patch_call_output',
  'mcp_approval_request',
  'mcp_approval_response',
]);
const offered = new Set(['tool_search_call', 'tool_search_output', 'additional_tools']);

test.each(nativeItemTypes)('%s', (type) => {
  const report = createReport();
  let refused: unknown;
  try {
    leaveOut({ type, id: 'x' }, 'input[3]', report);
  } catch (error) {
    refused = error;
  }
  expect(refused instanceof GatewayError && `${refused.code} ${refused.param}`).toBe(
    needed.has(type) && 'unsupported_value input[3].type',
  );
  expect(report.warnings.length).toBe(needed.has(type) || offered.has(type) ? 0 : 1);
});

test('what was cut off is never needed', () => {
  const report = createReport();
  leaveOut({ type: 'shell_call', id: 'x', status: 'incomplete' }, 'input', report);
  expect(report.warnings).toEqual([{ param: 'input', message: 'An item of type shell_call was left out.' }]);
});
