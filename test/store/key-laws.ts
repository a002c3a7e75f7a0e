import { expect, test } from 'vitest';
import type { KeyPage, NewKey } from '../../src/store/key-store.ts';
import { nextId, startMs } from './make.ts';
import type { TestBed } from './test-bed.ts';

const teamOf = (name = nextId('name')) => ({ id: nextId('team'), name, createdAtMs: startMs });

const keyOf = (overrides: Partial<NewKey> = {}): NewKey => ({
  id: nextId('key'),
  name: 'ci',
  teamId: undefined,
  hash: nextId('hash'),
  last4: 'wxyz',
  createdAtMs: startMs,
  expiresAtMs: undefined,
  ...overrides,
});

/** Virtual keys and their teams. */
export function keyLaws(bed: TestBed): void {
  const keys = () => bed.store.keys;
  const createdKey = async (overrides: Partial<NewKey> = {}) => {
    const key = keyOf(overrides);
    expect(await keys().createKey(key)).toBe(true);
    return key;
  };
  const createdTeam = async () => {
    const team = teamOf();
    expect(await keys().createTeam(team)).toBe(true);
    return team;
  };

  test('a key is found by its hash, with its tenant: the team, else itself', async () => {
    const team = await createdTeam();
    const member = await createdKey({ teamId: team.id });
    const loner = await createdKey({ expiresAtMs: startMs + 7 });
    const { id, name } = member;
    expect(await keys().findKey(member.hash)).toEqual({ id, name, tenant: team.id, untilMs: undefined, budgetIds: [] });
    const found = { id: loner.id, name: 'ci', tenant: loner.id, untilMs: startMs + 7, budgetIds: [] };
    expect(await keys().findKey(loner.hash)).toEqual(found);
    expect(await keys().readKey(loner.id)).toEqual({
      id: loner.id,
      name: 'ci',
      teamId: undefined,
      tenant: loner.id,
      last4: 'wxyz',
      createdAtMs: startMs,
      blockedAtMs: undefined,
      previousUntilMs: undefined,
      expiresAtMs: startMs + 7,
    });
    for (const hash of ['', 'nobody', loner.id, `${loner.hash}x`]) expect(await keys().findKey(hash)).toBeUndefined();
  });

  test('a key is found with the budgets that limit it, its own before its team’s', async () => {
    const team = await createdTeam();
    const { id, hash } = await createdKey({ teamId: team.id });
    const setLimit = (budgetId: string, limit: number | null) =>
      bed.store.budgets.forTenant(team.id).setLimit(budgetId, limit);
    const found = async () => (await keys().findKey(hash))?.budgetIds;
    await setLimit(`team:${team.id}`, 5);
    expect(await found()).toEqual([`team:${team.id}`]);
    await setLimit(`key:${id}`, 7);
    expect(await found()).toEqual([`key:${id}`, `team:${team.id}`]);
    await setLimit(`team:${team.id}`, null);
    expect(await found()).toEqual([`key:${id}`]);
  });

  test('what is changed is changed, and nothing else', async () => {
    const { id, hash } = await createdKey({ expiresAtMs: startMs });
    const before = await keys().readKey(id);
    expect(await keys().updateKey(id, {}, startMs + 1)).toBe(true);
    expect(await keys().readKey(id)).toEqual(before);
    expect(await keys().updateKey(id, { name: 'new\0name', expiresAtMs: startMs + 9 }, startMs + 1)).toBe(true);
    expect(await keys().readKey(id)).toEqual({ ...before, name: 'new\ufffdname', expiresAtMs: startMs + 9 });
    expect(await keys().updateKey(id, { expiresAtMs: null }, startMs + 1)).toBe(true);
    expect(await keys().findKey(hash)).toMatchObject({ name: 'new\ufffdname', untilMs: undefined });
  });

  test('a blocked key is found by nobody until it is unblocked, and keeps the time of its first blocking', async () => {
    const { id, hash } = await createdKey();
    expect(await keys().updateKey(id, { blocked: true }, startMs + 1)).toBe(true);
    expect(await keys().updateKey(id, { blocked: true }, startMs + 2)).toBe(true);
    expect(await keys().findKey(hash)).toBeUndefined();
    expect(await keys().readKey(id)).toMatchObject({ blockedAtMs: startMs + 1 });
    expect(await keys().updateKey(id, { blocked: false }, startMs + 3)).toBe(true);
    expect(await keys().findKey(hash)).toMatchObject({ id });
    expect(await keys().readKey(id)).toMatchObject({ blockedAtMs: undefined });
  });

  test('after a rotation the hash of before ends with its grace, or at once, and the tenant stays', async () => {
    const { id, hash } = await createdKey({ expiresAtMs: startMs + 50 });
    const [second, third, fourth] = [nextId('hash'), nextId('hash'), nextId('hash')];
    expect(await keys().rotateKey(id, second, 'bbbb', startMs + 20)).toBe(true);
    expect(await keys().findKey(second)).toMatchObject({ id, tenant: id, untilMs: startMs + 50 });
    expect(await keys().findKey(hash)).toMatchObject({ id, tenant: id, untilMs: startMs + 20 });
    expect(await keys().readKey(id)).toMatchObject({ last4: 'bbbb', previousUntilMs: startMs + 20 });
    // A key that expires before its grace ends with its expiry.
    expect(await keys().rotateKey(id, third, 'cccc', startMs + 90)).toBe(true);
    expect(await keys().findKey(hash)).toBeUndefined();
    expect(await keys().findKey(second)).toMatchObject({ untilMs: startMs + 50 });
    expect(await keys().rotateKey(id, fourth, 'dddd', undefined)).toBe(true);
    expect(await keys().findKey(third)).toBeUndefined();
    expect(await keys().findKey(fourth)).toMatchObject({ id });
    expect(await keys().readKey(id)).toMatchObject({ previousUntilMs: undefined });
  });

  test('a deleted key is nowhere, under either hash', async () => {
    const { id, hash } = await createdKey();
    const second = nextId('hash');
    await keys().rotateKey(id, second, 'bbbb', startMs + 20);
    expect(await keys().deleteKey(id, startMs)).toBe(true);
    expect(await keys().deleteKey(id, startMs)).toBe(false);
    expect([await keys().findKey(hash), await keys().findKey(second), await keys().readKey(id)]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(await keys().updateKey(id, { blocked: false }, startMs)).toBe(false);
    expect(await keys().rotateKey(id, nextId('hash'), 'cccc', undefined)).toBe(false);
    expect((await keys().listKeys({ limit: 1000, after: undefined })).map((key) => key.id)).not.toContain(id);
  });

  test('keys and teams are listed newest first, page by page', async () => {
    const made = { keys: [] as string[], teams: [] as string[] };
    for (let index = 0; index < 5; index++) {
      made.keys.unshift((await createdKey()).id);
      made.teams.unshift((await createdTeam()).id);
    }
    const list = {
      keys: (page: KeyPage) => keys().listKeys(page),
      teams: (page: KeyPage) => keys().listTeams(page),
    };
    for (const kind of ['keys', 'teams'] as const) {
      const seen: string[] = [];
      for (let after: string | undefined; seen.length < 5; after = seen.at(-1)) {
        const page = await list[kind]({ limit: 2, after });
        expect(page).toHaveLength(2);
        seen.push(...page.map(({ id }) => id));
      }
      expect(seen.slice(0, 5)).toEqual(made[kind]);
    }
  });

  test('a team has a name of its own, and its id whatever its name', async () => {
    const [one, other] = [await createdTeam(), await createdTeam()];
    const { hash } = await createdKey({ teamId: one.id });
    expect(await keys().createTeam(teamOf(one.name))).toBe(false);
    expect(await keys().renameTeam(other.id, one.name)).toBe('name-taken');
    expect(await keys().renameTeam('team_never', one.name)).toBe('not-found');
    expect(await keys().renameTeam(one.id, one.name)).toBe('renamed');
    const name = nextId('name');
    expect(await keys().renameTeam(one.id, name)).toBe('renamed');
    expect(await keys().readTeam(one.id)).toEqual({ ...one, name });
    expect(await keys().findKey(hash)).toMatchObject({ tenant: one.id });
    expect(await keys().renameTeam(other.id, one.name)).toBe('renamed');
  });

  test('a team goes after its keys, and gets none once it is gone', async () => {
    const { id } = await createdTeam();
    const key = await createdKey({ teamId: id });
    expect(await keys().deleteTeam(id)).toBe('has-keys');
    await keys().deleteKey(key.id, startMs);
    expect(await keys().deleteTeam(id)).toBe('deleted');
    expect(await keys().deleteTeam(id)).toBe('not-found');
    expect(await keys().readTeam(id)).toBeUndefined();
    const late = keyOf({ teamId: id });
    expect(await keys().createKey(late)).toBe(false);
    expect(await keys().readKey(late.id)).toBeUndefined();
  });

  test('of names that are asked for at once one is given, and no key outlives its team', async () => {
    for (let round = 0; round < 20; round++) {
      const name = nextId('name');
      const created = await Promise.all([keys().createTeam(teamOf(name)), keys().createTeam(teamOf(name))]);
      expect(new Set(created)).toEqual(new Set([false, true]));
      const teams = [await createdTeam(), await createdTeam()];
      const wished = nextId('name');
      const renamed = await Promise.all(teams.map(({ id }) => keys().renameTeam(id, wished)));
      expect(new Set(renamed)).toEqual(new Set(['name-taken', 'renamed']));
      const [team] = teams;
      const key = keyOf({ teamId: team?.id });
      const [isCreated, deletion] = await Promise.all([keys().createKey(key), keys().deleteTeam(team?.id ?? '')]);
      expect([isCreated, deletion]).toEqual(isCreated ? [true, 'has-keys'] : [false, 'deleted']);
    }
  });

  test.each(['\0', 'key_\0', '\ud800', 'x'.repeat(10_000), '', "' OR '1'='1"])(
    'an id that no key or team can have is unknown: %j',
    async (id) => {
      expect(await keys().readKey(id)).toBeUndefined();
      expect(await keys().readTeam(id)).toBeUndefined();
      expect(await keys().updateKey(id, { name: 'x' }, startMs)).toBe(false);
      expect(await keys().rotateKey(id, nextId('hash'), 'bbbb', undefined)).toBe(false);
      expect(await keys().deleteKey(id, startMs)).toBe(false);
      expect(await keys().renameTeam(id, nextId('name'))).toBe('not-found');
      expect(await keys().deleteTeam(id)).toBe('not-found');
      expect(await keys().createKey(keyOf({ teamId: id }))).toBe(false);
      expect(await keys().listKeys({ limit: 1, after: id })).toBeInstanceOf(Array);
    },
  );

  test('keys and teams are there after a restart', async () => {
    const team = await createdTeam();
    const { hash, id } = await createdKey({ teamId: team.id });
    await bed.store.close();
    await expect(keys().findKey(hash)).rejects.toMatchObject({ code: 'store_unavailable' });
    await expect(keys().deleteKey(id, startMs)).rejects.toMatchObject({ code: 'store_unavailable' });
    bed.store = await bed.engine.open(bed.owner);
    expect(await keys().findKey(hash)).toMatchObject({ id, tenant: team.id });
  });
}
