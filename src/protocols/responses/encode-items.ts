import { hash } from 'node:crypto';
import { callHalf } from '../../core/call-pairs.ts';
import { fileNameOf, readFileData } from '../../core/file-data.ts';
import { callIdFor } from '../../core/ids.ts';
import {
  type ContextItem,
  type ExtensionItem,
  type InputPart,
  isNative,
  isToolCall,
  isToolOutput,
  type Item,
  type MessageItem,
  type NativeItem,
  type Origin,
  type OutputPart,
  type ReasoningItem,
  type ToolCallItem,
  type ToolOutputItem,
} from '../../core/items.ts';
import { type JsonObject, parseJsonObject } from '../../core/json-object.ts';
import { objectMembers, printMembers } from '../../core/json-slice.ts';
import type { Report } from '../../core/report.ts';
import type { EncodeInput } from '../codec.ts';
import { signatureScope } from './signature-scope.ts';
import { refuseUpstreamObjects } from '../../core/upstream-objects.ts';

/** The longest tool call id that OpenAI takes. */
const maxCallIdLength = 64;

/** Native items that a client answers with: whatever the model said before them has ended. */
const clientItemTypes: ReadonlySet<string> = new Set([
  'mcp_approval_response',
  'configuration_update',
  'additional_tools',
]);

/**
 * The context as input items, each as JSON. What came from this protocol goes back value for value, under the ids that the
 * upstream gave it; what the client wrote goes as it wrote it, without ids, which are ours; the rest is spelled anew.
 *
 * Reasoning stays with what follows it, since OpenAI refuses one without the other. Where it cannot go along, what followed
 * it goes without its id, by which OpenAI knows that there was reasoning.
 */
export function encodeItems({ context, request, model }: EncodeInput, report: Report): string[] {
  const encoded: string[] = [];
  const firstOwn = context.length - request.input.length;
  let held: string[] = [];
  let bare = false;

  function endAnswer(): void {
    if (held.length > 0) report.warn('input', 'Reasoning that nothing came of was left out.');
    held = [];
    bare = false;
  }

  const begin = lastCompaction(context, model, report);
  context.forEach((placed, index) => {
    const { item, origin } = placed;
    if (index < begin && !isBeside(item, context[begin])) return;
    if (item.type === 'compaction' && index !== begin) return;
    if (isNative(item) && item.status === 'incomplete') {
      report.warn('input', `An item of type ${item.type} that was cut was left out.`);
      return;
    }
    const path = firstOwn >= 0 && index >= firstOwn ? `input[${index - firstOwn}]` : 'input';
    if (origin === undefined) refuseUpstreamObjects(item, path);
    if (item.type === 'reasoning') {
      const json = encodeReasoning(placed, model, report);
      if (json === undefined) bare = true;
      else held.push(json);
      return;
    }
    if (!isSaidByModel(placed)) endAnswer();
    const json = encodeItem(item, origin, bare, report);
    if (json === undefined) return;
    encoded.push(...held, json);
    held = [];
  });
  endAnswer();
  return encoded;
}

/** What stands before a compaction and is not in it. */
function isBeside(item: Item, compaction: ContextItem | undefined): boolean {
  if (item.type === 'additional_tools') return true;
  return compaction?.keepsMessages === true && item.type === 'message' && item.role !== 'assistant';
}

/** Where the upstream's own compaction stands for all that was before it; -1: there is none that this model can read. */
function lastCompaction(context: readonly ContextItem[], model: string, report: Report): number {
  const isReadable = ({ item, origin }: ContextItem) =>
    item.type === 'compaction' && isOwn(origin) && signatureScope(origin.model) === signatureScope(model);
  const begin = context.findLastIndex(isReadable);
  context.forEach(({ item }, index) => {
    if (item.type !== 'compaction' || index <= begin) return;
    report.removed(item.id, 'model_mismatch');
    report.warn('input', 'A compaction by another model was left out; what stands before it is sent.');
  });
  return begin;
}

function isSaidByModel({ item, origin }: ContextItem): boolean {
  if (item.type === 'message') return item.role === 'assistant';
  if (isToolOutput(item)) return false;
  return origin !== undefined || !(clientItemTypes.has(item.type) || item.type.endsWith('_output'));
}

function encodeItem(
  item: Exclude<Item, ReasoningItem>,
  origin: Origin | undefined,
  bare: boolean,
  report: Report,
): string | undefined {
  if (isToolOutput(item)) return encodeOutput(item);
  if (isToolCall(item)) return encodeCall(item, origin, bare, report);
  if (item.type === 'message') return encodeMessage(item, origin, bare, report);
  return encodeOther(item, origin, bare, report);
}

function isOwn(origin: Origin | undefined): origin is Origin {
  return origin?.protocol === 'responses';
}

/** The item under the upstream's id, or under none. */
function returned(item: Item, { source }: Origin, bare: boolean): string {
  const { id: _id, ...rest } = item;
  const id = bare ? undefined : parseJsonObject(source)?.['id'];
  return JSON.stringify(id === undefined ? rest : { id, ...rest });
}

/** An id that OpenAI does not know, for an item that it takes under an id only. The same whenever it is made. */
function strangerId(id: string): string {
  return `${id.slice(0, id.indexOf('_') + 1)}${hash('sha256', id).slice(0, 48)}`;
}

/** As the client wrote it. */
function unnamed(item: Item): string {
  const { id: _id, status: _status, ...rest } = item as JsonObject;
  for (const list of ['content', 'output']) {
    const parts = rest[list];
    if (Array.isArray(parts)) rest[list] = parts.map(namedFile);
  }
  return JSON.stringify(rest);
}

function namedFile(part: InputPart | OutputPart): InputPart | OutputPart {
  if (part.type !== 'input_file' || typeof part.file_data !== 'string') return part;
  const filename = fileNameOf(readFileData(part.file_data, part.filename), part.filename);
  return filename === undefined || filename === part.filename ? part : { ...part, filename };
}

/** Undefined: the upstream cannot take it back. */
function encodeReasoning({ item, origin, withheld }: ContextItem, model: string, report: Report): string | undefined {
  const isForeign = origin !== undefined && !(isOwn(origin) && signatureScope(origin.model) === signatureScope(model));
  if (isForeign || withheld !== undefined) {
    report.removed(item.id, withheld ?? 'model_mismatch');
    return undefined;
  }
  const { status: _status, ...source } = parseJsonObject(origin?.source ?? '') ?? {};
  if (typeof source['encrypted_content'] !== 'string') {
    report.warn('input', 'Reasoning without its encrypted content, which the upstream cannot take back, was left out.');
    return undefined;
  }
  return JSON.stringify(source);
}

function encodeCall(item: ToolCallItem, origin: Origin | undefined, bare: boolean, report: Report): string | undefined {
  if (item.status === 'incomplete') {
    report.warn('input', 'A tool call that was cut was left out.');
    return undefined;
  }
  const call_id = callIdFor(item.call_id, maxCallIdLength);
  const said = item.type === 'function_call' && item.arguments === '' ? { arguments: '{}' } : {};
  const placed = { ...item, ...said, call_id };
  if (isOwn(origin)) return returned(placed, origin, bare);
  if (origin === undefined) return unnamed(placed);
  const { type, name } = item;
  const spoken = item.type === 'function_call' ? { arguments: item.arguments || '{}' } : { input: item.input };
  return JSON.stringify({ type, call_id, name: encodeName(name, report), ...spoken });
}

/** A tool of an earlier turn may have come from a client of another protocol. */
function encodeName(name: string, report: Report): string {
  if (/^[a-zA-Z0-9_-]{1,128}$/.test(name)) return name;
  report.warn('input', 'The name of a tool that was called earlier was changed to what the upstream takes.');
  return name.replaceAll(/[^a-zA-Z0-9_-]/g, '_').slice(0, 128) || '_';
}

function encodeOutput(item: ToolOutputItem): string {
  return unnamed({ ...item, call_id: callIdFor(item.call_id, maxCallIdLength) });
}

function encodeMessage(
  item: MessageItem,
  origin: Origin | undefined,
  bare: boolean,
  report: Report,
): string | undefined {
  if (isOwn(origin)) return returned(item, origin, bare);
  if (origin === undefined) return unnamed(item);
  const content = item.content.flatMap((part) => encodePart(part, report));
  if (content.length === 0) return undefined;
  return JSON.stringify({ type: 'message', role: item.role, content });
}

/** Citations of another vendor's answer point at what only that vendor has. */
function encodePart(part: InputPart | OutputPart, report: Report): unknown[] {
  if (part.type !== 'output_text') return [part];
  if (part.text === '') return [];
  if (part.annotations.length > 0)
    report.warn('input', 'Citations in an earlier answer of another model were left out.');
  return [{ type: part.type, text: part.text, annotations: [] }];
}

function encodeOther(
  item: NativeItem | ExtensionItem,
  origin: Origin | undefined,
  bare: boolean,
  report: Report,
): string | undefined {
  if (isOwn(origin)) {
    const members = objectMembers(origin.source);
    const whole = members?.has('type') === true ? members : undefined;
    if (!bare) return whole === undefined ? returned(item, origin, bare) : origin.source;
    const id: unknown = JSON.parse(members?.get('id') ?? 'null');
    const own = whole ?? objectMembers(JSON.stringify(item)) ?? new Map<string, string>();
    return printMembers(own.set('id', JSON.stringify(strangerId(typeof id === 'string' ? id : item.id))));
  }
  // A call is in the API's own words, whichever model made it, and the client's answer to it comes behind.
  if (isNative(item) && (origin === undefined || callHalf(item) !== undefined)) {
    // Of a type that is new to us even the id is ours, where the client gave none.
    const { id, ...rest } = item;
    return JSON.stringify(id.startsWith('ext_') ? rest : item);
  }
  report.warn('input', `An item of type ${item.type} was left out.`);
  return undefined;
}
