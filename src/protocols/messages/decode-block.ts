import { unwrapCustomInput } from '../../core/custom-input.ts';
import { isJsonObject, parseJsonObject, type JsonObject } from '../../core/json-object.ts';
import { arrayElements, objectMembers, printMembers } from '../../core/json-slice.ts';
import { stringOf, wrappedArgumentsField } from './wire.ts';

/** A content block that the upstream is writing. */
export interface OpenBlock {
  type: string;
  /** The block as it was started. A plain reply's block starts as it ends. */
  start: JsonObject;
  /** Its JSON, cut out of the reply only where it is needed. */
  raw: () => string;
  /** Text, thinking, or the JSON of a tool's input, as far as it has come by deltas (the start's own text included). */
  text: string;
  signature: string;
  /** Citations that came by deltas, raw. */
  citations: string[];
  /** Any delta has come. */
  changed: boolean;
  /** What deltas that we do not know made of the block's fields. */
  merged: Map<string, string> | undefined;
}

export function openBlock(type: string, start: JsonObject, raw: () => string): OpenBlock {
  const text = type === 'text' ? stringOf(start.text) : type === 'thinking' ? stringOf(start.thinking) : undefined;
  return {
    type,
    start,
    raw,
    text: text ?? '',
    signature: type === 'thinking' ? (stringOf(start.signature) ?? '') : '',
    citations: [],
    changed: false,
    merged: undefined,
  };
}

/** A delta of a kind that we do not know: its strings go on where the block's strings ended, all else replaces. */
export function mergeDelta(block: OpenBlock, rawDelta: string): void {
  const start = objectMembers(block.raw());
  block.merged ??= new Map();
  for (const [key, raw] of objectMembers(rawDelta) ?? []) {
    if (key === 'type') continue;
    const before = block.merged.get(key) ?? start?.get(key);
    // A compaction comes whole.
    const joined = block.type !== 'compaction' && before?.startsWith('"') === true && raw.startsWith('"');
    block.merged.set(key, joined ? `${before.slice(0, -1)}${raw.slice(1)}` : raw);
  }
}

/** Arguments of a call as the client gets them: as the model wrote them, `{}` where it wrote nothing. */
export function argumentsOf(block: OpenBlock): string {
  if (block.text !== '') return block.text;
  return isJsonObject(block.start.input) ? (objectMembers(block.raw())?.get('input') ?? '{}') : '{}';
}

/** The text that a custom tool's call holds. What is not the wrapper that we asked for is passed on as the text it is. */
export function customInputOf(block: OpenBlock): string {
  const text = argumentsOf(block);
  return unwrapCustomInput(text) ?? text;
}

const textFields: ReadonlySet<string> = new Set(['type', 'text', 'citations']);
const callFields: ReadonlySet<string> = new Set(['type', 'id', 'name', 'input']);

function hasOnly(block: JsonObject, fields: ReadonlySet<string>): boolean {
  for (const key in block) if (!fields.has(key)) return false;
  return true;
}

/** The block's item says it all: a text without citations, or a call of nothing but id, name and input. */
export function isSaidByItem(block: OpenBlock, custom: boolean): boolean {
  const { type, start, merged } = block;
  if (merged !== undefined) return false;
  if (type === 'text') return hasOnly(start, textFields) && citationsOf(block).length === 0;
  if (type !== 'tool_use' || !hasOnly(start, callFields)) return false;
  return !custom || unwrapCustomInput(argumentsOf(block)) !== undefined;
}

/** Of the start and of the deltas, as values. */
export function citationsOf({ start, citations }: OpenBlock): unknown[] {
  const started: unknown[] = Array.isArray(start.citations) ? start.citations : [];
  return citations.length === 0 ? started : [...started, ...citations.map((raw): unknown => JSON.parse(raw))];
}

/** The finished block as the JSON that can be sent back: value for value what the upstream sent, fields in its order. */
export function sourceOf(block: OpenBlock): string {
  const raw = block.raw();
  const members = block.changed || block.type === 'tool_use' ? objectMembers(raw) : undefined;
  if (members === undefined) return raw;
  if (block.type === 'text') {
    members.set('text', JSON.stringify(block.text));
    if (block.citations.length > 0) {
      const started = arrayElements(members.get('citations') ?? '') ?? [];
      members.set('citations', `[${[...started, ...block.citations].join(',')}]`);
    }
  } else if (block.type === 'thinking') {
    members.set('thinking', JSON.stringify(block.text));
    members.set('signature', JSON.stringify(block.signature));
  } else if (block.text !== '') {
    const valid = parseJsonObject(block.text) !== undefined;
    members.set('input', valid ? block.text : `{"${wrappedArgumentsField}":${JSON.stringify(block.text)}}`);
  } else if (block.type === 'tool_use') {
    members.set('input', argumentsOf(block));
  }
  for (const [key, value] of block.merged ?? []) members.set(key, value);
  return printMembers(members);
}
