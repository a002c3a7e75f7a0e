import { checkWebUrl } from '../../core/check-url.ts';
import { GatewayError } from '../../core/errors.ts';
import { type FileData, isTextFile, readDataUrl, readFileData } from '../../core/file-data.ts';
import type { InputFile, InputImage, InputPart, OutputPart } from '../../core/items.ts';
import type { Report } from '../../core/report.ts';

/** @see https://ai.google.dev/gemini-api/docs/image-understanding#supported-formats */
const imageTypes: ReadonlySet<string> = new Set(['image/png', 'image/jpeg', 'image/webp', 'image/heic', 'image/heif']);

/** What else is read by what it is. @see https://ai.google.dev/gemini-api/docs/file-input-methods */
const mediaTypes = /^(application\/pdf|audio\/.+|video\/.+)$/;

const typeOfEnding: Record<string, string> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  webp: 'image/webp',
  heic: 'image/heic',
  heif: 'image/heif',
  pdf: 'application/pdf',
  txt: 'text/plain',
  md: 'text/markdown',
  csv: 'text/csv',
  html: 'text/html',
  json: 'application/json',
};

export const textPart = (text: string): string => `{"text":${JSON.stringify(text)}}`;

/** As a list of none or one: Google refuses a text of nothing. */
export const textParts = (text: string): string[] => (text === '' ? [] : [textPart(text)]);

const dataPart = (mimeType: string, data: string): string =>
  `{"inlineData":{"mimeType":${JSON.stringify(mimeType)},"data":${JSON.stringify(data)}}}`;

/** A part of an earlier turn has no place in the client's request but `input`. */
const under = (path: string, field: string): string => (path === 'input' ? path : `${path}.${field}`);

const refuse = (code: 'invalid_value' | 'unsupported_value', message: string, path: string, field: string) =>
  new GatewayError(code, message, { param: under(path, field) });

/** What Google fetches itself. */
function uriPart(address: string, path: string, field: string): string {
  const { pathname } = checkWebUrl(address, under(path, field));
  const ending = /\.([a-z]+)$/i.exec(pathname)?.[1]?.toLowerCase() ?? '';
  const mimeType = Object.hasOwn(typeOfEnding, ending) ? typeOfEnding[ending] : undefined;
  return JSON.stringify({ fileData: { mimeType, fileUri: address } });
}

function base64Of({ base64, payload }: FileData, path: string, field: string): string {
  if (base64) return payload;
  try {
    return Buffer.from(decodeURIComponent(payload)).toString('base64');
  } catch {
    throw refuse('invalid_value', 'The data URL is not percent-encoded text.', path, field);
  }
}

function imagePart({ image_url: url, detail }: InputImage, path: string, report: Report): string {
  if (detail !== undefined && detail !== null && detail !== 'auto') {
    report.warn(under(path, 'detail'), 'The upstream is told no detail of images; it was left out.');
  }
  if (url === undefined || url === null || url === '') {
    throw refuse('unsupported_value', 'Images must come as image_url: a URL or a data URL.', path, 'image_url');
  }
  const data = readDataUrl(url);
  if (data === undefined) {
    if (/^data:/i.test(url)) throw refuse('invalid_value', 'A data URL has no data.', path, 'image_url');
    return uriPart(url, path, 'image_url');
  }
  const mediaType = data.mediaType === 'image/jpg' ? 'image/jpeg' : data.mediaType;
  if (!imageTypes.has(mediaType)) {
    const message = 'The upstream takes images of type PNG, JPEG, WebP, HEIC and HEIF.';
    throw refuse('unsupported_value', message, path, 'image_url');
  }
  return dataPart(mediaType, base64Of(data, path, 'image_url'));
}

/** The name goes before the file, as text: this wire has no place for it. */
function fileParts({ file_data: data, file_url: url, filename }: InputFile, path: string): string[] {
  const named = filename === undefined || filename === null ? [] : textParts(filename);
  if (typeof url === 'string' && url !== '') return [...named, uriPart(url, path, 'file_url')];
  if (typeof data !== 'string' || data === '') {
    throw refuse('unsupported_value', 'Files must come as file_data or file_url.', path, 'file_data');
  }
  const file = readFileData(data, filename);
  const isRead = mediaTypes.test(file.mediaType) || imageTypes.has(file.mediaType);
  if (!isRead && !isTextFile(file)) {
    const message = 'The upstream takes files of text, PDF, images, audio and video.';
    throw refuse('unsupported_value', message, path, 'file_data');
  }
  return [...named, dataPart(isRead ? file.mediaType : 'text/plain', base64Of(file, path, 'file_data'))];
}

/**
 * What users say, and what a tool's output holds, part by part.
 * @param path where the client finds the part: `input[2].content[0]`; `input` for one of an earlier turn.
 */
export function encodePart(part: InputPart | OutputPart, path: string, report: Report): string[] {
  switch (part.type) {
    case 'input_text':
    case 'output_text':
      return textParts(part.text);
    case 'refusal':
      return textParts(part.refusal);
    case 'input_image':
      return [imagePart(part, path, report)];
    case 'input_file':
      return fileParts(part, path);
  }
}

/** The path of a part of an item that the client finds at `path`. */
export const partPath = (path: string, field: string, index: number): string =>
  path === 'input' ? path : `${path}.${field}[${index}]`;
