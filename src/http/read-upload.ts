import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { Busboy, type BusboyInstance } from '@fastify/busboy';
import { GatewayError } from '../core/errors.ts';

/** The fields of a form beside its file, and what the form says of the file. */
export interface Upload {
  fields: ReadonlyMap<string, string>;
  filename: string;
  /** Lower case. */
  mediaType: string;
}

/** What a form may hold beside the bytes of its file. */
const formLimits = {
  fieldNameSize: 100,
  fieldSize: 1024,
  fields: 8,
  files: 1,
  parts: 9,
  headerPairs: 16,
  headerSize: 8 * 1024,
};
const overheadBytes = 128 * 1024;

const invalid = (message: string, param?: string) =>
  new GatewayError('invalid_value', message, param === undefined ? {} : { param });

/**
 * Reads a form with one file, no faster than `take` takes its bytes. The server's own time-out for a whole request bounds how
 * long that lasts.
 * @param take gets the bytes as they come; what it has taken is a whole file only when this resolves.
 * @throws GatewayError 400 or 413, or what `take` throws: never before `take` has ended.
 */
export async function readUpload(
  request: IncomingMessage,
  response: ServerResponse,
  maxFileBytes: number,
  take: (data: AsyncIterable<Buffer>) => Promise<void>,
): Promise<Upload> {
  const tooLarge = () => new GatewayError('request_too_large', `The file is larger than ${maxFileBytes} bytes.`);
  if (Number(request.headers['content-length'] ?? 0) > maxFileBytes + overheadBytes) throw tooLarge();
  const form = createParser(request, maxFileBytes);
  if (request.headers.expect !== undefined) response.writeContinue();

  const fields = new Map<string, string>();
  let file: Readable | undefined;
  let taken: Promise<void> = Promise.resolve();
  let named: Omit<Upload, 'fields'> | undefined;
  let bytes = 0;

  const parsed = new Promise<void>((resolve, reject) => {
    const fail = (error: GatewayError) => {
      request.unpipe(form);
      file?.destroy(error);
      reject(error);
    };
    form.on('file', (name, stream, filename: string | undefined, _encoding, mediaType) => {
      file = stream;
      // Destroyed above, where it fails: whoever reads it is told, and nobody need be.
      stream.on('error', () => {});
      stream.on('limit', () => fail(tooLarge()));
      if (name !== 'file') {
        fail(new GatewayError('unknown_parameter', "The file must be in the field 'file'.", { param: 'file' }));
        return;
      }
      // A part of bytes is a file without a name, too.
      named = { filename: filename ?? '', mediaType };
      taken = take(stream);
      taken.catch((error: unknown) => fail(error as GatewayError));
    });
    // Its types know of no part without a name.
    form.on('field', (name: string | undefined, value, _nameTruncated, truncated) => {
      if (name === undefined) fail(invalid('A part of the form has no name.'));
      else if (truncated) fail(invalid(`Invalid '${name.slice(0, 100)}': string too long.`, name.slice(0, 100)));
      else if (fields.has(name)) fail(invalid(`'${name.slice(0, 100)}' is there twice.`, name.slice(0, 100)));
      else fields.set(name, value);
    });
    for (const limit of ['filesLimit', 'fieldsLimit', 'partsLimit'] as const)
      form.on(limit, () => fail(invalid('The form has too many parts.')));
    form.on('error', () => fail(invalid('The request body is not a whole form.')));
    form.on('finish', resolve);
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > maxFileBytes + overheadBytes) fail(tooLarge());
    });
    request.on('close', () => {
      if (!request.complete) fail(new GatewayError('invalid_json', 'The request body ended early.'));
    });
    request.pipe(form);
  });
  // `take` is begun while the form is read: whatever became of the form, it is waited for.
  await Promise.allSettled([parsed]);
  await Promise.allSettled([taken]);
  await parsed;
  await taken;
  if (named === undefined)
    throw new GatewayError('missing_required_parameter', "Missing required parameter: 'file'.", { param: 'file' });
  return { fields, ...named };
}

function createParser(request: IncomingMessage, fileSize: number): BusboyInstance {
  try {
    return new Busboy({
      headers: { ...request.headers, 'content-type': request.headers['content-type'] ?? '' },
      limits: { ...formLimits, fileSize },
    });
  } catch {
    throw invalid('The content type names no boundary.');
  }
}
