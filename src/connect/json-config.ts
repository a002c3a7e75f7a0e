import { isJsonObject, type JsonObject } from '../core/json-object.ts';
import { ConnectError } from './client-config.ts';

/**
 * JSON with some of its members set. Every other member stays where it was; the indentation is the file's own.
 * @param set members by their path, keys in between made where they are missing.
 * @throws ConnectError for what is no JSON object: comments would be lost, so that it is left to the user.
 */
export function editJson(
  text: string | undefined,
  set: readonly (readonly [path: string[], value: unknown])[],
): string {
  const root = text === undefined || text.trim() === '' ? {} : parse(text.replace(/^\ufeff/, ''));
  for (const [path, value] of set) setMember(root, path, value);
  const indent = /\n([ \t]+)\S/.exec(text ?? '')?.[1] ?? '  ';
  const end = text === undefined || /\n\s*$/.test(text) ? '\n' : '';
  const printed = JSON.stringify(root, null, indent) + end;
  return text?.includes('\r\n') === true ? printed.replaceAll('\n', '\r\n') : printed;
}

function parse(text: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ConnectError('it is not plain JSON; comments, say, would be lost');
  }
  if (!isJsonObject(value)) throw new ConnectError('it is no JSON object');
  return value;
}

function setMember(root: JsonObject, path: readonly string[], value: unknown): void {
  let parent = root;
  for (const key of path.slice(0, -1)) {
    const child: unknown = parent[key] ?? {};
    if (!isJsonObject(child)) throw new ConnectError(`'${key}' in it is no object`);
    parent[key] = child;
    parent = child;
  }
  parent[path.at(-1) ?? ''] = value;
}
