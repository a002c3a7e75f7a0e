import { isJsonObject } from '../../core/json-object.ts';

/**
 * The options of a call, as a package takes them: addresses as `URL`, the inputs of calls as values. Numbers that JavaScript
 * would round are kept as they were written, for the package to print them so.
 */
export function callOptionsOf(body: string): Record<string, unknown> {
  const options = JSON.parse(body) as Record<string, unknown>;
  const prompt = Array.isArray(options['prompt']) ? options['prompt'] : [];
  for (const message of prompt) {
    if (isJsonObject(message) && Array.isArray(message['content']))
      message['content'] = message['content'].map(revived);
  }
  return options;
}

function revived(part: unknown): unknown {
  if (!isJsonObject(part)) return part;
  if (part['type'] === 'tool-call') return { ...part, input: exactly(String(part['input'])) };
  const { data, output } = part;
  if (isJsonObject(data) && data['type'] === 'url')
    return { ...part, data: { ...data, url: new URL(String(data['url'])) } };
  if (isJsonObject(output) && Array.isArray(output['value']))
    return { ...part, output: { ...output, value: output['value'].map(revived) } };
  return part;
}

interface RawJson {
  rawJSON(text: string): unknown;
  parse(text: string, reviver: (key: string, value: unknown, context: { source?: string }) => unknown): unknown;
}

/** @see https://developer.mozilla.org/docs/Web/JavaScript/Reference/Global_Objects/JSON/rawJSON */
function exactly(text: string): unknown {
  const json = JSON as unknown as RawJson;
  return json.parse(text, (_key, value, { source }) =>
    typeof value === 'number' && source !== undefined && String(value) !== source ? json.rawJSON(source) : value,
  );
}
