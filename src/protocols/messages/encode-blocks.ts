import { wrapCustomInput } from '../../core/custom-input.ts';
import type { MessageItem, ReasoningItem, ToolCallItem } from '../../core/items.ts';
import { isToolCall } from '../../core/items.ts';
import { isJsonObject, type JsonObject, parseJsonObject } from '../../core/json-object.ts';
import { arrayElements } from '../../core/json-slice.ts';
import type { FinishedItem, ResponseState } from '../../core/response.ts';
import { wrappedArgumentsField } from './wire.ts';

/** Whether the client is to see what the model thought: it is on, or the first block of an answer is its text. */
export function showsThinking({ request }: Pick<ResponseState, 'request'>): boolean {
  return request.include.includes('reasoning.encrypted_content');
}

/** The blocks that the upstream wrote, value for value, where it speaks this protocol; undefined: the item says it. */
export function ownBlocks({ origin }: FinishedItem): string[] | undefined {
  if (origin?.protocol !== 'messages' || origin.source === '') return undefined;
  return arrayElements(`[${origin.source}]`);
}

/** An output item as content blocks. What an upstream's own tool did has no word here, if the upstream has none. */
export function blocksOf(finished: FinishedItem, isThinkingShown: boolean): string[] {
  const { item } = finished;
  if (item.type === 'reasoning') return isThinkingShown ? thinkingBlocks(finished, item) : [];
  // A call may have been given another id than the upstream's.
  if (isToolCall(item)) return [callBlock(item, extraFields(parseJsonObject(ownBlocks(finished)?.[0] ?? '')))];
  const own = ownBlocks(finished);
  if (own !== undefined) return own;
  return item.type === 'message' && 'content' in item ? textBlocks(item) : [];
}

function textBlocks({ content }: MessageItem): string[] {
  return content.flatMap((part) => (part.type === 'output_text' && part.text !== '' ? [textBlock(part.text)] : []));
}

export const textBlock = (text: string): string => `{"type":"text","text":${JSON.stringify(text)},"citations":null}`;

export const thoughtOf = ({ summary, content = [] }: ReasoningItem): string =>
  [...summary, ...content].map(({ text }) => text).join('\n\n');

function thinkingBlocks(finished: FinishedItem, item: ReasoningItem): string[] {
  const own = ownBlocks(finished);
  if (own !== undefined) return own;
  // Without a signature it could not come back.
  const { encrypted_content: signature } = item;
  if (typeof signature !== 'string' || signature === '') return [];
  return [`{"type":"thinking","thinking":${JSON.stringify(thoughtOf(item))},"signature":${JSON.stringify(signature)}}`];
}

/** What the upstream's own block says beside what every call does, as members with a comma before each. */
export function extraFields(block: JsonObject | undefined): string {
  if (block === undefined) return '';
  const { type: _type, id: _id, name: _name, input: _input, ...rest } = block;
  const members = JSON.stringify(rest).slice(1, -1);
  return members === '' ? '' : `,${members}`;
}

function callBlock(item: ToolCallItem, extra: string): string {
  return `{"type":"tool_use","id":${JSON.stringify(item.call_id)},"name":${JSON.stringify(item.name)},"input":${inputOf(item)}${extra}}`;
}

/** Input is an object here: text that is none is passed on as the text it is. */
export function inputOf(item: ToolCallItem): string {
  if (item.type === 'custom_tool_call') return wrapCustomInput(item.input);
  if (item.arguments === '') return '{}';
  if (parseJsonObject(item.arguments) !== undefined) return item.arguments;
  return JSON.stringify({ [wrappedArgumentsField]: item.arguments });
}

/** A block whose input is streamed. */
export function hasInput(block: unknown): block is { type: string; input: unknown } {
  return isJsonObject(block) && isJsonObject(block['input']);
}
