import { afterAll, describe, expect, test } from 'vitest';
import { ageLaws } from './age-laws.ts';
import { createTestBed, type Engine, unlikeTheirHead } from './test-bed.ts';
import { budgetLaws } from './budget-laws.ts';
import { commitLaws } from './commit-laws.ts';
import { conversationLaws } from './conversation-laws.ts';
import { costLaws } from './cost-laws.ts';
import { eventLaws } from './event-laws.ts';
import { fileLaws } from './file-laws.ts';
import { keyLaws } from './key-laws.ts';
import { idempotencyLaws } from './idempotency-laws.ts';
import { linkLaws } from './link-laws.ts';
import { readingLaws } from './reading-laws.ts';
import { secretLaws } from './secret-laws.ts';
import { treeLaw } from './tree-law.ts';
import { viewLaws } from './view-laws.ts';
import { wallLaws } from './wall-laws.ts';

/** What every engine of the store must do. */
export function storeSuite(name: string, createEngine: () => Promise<Engine>): void {
  describe(`${name}: the store`, async () => {
    const bed = await createTestBed(createEngine);
    afterAll(async () => {
      await bed.store.close();
      await bed.engine.destroy();
    });
    readingLaws(bed);
    wallLaws(bed);
    commitLaws(bed);
    conversationLaws(bed);
    costLaws(bed);
    idempotencyLaws(bed);
    eventLaws(bed);
    treeLaw(bed);
    ageLaws(bed);
    viewLaws(bed);
    keyLaws(bed);
    secretLaws(bed);
    budgetLaws(bed);
    fileLaws(bed);
    linkLaws(bed);

    test('after all that, a turn is marked as blanked where its head is empty, and nowhere else', async () => {
      const [counted] = await bed.engine.query(
        'SELECT COUNT(DISTINCT blanked) AS kinds, COUNT(DISTINCT stored) AS marks FROM turns',
      );
      expect(counted).toMatchObject({ kinds: 2, marks: 4 });
      expect(await unlikeTheirHead(bed.engine)).toEqual([]);
    });

    test('after all that, a run waits where its turn is queued, and nowhere else', async () => {
      expect(await bed.store.runs.listQueued()).not.toEqual([]);
      expect(
        await bed.engine.query(`SELECT t.id, t.status, r.owner, r.ended_at_ms FROM turns t
          LEFT JOIN background_runs r ON r.tenant = t.tenant AND r.turn_id = t.id
          WHERE CASE WHEN t.status = 'queued' THEN 1 ELSE 0 END
            <> CASE WHEN r.owner = '' AND r.ended_at_ms IS NULL THEN 1 ELSE 0 END`),
      ).toEqual([]);
      expect(
        await bed.engine.query(`SELECT r.turn_id FROM background_runs r WHERE r.owner = '' AND r.ended_at_ms IS NULL
          AND NOT EXISTS (SELECT 1 FROM turns t WHERE t.tenant = r.tenant AND t.id = r.turn_id)`),
      ).toEqual([]);
    });
  });
}
