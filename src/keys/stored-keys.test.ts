import { hash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { GatewayError } from '../core/errors.ts';
import type { FoundKey } from '../store/key-store.ts';
import { hashKey } from './hash-key.ts';
import { createKeyring, type KeyringOptions } from './keys.ts';
import { createStoredKeys } from './stored-keys.ts';
import { mintVirtualKey } from './virtual-key.ts';

const pepper = Buffer.alloc(32, 7);

/** A keyring over a store whose answers the test sets. */
function ringWith(options: Partial<KeyringOptions> = {}) {
  const rig = {
    nowMs: 1_000_000,
    /** Hashes that the store was asked for. */
    asked: [] as string[],
    rows: new Map<string, FoundKey>(),
    /** What the store says in place of an answer. */
    failure: undefined as Error | undefined,
    /** The store answers when this has resolved. */
    gate: Promise.resolve(),
    add: (key: string, id: string, fields: Partial<FoundKey> = {}) => {
      const row = { id, name: 'ci', tenant: id, untilMs: undefined, budgetIds: ['key:a'], ...fields };
      rig.rows.set(hashKey(pepper, key).toString('hex'), row);
    },
  };
  const stored = createStoredKeys({
    nowMs: () => rig.nowMs,
    async findKey(key) {
      rig.asked.push(key);
      const row = rig.rows.get(key);
      await rig.gate;
      if (rig.failure !== undefined) throw rig.failure;
      return row;
    },
  });
  const ring = createKeyring({ masterKey: 'sk-master', keys: [], pepper, stored, ...options });
  return Object.assign(rig, { ring, stored });
}

describe('the keys of the store', () => {
  test('are asked for by their peppered hash, then known without a promise', async () => {
    const { ring, asked, add } = ringWith();
    const key = mintVirtualKey();
    add(key, 'key_1', { tenant: 'team_1' });
    const principal = { keyId: 'key_1', keyName: 'ci', tenant: 'team_1', isMaster: false, budgetIds: ['key:a'] };
    const first = ring.authenticate(key);
    expect(first).toBeInstanceOf(Promise);
    expect(await first).toEqual(principal);
    expect(ring.authenticate(key)).toEqual(principal);
    expect(asked).toEqual([hashKey(pepper, key).toString('hex')]);
    expect(asked[0]).not.toBe(hash('sha256', key));
  });

  test('that are not there are known for a moment too', async () => {
    const rig = ringWith();
    const key = mintVirtualKey();
    expect(await rig.ring.authenticate(key)).toBeUndefined();
    expect(rig.ring.authenticate(key)).toBeUndefined();
    expect(rig.asked).toHaveLength(1);
    rig.add(key, 'key_1');
    rig.nowMs += 2_000;
    expect(await rig.ring.authenticate(key)).toMatchObject({ keyId: 'key_1' });
  });

  test('are asked for once by all who wait, and again after two seconds or when the clock was set back', async () => {
    const rig = ringWith();
    const key = mintVirtualKey();
    rig.add(key, 'key_1');
    const answers = await Promise.all([1, 2, 3].map(async () => rig.ring.authenticate(key)));
    expect(answers.map((principal) => principal?.keyId)).toEqual(['key_1', 'key_1', 'key_1']);
    expect(rig.asked).toHaveLength(1);
    rig.rows.clear();
    rig.nowMs += 1_999;
    expect(rig.ring.authenticate(key)).toMatchObject({ keyId: 'key_1' });
    rig.nowMs += 1;
    expect(await rig.ring.authenticate(key)).toBeUndefined();
    rig.nowMs -= 1;
    rig.add(key, 'key_1');
    expect(await rig.ring.authenticate(key)).toMatchObject({ keyId: 'key_1' });
    expect(rig.asked).toHaveLength(3);
  });

  test('end when their time comes, cached or not', async () => {
    const rig = ringWith();
    const key = mintVirtualKey();
    rig.add(key, 'key_1', { untilMs: rig.nowMs + 500 });
    expect(await rig.ring.authenticate(key)).toMatchObject({ keyId: 'key_1' });
    rig.nowMs += 499;
    expect(rig.ring.authenticate(key)).toMatchObject({ keyId: 'key_1' });
    rig.nowMs += 1;
    expect(rig.ring.authenticate(key)).toBeUndefined();
    rig.nowMs += 2_000;
    expect(await rig.ring.authenticate(key)).toBeUndefined();
  });

  test('that are changed here count at once, even where an older answer is on its way', async () => {
    const rig = ringWith();
    const key = mintVirtualKey();
    rig.add(key, 'key_1');
    const gate = Promise.withResolvers<void>();
    rig.gate = gate.promise;
    const early = rig.ring.authenticate(key);
    rig.rows.clear();
    rig.stored.forget();
    gate.resolve();
    expect(await early).toMatchObject({ keyId: 'key_1' });
    expect(await rig.ring.authenticate(key)).toBeUndefined();
  });

  test('cannot be told while the store is silent: neither refused nor let in, and asked for again', async () => {
    const rig = ringWith();
    const key = mintVirtualKey();
    rig.add(key, 'key_1');
    rig.failure = new GatewayError('store_unavailable', 'gone');
    await expect(rig.ring.authenticate(key)).rejects.toMatchObject({ status: 503 });
    await expect(rig.ring.authenticate(key)).rejects.toMatchObject({ status: 503 });
    rig.failure = undefined;
    expect(await rig.ring.authenticate(key)).toMatchObject({ keyId: 'key_1' });
    rig.failure = new GatewayError('store_unavailable', 'gone');
    expect(rig.ring.authenticate(key)).toMatchObject({ keyId: 'key_1' });
    rig.nowMs += 2_000;
    await expect(rig.ring.authenticate(key)).rejects.toMatchObject({ status: 503 });
    expect(rig.ring.authenticate('sk-master')).toMatchObject({ isMaster: true });
  });

  test('are not asked for by what cannot be one', () => {
    const { ring, asked } = ringWith();
    const key = mintVirtualKey();
    const tokens = [undefined, '', 'sk-x', key.slice(0, -1), `${key}x`, `${key.slice(0, -1)}\0`, "tk_' OR '1'='1"];
    for (const token of tokens) expect(ring.authenticate(token)).toBeUndefined();
    expect(asked).toEqual([]);
  });

  test('come after those of the configuration, and are never the master', async () => {
    const key = mintVirtualKey();
    const { ring, asked, add } = ringWith({ keys: [{ name: 'static', key, team: undefined }] });
    add(key, 'key_1');
    expect(ring.authenticate(key)).toMatchObject({ keyId: 'key_static' });
    expect(asked).toEqual([]);
  });

  test('are forgotten oldest first, before there are too many', async () => {
    const rig = ringWith();
    const { ring, asked } = rig;
    const used = mintVirtualKey();
    rig.add(used, 'key_1');
    await ring.authenticate(used);
    for (let index = 0; index < 9_999; index++) await ring.authenticate(mintVirtualKey());
    rig.nowMs += 2_000;
    await ring.authenticate(used);
    // One too many: what was asked for longest ago goes.
    await ring.authenticate(mintVirtualKey());
    asked.length = 0;
    expect(ring.authenticate(used)).toMatchObject({ keyId: 'key_1' });
    expect(asked).toHaveLength(0);
  });

  test('are asked for again once they were forgotten', async () => {
    const { ring, asked, add } = ringWith();
    const first = mintVirtualKey();
    add(first, 'key_1');
    await ring.authenticate(first);
    for (let index = 0; index < 10_000; index++) await ring.authenticate(mintVirtualKey());
    asked.length = 0;
    expect(await ring.authenticate(first)).toMatchObject({ keyId: 'key_1' });
    expect(asked).toHaveLength(1);
  });
});

test('a gateway without a configured key is closed where the store has keys', async () => {
  const rig = ringWith({ masterKey: undefined, closed: true });
  const key = mintVirtualKey();
  rig.add(key, 'key_1');
  expect(rig.ring.open).toBe(false);
  expect(rig.ring.authenticate(undefined)).toBeUndefined();
  expect(await rig.ring.authenticate(key)).toMatchObject({ keyId: 'key_1' });
});
