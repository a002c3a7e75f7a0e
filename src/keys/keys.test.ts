import { createHmac, hash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createKeyring, type KeyringOptions } from './keys.ts';

const pepper = Buffer.alloc(32, 7);
const keyring = (options: Partial<KeyringOptions> = {}) =>
  createKeyring({
    masterKey: 'sk-master',
    keys: [
      { name: 'ci', key: 'sk-ci', team: 'alpha' },
      { name: 'dev', key: 'sk-dev', team: 'alpha' },
      { name: 'solo', key: 'sk-solo-ключ', team: undefined },
    ],
    pepper,
    ...options,
  });

describe('createKeyring', () => {
  test.each([
    ['sk-master', { keyId: 'master', keyName: 'master', tenant: 'default', isMaster: true }],
    ['sk-ci', { keyId: 'key_ci', keyName: 'ci', tenant: 'alpha', isMaster: false, budgetIds: [] }],
    ['sk-dev', { keyId: 'key_dev', keyName: 'dev', tenant: 'alpha', isMaster: false, budgetIds: [] }],
    ['sk-solo-ключ', { keyId: 'key_solo', keyName: 'solo', tenant: 'key_solo', isMaster: false, budgetIds: [] }],
  ])('%s is its own principal, the first time and after', (key, principal) => {
    const ring = keyring();
    expect(ring.open).toBe(false);
    expect([ring.authenticate(key), ring.authenticate(key)]).toEqual([principal, principal]);
  });

  test('a key counts in its own budget and its team’s, where they have one; a stored team may have one', () => {
    const keys = [
      { name: 'a', key: 'sk-a', team: 'alpha', hasBudget: true },
      { name: 'b', key: 'sk-b', team: 'beta' },
      { name: 'c', key: 'sk-c', team: 'team_1' },
    ];
    const ring = keyring({ keys, teamsWithBudget: new Set(['alpha']) });
    const budgetsOf = (key: string) => ring.authenticate(key);
    expect(budgetsOf('sk-a')).toMatchObject({ budgetIds: ['key:key_a', 'team:alpha'] });
    expect(budgetsOf('sk-b')).toMatchObject({ budgetIds: [] });
    expect(budgetsOf('sk-c')).toMatchObject({ budgetIds: ['team:team_1'] });
  });

  test('nothing but the very key is a key', () => {
    const ring = keyring();
    const keys = ['sk-master', 'sk-ci', 'sk-dev', 'sk-solo-ключ'];
    const near = fc.constantFrom(...keys).chain((key) =>
      fc.oneof(
        fc.nat({ max: key.length - 1 }).map((length) => key.slice(0, length)),
        fc.string({ minLength: 1 }).map((more) => key + more),
        fc.constantFrom(key.toUpperCase(), ` ${key}`, `${key}\0`, `${key}' OR '1'='1`, hash('sha256', key)),
        fc.constant(createHmac('sha256', pepper).update(hash('sha256', key), 'hex').digest('hex')),
        fc.string(),
      ),
    );
    fc.assert(
      fc.property(near, (token) => {
        expect(ring.authenticate(token)).toBeUndefined();
      }),
    );
    for (const token of [undefined, '', '\0', 'x'.repeat(10_240), '\ud800', 'constructor', '__proto__']) {
      expect(ring.authenticate(token)).toBeUndefined();
    }
  });

  test('without any key everybody is the default principal, who is no master', () => {
    const ring = keyring({ masterKey: undefined, keys: [] });
    expect(ring.open).toBe(true);
    expect(ring.authenticate(undefined)).toMatchObject({ tenant: 'default', isMaster: false });
    expect(ring.authenticate('sk-anything')).toEqual(ring.authenticate(undefined));
  });

  test('keys without a master key close the gateway too', () => {
    const ring = keyring({ masterKey: undefined });
    expect(ring.open).toBe(false);
    expect(ring.authenticate(undefined)).toBeUndefined();
  });

  test.each<[name: string, options: Partial<KeyringOptions>, message: RegExp]>([
    ['an empty master key', { masterKey: '' }, /'master' is empty/],
    ['a blank key', { keys: [{ name: 'a', key: '  ', team: undefined }] }, /'a' is empty/],
    ["the master's key again", { keys: [{ name: 'a', key: 'sk-master', team: undefined }] }, /'a' is another one's/],
    ['a team that is the tenant of the master', { keys: [{ name: 'a', key: 'k', team: 'default' }] }, /'default'/],
    ['a team that is the tenant of a key', { keys: [{ name: 'a', key: 'k', team: 'key_solo' }] }, /'key_solo'/],
    ['a team without a name', { keys: [{ name: 'a', key: 'k', team: '' }] }, /team/],
    [
      'two keys with one name',
      {
        keys: [
          { name: 'a', key: 'k1', team: undefined },
          { name: 'a', key: 'k2', team: undefined },
        ],
      },
      /two keys/,
    ],
  ])('%s is refused, and the message holds no key', (_name, options, message) => {
    const create = () => keyring(options);
    expect(create).toThrow(message);
    expect(create).not.toThrow(/sk-|k1|k2/);
  });
});
