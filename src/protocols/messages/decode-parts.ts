import { z } from 'zod';
import { checkWebUrl } from '../../core/check-url.ts';
import { check, invalidChoice, invalidType, missing } from '../../core/check.ts';
import type { InputFile, InputImage, InputPart, MessagesWords } from '../../core/items.ts';
import { isJsonObject, type JsonObject } from '../../core/json-object.ts';
import { refuseUpstreamObjects } from '../../core/upstream-objects.ts';
import { imageTypes } from './wire.ts';

const text = z.string();
const textBlock = z.object({ text });
const source = z.object({ source: z.looseObject({ type: z.string() }) });
const base64 = z.object({ media_type: text, data: text });
const url = z.object({ url: text });
const file = z.object({ file_id: text.min(1) });
const plain = z.object({ media_type: z.literal('text/plain'), data: text });
const inner = z.object({ content: z.union([text, z.array(z.looseObject({ type: text }))]) });
const named = z.object({ title: text.nullish() });
const searchResult = z.object({ source: text, title: text, content: z.array(z.object({ type: text, text })) });
const toolReference = z.object({ tool_name: text });

/**
 * What the block says beyond the fields that its item speaks of; a null says nothing.
 * @throws GatewayError 400 for what names an object of the provider's account.
 */
export function wordsOf(block: JsonObject, known: readonly string[], path: string): MessagesWords {
  const words: MessagesWords = {};
  const messages: JsonObject = {};
  for (const [field, value] of Object.entries(block)) {
    if (field === 'type' || value === null || known.includes(field)) continue;
    if (field === 'cache_control') words.cache_control = value;
    else messages[field] = value;
  }
  refuseUpstreamObjects(messages, path);
  return Object.keys(messages).length === 0 ? words : { ...words, messages };
}

/** Of a block that the neutral model can only tell of: the whole of it. @throws GatewayError as `wordsOf`. */
export function wholeOf({ cache_control, ...block }: JsonObject, path: string): MessagesWords {
  refuseUpstreamObjects(block, path);
  const words: MessagesWords = { messages: block };
  return cache_control === null || cache_control === undefined ? words : { ...words, cache_control };
}

export function blockOf(value: unknown, path: string): JsonObject & { type: string } {
  if (!isJsonObject(value)) throw invalidType(path, 'an object', value);
  const { type } = value;
  if (type === undefined) throw missing(`${path}.type`);
  if (typeof type !== 'string') throw invalidType(`${path}.type`, 'a string', type);
  return { ...value, type };
}

/**
 * A block of a user's message or of a tool's result. Undefined: one that the neutral model has no word for.
 * @throws GatewayError (400) with the Messages API's name of the param.
 * @see https://platform.claude.com/docs/en/api/messages
 */
export function decodePart(block: JsonObject & { type: string }, path: string): InputPart | undefined {
  switch (block.type) {
    case 'text':
      return { type: 'input_text', text: check(textBlock, block, path).text, ...wordsOf(block, ['text'], path) };
    case 'image':
      return { ...decodeImage(block, path), ...wordsOf(block, ['source'], path) };
    case 'document':
      return decodeDocument(block, path);
    case 'search_result': {
      const { source: from, title, content } = check(searchResult, block, path);
      const said = [`${title} (${from})`, ...content.map((each) => each.text)].join('\n');
      return { type: 'input_text', text: said, ...wholeOf(block, path) };
    }
    case 'tool_reference': {
      const { tool_name: name } = check(toolReference, block, path);
      return { type: 'input_text', text: `The tool ${name} is available.`, ...wholeOf(block, path) };
    }
    default:
      return undefined;
  }
}

const imageSources = ['base64', 'url', 'file'] as const;

function decodeImage(block: JsonObject, path: string): InputImage {
  const { source: from } = check(source, block, path);
  const at = `${path}.source`;
  switch (from.type) {
    case 'base64': {
      const { media_type: mediaType, data } = check(base64, from, at);
      if (!imageTypes.has(mediaType)) throw invalidChoice(`${at}.media_type`, mediaType, [...imageTypes]);
      return { type: 'input_image', image_url: `data:${mediaType};base64,${data}` };
    }
    case 'url':
      return { type: 'input_image', image_url: webUrl(check(url, from, at).url, `${at}.url`) };
    case 'file':
      return { type: 'input_image', file_id: check(file, from, at).file_id };
    default:
      throw invalidChoice(`${at}.type`, from.type, imageSources);
  }
}

const documentSources = ['base64', 'text', 'url', 'content', 'file'] as const;

function decodeDocument(block: JsonObject, path: string): InputPart {
  const { source: from } = check(source, block, path);
  const { title } = check(named, block, path);
  const at = `${path}.source`;
  const filename = title === undefined || title === null ? {} : { filename: title };
  const said = (data: Partial<InputFile>): InputFile => {
    return { type: 'input_file', ...data, ...filename, ...wordsOf(block, ['source', 'title'], path) };
  };
  switch (from.type) {
    case 'base64': {
      const { media_type: mediaType, data } = check(base64, from, at);
      if (mediaType !== 'application/pdf') throw invalidChoice(`${at}.media_type`, mediaType, ['application/pdf']);
      return said({ file_data: `data:${mediaType};base64,${data}` });
    }
    case 'text': {
      const { data } = check(plain, from, at);
      return said({ file_data: `data:text/plain;base64,${Buffer.from(data, 'utf8').toString('base64')}` });
    }
    case 'url':
      return said({ file_url: webUrl(check(url, from, at).url, `${at}.url`) });
    case 'file':
      return said({ file_id: check(file, from, at).file_id });
    case 'content': {
      const { content } = check(inner, from, at);
      const texts =
        typeof content === 'string'
          ? [content]
          : content.map(({ text: said }) => (typeof said === 'string' ? said : '[image]'));
      const lines = title === undefined || title === null ? texts : [title, ...texts];
      return { type: 'input_text', text: lines.join('\n'), ...wholeOf(block, path) };
    }
    default:
      throw invalidChoice(`${at}.type`, from.type, documentSources);
  }
}

function webUrl(value: string, param: string): string {
  checkWebUrl(value, param);
  return value;
}
