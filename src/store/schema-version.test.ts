import { expect, test } from 'vitest';
import { compareSchema, migrationNames, currentSchema } from './schema-version.ts';

const migrations = [
  { name: '1', oldest: '1' },
  { name: '2', oldest: '1' },
  { name: '3', oldest: '3' },
];
const upTo = (count: number) => ({ migrations: migrations.slice(0, count) });
const refused = 'newer Turnpike';

/** Down: what the database has had. Across: what the code knows. */
test.each([
  { applied: 0, code: 3, state: { version: undefined, isNewer: false, pending: ['1', '2', '3'], keepsOlder: true } },
  { applied: 1, code: 1, state: { version: '1', isNewer: false, pending: [], keepsOlder: true } },
  { applied: 1, code: 2, state: { version: '1', isNewer: false, pending: ['2'], keepsOlder: true } },
  { applied: 1, code: 3, state: { version: '1', isNewer: false, pending: ['2', '3'], keepsOlder: false } },
  { applied: 2, code: 1, state: { version: '2', isNewer: true, pending: [], keepsOlder: true } },
  { applied: 2, code: 3, state: { version: '2', isNewer: false, pending: ['3'], keepsOlder: false } },
  { applied: 3, code: 1, state: refused },
  { applied: 3, code: 2, state: refused },
  { applied: 3, code: 3, state: { version: '3', isNewer: false, pending: [], keepsOlder: true } },
])('code of $code migrations on a database of $applied', ({ applied, code, state }) => {
  const compare = () => compareSchema(migrations.slice(0, applied), upTo(code));
  if (typeof state === 'string') expect(compare).toThrow(state);
  else expect(compare()).toEqual(state);
});

test('one newer migration without a mark refuses, whatever the others allow', () => {
  const applied = [migrations[0], { name: '2', oldest: null }, { name: '3', oldest: '1' }].filter(
    (row) => row !== undefined,
  );
  expect(() => compareSchema(applied, upTo(1))).toThrow(refused);
});

test('the migrations are in order, and none asks for more than itself', () => {
  expect(migrationNames).toEqual(migrationNames.toSorted());
  for (const { name, oldest } of currentSchema.migrations) {
    expect(migrationNames).toContain(oldest);
    expect(oldest <= name).toBe(true);
  }
});
