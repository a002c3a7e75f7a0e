/** OpenAI's own client, as applications use it, with background responses. */
import OpenAI from 'openai';
import type { Response, ResponseStreamEvent } from 'openai/resources/responses/responses';
import { expect, test } from 'vitest';
import { slowModel } from '../support/slow-model.ts';
import { spawnGateway, temporaryFolder } from '../support/spawn-gateway.ts';

async function setUp() {
  const upstream = await slowModel();
  const config = `
auth: { master_key: sk-test }
models: [{ name: m, provider: anthropic, model: claude-haiku-4-5, base_url: "${upstream.url}", api_key: k }]
`;
  const { url } = await spawnGateway({ config, folder: temporaryFolder() });
  return { upstream, client: new OpenAI({ baseURL: `${url}/v1`, apiKey: 'sk-test', maxRetries: 0 }) };
}

const request = { model: 'm', input: 'hello', background: true } as const;

test('polls as the guide does', async () => {
  const { upstream, client } = await setUp();
  let response: Response = await client.responses.create(request);
  expect(response.status).toBe('queued');
  const call = await upstream.call(0);
  call.say('done');
  call.end();
  while (response.status === 'queued' || response.status === 'in_progress') {
    response = await client.responses.retrieve(response.id);
  }
  expect([response.status, response.output_text]).toEqual(['completed', 'done']);
});

test('leaves a stream and goes on where it was', async () => {
  const { upstream, client } = await setUp();
  const stream = await client.responses.create({ ...request, stream: true });
  const seen: ResponseStreamEvent[] = [];
  let id = '';
  for await (const event of stream) {
    seen.push(event);
    if (event.type === 'response.created') {
      id = event.response.id;
      (await upstream.call(0)).say('one ');
    }
    if (event.type === 'response.output_text.delta') break;
  }
  const call = await upstream.call(0);
  call.say('two');
  call.end();
  const after = seen.at(-1)?.sequence_number ?? -1;
  for await (const event of await client.responses.retrieve(id, { stream: true, starting_after: after })) {
    seen.push(event);
  }
  expect(seen.map((event) => event.sequence_number)).toEqual(seen.map((_, index) => index));
  expect(seen.at(-1)).toMatchObject({ type: 'response.completed', response: { id, status: 'completed' } });

  const texts: string[] = [];
  const helper = client.responses.stream({ response_id: id, starting_after: after });
  helper.on('response.output_text.delta', ({ delta }) => texts.push(delta));
  const final = await helper.finalResponse();
  expect(texts).toEqual(['two']);
  expect(final).toMatchObject({ id, status: 'completed', output_text: 'one two' });
});

test('cancels, and is told why where it cannot', async () => {
  const { upstream, client } = await setUp();
  const { id } = await client.responses.create(request);
  await upstream.call(0);
  for (let time = 0; time < 2; time++) expect((await client.responses.cancel(id)).status).toBe('cancelled');
  const unknown = client.responses.cancel('resp_unknown');
  await expect(unknown).rejects.toBeInstanceOf(OpenAI.NotFoundError);
  const late = client.responses.retrieve(id, { stream: true });
  await expect(late).rejects.toBeInstanceOf(OpenAI.BadRequestError);
  await client.responses.delete(id);
  await expect(client.responses.retrieve(id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
});
