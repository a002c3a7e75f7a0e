import { GatewayError } from '../../core/errors.ts';
import type { CustomTool, FunctionTool, Tool, ToolChoice, ToolName } from '../../core/request.ts';
import type { EncodeInput } from '../codec.ts';
import type { Report } from '../../core/report.ts';
import { type ChatTool, type ChatToolChoice, toolName } from './wire.ts';

export interface EncodedTools {
  tools: ChatTool[];
  /** Undefined: the upstream's default, which is `auto`. */
  choice: ChatToolChoice | undefined;
  /** Names of the client's custom tools among them. */
  customTools: Set<string>;
}

/**
 * Tools of an ancestor are sent without leave to call them, so that a history of calls reads as it was written.
 * @throws GatewayError 400 for a tool choice that no tool can answer.
 */
export function encodeTools(input: EncodeInput, report: Report): EncodedTools {
  const { request, profile } = input;
  const inherited = request.tools.length === 0;
  const tools = inherited ? calledEarlier(input) : allowed(request.tools, request.toolChoice);
  // Places in the client's own list: an allowed subset must not renumber them.
  const encoded = tools.map((tool) => {
    const path = inherited ? 'tools' : `tools[${request.tools.indexOf(tool)}]`;
    return encodeTool(tool, path, profile.customTools, report);
  });
  return {
    tools: encoded,
    choice: encodeChoice(request.toolChoice, request.tools, inherited && tools.length > 0, profile.customTools),
    customTools: new Set(tools.filter((tool) => tool.type === 'custom').map(({ name }) => name)),
  };
}

function calledEarlier({ context, inheritedTools }: EncodeInput): Tool[] {
  const called = context.some(({ item }) => item.type === 'function_call' || item.type === 'custom_tool_call');
  return called ? inheritedTools : [];
}

/** Chat servers but OpenAI's know no subset: it is made by not telling of the others. */
function allowed(tools: Tool[], choice: ToolChoice): Tool[] {
  if (typeof choice === 'string' || choice.type !== 'allowed_tools') return tools;
  for (const [index, name] of choice.tools.entries()) {
    if (!tools.some((tool) => sameTool(tool, name))) throw unknownTool(`tool_choice.tools[${index}]`, name);
  }
  return tools.filter((tool) => choice.tools.some((name) => sameTool(tool, name)));
}

const sameTool = (tool: Tool, { type, name }: ToolName) => tool.type === type && tool.name === name;

const unknownTool = (param: string, { name }: ToolName) =>
  new GatewayError('invalid_value', `Tool choice '${name}' not found in 'tools' parameter.`, { param });

function encodeChoice(
  choice: ToolChoice,
  tools: Tool[],
  inherited: boolean,
  nativeCustom: boolean,
): ChatToolChoice | undefined {
  const wanted = typeof choice === 'object' && choice.type === 'allowed_tools' ? choice.mode : choice;
  if (typeof wanted === 'object') {
    if (!tools.some((tool) => sameTool(tool, wanted))) throw unknownTool('tool_choice', wanted);
    const { name } = wanted;
    return wanted.type === 'custom' && nativeCustom
      ? { type: 'custom', custom: { name } }
      : { type: 'function', function: { name } };
  }
  if (wanted === 'required' && tools.length === 0) {
    throw new GatewayError('invalid_value', "Tool choice 'required' must be specified with 'tools' parameter.", {
      param: 'tool_choice',
    });
  }
  if (inherited) return 'none';
  return wanted === 'auto' || tools.length === 0 ? undefined : wanted;
}

function encodeTool(tool: Tool, path: string, nativeCustom: boolean, report: Report): ChatTool {
  if (!toolName.test(tool.name)) {
    const message = `Invalid '${path}.name': expected a string that matches the pattern '^[a-zA-Z0-9_-]{1,64}$'.`;
    throw new GatewayError('invalid_value', message, { param: path === 'tools' ? path : `${path}.name` });
  }
  if (tool.type === 'function') return encodeFunction(tool);
  return nativeCustom ? encodeCustom(tool) : encodeCustomAsFunction(tool, path, report);
}

function encodeFunction({ name, description, parameters, strict }: FunctionTool): ChatTool {
  return {
    type: 'function',
    function: {
      name,
      ...(description === null ? {} : { description }),
      parameters: parameters ?? { type: 'object', properties: {} },
      ...(strict === null ? {} : { strict }),
    },
  };
}

function encodeCustom({ name, description, format }: CustomTool): ChatTool {
  const chatFormat =
    format.type === 'text'
      ? format
      : { type: format.type, grammar: { syntax: format.syntax, definition: format.definition } };
  return { type: 'custom', custom: { name, ...(description === null ? {} : { description }), format: chatFormat } };
}

/** The decoder takes the input out of the arguments again. */
function encodeCustomAsFunction({ name, description, format }: CustomTool, path: string, report: Report): ChatTool {
  const texts = description === null ? [] : [description];
  if (format.type === 'grammar') {
    report.warn(
      path === 'tools' ? path : `${path}.format`,
      'The upstream has no grammars: this one is in the description of the tool.',
    );
    texts.push(`The input must match this ${format.syntax} grammar:\n${format.definition}`);
  }
  return {
    type: 'function',
    function: {
      name,
      ...(texts.length === 0 ? {} : { description: texts.join('\n\n') }),
      parameters: {
        type: 'object',
        properties: { input: { type: 'string', description: 'The whole input of the tool, as plain text.' } },
        required: ['input'],
        additionalProperties: false,
      },
    },
  };
}
