import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { StoredItem, TurnIntent } from '../../src/store/store.ts';
import type { TestBed } from './test-bed.ts';
import { commitOf, intentOf, itemOf, linkTo, startMs } from './make.ts';

/** The one definition of a context, against every tree of turns. */
export function treeLaw(bed: TestBed): void {
  const { engine, newTenant } = bed;

  test('any tree of turns reads like the plain definition of a context, whatever is deleted', async () => {
    const anyStep = fc.record({
      parent: fc.option(fc.nat(), { freq: 6, nil: undefined }),
      keep: fc.oneof(
        { weight: 6, arbitrary: fc.constant(1) },
        { weight: 2, arbitrary: fc.integer({ min: 1, max: 99 }).map((percent) => percent / 100) },
        { weight: 1, arbitrary: fc.constant(0) },
      ),
      inputs: fc.nat({ max: 3 }),
      outputs: fc.nat({ max: 2 }),
      store: fc.nat({ max: 4 }).map((roll) => roll > 0),
      remove: fc.option(fc.nat(), { freq: 2, nil: undefined }),
      removeWhileRunning: fc.nat({ max: 9 }).map((roll) => roll === 0),
      look: fc.option(fc.nat(), { freq: 2, nil: undefined }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(anyStep, { minLength: 1, maxLength: 24, size: 'max' }), async (steps) => {
        const { tenant, own } = newTenant();
        const model: ModelTurn[] = [];
        const checkContext = async ({ intent, stored, deleted, context }: ModelTurn) =>
          expect((await own.readContext(intent.id))?.items).toEqual(stored && !deleted ? context : undefined);
        for (const step of steps) {
          const { parent: pick, keep: share, inputs, outputs, store: kept, remove, removeWhileRunning, look } = step;
          const reachable = model.filter((turn) => turn.stored && !turn.deleted);
          const parent = pick === undefined ? undefined : reachable[pick % Math.max(1, reachable.length)];
          const intent = intentOf({ store: kept, input: Array.from({ length: inputs }, () => itemOf('in')) });
          const base = parent === undefined ? [] : parent.context.slice(0, Math.round(parent.context.length * share));
          if (parent !== undefined) intent.parent = linkTo(parent.intent, base.length, intent.id);
          const output = intent.store ? Array.from({ length: outputs }, () => itemOf('out')) : [];
          await own.beginTurn(intent);
          if (removeWhileRunning) await own.deleteResponse(intent.id, startMs);
          await own.commitTurn(commitOf(intent, { output }));
          model.push({
            intent,
            parent: base.length === 0 ? undefined : parent,
            own: [...intent.input, ...output],
            context: [
              ...base,
              ...[...intent.input, ...output].map((item) => ({
                ...item,
                turnId: intent.id,
                envelope: expect.any(String),
              })),
            ],
            stored: intent.store,
            deleted: intent.store && removeWhileRunning,
          });
          const removed = remove === undefined ? undefined : model[remove % model.length];
          if (removed !== undefined) {
            const expected = removed.stored && !removed.deleted;
            expect(await own.deleteResponse(removed.intent.id, startMs)).toBe(expected);
            removed.deleted ||= expected;
          }
          // What is remembered of it must not outlive what comes after.
          const seen = look === undefined ? undefined : model[look % model.length];
          if (seen !== undefined) await checkContext(seen);
        }
        for (const turn of model) await checkContext(turn);
        const stored = await engine.query(`SELECT id FROM items WHERE tenant = '${tenant}'`);
        const needed = model.filter((turn) => turn.stored && isNeeded(turn, model)).flatMap((turn) => turn.own);
        expect(stored.map((row) => String(row['id'])).toSorted()).toEqual(needed.map(({ id }) => id).toSorted());
      }),
      { numRuns: 60 },
    );
  });
}

interface ModelTurn {
  intent: TurnIntent;
  /** Undefined where nothing of a parent is kept. */
  parent: ModelTurn | undefined;
  own: StoredItem[];
  context: (StoredItem & { turnId: string; envelope: string })[];
  stored: boolean;
  deleted: boolean;
}

/** A turn's items are needed by itself until it is deleted, and by every turn below that is needed. */
function isNeeded(turn: ModelTurn, model: ModelTurn[]): boolean {
  return !turn.deleted || model.some((child) => child.parent === turn && child.stored && isNeeded(child, model));
}
