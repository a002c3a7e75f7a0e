/** One conversation, two nodes that share a database: whoever writes keeps the other out, until it has ended or died. */
import { randomBytes } from 'node:crypto';
import { afterAll, expect, test } from 'vitest';
import { createClient } from './support/client.ts';
import { fakeMessagesModel, messagesEcho } from './support/fake-models.ts';
import { frame, messageEvents } from './support/fake-upstream.ts';
import { queryDatabase, testPostgres } from './support/postgres.ts';
import { spawnGateway, temporaryFolder } from './support/spawn-gateway.ts';

const server = await testPostgres();
afterAll(() => server.stop());

const generous = { timeout: 120_000, interval: 100 };

test('two nodes write to one conversation by turns; one that is killed frees it', { timeout: 300_000 }, async () => {
  const upstream = await fakeMessagesModel();
  upstream.answer = messagesEcho;
  const url = await server.createDatabase();
  const config = `
store: { url: "${url}", secret: "${randomBytes(32).toString('hex')}", timeout_ms: 10000 }
models: [{ name: claude, provider: anthropic, model: claude-haiku-4-5, base_url: "${upstream.url}", api_key: k }]
`;
  const spawn = () => spawnGateway({ config, folder: temporaryFolder() });
  const nodes = await Promise.all([spawn(), spawn()]);
  const [first, second] = nodes.map((node) => createClient(node.url));
  if (first === undefined || second === undefined) throw new Error('two nodes were started');
  const made = await first.request('POST', '/v1/conversations', { items: [{ role: 'user', content: 'zero' }] });
  const conversation: string = made.body.id;
  const ask = (client: typeof first, input: string) => client.create({ model: 'claude', conversation, input });
  const texts = async (client: typeof first): Promise<string[]> => {
    const listed = await client.request('GET', `/v1/conversations/${conversation}/items?order=asc&limit=100`);
    return listed.body.data.map(({ content }: { content: { text: string }[] }) => content[0]?.text);
  };

  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, index) => ask(index % 2 === 0 ? first : second, `turn ${index}`)),
  );
  const won = answers.flatMap(({ status }, index) => (status === 200 ? [`turn ${index}`] : []));
  for (const { status, body } of answers)
    if (status !== 200) expect([status, body.error.code]).toEqual([400, 'conversation_locked']);
  const listed = await texts(second);
  expect(won.length).toBeGreaterThan(0);
  expect(listed).toHaveLength(1 + 2 * won.length);
  for (const text of won) expect(listed.slice(listed.indexOf(text)).slice(0, 2)).toEqual([text, `Re: ${text}`]);
  expect(upstream.requests).toHaveLength(won.length);

  const gate = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  upstream.answer = async (_request, response) => {
    upstream.answer = messagesEcho;
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(
      messageEvents([{ type: 'text', text: 'never' }])
        .map(frame)
        .slice(0, 3)
        .join(''),
    );
    begun.resolve();
    await gate.promise;
    response.destroy();
    return undefined;
  };
  const cut = first
    .create({ model: 'claude', conversation, input: 'cut', stream: true })
    .catch((thrown: unknown) => thrown);
  await begun.promise;
  expect((await ask(second, 'meanwhile')).body.error?.code).toBe('conversation_locked');
  await nodes[0]?.kill('SIGKILL');
  await cut;
  gate.resolve();
  // Nobody knows at once that it is dead: its lease has to end.
  await expect.poll(async () => (await ask(second, 'after')).status, generous).toBe(200);
  expect((await texts(second)).slice(listed.length)).toEqual(['after', 'Re: after']);
  expect(await queryDatabase(url, `SELECT status, estimated FROM attempts WHERE status <> 'completed'`)).toEqual([
    { status: 'crashed', estimated: 1 },
  ]);
});
