import { pendingOutput } from '../../core/async-calls.ts';
import { wrapCustomInput } from '../../core/custom-input.ts';
import { GatewayError } from '../../core/errors.ts';
import { isTextFile, readDataUrl, readFileData, textOfFile } from '../../core/file-data.ts';
import { callIdFor } from '../../core/ids.ts';
import {
  type ContextItem,
  type InputPart,
  isNative,
  isToolCall,
  isToolOutput,
  type OutputPart,
  type ToolCallItem,
  type ToolOutputItem,
} from '../../core/items.ts';
import { isJsonObject, type JsonObject, parseJsonObject } from '../../core/json-object.ts';
import { itemPath, type ToolOffer } from '../../core/offer-tools.ts';
import type { Report } from '../../core/report.ts';
import { leaveOut } from '../../core/unsent-item.ts';
import type { EncodeInput } from '../codec.ts';
import {
  type FilePart,
  maxCallIdLength,
  type PromptMessage,
  type TextPart,
  type ToolCallPart,
  type ToolResultPart,
  wrappedArgumentsField,
} from './wire.ts';

/**
 * The context as a prompt. What leads it is one system message; the results of a message's calls stand directly behind it,
 * wherever they came; a system message further on is the user's text in tags, since few packages take one there.
 * @throws GatewayError 400 for what no package can be given.
 */
export function encodePrompt(input: EncodeInput, offer: ToolOffer, lead: string[], report: Report): PromptMessage[] {
  const { context, request } = input;
  const prompt: PromptMessage[] = [];
  const results = new Map<string, { results: ToolResultPart[]; name: string; isDirect: () => boolean }>();
  const system = [...lead];
  let isLeading = true;

  const assistant = (): Extract<PromptMessage, { role: 'assistant' }>['content'] => {
    const last = prompt.at(-1);
    if (last?.role === 'assistant') return last.content;
    const content: Extract<PromptMessage, { role: 'assistant' }>['content'] = [];
    prompt.push({ role: 'assistant', content });
    return content;
  };
  const user = (parts: (TextPart | FilePart)[]): void => {
    const last = prompt.at(-1);
    if (last?.role === 'user') last.content.push(...parts);
    else if (parts.length > 0) prompt.push({ role: 'user', content: parts });
  };

  context.forEach(({ item, origin, withheld }, index) => {
    const path = itemPath(context, request, index);
    const own = originOf(origin, input.model);
    if (item.type === 'message' && (item.role === 'system' || item.role === 'developer')) {
      const text = textsOf(item.content, path).join('\n');
      if (isLeading) system.push(text);
      else {
        report.warn('input', 'A system message inside the conversation was sent as text of the user in <system> tags.');
        user([{ type: 'text', text: `<system>\n${text}\n</system>` }]);
      }
      return;
    }
    isLeading = false;
    if (isToolOutput(item)) {
      const call = results.get(item.call_id);
      if (call === undefined) throw new Error(`an output without its call: ${item.call_id}`);
      if (!call.isDirect()) report.warn('input', 'Tool outputs were moved directly behind their calls.');
      const at = call.results.findIndex(({ toolCallId }) => toolCallId === wireId(item.call_id));
      call.results[at] = encodeResult(item, call.name, path, report);
    } else if (isToolCall(item)) {
      if (item.status === 'incomplete') return report.warn('input', 'A tool call that was cut was left out.');
      const last = prompt.at(-1);
      // Calls of one reply have their results in one message, behind all of them.
      const open = last?.role === 'tool' && !isAnswered(last.content) ? last : undefined;
      const said = open === undefined ? assistant() : assistantBefore(prompt);
      const call = encodeCall(item, offer, own, report);
      said.push(call);
      const pending: ToolResultPart = {
        type: 'tool-result',
        toolCallId: call.toolCallId,
        toolName: call.toolName,
        output: { type: 'text', value: pendingOutput },
      };
      const tool = open ?? { role: 'tool', content: [] };
      tool.content.push(pending);
      if (open === undefined) prompt.push(tool);
      results.set(item.call_id, { results: tool.content, name: call.toolName, isDirect: () => prompt.at(-1) === tool });
    } else if (item.type === 'reasoning') {
      if (own === undefined || withheld !== undefined) return report.removed(item.id, withheld ?? 'model_mismatch');
      const { content = [], summary } = item;
      const text = (content.length > 0 ? content : summary).map((part) => part.text).join('');
      assistant().push({ type: 'reasoning', text, ...optionsOf(own) });
    } else if (isNative(item)) leaveOut(item, path, report);
    else if (item.type !== 'message') report.warn('input', `An item of type ${item.type} was left out.`);
    else if (item.role === 'assistant') {
      const texts = textsOf(item.content, path).filter((text) => text !== '');
      if (item.content.some(({ type }) => type === 'refusal'))
        report.warn('input', 'A refusal of the assistant was left out.');
      texts.forEach((text, at) =>
        assistant().push({ type: 'text', text, ...(at === texts.length - 1 ? optionsOf(own) : {}) }),
      );
    } else
      user(item.content.flatMap((part, at) => encodePart(part, path === 'input' ? path : `${path}.content[${at}]`)));
  });
  const text = system.filter((each) => each !== '').join('\n\n');
  return text === '' ? prompt : [{ role: 'system', content: text }, ...prompt];
}

/** Some result has come: what is called now is called in a later reply. */
const isAnswered = (results: readonly ToolResultPart[]): boolean =>
  results.some(({ output }) => output.type !== 'text' || output.value !== pendingOutput);

function assistantBefore(prompt: readonly PromptMessage[]): Extract<PromptMessage, { role: 'assistant' }>['content'] {
  const before = prompt.at(-2);
  if (before?.role !== 'assistant') throw new Error('results without calls before them');
  return before.content;
}

const wireId = (callId: string): string => callIdFor(callId, maxCallIdLength);

/** What the same model's package said of the part; undefined: another's, and what was said is not for this one. */
function originOf(origin: ContextItem['origin'], model: string): JsonObject | undefined {
  if (origin?.protocol !== 'ai-sdk' || origin.model !== model) return undefined;
  return parseJsonObject(origin.source) ?? {};
}

function optionsOf(own: JsonObject | undefined): { providerOptions?: JsonObject } {
  const metadata = own?.['providerMetadata'];
  return isJsonObject(metadata) ? { providerOptions: metadata } : {};
}

function encodeCall(item: ToolCallItem, offer: ToolOffer, own: JsonObject | undefined, report: Report): ToolCallPart {
  const toolName = offer.nameOfCall(item.name, item.namespace);
  const input = typeof own?.['input'] === 'string' ? own['input'] : inputOf(item, report);
  return { type: 'tool-call', toolCallId: wireId(item.call_id), toolName, input, ...optionsOf(own) };
}

/** Packages print the input anew, in which numbers keep their digits, but keys that are numbers come first. */
function inputOf(item: ToolCallItem, report: Report): string {
  if (item.type === 'custom_tool_call') return wrapCustomInput(item.input);
  if (item.arguments.trim() === '') return '{}';
  if (parseJsonObject(item.arguments) === undefined) {
    report.warn('input', 'Arguments of a tool call that are no JSON object were wrapped in one.');
    return JSON.stringify({ [wrappedArgumentsField]: item.arguments });
  }
  return item.arguments;
}

function encodeResult(item: ToolOutputItem, toolName: string, path: string, report: Report): ToolResultPart {
  const { output } = item;
  const head = { type: 'tool-result', toolCallId: wireId(item.call_id), toolName } as const;
  if (typeof output === 'string') return { ...head, output: { type: 'text', value: output } };
  const value = output.flatMap((part, at) => encodePart(part, path === 'input' ? path : `${path}.output[${at}]`));
  if (value.every((part) => part.type === 'text'))
    return { ...head, output: { type: 'text', value: value.map((part) => part.text).join('\n') } };
  report.warn('input', 'Whether the model sees images and files of a tool output is for its package to say.');
  return { ...head, output: { type: 'content', value } };
}

function textsOf(parts: readonly (InputPart | OutputPart)[], path: string): string[] {
  return parts.flatMap((part) => {
    if (part.type === 'input_text' || part.type === 'output_text') return [part.text];
    if (part.type === 'refusal') return [];
    throw new GatewayError('unsupported_value', 'The upstream takes text only in this message.', { param: path });
  });
}

function encodePart(part: InputPart | OutputPart, path: string): (TextPart | FilePart)[] {
  switch (part.type) {
    case 'input_text':
    case 'output_text':
      return part.text === '' ? [] : [{ type: 'text', text: part.text }];
    case 'refusal':
      return [{ type: 'text', text: part.refusal }];
    case 'input_image': {
      const url = part.image_url;
      if (typeof url !== 'string') throw unsupported(path, 'Images must come as image_url.');
      return [fileOf(url, 'image/*', undefined, path)];
    }
    case 'input_file': {
      const { file_data: data, file_url: url, filename } = part;
      if (typeof data !== 'string' || data === '') {
        if (typeof url !== 'string') throw unsupported(path, 'Files must come as file_data or file_url.');
        return [fileOf(url, 'application/pdf', filename, path)];
      }
      const read = readFileData(data, filename);
      if (!isTextFile(read)) {
        const mediaType = read.mediaType === '' ? 'application/octet-stream' : read.mediaType;
        return [fileOf(`data:${mediaType};base64,${read.payload}`, mediaType, filename, path)];
      }
      const text = textOfFile(read);
      if (text === undefined) throw unsupported(path, 'The data URL is not percent-encoded text.');
      return [{ type: 'text', text }];
    }
  }
}

function fileOf(url: string, assumed: string, filename: string | null | undefined, path: string): FilePart {
  const named = typeof filename === 'string' ? { filename } : {};
  const inline = readDataUrl(url);
  if (inline !== undefined) {
    if (!inline.base64) throw unsupported(path, 'Data URLs must be base64.');
    return { type: 'file', mediaType: inline.mediaType, ...named, data: { type: 'data', data: inline.payload } };
  }
  if (!URL.canParse(url)) throw unsupported(path, 'Expected a valid URL.');
  return { type: 'file', mediaType: assumed, ...named, data: { type: 'url', url } };
}

const unsupported = (param: string, message: string) => new GatewayError('unsupported_value', message, { param });
