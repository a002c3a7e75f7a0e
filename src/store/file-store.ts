export interface StoredFile {
  /** `file-…` */
  id: string;
  createdAtMs: number;
  filename: string;
  purpose: string;
  /** As whoever uploaded it named it; empty: not at all. */
  mediaType: string;
  size: number;
  /** Undefined: never. */
  expiresAtMs: number | undefined;
}

export interface FilePage {
  limit: number;
  order: 'asc' | 'desc';
  /** Id of the last file of the page before. */
  after: string | undefined;
  /** Undefined: of any. */
  purpose: string | undefined;
}

/** Most bytes of a chunk: what an upload or a download holds in memory, whatever the file's size. */
export const fileChunkBytes = 256 * 1024;

/** How long an upload may take: what is older and not whole is nobody's any more. */
export const uploadLifeMs = 60 * 60 * 1000;

/**
 * One tenant's files. An id that is somebody else's answers as one that does not exist, and so do an expired file and one that
 * is not whole. Every method rejects with GatewayError `store_unavailable` when the engine fails.
 */
export interface TenantFiles {
  /** Until it is finished nobody sees it. */
  begin(id: string, createdAtMs: number): Promise<void>;
  /** @returns false: the tenant's files would have more than `maxTotalBytes` together, and nothing was written. */
  append(id: string, position: number, data: Uint8Array, maxTotalBytes: number): Promise<boolean>;
  /** Durable against power loss when it resolves. False: the upload was given up meanwhile. */
  finish(file: StoredFile): Promise<boolean>;
  /** Removes a file of which no client has the id, whole or not. */
  discard(id: string): Promise<void>;
  read(id: string): Promise<StoredFile | undefined>;
  /** Undefined: there is none, or not any more. Positions count from 0. */
  readChunk(id: string, position: number): Promise<Uint8Array | undefined>;
  list(page: FilePage): Promise<StoredFile[]>;
  /** Hidden at once, and its bytes are gone when it resolves. False: nothing to delete. */
  delete(id: string): Promise<boolean>;
}

export interface FileStore {
  forTenant(tenant: string): TenantFiles;
  /** Removes some of the files that have expired, and of those whose upload or deletion broke off. Returns how many. */
  sweep(nowMs: number): Promise<number>;
}
