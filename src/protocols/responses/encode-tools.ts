import { GatewayError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json-object.ts';
import { type FunctionTool, isNativeTool, type Tool, type TurnRequest } from '../../core/request.ts';
import type { EncodeInput } from '../codec.ts';
import { refuseUpstreamObjects } from '../../core/upstream-objects.ts';

/** The neutral tools are the API's own; what the client did not say is left to the upstream. */
export function encodeTools({ tools, protocol }: TurnRequest): { tools?: JsonObject[] } {
  if (tools.length === 0) return {};
  refuseUpstreamObjects(tools, 'tools');
  for (const [at, { type }] of tools.entries()) {
    if (!type.startsWith('messages:')) continue;
    const message = `Hosted tool '${type.slice('messages:'.length)}' is not supported with this model.`;
    throw new GatewayError('unsupported_value', message, { param: `tools[${at}].type` });
  }
  return { tools: tools.map((tool) => encodeTool(tool.type === 'function' ? withStrict(tool, protocol) : tool)) };
}

/** A function of Chat Completions is not strict unless it says so; one of this API is unless it says not. */
function withStrict(tool: FunctionTool, protocol: TurnRequest['protocol']): FunctionTool {
  return protocol === 'chat' && tool.strict === null ? { ...tool, strict: false } : tool;
}

function encodeTool(tool: Tool): JsonObject {
  if (isNativeTool(tool)) return tool;
  const said = Object.entries(tool).filter(([field, value]) => value !== null || field === 'parameters');
  const inner = tool.type === 'namespace' ? { tools: tool.tools.map(encodeTool) } : {};
  return { ...Object.fromEntries(said), ...inner };
}

export function encodeToolChoice({
  request: { tools, toolChoice, parallelToolCalls },
  context,
}: Pick<EncodeInput, 'request' | 'context'>): JsonObject {
  const isOffered =
    tools.length > 0 ||
    context.some(({ item }) => item.type === 'additional_tools' || item.type === 'tool_search_output');
  return {
    ...(toolChoice === 'auto' || !isOffered ? {} : { tool_choice: toolChoice }),
    ...(parallelToolCalls ? {} : { parallel_tool_calls: false }),
  };
}
