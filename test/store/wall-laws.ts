import { expect, test } from 'vitest';
import type { TestBed } from './test-bed.ts';
import {
  attemptEndOf,
  attemptStartOf,
  commitOf,
  intentOf,
  itemOf,
  linkTo,
  nextId,
  startMs,
  strayLink,
} from './make.ts';

/** What must not be reached is not: what is deleted, not to be stored, or another tenant's. */
export function wallLaws(bed: TestBed): void {
  const { engine, newTenant, run, rowsOf } = bed;

  test("another tenant's id answers like an unknown one, and changes nothing", async () => {
    const { own, tenant } = newTenant();
    const intent = intentOf();
    const commit = await run(own, intent);
    const running = intentOf();
    await own.beginTurn(running);
    const tables = async () =>
      Promise.all(['turns', 'items', 'attempts', 'envelopes'].map((table) => rowsOf(table, tenant)));
    const before = await tables();
    const envelope = (await own.readContext(intent.id))?.items[0]?.envelope ?? '';
    expect(await own.readEnvelope(intent.id, envelope)).toBe(intent.envelope);

    const stranger = bed.store.forTenant(nextId('tenant'));
    const asked = async (id: string, itemId: string, session: string) => [
      await stranger.readContext(id),
      await stranger.readResponse(id),
      await stranger.readInput(id),
      await stranger.readEnvelope(id, envelope),
      await stranger.readItem(itemId),
      await stranger.readFollowing(itemId),
      await stranger.deleteResponse(id, startMs),
      await stranger.listSession(session),
      await stranger.commitTurn(commitOf({ ...running, id })),
      await stranger
        .nextAttempt(id, attemptEndOf(running.attempt.id), attemptStartOf({ number: 2 }))
        .catch((error: unknown) => String(error)),
      await stranger
        .beginTurn(intentOf({ parent: strayLink(id) }))
        .catch((error: unknown) => String(error).replace(id, 'ID')),
    ];
    const unknown = await asked('resp_unknown', 'msg_unknown', 'sess_unknown');
    expect(await asked(running.id, commit.output[0]?.id ?? '', 'sess_1')).toEqual(unknown);
    expect(await asked(intent.id, intent.input[0]?.id ?? '', 'sess_1')).toEqual(unknown);
    expect(unknown.at(-1)).toContain("Previous response with id 'ID' not found.");
    expect(await tables()).toEqual(before);
  });

  test.each(['\0', 'resp_\0', '\ud800', 'x'.repeat(10_000), ''])(
    'an id that no turn can have is unknown: %j',
    async (id) => {
      const { own } = newTenant();
      await run(own, intentOf());
      expect(await own.readContext(id)).toBeUndefined();
      expect(await own.readResponse(id)).toBeUndefined();
      expect(await own.readInput(id)).toBeUndefined();
      expect(await own.readCost(id)).toBeUndefined();
      expect(await own.readEnvelope(id, 'hash')).toBeUndefined();
      expect(await own.readItem(id)).toBeUndefined();
      expect(await own.deleteResponse(id, startMs)).toBe(false);
      expect(await own.listSession(id)).toEqual([]);
    },
  );

  test('a deleted response is gone at once, its items with their last user', async () => {
    const { own, tenant } = newTenant();
    const root = intentOf();
    await run(own, root, {
      attempt: attemptEndOf(root.attempt.id, { status: 'failed', rawReply: 'secret' }),
    });
    const middle = intentOf();
    middle.parent = linkTo(root, 2, middle.id);
    await run(own, middle);
    const leaf = intentOf();
    leaf.parent = linkTo(middle, 4, leaf.id);
    await run(own, leaf);
    const whole = await own.readContext(leaf.id);

    expect(await own.deleteResponse(root.id, startMs)).toBe(true);
    expect(await own.deleteResponse(root.id, startMs)).toBe(false);
    expect(await own.readContext(root.id)).toBeUndefined();
    expect(await own.readResponse(root.id)).toBeUndefined();
    expect(await own.readInput(root.id)).toBeUndefined();
    expect(await own.readItem(root.input[0]?.id ?? '')).toBeUndefined();
    expect(await bed.envelopeBy(own, leaf.id, root.id)).toBe(root.envelope);
    expect((await rowsOf('turns', tenant)).find((row) => row['id'] === root.id)).toMatchObject({ head: '' });
    expect((await rowsOf('attempts', tenant)).map((row) => row['raw_reply'])).toEqual([null, null, null]);
    expect(await own.readContext(leaf.id)).toEqual(whole);

    expect(await own.deleteResponse(middle.id, startMs)).toBe(true);
    expect(await own.readContext(leaf.id)).toEqual(whole);
    expect(await rowsOf('items', tenant)).toHaveLength(6);
    expect(await own.deleteResponse(leaf.id, startMs)).toBe(true);
    expect(await rowsOf('items', tenant)).toEqual([]);
    expect(await rowsOf('attempts', tenant)).toHaveLength(3);
  });

  test('a turn deleted while it runs leaves nothing when it ends, and frees its ancestors', async () => {
    const { own, tenant } = newTenant();
    const root = intentOf();
    await run(own, root);
    const child = intentOf();
    child.parent = linkTo(root, 2, child.id);
    await own.beginTurn(child);
    expect(await own.deleteResponse(root.id, startMs)).toBe(true);
    expect(await own.deleteResponse(child.id, startMs)).toBe(true);
    expect(await own.readResponse(child.id)).toBeUndefined();
    expect(await rowsOf('items', tenant)).toHaveLength(3);
    const commit = commitOf(child);
    expect(await own.commitTurn(commit)).toBe('committed');
    expect(await own.commitTurn(commit)).toBe('committed');
    expect(await rowsOf('items', tenant)).toEqual([]);
    expect((await rowsOf('turns', tenant)).map((row) => row['head'])).toEqual(['', '']);
    expect((await rowsOf('attempts', tenant)).map((row) => row['status'])).toEqual(['completed', 'completed']);
  });

  test('nothing begins on a parent that was deleted since it was read, or that has less than is kept', async () => {
    const { own, tenant } = newTenant();
    const root = intentOf();
    await run(own, root);
    const greedy = intentOf();
    greedy.parent = linkTo(root, 3, greedy.id);
    await expect(own.beginTurn(greedy)).rejects.toMatchObject({ code: 'internal_error' });
    await own.deleteResponse(root.id, startMs);
    const late = intentOf();
    late.parent = linkTo(root, 2, late.id);
    await expect(own.beginTurn(late)).rejects.toMatchObject({
      code: 'previous_response_not_found',
      param: 'previous_response_id',
    });
    expect(await rowsOf('turns', tenant)).toHaveLength(1);
    expect(await rowsOf('attempts', tenant)).toHaveLength(1);
  });

  test('a turn that is not stored resolves for nobody and leaves no content', async () => {
    const { own, tenant } = newTenant();
    const parent = intentOf();
    await run(own, parent);
    const intent = intentOf({ store: false, head: '{"metadata":{"k":"canary"}}', envelope: '{"i":"canary"}' });
    intent.parent = linkTo(parent, 2, intent.id);
    intent.input = [itemOf('canary')];
    const withoutContent = async () => {
      for (const table of ['turns', 'items', 'attempts', 'envelopes']) {
        expect(JSON.stringify(await rowsOf(table, tenant))).not.toContain('canary');
      }
    };
    await own.beginTurn(intent);
    await withoutContent();
    const attempt = attemptEndOf(intent.attempt.id, { status: 'failed', rawReply: 'canary' });
    await own.commitTurn(commitOf(intent, { head: '{"metadata":"canary"}', output: [itemOf('canary')], attempt }));
    await withoutContent();
    expect(await own.readContext(intent.id)).toBeUndefined();
    expect(await own.readResponse(intent.id)).toBeUndefined();
    expect(await own.readInput(intent.id)).toBeUndefined();
    expect(await own.deleteResponse(intent.id, startMs)).toBe(false);
    await expect(own.beginTurn(intentOf({ parent: strayLink(intent.id) }))).rejects.toMatchObject({
      code: 'previous_response_not_found',
    });
    expect((await own.listSession('sess_1')).map(({ id }) => id)).toEqual([parent.id, intent.id]);
    await own.deleteResponse(parent.id, startMs);
    expect(await rowsOf('items', tenant)).toEqual([]);
  });

  test('an envelope is written once for a tenant, under a hash that differs between tenants', async () => {
    const envelope = JSON.stringify({ instructions: nextId('shared') });
    const tenants = [newTenant(), newTenant()];
    for (const { own } of tenants) for (let turn = 0; turn < 3; turn++) await run(own, intentOf({ envelope }));
    const rows = await engine.query(`SELECT tenant, hash FROM envelopes WHERE body = '${envelope}' ORDER BY tenant`);
    expect(rows.map((row) => row['tenant'])).toEqual(tenants.map(({ tenant }) => tenant).toSorted());
    expect(new Set(rows.map((row) => row['hash'])).size).toBe(2);
  });
}
