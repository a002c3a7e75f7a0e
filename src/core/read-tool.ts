import { isJsonObject, type JsonObject } from './json-object.ts';
import { type CallOptions, type CustomTool, type FunctionTool, nativeToolTypes, type Tool } from './request.ts';

const options = ['async', 'defer_loading', 'allowed_callers'] as const;

/** The fields of each kind of tool that the model has a word for. A native tool is kept whole. */
export const knownToolFields: Record<'function' | 'custom' | 'namespace', ReadonlySet<string>> = {
  function: new Set(['type', 'name', 'description', 'parameters', 'strict', 'output_schema', ...options]),
  custom: new Set(['type', 'name', 'description', 'format', ...options]),
  namespace: new Set(['type', 'name', 'description', 'tools']),
};

/**
 * A tool of the Responses API with every field in its place and the order that the API echoes. Null, and false where that is
 * what a field is without being said, are left out.
 * @param raw checked already, or written by ourselves.
 */
export function readTool(raw: JsonObject): Tool {
  if (raw['type'] === 'function' || raw['type'] === 'custom') return readCallable(raw);
  const name = String(raw['name']);
  if (raw['type'] === 'namespace') {
    return { type: 'namespace', name, description: textOf(raw['description']), tools: readCallables(raw['tools']) };
  }
  const type = nativeToolTypes.find((known) => known === raw['type']);
  if (type === undefined) throw new Error(`a tool of unknown type ${String(raw['type'])} was never checked`);
  return { ...raw, type };
}

/** Tools that an item brings into the context. */
export function readTools(raw: unknown): Tool[] {
  return objectsOf(raw).map(readTool);
}

function readCallables(raw: unknown): (FunctionTool | CustomTool)[] {
  return objectsOf(raw).map(readCallable);
}

function readCallable(raw: JsonObject): FunctionTool | CustomTool {
  const name = String(raw['name']);
  const description = textOf(raw['description']);
  if (raw['type'] === 'custom') return { type: 'custom', name, description, format: formatOf(raw), ...optionsOf(raw) };
  const parameters = isJsonObject(raw['parameters']) ? raw['parameters'] : null;
  const strict = typeof raw['strict'] === 'boolean' ? raw['strict'] : null;
  const tool: FunctionTool = { type: 'function', name, description, parameters, strict, ...optionsOf(raw) };
  if (isJsonObject(raw['output_schema'])) tool.output_schema = raw['output_schema'];
  return tool;
}

function formatOf({ format }: JsonObject): CustomTool['format'] {
  if (!isJsonObject(format) || format['type'] !== 'grammar') return { type: 'text' };
  return { type: 'grammar', syntax: String(format['syntax']), definition: String(format['definition']) };
}

function optionsOf(raw: JsonObject): CallOptions {
  const options: CallOptions = {};
  if (raw['async'] === true) options.async = true;
  if (raw['defer_loading'] === true) options.defer_loading = true;
  if (Array.isArray(raw['allowed_callers'])) options.allowed_callers = raw['allowed_callers'];
  return options;
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function objectsOf(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}
