import { GatewayError } from '../../core/errors.ts';
import { type FileData, isTextFile, readDataUrl, readFileData, textOfFile } from '../../core/file-data.ts';
import type { InputFile, InputImage, InputPart, MessagesWords, OutputPart, ToolOutputItem } from '../../core/items.ts';
import { printedAt } from '../../core/printed.ts';
import type { Report } from '../../core/report.ts';
import { imageTypes } from './wire.ts';

/** Anthropic refuses text blocks of nothing but white space. */
export function isBlank(text: string): boolean {
  return !/[^\s\u0085]/.test(text);
}

export function textBlock(text: string, json = JSON.stringify(text)): string {
  return `{"type":"text","text":${json}}`;
}

/**
 * As a list of none or one. Blank text is left out, and said unless it is empty, where nothing is lost.
 * @param part that has it, if it has nothing else.
 */
export function textBlocks(text: string, report: Report, part?: object): string[] {
  if (!isBlank(text)) return [textBlock(text, part === undefined ? undefined : printedAt(part, 'text', text))];
  if (text !== '') report.warn('input', 'Text of white space only is not taken by the upstream and was left out.');
  return [];
}

function refuse(code: 'invalid_value' | 'unsupported_value', message: string): GatewayError {
  return new GatewayError(code, message, { param: 'input' });
}

function source(kind: 'image' | 'document', json: string, title?: string | null): string {
  const named = title === undefined || title === null || title === '' ? '' : `,"title":${JSON.stringify(title)}`;
  return `{"type":"${kind}","source":${json}${named}}`;
}

const urlSource = (url: string): string => `{"type":"url","url":${JSON.stringify(url)}}`;

function base64Source({ mediaType, base64, payload }: FileData): string {
  if (!base64) throw refuse('unsupported_value', 'Data URLs of images and PDFs must be base64.');
  return `{"type":"base64","media_type":${JSON.stringify(mediaType)},"data":${JSON.stringify(payload)}}`;
}

/** @see https://platform.claude.com/docs/en/build-with-claude/vision */
function imageBlock(image: InputImage, report: Report): string {
  if (image.detail !== undefined && image.detail !== null && image.detail !== 'auto') {
    report.warn('input', `The upstream knows no detail of images ("${image.detail}" was left out).`);
  }
  const url = image.image_url;
  if (url === undefined || url === null || url === '') {
    throw refuse('unsupported_value', 'Images must come as image_url: a URL or a data URL.');
  }
  const data = readDataUrl(url);
  if (data === undefined) {
    if (/^data:/i.test(url)) throw refuse('invalid_value', 'A data URL has no data.');
    return source('image', urlSource(url));
  }
  const mediaType = data.mediaType === 'image/jpg' ? 'image/jpeg' : data.mediaType;
  if (!imageTypes.has(mediaType)) {
    throw refuse('unsupported_value', 'The upstream takes images of type JPEG, PNG, GIF and WebP.');
  }
  return source('image', base64Source({ ...data, mediaType }));
}

/** @see https://platform.claude.com/docs/en/build-with-claude/pdf-support */
function fileBlock(file: InputFile): string {
  if (typeof file.file_url === 'string' && file.file_url !== '') {
    return source('document', urlSource(file.file_url), file.filename);
  }
  if (typeof file.file_data !== 'string' || file.file_data === '') {
    throw refuse('unsupported_value', 'Files must come as file_data or file_url.');
  }
  const data = readFileData(file.file_data, file.filename);
  if (data.mediaType === 'application/pdf') return source('document', base64Source(data), file.filename);
  if (!isTextFile(data)) throw refuse('unsupported_value', 'The upstream takes files of type PDF and text.');
  const text = textOfFile(data);
  if (text === undefined) throw refuse('invalid_value', 'The data URL is not percent-encoded text.');
  const json = `{"type":"text","media_type":"text/plain","data":${JSON.stringify(text)}}`;
  return source('document', json, file.filename);
}

function partBlocks(part: InputPart | OutputPart, report: Report): string[] {
  switch (part.type) {
    case 'input_text':
    case 'output_text':
      return textBlocks(part.text, report, part);
    case 'refusal':
      return textBlocks(part.refusal, report);
    case 'input_image':
      return [imageBlock(part, report)];
    case 'input_file':
      return [fileBlock(part)];
  }
}

/** Blocks of a message's parts, in order. @param isOwn the client speaks this protocol. */
export function contentBlocks(parts: readonly (InputPart | OutputPart)[], isOwn: boolean, report: Report): string[] {
  return parts.flatMap((part) => partBlocks(part, report).map((json) => withWords(json, part, isOwn)));
}

/** What the client's block says beside what the neutral model has a word for, as members with a comma before each. */
export function wordsText({ cache_control, messages }: MessagesWords, isOwn: boolean): string {
  const marked = isOwn && cache_control !== undefined ? { ...messages, cache_control } : messages;
  const members = marked === undefined ? '' : JSON.stringify(marked).slice(1, -1);
  return members === '' ? '' : `,${members}`;
}

/** @param isOwn the client's cache breakpoint is of this request: one of an earlier turn is past. */
export function withWords(json: string, part: object, isOwn: boolean): string {
  const said: MessagesWords = part;
  const words = wordsText(said, isOwn);
  // The block is all in it.
  if (said.messages?.['type'] !== undefined) return `{${words.slice(1)}}`;
  if (words === '') return json;
  return `${json.slice(0, -1)}${words}}`;
}

/** The texts of a message that this wire takes as text only. */
export function textsOf(parts: readonly (InputPart | OutputPart)[], role: string): string[] {
  return parts.map((part) => {
    if (part.type === 'input_text' || part.type === 'output_text') return part.text;
    if (part.type === 'refusal') return part.refusal;
    throw refuse('unsupported_value', `The upstream takes ${role} messages of text only.`);
  });
}

export function toolResultBlock(item: ToolOutputItem, toolUseId: string, isOwn: boolean, report: Report): string {
  const { output } = item;
  const blocks = typeof output === 'string' ? [] : contentBlocks(output, isOwn, report);
  const content = typeof output === 'string' ? printedAt(item, 'output', output) : `[${blocks.join(',')}]`;
  const isEmpty = typeof output === 'string' ? output === '' : blocks.length === 0;
  const said = `{"type":"tool_result","tool_use_id":${JSON.stringify(toolUseId)}${isEmpty ? '' : `,"content":${content}`}}`;
  return withWords(said, item, isOwn);
}
