import { GatewayError } from '../core/errors.ts';
import { endPatience } from '../store/patience.ts';
import { readFileData } from '../core/file-data.ts';
import {
  type ContextItem,
  type InputFile,
  type InputImage,
  isToolOutput,
  type Item,
  type ItemReference,
  partsOf,
} from '../core/items.ts';
import type { StoredFile, TenantFiles } from '../store/file-store.ts';

/** Of the tenant's own files, by their ids: what an item names is sent by value, since no upstream can tell tenants apart. */
export type AttachedFiles = ReadonlyMap<string, AttachedFile>;

export interface AttachedFile extends Pick<StoredFile, 'filename' | 'mediaType'> {
  base64: string;
}

type Part = ReturnType<typeof partsOf>[number];
type NamingPart = (InputFile | InputImage) & { file_id: string };

/** All files of a context together: what an upstream takes of one request is about this. */
const maxAttachedBytes = 32 * 1024 * 1024;

/**
 * Reads the files that a context names. An item names a file for as long as it is in the context: a file that is gone ends the
 * turn, since the model would answer to another conversation than the one that the client knows.
 * @param own the request's input, to say where in it a file is named.
 * @throws GatewayError 400 with the param; the same for a file that is another tenant's and one that never was.
 */
export async function attachFiles(
  files: TenantFiles,
  context: readonly ContextItem[],
  own: readonly (Item | ItemReference)[],
): Promise<AttachedFiles> {
  const attached = new Map<string, AttachedFile>();
  let bytes = 0;
  for (const part of context.flatMap(({ item }) => partsOf(item)).filter(namesFile)) {
    const { file_id: id } = part;
    const param = () => placeOf(own, id);
    let file = attached.get(id);
    if (file === undefined) {
      const stored = await files.read(id);
      if (stored === undefined) throw notFound(id, param());
      bytes += stored.size;
      if (bytes > maxAttachedBytes) throw tooLarge(param());
      file = { ...stored, base64: await readWhole(files, stored, param) };
      attached.set(id, file);
    }
    if (part.type === 'input_image' && imageTypeOf(file) === undefined) throw noImage(id, param());
  }
  return attached;
}

/** The context with files in place of their ids. */
export function withFiles(context: ContextItem[], files: AttachedFiles): ContextItem[] {
  if (files.size === 0) return context;
  return context.map((entry) => {
    const { item } = entry;
    if (!partsOf(item).some(namesFile)) return entry;
    const parts = partsOf(item).map((part) => (namesFile(part) ? byValue(part, files.get(part.file_id)) : part));
    return { ...entry, item: { ...item, [isToolOutput(item) ? 'output' : 'content']: parts } };
  });
}

function byValue(part: NamingPart, file: AttachedFile | undefined): Part {
  // The codecs refuse what is named and not attached.
  if (file === undefined) return part;
  const { file_id: _id, ...rest } = part;
  if (rest.type === 'input_image')
    return { ...rest, image_url: `data:${imageTypeOf(file) ?? ''};base64,${file.base64}` };
  const filename = rest.filename ?? file.filename;
  return { ...rest, filename, file_data: `data:${mediaTypeOf(file)};base64,${file.base64}` };
}

function namesFile(part: Part): part is NamingPart {
  return (part.type === 'input_file' || part.type === 'input_image') && typeof part.file_id === 'string';
}

async function readWhole(files: TenantFiles, { id, size }: StoredFile, param: () => string): Promise<string> {
  const chunks: Uint8Array[] = [];
  for (let read = 0; read < size;) {
    const chunk = await files.readChunk(id, chunks.length);
    if (chunk === undefined) throw notFound(id, param());
    chunks.push(chunk);
    read += chunk.length;
    // What is large takes its time to arrive, of a store that answers.
    if (read < size) endPatience();
  }
  return Buffer.concat(chunks).toString('base64');
}

/** By the first bytes, in base64: what whoever uploaded it says is no evidence to a model. */
const imageStarts: readonly [RegExp, string][] = [
  [/^iVBORw0KGgo/, 'image/png'],
  [/^\/9j\//, 'image/jpeg'],
  [/^R0lGOD/, 'image/gif'],
  [/^UklGR.{9}XRUJQ/, 'image/webp'],
];

function imageTypeOf({ base64 }: AttachedFile): string | undefined {
  return imageStarts.find(([start]) => start.test(base64))?.[1];
}

/** By the content, then by the name, then as whoever uploaded it says. */
function mediaTypeOf({ base64, filename, mediaType }: AttachedFile): string {
  const known = readFileData(base64.slice(0, 16), filename).mediaType;
  if (known !== '') return known;
  return /^[\w.+-]+\/[\w.+-]+$/.test(mediaType) ? mediaType : 'application/octet-stream';
}

/** `input`: named by an earlier turn. */
function placeOf(own: readonly (Item | ItemReference)[], id: string): string {
  for (const [index, item] of own.entries()) {
    const part = partsOf(item).findIndex((each) => namesFile(each) && each.file_id === id);
    if (part >= 0) return `input[${index}].${item.type === 'message' ? 'content' : 'output'}[${part}].file_id`;
  }
  return 'input';
}

function notFound(id: string, param: string): GatewayError {
  return new GatewayError('invalid_value', `File with id '${id.slice(0, 256)}' not found.`, { param });
}

function tooLarge(param: string): GatewayError {
  const message = `The files of the conversation have more than ${maxAttachedBytes} bytes together.`;
  return new GatewayError('invalid_value', message, { param });
}

function noImage(id: string, param: string): GatewayError {
  const message = `File '${id.slice(0, 256)}' is no image. Supported formats: PNG, JPEG, GIF and WebP.`;
  return new GatewayError('unsupported_image_media_type', message, { param });
}
