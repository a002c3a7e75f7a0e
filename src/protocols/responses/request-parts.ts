import { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import type { InputFile, InputImage, InputPart, OutputPart } from '../../core/items.ts';
import { isJsonObject, type JsonObject } from '../../core/json-object.ts';
import { checkImageUrl, checkWebUrl } from '../../core/check-url.ts';
import { check, invalidChoice, invalidType, missing } from '../../core/check.ts';

const optionalText = z.string().nullable().exactOptional();
const inputText = z.object({ type: z.literal('input_text'), text: z.string() });
const inputImage = z.object({
  type: z.literal('input_image'),
  image_url: optionalText,
  file_id: optionalText,
  detail: z.enum(['low', 'high', 'auto', 'original']).nullable().exactOptional(),
});
const inputFile = z.object({
  type: z.literal('input_file'),
  file_data: optionalText,
  file_url: optionalText,
  file_id: optionalText,
  filename: optionalText,
});
const outputText = z.object({
  type: z.literal('output_text'),
  text: z.string(),
  annotations: z.array(z.unknown()).nullish(),
  logprobs: z.array(z.unknown()).nullish(),
});
const refusal = z.object({ type: z.literal('refusal'), refusal: z.string() });

const inputPartTypes = ['input_text', 'input_image', 'input_file'] as const;
const outputPartTypes = ['output_text', 'refusal'] as const;

/** Of users', systems' and developers' messages, and of tools' outputs. */
export function decodeInputParts(parts: unknown[], path: string): InputPart[] {
  return parts.map((raw, index) => {
    const at = `${path}[${index}]`;
    const part = partOf(raw, at);
    switch (part['type']) {
      case 'input_text':
        return check(inputText, part, at);
      case 'input_image':
        return decodeImage(part, at);
      case 'input_file':
        return decodeFile(part, at);
      default:
        throw invalidChoice(at, part['type'], inputPartTypes);
    }
  });
}

/** Of assistants' messages. */
export function decodeOutputParts(parts: unknown[], path: string): OutputPart[] {
  return parts.map((raw, index) => {
    const at = `${path}[${index}]`;
    const part = partOf(raw, at);
    switch (part['type']) {
      case 'output_text': {
        const { annotations, logprobs, ...rest } = check(outputText, part, at);
        const decoded = { ...rest, annotations: annotations ?? [] };
        return logprobs === undefined || logprobs === null ? decoded : { ...decoded, logprobs };
      }
      case 'refusal':
        return check(refusal, part, at);
      default:
        throw invalidChoice(at, part['type'], outputPartTypes);
    }
  });
}

function partOf(raw: unknown, at: string): JsonObject {
  if (!isJsonObject(raw)) throw invalidType(at, 'an object', raw);
  if (raw['type'] === undefined) throw missing(`${at}.type`);
  return raw;
}

function decodeImage(raw: JsonObject, at: string): InputImage {
  const part = check(inputImage, raw, at);
  if (onlySource(part, ['image_url', 'file_id'], at) === 'file_id') return part;
  checkImageUrl(part.image_url ?? '', `${at}.image_url`);
  return part;
}

function decodeFile(raw: JsonObject, at: string): InputFile {
  const part = check(inputFile, raw, at);
  const source = onlySource(part, ['file_data', 'file_url', 'file_id'], at);
  if (source === 'file_url') checkWebUrl(part.file_url ?? '', `${at}.file_url`);
  return part;
}

/** Where the content comes from: one place. A file id is looked up among the tenant's own files, in `turn/`. */
function onlySource<Field extends string>(
  part: Partial<Record<Field, string | null>>,
  fields: readonly [Field, ...Field[]],
  at: string,
): Field {
  const [first, second] = fields.filter((field) => part[field] !== undefined && part[field] !== null);
  if (first === undefined) throw missing(`${at}.${fields[0]}`);
  if (second === undefined) return first;
  const message = `Mutually exclusive parameters: '${at}.${first}' and '${at}.${second}'. Ensure you are only providing one of them.`;
  throw new GatewayError('invalid_value', message, { param: `${at}.${second}` });
}
