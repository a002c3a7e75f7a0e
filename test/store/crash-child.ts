import { statSync } from 'node:fs';
import { createSqliteStore } from '../../src/store/sqlite/create-sqlite-store.ts';
import { commitOf, intentOf, itemOf, linkTo } from './make.ts';

/**
 * Writes turns as fast as it can until it is killed, and says what it was told: `begun ID` or `committed ID SIZE`, each line
 * after the promise, with what the log has been written to so far. Every third turn is not to be stored. Run by sqlite.test.ts.
 */
const [path, storedText, unstoredText] = process.argv.slice(2);
if (path === undefined) throw new Error('usage: crash-child PATH STORED_TEXT UNSTORED_TEXT');

const log = { info: () => {}, warn: () => {}, error: () => {} };
const store = await createSqliteStore({ path, secret: Buffer.alloc(32, 7), owner: 'child', log });
const own = store.forTenant('t');

async function lane(): Promise<never> {
  let parent = await fresh();
  for (let turn = 1; ; turn++) {
    const text = turn % 3 === 0 ? unstoredText : storedText;
    const intent = intentOf({ owner: 'child', store: turn % 3 !== 0, input: [itemOf(text)] });
    if (intent.store) intent.parent = linkTo(parent, 2 + 2 * (parent.parent?.depth ?? 0), intent.id);
    await own.beginTurn(intent);
    process.stdout.write(`begun ${intent.id}\n`);
    await own.commitTurn(commitOf(intent, { output: [itemOf(text)] }));
    process.stdout.write(`committed ${intent.id} ${statSync(`${path}-wal`).size}\n`);
    if (intent.store) parent = turn % 30 === 29 ? await fresh() : intent;
  }
}

/** A chain does not grow for ever. */
async function fresh() {
  const intent = intentOf({ owner: 'child' });
  await own.beginTurn(intent);
  await own.commitTurn(commitOf(intent));
  return intent;
}

await Promise.all(Array.from({ length: 16 }, lane));
