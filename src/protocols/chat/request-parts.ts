import { GatewayError } from '../../core/errors.ts';
import type { InputFile, InputImage, InputPart, OutputPart } from '../../core/items.ts';
import type { ChatPart } from './wire.ts';

/** Reports what was not carried. The same text for the same parameter is reported once. */
export type Warn = (param: string, message: string) => void;

const textTypes = /^(text\/.*|application\/(json|xml|yaml|x-yaml|javascript|typescript|toml|sql|x-sh)|.*\+(json|xml))$/;
const textNames =
  /\.(txt|md|csv|tsv|json|jsonl|xml|ya?ml|toml|html?|css|[cm]?[jt]sx?|py|rb|go|rs|java|c|h|cpp|sh|sql|log|ini|diff|patch)$/i;
const pdfName = /\.pdf$/i;
/** `%PDF-`, in base64. */
const pdfStart = 'JVBERi0';

/**
 * @param path where the client finds the part: `input[2].content[0]`; `input` for one of an earlier turn.
 * @throws GatewayError for what only the Responses API can fetch.
 */
export function encodePart(part: InputPart | OutputPart, path: string, warn: Warn): ChatPart {
  switch (part.type) {
    case 'input_text':
    case 'output_text':
      return { type: 'text', text: part.text };
    case 'refusal':
      return { type: 'text', text: part.refusal };
    case 'input_image':
      return encodeImage(part, path);
    case 'input_file':
      return encodeFile(part, path, warn);
  }
}

function encodeImage({ image_url, detail }: InputImage, path: string): ChatPart {
  if (image_url === null || image_url === undefined) {
    throw unsupported(path, 'file_id', 'The model behind this deployment takes images by `image_url` only.');
  }
  const withDetail = detail === null || detail === undefined ? {} : { detail };
  return { type: 'image_url', image_url: { url: image_url, ...withDetail } };
}

/** @see https://platform.openai.com/docs/guides/pdf-files?api-mode=chat */
function encodeFile({ file_data, file_url, file_id, filename }: InputFile, path: string, warn: Warn): ChatPart {
  if (file_data === null || file_data === undefined) {
    const field =
      file_id === null || file_id === undefined || (file_url !== null && file_url !== undefined)
        ? 'file_url'
        : 'file_id';
    throw unsupported(path, field, 'The model behind this deployment takes files by `file_data` only.');
  }
  const data = readData(file_data, filename ?? '');
  if (data.mediaType === 'application/pdf') {
    const url = file_data.startsWith('data:') ? file_data : `data:application/pdf;base64,${file_data}`;
    return { type: 'file', file: { filename: filename ?? 'file.pdf', file_data: url } };
  }
  if (!textTypes.test(data.mediaType)) {
    throw unsupported(path, 'file_data', 'The model behind this deployment takes PDF and text files only.');
  }
  if (filename !== null && filename !== undefined)
    warn(under(path, 'filename'), 'A text file is sent as its text, without a name.');
  return { type: 'text', text: decodeText(data.payload, data.base64, path) };
}

function readData(fileData: string, filename: string): { mediaType: string; base64: boolean; payload: string } {
  if (!fileData.startsWith('data:')) {
    const isPdf = fileData.startsWith(pdfStart) || pdfName.test(filename);
    const mediaType = isPdf ? 'application/pdf' : textNames.test(filename) ? 'text/plain' : '';
    return { mediaType, base64: true, payload: fileData };
  }
  const comma = fileData.indexOf(',');
  const [mediaType = '', ...parameters] = fileData.slice('data:'.length, comma === -1 ? undefined : comma).split(';');
  return {
    mediaType: mediaType === '' ? 'text/plain' : mediaType.toLowerCase(),
    base64: parameters.includes('base64'),
    payload: comma === -1 ? '' : fileData.slice(comma + 1),
  };
}

function decodeText(payload: string, base64: boolean, path: string): string {
  if (base64) return Buffer.from(payload, 'base64').toString('utf8');
  try {
    return decodeURIComponent(payload);
  } catch (cause) {
    throw new GatewayError('invalid_value', 'The data URL is not percent-encoded text.', {
      param: under(path, 'file_data'),
      cause,
    });
  }
}

/** A part of an earlier turn has no place in the client's request but `input`. */
const under = (path: string, field: string) => (path === 'input' ? path : `${path}.${field}`);

const unsupported = (path: string, field: string, message: string) =>
  new GatewayError('unsupported_value', message, { param: under(path, field) });
