import { randomBytes } from 'node:crypto';
import { afterAll, expect, test } from 'vitest';
import { createClient } from './support/client.ts';
import { fakeMessagesModel, messagesEcho } from './support/fake-models.ts';
import { queryDatabase, testPostgres } from './support/postgres.ts';
import { spawnGateway, temporaryFolder } from './support/spawn-gateway.ts';

const server = await testPostgres();
afterAll(() => server.stop());

test.each([{ stream: true }, { stream: false }])(
  'two gateways on one database hold one conversation, and one goes on when the other is killed: stream $stream',
  async ({ stream }) => {
    const upstream = await fakeMessagesModel();
    upstream.answer = messagesEcho;
    const url = await server.createDatabase();
    const config = `
store: { url: "${url}", secret: "${randomBytes(32).toString('hex')}" }
models: [{ name: claude, provider: anthropic, model: claude-haiku-4-5, base_url: "${upstream.url}", api_key: k }]
`;
    const spawn = () => spawnGateway({ config, folder: temporaryFolder() });
    const [first, second] = await Promise.all([spawn(), spawn()]);
    const clients = [createClient(first.url), createClient(second.url)];
    const ask = (index: number, input: string, previous?: string) =>
      clients[index % 2]?.create({
        model: 'claude',
        stream,
        input,
        ...(previous === undefined ? {} : { previous_response_id: previous }),
      });

    const ids: string[] = [];
    const sessions = new Set<string | null>();
    for (let turn = 0; turn < 6; turn++) {
      const answer = await ask(turn, `question ${turn}`, ids.at(-1));
      expect(answer?.body).toMatchObject({ status: 'completed' });
      ids.push(answer?.body.id);
      sessions.add(answer?.headers.get('x-turnpike-session-id') ?? null);
    }
    // The last answer came from the second.
    await second.kill('SIGKILL');
    const answer = await ask(0, 'question 6', ids.at(-1));
    expect(answer?.body).toMatchObject({ status: 'completed' });
    ids.push(answer?.body.id);
    const sent = upstream.requests
      .at(-1)
      ?.body.messages.map(({ role, content }: { role: string; content: unknown }) => [
        role,
        Array.isArray(content) ? (content as { text: string }[])[0]?.text : content,
      ]);
    expect(sent).toEqual(
      ids
        .flatMap((_, turn) => [
          ['user', `question ${turn}`],
          ['assistant', `Re: question ${turn}`],
        ])
        .slice(0, -1),
    );

    // The report's own query, as it stands.
    const report = await queryDatabase(
      `${url}?options=-c%20TimeZone%3DUTC`,
      `SELECT request_id, session_id, (messages::text='{}') AS msg_empty, call_type FROM "LiteLLM_SpendLogs" WHERE "startTime" > now() - interval '5 minutes'`,
    );
    expect(sessions.size).toBe(1);
    const [session] = sessions;
    expect(report).toHaveLength(ids.length);
    expect(new Set(report.map((row) => row['request_id']))).toEqual(new Set(ids));
    for (const row of report) {
      expect(row).toMatchObject({ session_id: session, msg_empty: false, call_type: 'aresponses' });
    }
  },
);

test('a gateway whose database is gone says so, and is ready again when it is back', async () => {
  const url = await server.createDatabase();
  const name = new URL(url).pathname.slice(1);
  const gateway = await spawnGateway({
    config: `store: { url: "${url}", secret: "${'0f'.repeat(32)}" }\n`,
    folder: temporaryFolder(),
  });
  const client = createClient(gateway.url);
  const ask = () => client.create({ model: 'simulator', input: 'hello' });
  expect((await ask()).status).toBe(200);
  const elsewhere = new URL(url);
  elsewhere.pathname = '/postgres';
  await queryDatabase(elsewhere.href, `ALTER DATABASE ${name} ALLOW_CONNECTIONS false`);
  await queryDatabase(
    elsewhere.href,
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`,
  );
  const refused = await ask();
  expect([refused.status, refused.body.error]).toMatchObject([503, { code: 'store_unavailable' }]);
  expect((await client.request('GET', '/health/ready')).status).toBe(503);
  expect((await client.request('GET', '/health/live')).status).toBe(200);
  await queryDatabase(elsewhere.href, `ALTER DATABASE ${name} ALLOW_CONNECTIONS true`);
  expect((await client.request('GET', '/health/ready')).status).toBe(200);
  expect((await ask()).status).toBe(200);
  expect(await gateway.kill('SIGTERM')).toBe(0);
});
