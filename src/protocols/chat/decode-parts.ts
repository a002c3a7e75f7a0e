import { z } from 'zod';
import { check, invalidChoice, invalidType, missing } from '../../core/check.ts';
import { checkImageUrl } from '../../core/check-url.ts';
import { GatewayError } from '../../core/errors.ts';
import type { InputFile, InputPart, OutputPart, Role } from '../../core/items.ts';
import { isJsonObject, type JsonObject } from '../../core/json-object.ts';
import type { RequestNotes } from './request-notes.ts';

const textPart = z.object({ text: z.string() });
const refusalPart = z.object({ refusal: z.string() });
const imagePart = z.object({
  image_url: z.object({ url: z.string(), detail: z.enum(['low', 'high', 'auto', 'original']).nullish() }),
});
const filePart = z.object({
  file: z.object({ file_data: z.string().nullish(), file_id: z.string().nullish(), filename: z.string().nullish() }),
});
const audioPart = z.object({ input_audio: z.object({ data: z.string(), format: z.enum(['wav', 'mp3']) }) });

const partTypes: Record<Role | 'tool', readonly string[]> = {
  system: ['text'],
  developer: ['text'],
  user: ['text', 'image_url', 'input_audio', 'file'],
  // OpenAI takes texts of tools only, other vendors' models look at pictures too.
  tool: ['text', 'image_url', 'file'],
  assistant: ['text', 'refusal'],
};

/**
 * A message's content, where it is not the assistant's.
 * @param path of the content in the client's request, @param itemPath the same in ours.
 */
export function decodeContent(
  content: unknown,
  role: Exclude<Role, 'assistant'> | 'tool',
  { path, itemPath }: { path: string; itemPath: string },
  notes: RequestNotes,
): InputPart[] {
  if (typeof content === 'string') return [{ type: 'input_text', text: content }];
  return partsOf(content, role, path).map((part, index) =>
    decodePart(part, `${path}[${index}]`, `${itemPath}[${index}]`, notes),
  );
}

/** An assistant's content; null is nothing. */
export function decodeAssistantContent(content: unknown, path: string, notes: RequestNotes): OutputPart[] {
  if (content === null || content === undefined) return [];
  if (typeof content === 'string') return content === '' ? [] : [outputText(content)];
  return partsOf(content, 'assistant', path).map((part, index) => {
    const at = `${path}[${index}]`;
    if (part['type'] === 'refusal') {
      notes.keepUnknown(part, ['type', 'refusal'], at);
      return { type: 'refusal', refusal: check(refusalPart, part, at).refusal };
    }
    notes.keepUnknown(part, ['type', 'text'], at);
    return outputText(check(textPart, part, at).text);
  });
}

export function outputText(text: string): OutputPart {
  return { type: 'output_text', text, annotations: [] };
}

function partsOf(content: unknown, role: Role | 'tool', path: string): JsonObject[] {
  if (content === undefined) throw missing(path);
  if (!Array.isArray(content)) throw invalidType(path, 'one of a string or an array of content parts', content);
  return content.map((part: unknown, index) => {
    const at = `${path}[${index}]`;
    if (!isJsonObject(part)) throw invalidType(at, 'an object', part);
    if (part['type'] === undefined) throw missing(`${at}.type`);
    const types = partTypes[role];
    if (!types.some((type) => type === part['type'])) throw invalidChoice(`${at}.type`, part['type'], types);
    return part;
  });
}

function decodePart(raw: JsonObject, at: string, itemPath: string, notes: RequestNotes): InputPart {
  notes.keepUnknown(raw, ['type', String(raw['type']), ...cacheFields], at);
  return { ...decodeSaid(raw, at, itemPath, notes), ...cacheMarkOf(raw) };
}

const cacheFields = ['prompt_cache_breakpoint', 'cache_control'];

/** OpenAI's word for the end of a prefix that is to be cached, or Anthropic's, which other gateways take in chat too. */
function cacheMarkOf({ prompt_cache_breakpoint: own, cache_control: control }: JsonObject): object {
  if (own !== undefined && own !== null) return { prompt_cache_breakpoint: own };
  if (!isJsonObject(control)) return {};
  return { prompt_cache_breakpoint: { mode: 'explicit', ...(control['ttl'] === '1h' ? { ttl: '30m' } : {}) } };
}

function decodeSaid(part: JsonObject, at: string, itemPath: string, notes: RequestNotes): InputPart {
  const { type } = part;
  if (type === 'text') return { type: 'input_text', text: check(textPart, part, at).text };
  if (type === 'image_url') {
    const { url, detail } = check(imagePart, part, at).image_url;
    checkImageUrl(url, `${at}.image_url.url`);
    notes.place(`${itemPath}.image_url`, `${at}.image_url.url`);
    const image = { type: 'input_image' as const, image_url: url };
    return detail === null || detail === undefined ? image : { ...image, detail };
  }
  if (type === 'input_audio') {
    const { data, format } = check(audioPart, part, at).input_audio;
    notes.place(`${itemPath}.file_data`, `${at}.input_audio.data`);
    const mediaType = format === 'mp3' ? 'audio/mpeg' : 'audio/wav';
    return { type: 'input_file', filename: `audio.${format}`, file_data: `data:${mediaType};base64,${data}` };
  }
  const { file_data, file_id, filename } = check(filePart, part, at).file;
  notes.place(itemPath, `${at}.file`);
  return fileOf({ file_data, file_id, filename }, `${at}.file`);
}

/** Where a file comes from: one place. An id is looked up among the tenant's own files, in `turn/`. */
function fileOf(
  { file_data, file_id, filename }: Record<'file_data' | 'file_id' | 'filename', string | null | undefined>,
  path: string,
): InputFile {
  const name = typeof filename === 'string' ? { filename } : {};
  if (typeof file_data === 'string' && typeof file_id === 'string') {
    const message = `Mutually exclusive parameters: '${path}.file_data' and '${path}.file_id'. Ensure you are only providing one of them.`;
    throw new GatewayError('invalid_value', message, { param: `${path}.file_id` });
  }
  if (typeof file_data === 'string') return { type: 'input_file', file_data, ...name };
  if (typeof file_id === 'string') return { type: 'input_file', file_id, ...name };
  throw missing(`${path}.file_data`);
}
