import { expect, test } from 'vitest';
import { type StoredFile, uploadLifeMs } from '../../src/store/file-store.ts';
import type { TestBed } from './test-bed.ts';
import { nextId } from './make.ts';

const maxTotalBytes = 1_000_000;
const bytesOf = (length: number, seed: number) => Uint8Array.from({ length }, (_, index) => (index * 31 + seed) % 256);

/** Files are whole or not there, and theirs who brought them. */
export function fileLaws(bed: TestBed): void {
  const { newTenant, rowsOf } = bed;
  const newId = () => nextId('file').replace('_', '-');
  const fileOf = (id: string, overrides: Partial<StoredFile> = {}): StoredFile => ({
    id,
    createdAtMs: Date.now(),
    filename: 'a\u{1f600}.pdf',
    purpose: 'user_data',
    mediaType: 'application/pdf',
    size: 30,
    expiresAtMs: undefined,
    ...overrides,
  });
  const usedBy = async (tenant: string) => (await rowsOfUsage(tenant)).map((row) => Number(row['size']));
  const rowsOfUsage = (tenant: string) => bed.engine.query(`SELECT size FROM file_usage WHERE tenant = '${tenant}'`);
  const keep = async (tenant: string, overrides: Partial<StoredFile> = {}, chunks = 3) => {
    const { files } = bed.store.forTenant(tenant);
    const file = fileOf(newId(), { size: chunks * 10, ...overrides });
    await files.begin(file.id, file.createdAtMs);
    for (let at = 0; at < chunks; at++)
      expect(await files.append(file.id, at, bytesOf(10, at), maxTotalBytes)).toBe(true);
    expect(await files.finish(file)).toBe(true);
    return file;
  };

  test('a file is there with its end, every byte of it, and gone with its deletion', async () => {
    const { tenant, own } = newTenant();
    const { files } = own;
    const file = fileOf(newId(), { size: 256 });
    await files.begin(file.id, file.createdAtMs);
    expect(await files.append(file.id, 0, bytesOf(256, 0), maxTotalBytes)).toBe(true);
    expect([
      await files.read(file.id),
      await files.list({ limit: 5, order: 'asc', after: undefined, purpose: undefined }),
    ]).toEqual([undefined, []]);
    expect(await files.delete(file.id)).toBe(false);
    expect(await files.finish(file)).toBe(true);
    expect(await files.read(file.id)).toEqual(file);
    expect(new Uint8Array((await files.readChunk(file.id, 0)) ?? [])).toEqual(bytesOf(256, 0));
    expect(await files.readChunk(file.id, 1)).toBeUndefined();
    expect(await usedBy(tenant)).toEqual([256]);

    expect(await files.delete(file.id)).toBe(true);
    expect(await files.read(file.id)).toBeUndefined();
    expect(await files.delete(file.id)).toBe(false);
    expect(await usedBy(tenant)).toEqual([0]);
    expect([...(await rowsOf('files', tenant)), ...(await rowsOf('file_chunks', tenant))]).toEqual([]);
  });

  test('a deletion of more chunks than go at once leaves none, and only its own are given back', async () => {
    const { tenant, own } = newTenant();
    const [gone, kept] = [await keep(tenant, {}, 70), await keep(tenant)];
    expect(await own.files.delete(gone.id)).toBe(true);
    expect((await rowsOf('file_chunks', tenant)).map((row) => row['file_id'])).toEqual([kept.id, kept.id, kept.id]);
    expect(await usedBy(tenant)).toEqual([30]);
  });

  test('deletions of one file at once give its bytes back once', async () => {
    const { tenant, own } = newTenant();
    const [gone] = [await keep(tenant, {}, 70), await keep(tenant)];
    await Promise.all([own.files.delete(gone.id), own.files.discard(gone.id), own.files.discard(gone.id)]);
    expect(await usedBy(tenant)).toEqual([30]);
    expect(await own.files.read(gone.id)).toBeUndefined();
  });

  test('uploads at once do not pass the limit together, and another tenant has its own', async () => {
    const { tenant, own } = newTenant();
    const ids = [newId(), newId(), newId(), newId()];
    for (const id of ids) await own.files.begin(id, Date.now());
    const taken = await Promise.all(ids.map((id) => own.files.append(id, 0, bytesOf(40, 1), 100)));
    expect(taken.filter(Boolean)).toHaveLength(2);
    expect(await usedBy(tenant)).toEqual([80]);
    expect(await rowsOf('file_chunks', tenant)).toHaveLength(2);
    const other = newTenant().own.files;
    await other.begin(ids[0] ?? '', Date.now());
    expect(await other.append(ids[0] ?? '', 0, bytesOf(100, 1), 100)).toBe(true);
    for (const id of ids) await own.files.discard(id);
    expect(await usedBy(tenant)).toEqual([0]);
  });

  test("another tenant's file answers as one that does not exist, and stays", async () => {
    const { tenant, own } = newTenant();
    const file = await keep(tenant);
    const { files } = newTenant().own;
    const page = { limit: 10, order: 'desc', after: undefined, purpose: undefined } as const;
    const asked = async (id: string) => [await files.read(id), await files.readChunk(id, 0), await files.delete(id)];
    expect(await asked(file.id)).toEqual(await asked('file-unknown'));
    expect(await asked('file-\0\ud800')).toEqual(await asked('file-unknown'));
    await files.discard(file.id);
    expect([await files.list(page), await own.files.list(page)]).toEqual([[], [file]]);
    expect(await own.files.readChunk(file.id, 2)).toBeDefined();
  });

  test('a list goes both ways, from any file on, and by purpose', async () => {
    const { tenant, own } = newTenant();
    const all: string[] = [];
    for (const purpose of ['user_data', 'vision', 'user_data']) all.push((await keep(tenant, { purpose })).id);
    const list = async (overrides: object) =>
      (await own.files.list({ limit: 10, order: 'asc', after: undefined, purpose: undefined, ...overrides })).map(
        ({ id }) => id,
      );
    expect(await list({})).toEqual(all);
    expect(await list({ order: 'desc' })).toEqual(all.toReversed());
    expect(await list({ limit: 2 })).toEqual(all.slice(0, 2));
    expect(await list({ after: all[0] })).toEqual(all.slice(1));
    expect(await list({ order: 'desc', after: all[1] })).toEqual(all.slice(0, 1));
    expect(await list({ purpose: 'vision' })).toEqual(all.slice(1, 2));
  });

  test('an expired file is not there; a sweep removes it, and uploads that nobody goes on with', async () => {
    const { tenant, own } = newTenant();
    const nowMs = Date.now();
    const [expired, later] = [
      await keep(tenant, { expiresAtMs: 1 }),
      await keep(tenant, { expiresAtMs: nowMs + 3_600_000 }),
    ];
    expect(await own.files.read(expired.id)).toBeUndefined();
    expect(await own.files.delete(expired.id)).toBe(false);
    const [old, fresh] = [newId(), newId()];
    await own.files.begin(old, nowMs - uploadLifeMs - 1);
    await own.files.append(old, 0, bytesOf(10, 0), maxTotalBytes);
    await own.files.begin(fresh, nowMs);
    await own.files.append(fresh, 0, bytesOf(10, 0), maxTotalBytes);

    await bed.store.files.sweep(nowMs);
    const left = (await rowsOf('files', tenant)).map((row) => String(row['id']));
    expect(new Set(left)).toEqual(new Set([later.id, fresh]));
    expect(await usedBy(tenant)).toEqual([40]);
    expect(await own.files.finish(fileOf(old))).toBe(false);
  });
}
