/** TLS to the database, as the URL says it: what is encrypted, whom it trusts, and what an operator reads when it does not. */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { createPostgresStore } from '../src/store/postgres/create-postgres-store.ts';
import { createAuthority } from './support/certificates.ts';
import { embeddedPostgres, queryDatabase } from './support/postgres.ts';
import { spawnGateway, temporaryFolder } from './support/spawn-gateway.ts';

const log = { info: () => {}, warn: () => {}, error: () => {} };
const secret = randomBytes(32);
const folder = temporaryFolder();
const fileOf = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};
const authority = createAuthority('the database authority');
const own = fileOf('own-ca.pem', authority.certificate);
const other = fileOf('other-ca.pem', createAuthority('another authority').certificate);

const server = await embeddedPostgres();
afterAll(() => server.stop());
const url = await server.createDatabase();
await serveTls();

/** The server writes its files itself: a key must be its user's own, and nobody else's to read. */
async function serveTls(): Promise<void> {
  const { key, certificate } = authority.issue();
  const files = { 'server.key': key, 'server.crt': certificate };
  for (const [name, text] of Object.entries(files)) {
    await queryDatabase(
      url,
      `COPY (SELECT unnest(string_to_array('${text.trim()}', E'\\n'))) TO PROGRAM 'umask 077; cat > ${name}'`,
    );
  }
  await queryDatabase(url, 'ALTER SYSTEM SET ssl = on');
  await queryDatabase(url, 'SELECT pg_reload_conf()');
  await vi.waitFor(() => queryDatabase(`${url}?sslmode=no-verify`, 'SELECT 1'), { timeout: 30_000 });
}

const byName = (address: string) => address.replace('127.0.0.1', 'localhost');
const open = (address: string) =>
  createPostgresStore({
    url: address,
    secret,
    owner: randomBytes(8).toString('hex'),
    log,
    limits: { timeoutMs: 30_000 },
  });

test.each([
  ['require', `${url}?sslmode=require`],
  ['require with its authority', `${byName(url)}?sslmode=require&sslrootcert=${own}`],
  ['verify-ca, by another name', `${byName(url)}?sslmode=verify-ca&sslrootcert=${own}`],
  ['verify-full', `${url}?sslmode=verify-full&sslrootcert=${own}`],
  ['no-verify', `${url}?sslmode=no-verify`],
])('%s is encrypted', async (_, address) => {
  const store = await open(address);
  try {
    const connections = await queryDatabase(
      url,
      `SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
        WHERE datname = current_database() AND application_name = 'turnpike'`,
    );
    expect(connections).toEqual([{ ssl: true }]);
  } finally {
    await store.close();
  }
});

test.each([
  ['another authority', `${url}?sslmode=verify-full&sslrootcert=${other}`, /certificate/],
  ['another authority, require', `${url}?sslmode=require&sslrootcert=${other}`, /certificate/],
  ['no authority', `${url}?sslmode=verify-full`, /certificate/],
  [
    'another name',
    `${byName(url)}?sslmode=verify-full&sslrootcert=${own}`,
    /does not match certificate's altnames: Host: localhost/,
  ],
  ['a file that is not there', `${url}?sslmode=verify-full&sslrootcert=${folder}/none.pem`, /no such file .*none\.pem/],
])('%s is refused, and told', async (_, address, reason) => {
  const refused = await open(address).then(
    () => 'opened',
    (error: unknown) => error,
  );
  expect(refused).toMatchObject({ code: 'store_unavailable' });
  expect(String(refused)).toMatch(/The store postgres:\/\/\S+ cannot be opened: /);
  expect(String(refused)).toMatch(reason);
  expect(String(refused)).not.toContain('s3cr');
});

test('a gateway that does not trust its database ends at its start, without a word of what is secret', async () => {
  const config = `
store: { url: "${url}?sslmode=verify-full&sslrootcert=${other}", secret: "${secret.toString('hex')}" }
models: [{ name: m, provider: simulator, model: simulator }]
`;
  const started = await spawnGateway({ config, folder: temporaryFolder() }).catch((error: unknown) => String(error));
  expect(started).toMatch(/ended with 1 before it was ready:\n.*cannot be opened: .*certificate/);
  expect(started).not.toMatch(new RegExp(`s3cr|${secret.toString('hex')}`));
});
