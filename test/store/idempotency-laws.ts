import { describe, expect, test } from 'vitest';
import { noUsage } from '../../src/core/usage.ts';
import type { TenantStore, TurnCommit, TurnIntent } from '../../src/store/store.ts';
import type { TestBed } from './test-bed.ts';
import { attemptEndOf, attemptStartOf, commitOf, intentOf, someUsage, startMs, strayLink } from './make.ts';

const expiresBeforeMs = startMs - 1000;
const claim = { keyHash: 'key', bodyHash: 'body', expiresBeforeMs };
const keyed = (overrides: Partial<TurnIntent> = {}) => intentOf({ idempotency: claim, ...overrides });
const heldBy = (intent: TurnIntent) => ({ turnId: intent.id, bodyHash: intent.idempotency?.bodyHash });

/** Of the turns that bring one idempotency key one is begun, and the others are told which. */
export function idempotencyLaws(bed: TestBed): void {
  const { newTenant, rowsOf } = bed;

  const begin = async (own: TenantStore, overrides: Partial<TurnIntent> = {}) => {
    const intent = keyed(overrides);
    expect(await own.beginTurn(intent)).toBeUndefined();
    return intent;
  };

  test('a key that is held keeps a turn from being begun, and nothing of it is written', async () => {
    const { own, tenant } = newTenant();
    const first = await begin(own);
    const tables = () => Promise.all(['turns', 'items', 'attempts', 'envelopes'].map((name) => rowsOf(name, tenant)));
    const before = await tables();
    const envelope = '{"instructions":"of the second","tools":[]}';
    const other = keyed({ envelope, idempotency: { ...claim, bodyHash: 'another' } });
    expect(await own.beginTurn(other)).toEqual(heldBy(first));
    expect(await own.beginTurn(keyed())).toEqual(heldBy(first));
    expect(await tables()).toEqual(before);
    await own.commitTurn(commitOf(first));
    expect(await own.beginTurn(keyed())).toEqual(heldBy(first));
    // The envelope of the turn that was not begun is written with the first that is.
    const next = await begin(own, { envelope, idempotency: undefined });
    expect(await bed.envelopeBy(own, next.id)).toBe(envelope);
  });

  test('other keys, other tenants and turns without a key are free', async () => {
    const { own, tenant } = newTenant();
    await begin(own);
    await begin(own, { idempotency: { ...claim, keyHash: 'other' } });
    await begin(own, { idempotency: undefined });
    await begin(own, { idempotency: undefined });
    await begin(newTenant().own);
    expect(await rowsOf('idempotency', tenant)).toMatchObject([{ key_hash: 'key' }, { key_hash: 'other' }]);
  });

  test('of many at once exactly one is begun, also where they take over what was freed', async () => {
    const { own, tenant } = newTenant();
    for (let round = 0; round < 10; round++) {
      const intents = Array.from({ length: 20 }, () => keyed({ store: round % 2 === 0 }));
      const holders = await Promise.all(intents.map((intent) => own.beginTurn(intent)));
      const begun = intents.filter((_, index) => holders[index] === undefined);
      expect(begun).toHaveLength(1);
      const [first] = begun;
      if (first === undefined) return;
      expect(holders.filter((holder) => holder !== undefined)).toEqual(Array(19).fill(heldBy(first)));
      expect(await rowsOf('turns', tenant)).toHaveLength(round + 1);
      await own.commitTurn(commitOf(first, { status: 'cancelled' }));
    }
  });

  test('a turn that is refused for its parent takes no key', async () => {
    const { own } = newTenant();
    const orphan = keyed({ parent: strayLink('resp_none') });
    await expect(own.beginTurn(orphan)).rejects.toMatchObject({ code: 'previous_response_not_found' });
    await begin(own);
  });

  test('after its time a key is free', async () => {
    const { own } = newTenant();
    const old = await begin(own, { createdAtMs: startMs });
    const at = (expires: number) => ({ ...claim, expiresBeforeMs: expires });
    expect(await own.beginTurn(keyed({ idempotency: at(startMs) }))).toEqual(heldBy(old));
    const next = await begin(own, { createdAtMs: startMs + 5, idempotency: at(startMs + 1) });
    expect(await own.beginTurn(keyed({ idempotency: at(startMs + 1) }))).toEqual(heldBy(next));
  });

  const unpaid = { usage: noUsage, costNanoUsd: 0 };
  const ends: [string, Partial<TurnCommit>, object, boolean][] = [
    ['completed', { status: 'completed' }, {}, false],
    ['incomplete', { status: 'incomplete' }, {}, false],
    ['failed after an upstream was paid', { status: 'failed' }, { status: 'failed' }, false],
    ['failed before an upstream was paid', { status: 'failed' }, { status: 'failed', ...unpaid }, true],
    ['was cancelled', { status: 'cancelled' }, { status: 'cancelled' }, true],
  ];
  test.each(ends)('a turn that %s: is its key free again?', async (_, end, attempt, isFree) => {
    const { own } = newTenant();
    const first = await begin(own);
    await own.commitTurn(commitOf(first, { ...end, attempt: attemptEndOf(first.attempt.id, attempt) }));
    expect(await own.beginTurn(keyed())).toEqual(isFree ? undefined : heldBy(first));
  });

  test('an attempt that was paid holds the key, whichever it was', async () => {
    const { own } = newTenant();
    const first = await begin(own);
    const second = attemptStartOf({ number: 2 });
    await own.nextAttempt(
      first.id,
      attemptEndOf(first.attempt.id, { status: 'failed', usage: { ...someUsage, estimated: true } }),
      second,
    );
    await own.commitTurn(
      commitOf(first, { status: 'failed', attempt: attemptEndOf(second.id, { status: 'failed', ...unpaid }) }),
    );
    expect(await own.beginTurn(keyed())).toEqual(heldBy(first));
  });

  describe('a turn whose process died', () => {
    test('gives its key back once it is swept, also when its bill comes after all', async () => {
      const { own } = newTenant();
      const dead = await begin(own, { owner: 'process-0' });
      expect(await own.beginTurn(keyed())).toEqual(heldBy(dead));
      await bed.store.sweep(startMs);
      expect(await own.commitTurn(commitOf(dead))).toBe('fenced');
      await begin(own);
    });
  });

  test('a failed response names what its last attempt failed with', async () => {
    const { own } = newTenant();
    const first = await begin(own);
    const error = { code: 'upstream_timeout', message: 'late' };
    await own.commitTurn(
      commitOf(first, { status: 'failed', attempt: attemptEndOf(first.attempt.id, { status: 'failed', error }) }),
    );
    expect(await own.readResponse(first.id)).toMatchObject({ status: 'failed', errorCode: 'upstream_timeout' });
  });

  test('a further attempt that never began is not what a response has failed with', async () => {
    const { own } = newTenant();
    const first = await begin(own);
    const error = { code: 'upstream_timeout', message: 'late' };
    const ended = attemptEndOf(first.attempt.id, { status: 'failed', error });
    const next = attemptStartOf({ number: 2 });
    await own.nextAttempt(first.id, ended, next);
    // Whoever began it was not told that it had, and ended the turn with what there was before.
    await own.commitTurn(commitOf(first, { status: 'failed', attempt: ended }));
    expect(await own.readResponse(first.id)).toMatchObject({ status: 'failed', errorCode: 'upstream_timeout' });
    const neverBegun = attemptEndOf(next.id, {
      status: 'failed',
      usage: noUsage,
      error: { code: 'store_unavailable', message: 'never begun' },
    });
    await own.commitTurn(commitOf(first, { status: 'failed', attempt: neverBegun }));
    expect(await own.readResponse(first.id)).toMatchObject({ status: 'failed', errorCode: 'upstream_timeout' });
  });
}
