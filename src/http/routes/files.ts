import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { GatewayError } from '../../core/errors.ts';
import type { IdMint } from '../../core/ids.ts';
import { invalidChoice, invalidType, missing, outOfRange } from '../../core/check.ts';
import { endPatience } from '../../store/patience.ts';
import { decodePage } from '../../protocols/responses/input-items-page.ts';
import { fileChunkBytes, type StoredFile, type TenantFiles } from '../../store/file-store.ts';
import type { Store } from '../../store/store.ts';
import { listText } from '../admin-list.ts';
import { readUpload, type Upload } from '../read-upload.ts';
import type { KeyExchange, Route } from '../route.ts';
import { sendJson } from '../send-json.ts';

export interface FilesOptions {
  ids: IdMint;
  nowMs: () => number;
  maxFileBytes: number;
  /** Of all files of a tenant together. */
  maxTotalBytes: number;
}

const purposes = ['assistants', 'batch', 'fine-tune', 'vision', 'user_data', 'evals'];
const maxListed = 10_000;
const lifetime = { least: 3_600, most: 2_592_000 };

/**
 * The Files API. Every handler opens the store with the caller's tenant, and nothing else reaches the store.
 * @see https://platform.openai.com/docs/api-reference/files
 */
export function filesRoutes(store: Store, options: FilesOptions): Route[] {
  const filesOf = ({ principal }: KeyExchange): TenantFiles => store.forTenant(principal.tenant).files;
  const read = async (exchange: KeyExchange): Promise<StoredFile> => {
    const id = idOf(exchange);
    const file = await filesOf(exchange).read(id);
    if (file === undefined) throw notFound(id);
    return file;
  };

  return [
    {
      method: 'POST',
      path: '/v1/files',
      auth: 'key',
      content: 'form',
      async handle(exchange) {
        sendJson(exchange.response, JSON.stringify(shown(await upload(exchange, filesOf(exchange), options))));
      },
    },
    {
      method: 'GET',
      path: '/v1/files',
      auth: 'key',
      content: 'none',
      async handle(exchange) {
        const { query, response } = exchange;
        const page = decodePage(query, maxListed, maxListed);
        const purpose = query.get('purpose') ?? undefined;
        const found = await filesOf(exchange).list({ ...page, limit: page.limit + 1, purpose });
        sendJson(response, listText(found.map(shown), page.limit));
      },
    },
    {
      method: 'GET',
      path: '/v1/files/{id}',
      auth: 'key',
      content: 'none',
      async handle(exchange) {
        sendJson(exchange.response, JSON.stringify(shown(await read(exchange))));
      },
    },
    {
      method: 'GET',
      path: '/v1/files/{id}/content',
      auth: 'key',
      content: 'none',
      async handle(exchange) {
        await sendContent(exchange.response, filesOf(exchange), await read(exchange));
      },
    },
    {
      method: 'DELETE',
      path: '/v1/files/{id}',
      auth: 'key',
      content: 'none',
      async handle(exchange) {
        const id = idOf(exchange);
        if (!(await filesOf(exchange).delete(id))) throw notFound(id);
        sendJson(exchange.response, JSON.stringify({ id, object: 'file', deleted: true }));
      },
    },
  ];
}

/** Nothing of it is left where it does not end well: nobody has been told its id. */
async function upload(
  { request, response }: KeyExchange,
  files: TenantFiles,
  { ids, nowMs, maxFileBytes, maxTotalBytes }: FilesOptions,
): Promise<StoredFile> {
  const createdAtMs = nowMs();
  const id = ids.mint('file', createdAtMs);
  let size = 0;
  let begun = false;
  try {
    const form = await readUpload(request, response, maxFileBytes, async (data) => {
      begun = true;
      await files.begin(id, createdAtMs);
      endPatience();
      let position = 0;
      for await (const chunk of inChunks(data)) {
        if (!(await files.append(id, position, chunk, maxTotalBytes))) throw noRoom(maxTotalBytes);
        position += 1;
        size += chunk.length;
      }
    });
    const file = { id, createdAtMs, size, ...described(form, createdAtMs) };
    if (size === 0) throw new GatewayError('invalid_value', 'File is empty.', { param: 'file' });
    if (await files.finish(file)) return file;
    throw new GatewayError('request_timeout', 'The file did not arrive in time.');
  } catch (error) {
    // What is left where this fails too is swept.
    if (begun) await files.discard(id).catch(() => {});
    throw error;
  }
}

/**
 * Pieces of one size, in one piece of memory: each is good until the next is asked for. A piece of a pool would drag the whole
 * pool to another thread.
 */
async function* inChunks(data: AsyncIterable<Buffer>): AsyncGenerator<Uint8Array> {
  const chunk = new Uint8Array(fileChunkBytes);
  let filled = 0;
  for await (const piece of data) {
    for (let at = 0; at < piece.length;) {
      const part = piece.subarray(at, at + fileChunkBytes - filled);
      chunk.set(part, filled);
      at += part.length;
      filled += part.length;
      if (filled < fileChunkBytes) continue;
      yield chunk;
      filled = 0;
    }
  }
  if (filled > 0) yield chunk.slice(0, filled);
}

type Described = Pick<StoredFile, 'filename' | 'purpose' | 'mediaType' | 'expiresAtMs'>;

function described({ fields, filename, mediaType }: Upload, createdAtMs: number): Described {
  for (const name of fields.keys()) {
    if (!['purpose', 'expires_after[anchor]', 'expires_after[seconds]'].includes(name))
      throw new GatewayError('unknown_parameter', `Unknown parameter: '${name.slice(0, 100)}'.`, {
        param: name.slice(0, 100),
      });
  }
  const purpose = fields.get('purpose');
  if (purpose === undefined) throw missing('purpose');
  if (!purposes.includes(purpose)) throw invalidChoice('purpose', purpose, purposes);
  // oxlint-disable-next-line no-control-regex -- they are what must not be there
  if (filename === '' || filename.length > 512 || /[\u0000-\u001f\u007f]/.test(filename))
    throw new GatewayError('invalid_value', "Invalid 'file': its name is empty, too long or has control characters.", {
      param: 'file',
    });
  return { filename, purpose, mediaType: mediaType.slice(0, 200), expiresAtMs: expiryOf(fields, createdAtMs) };
}

function expiryOf(fields: ReadonlyMap<string, string>, createdAtMs: number): number | undefined {
  const anchor = fields.get('expires_after[anchor]');
  const seconds = fields.get('expires_after[seconds]');
  if (anchor === undefined && seconds === undefined) return undefined;
  if (anchor === undefined) throw missing('expires_after.anchor');
  if (anchor !== 'created_at') throw invalidChoice('expires_after.anchor', anchor, ['created_at']);
  if (seconds === undefined) throw missing('expires_after.seconds');
  if (!/^\d{1,9}$/.test(seconds)) throw invalidType('expires_after.seconds', 'an integer', seconds);
  const { least, most } = lifetime;
  if (Number(seconds) < least) throw outOfRange('expires_after.seconds', seconds, 'below minimum', least);
  if (Number(seconds) > most) throw outOfRange('expires_after.seconds', seconds, 'above maximum', most);
  return createdAtMs + Number(seconds) * 1000;
}

/** One chunk in memory at a time. What the file lacks when it is deleted meanwhile is a cut answer, never a short one. */
async function sendContent(response: ServerResponse, files: TenantFiles, file: StoredFile): Promise<void> {
  let chunk = await files.readChunk(file.id, 0);
  if (chunk === undefined) throw notFound(file.id);
  endPatience();
  response.writeHead(200, {
    'content-type': 'application/octet-stream',
    'content-length': file.size,
    // What a tenant uploads is never shown as a page of the gateway's own.
    'content-disposition': `attachment; filename*=UTF-8''${attachmentName(file.filename)}`,
    'x-content-type-options': 'nosniff',
    'content-security-policy': "sandbox; default-src 'none'",
    'cache-control': 'private, no-store',
  });
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  for (let sent = 0, position = 1; ; position += 1) {
    const isAsked = response.write(chunk);
    sent += chunk.length;
    if (sent === file.size) break;
    if (!isAsked && !gone.signal.aborted) await once(response, 'drain', { signal: gone.signal }).catch(() => {});
    if (gone.signal.aborted) return;
    chunk = await files.readChunk(file.id, position);
    if (chunk !== undefined) continue;
    response.destroy();
    return;
  }
  response.end();
}

/** @see https://www.rfc-editor.org/rfc/rfc8187#section-3.2 */
function attachmentName(filename: string): string {
  return encodeURIComponent(filename.toWellFormed()).replaceAll(
    /['()*]/g,
    (each) => `%${each.charCodeAt(0).toString(16)}`,
  );
}

function shown({ id, size, createdAtMs, expiresAtMs, filename, purpose }: StoredFile) {
  return {
    id,
    object: 'file',
    bytes: size,
    created_at: Math.floor(createdAtMs / 1000),
    ...(expiresAtMs === undefined ? {} : { expires_at: Math.floor(expiresAtMs / 1000) }),
    filename,
    purpose,
    status: 'processed',
  };
}

function idOf({ params }: KeyExchange): string {
  return params['id'] ?? '';
}

function notFound(id: string): GatewayError {
  return new GatewayError('file_not_found', `No such File object: ${id.slice(0, 256)}`, { param: 'id' });
}

function noRoom(maxTotalBytes: number): GatewayError {
  const message = `The files would have more than ${maxTotalBytes} bytes together. Delete some of them first.`;
  return new GatewayError('file_quota_exceeded', message, { param: 'file' });
}
