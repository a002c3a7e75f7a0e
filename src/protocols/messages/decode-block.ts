import { objectMembers, printMembers, arrayElements } from '../../core/json-slice.ts';
import { parseJsonObject, stringOf, customInputField, wrappedArgumentsField, type JsonObject } from './wire.ts';

/** A content block that the upstream is writing. */
export interface OpenBlock {
  type: string;
  /** The block as it was started, raw. A plain reply's block starts as it ends. */
  raw: string;
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

export function openBlock(type: string, raw: string, start: JsonObject): OpenBlock {
  const text = type === 'text' ? stringOf(start.text) : type === 'thinking' ? stringOf(start.thinking) : undefined;
  return {
    type,
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
  const start = objectMembers(block.raw);
  block.merged ??= new Map();
  for (const [key, raw] of objectMembers(rawDelta) ?? []) {
    if (key === 'type') continue;
    const before = block.merged.get(key) ?? start?.get(key);
    const joined = before?.startsWith('"') === true && raw.startsWith('"');
    block.merged.set(key, joined ? `${before.slice(0, -1)}${raw.slice(1)}` : raw);
  }
  block.changed = true;
}

/** Arguments of a call as the client gets them: as the model wrote them, `{}` where it wrote nothing. */
export function argumentsOf(block: OpenBlock): string {
  if (block.text !== '') return block.text;
  const started = objectMembers(block.raw)?.get('input');
  return started?.startsWith('{') === true ? started : '{}';
}

/** The text that a custom tool's call holds. What is not `{"input": "…"}` is passed on as the text it is. */
export function customInputOf(block: OpenBlock): string {
  const text = argumentsOf(block);
  const input = parseJsonObject(text);
  const value = stringOf(input?.[customInputField]);
  if (input === undefined || value === undefined || Object.keys(input).length !== 1) return text;
  return value;
}

/** The finished block as the JSON that can be sent back: value for value what the upstream sent, fields in its order. */
export function sourceOf(block: OpenBlock): string {
  const members = block.changed || block.type === 'tool_use' ? objectMembers(block.raw) : undefined;
  if (members === undefined) return block.raw;
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
  for (const [key, raw] of block.merged ?? []) members.set(key, raw);
  return printMembers(members);
}
