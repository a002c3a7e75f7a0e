/** The database is gone, or says nothing: the gateway says so before it spends anything, and goes on when it is back. */
import { afterAll, expect, test } from 'vitest';
import { mintVirtualKey } from '../src/keys/virtual-key.ts';
import { createClient } from './support/client.ts';
import { fakeMessagesModel } from './support/fake-models.ts';
import { embeddedPostgres } from './support/postgres.ts';
import { spawnGateway, temporaryFolder } from './support/spawn-gateway.ts';

const server = await embeddedPostgres();
afterAll(() => server.stop());

const cap = { timeout: 60_000, interval: 100 };

test.each([
  { harm: 'frozen', take: async () => server.signal('SIGSTOP'), giveBack: async () => server.signal('SIGCONT') },
  { harm: 'killed', take: () => server.kill(), giveBack: () => server.start() },
])(
  'a database that is $harm: 503 and nothing sent, until it is back',
  { timeout: 300_000 },
  async ({ take, giveBack }) => {
    const upstream = await fakeMessagesModel();
    const gateway = await spawnGateway({
      folder: temporaryFolder(),
      config: `
store: { url: "${await server.createDatabase()}", secret: "${'0f'.repeat(32)}" }
models: [{ name: claude, provider: anthropic, model: claude-haiku-4-5, base_url: "${upstream.url}", api_key: k }]
`,
    });
    const client = createClient(gateway.url);
    const ask = (fields: object) => client.create({ model: 'claude', input: 'hello', ...fields });
    const first = await ask({});
    expect(first.body).toMatchObject({ status: 'completed' });
    expect(upstream.requests).toHaveLength(1);

    await take();
    try {
      const refused = await Promise.all([
        ...[true, false].map((stream) => ask({ stream })),
        ask({ previous_response_id: first.body.id }),
        client.get(first.body.id),
        // Nobody can say whether it is known.
        client.create({ model: 'claude', input: 'hello' }, { authorization: `Bearer ${mintVirtualKey()}` }),
      ]);
      for (const { status, text } of refused) {
        expect([status, JSON.parse(text).error]).toMatchObject([
          503,
          { type: 'server_error', code: 'store_unavailable' },
        ]);
      }
      expect((await client.request('GET', '/health/ready')).status).toBe(503);
      expect((await client.request('GET', '/health/live')).status).toBe(200);
      expect(upstream.requests).toHaveLength(1);
    } finally {
      await giveBack();
    }

    await expect.poll(async () => (await client.request('GET', '/health/ready')).status, cap).toBe(200);
    const next = await ask({ previous_response_id: first.body.id });
    expect(next.body).toMatchObject({ status: 'completed', previous_response_id: first.body.id });
    expect(upstream.requests).toHaveLength(2);
    expect(await gateway.kill('SIGTERM')).toBe(0);
  },
);
