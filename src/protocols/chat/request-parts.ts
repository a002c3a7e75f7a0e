import { GatewayError } from '../../core/errors.ts';
import { fileNameOf, isTextFile, readDataUrl, readFileData, textOfFile } from '../../core/file-data.ts';
import type { InputFile, InputImage, InputPart, OutputPart } from '../../core/items.ts';
import type { Report } from '../../core/report.ts';
import type { ChatPart } from './wire.ts';

/**
 * @param path where the client finds the part: `input[2].content[0]`; `input` for one of an earlier turn.
 * @throws GatewayError for what only the Responses API can fetch.
 */
export function encodePart(part: InputPart | OutputPart, path: string, report: Report): ChatPart {
  switch (part.type) {
    case 'input_text':
    case 'output_text':
      return { type: 'text', text: part.text };
    case 'refusal':
      return { type: 'text', text: part.refusal };
    case 'input_image':
      return encodeImage(part, path);
    case 'input_file':
      return encodeFile(part, path, report);
  }
}

function encodeImage({ image_url, detail }: InputImage, path: string): ChatPart {
  if (image_url === null || image_url === undefined) {
    throw unsupported(path, 'file_id', 'The model behind this deployment takes images by `image_url` only.');
  }
  const withDetail = detail === null || detail === undefined ? {} : { detail };
  return { type: 'image_url', image_url: { url: image_url, ...withDetail } };
}

/** The kinds of sound that chat has a word for. */
const audioFormats: ReadonlyMap<string, 'wav' | 'mp3'> = new Map([
  ['audio/wav', 'wav'],
  ['audio/mpeg', 'mp3'],
]);

/** @see https://platform.openai.com/docs/guides/pdf-files?api-mode=chat */
function encodeFile({ file_data, file_url, file_id, filename }: InputFile, path: string, report: Report): ChatPart {
  if (file_data === null || file_data === undefined) {
    const field =
      file_id === null || file_id === undefined || (file_url !== null && file_url !== undefined)
        ? 'file_url'
        : 'file_id';
    throw unsupported(path, field, 'The model behind this deployment takes files by `file_data` only.');
  }
  const data = readFileData(file_data, filename);
  if (data.mediaType === 'application/pdf') {
    const url = readDataUrl(file_data) === undefined ? `data:application/pdf;base64,${file_data}` : file_data;
    return { type: 'file', file: { filename: fileNameOf(data, filename) ?? 'file.pdf', file_data: url } };
  }
  const format = audioFormats.get(data.mediaType);
  if (format !== undefined) return { type: 'input_audio', input_audio: { data: data.payload, format } };
  if (!isTextFile(data)) {
    throw unsupported(path, 'file_data', 'The model behind this deployment takes PDF and text files only.');
  }
  if (filename !== null && filename !== undefined)
    report.warn(under(path, 'filename'), 'A text file is sent as its text, without a name.');
  const text = textOfFile(data);
  if (text !== undefined) return { type: 'text', text };
  throw new GatewayError('invalid_value', 'The data URL is not percent-encoded text.', {
    param: under(path, 'file_data'),
  });
}

/** A part of an earlier turn has no place in the client's request but `input`. */
const under = (path: string, field: string) => (path === 'input' ? path : `${path}.${field}`);

const unsupported = (path: string, field: string, message: string) =>
  new GatewayError('unsupported_value', message, { param: under(path, field) });
