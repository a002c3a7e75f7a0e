import { randomUUID } from 'node:crypto';
import { createPostgresStore } from '../../src/store/postgres/create-postgres-store.ts';
import { createSqliteStore } from '../../src/store/sqlite/create-sqlite-store.ts';
import { attemptStartOf, commitOf, intentOf, readLink, startMs } from './make.ts';
import { schemas } from './pretend-schema.ts';

/**
 * Runs turns until it is killed, with the code of one schema, and says `ID` after each that is committed. They go on from the
 * turn that it is given. Run by side-by-side.test.ts.
 */
const [place = '', kind, previous] = process.argv.slice(2);
const schema = kind === 'current' ? schemas.current : schemas.additive;
const secret = Buffer.alloc(32, 7);
const owner = randomUUID();
const log = { info: () => {}, warn: () => {}, error: () => {} };
const nowMs = () => startMs;
const store = place.startsWith('postgres:')
  ? await createPostgresStore({ url: place, secret, owner, log, nowMs, schema })
  : await createSqliteStore({ path: place, secret, owner, log, nowMs, schema });
const own = store.forTenant('t');

const mint = (prefix: string) =>
  `${prefix}_${startMs.toString(16).padStart(12, '0')}${randomUUID().replaceAll('-', '')}`;
for (let turn = 0, last = previous; ; turn++) {
  const intent = intentOf({
    id: mint('resp'),
    createdAtMs: startMs,
    owner,
    attempt: attemptStartOf({ id: mint('att') }),
  });
  // A chain does not grow for ever.
  if (turn % 10 === 0) last = previous;
  if (last !== undefined) {
    const kept = (await own.readContext(last))?.items.length ?? 0;
    intent.parent = await readLink(own, last, kept, intent.id);
  }
  await own.beginTurn(intent);
  const outcome = await own.commitTurn(commitOf(intent));
  if (outcome !== 'committed') throw new Error(`turn ${intent.id} was ${outcome}`);
  process.stdout.write(`${intent.id}\n`);
  last = intent.id;
}
