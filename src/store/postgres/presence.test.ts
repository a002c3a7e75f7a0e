import { afterEach, expect, test, vi } from 'vitest';
import type { Database } from './database.ts';
import { createPresence } from './presence.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

test('is steady for as long as heartbeats came without a gap', async () => {
  const now = vi.spyOn(performance, 'now').mockReturnValue(0);
  const query = vi.fn<() => Promise<never[]>>().mockResolvedValue([]);
  const presence = createPresence({ query } as unknown as Database, 'me', 1000);
  const beatAt = async (ms: number) => {
    now.mockReturnValue(ms);
    await presence.beat();
    return presence.steadyMs();
  };
  expect(await beatAt(1000)).toBe(1000);
  expect(await beatAt(3000)).toBe(3000);
  now.mockReturnValue(5001);
  expect(presence.steadyMs()).toBe(0);
  // The database was away: whoever else is silent now may only have been kept from it too.
  expect(await beatAt(5002)).toBe(0);
  expect(await beatAt(6000)).toBe(998);

  query.mockRejectedValueOnce(new Error('away'));
  await expect(beatAt(7000)).rejects.toThrow('away');
  expect(await beatAt(8001)).toBe(0);
});
