import { expect, test } from 'vitest';
import type { TestBed } from './test-bed.ts';

/** Keys and envelopes are hashed with the store's secret: with another one none would be found, and nothing would say so. */
export function secretLaws({ createEngine }: TestBed): void {
  test('a store is opened with the secret that it was made with, and with no other', async () => {
    const engine = await createEngine();
    const [own, other] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
    await (await engine.open('process-1', own)).close();

    const refused = await engine.open('process-2', other).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'store_unavailable' });
    expect(String(refused)).toMatch(
      /^GatewayError: The store \S+ cannot be opened: it was made with another store\.secret\.$/,
    );
    await (await engine.open('process-3', own)).close();

    const kept = JSON.stringify(await engine.query('SELECT * FROM secret'));
    expect(kept).toMatch(/^\[\{"name":"store","fingerprint":"[0-9a-f]{64}"\}\]$/);
    for (const secret of [own, other]) expect(kept).not.toContain(secret.toString('hex').slice(0, 16));
    await engine.destroy();
  });
}
