/** The Files API over a socket, and files in the input of a turn, over each backend. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import OpenAI, { APIError, toFile } from 'openai';
import { describe, expect, test, vi } from 'vitest';
import { fakeUpstream, type UpstreamRequest } from './support/fake-upstream.ts';
import { type SpawnedGateway, spawnGateway, temporaryFolder } from './support/spawn-gateway.ts';

// oxlint-disable-next-line no-explicit-any -- whatever was answered
type Json = any;

const limits = { one: 24 * 1024 * 1024, all: 30 * 1024 * 1024 };
const png = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);
const pdf = Buffer.concat([Buffer.from('%PDF-1.4\n'), Buffer.from(Array.from({ length: 256 }, (_, at) => at))]);

const clientOf = ({ url }: { url: string }, apiKey = 'sk-a') =>
  new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });

async function start(models = '[{ name: m, provider: simulator, model: x }]', folder = temporaryFolder()) {
  const config = `
auth: { keys: [{ name: a, key: sk-a, team: alpha }, { name: b, key: sk-b, team: beta }] }
files: { max_file_bytes: ${limits.one}, max_total_bytes: ${limits.all} }
models: ${models}
`;
  const gateway = await spawnGateway({ folder, config });
  return { gateway, folder, client: clientOf(gateway), stranger: clientOf(gateway, 'sk-b') };
}

const failure = async (promise: PromiseLike<unknown>): Promise<unknown> =>
  Promise.resolve(promise).then(
    () => 'no error',
    (error: unknown) => {
      if (!(error instanceof APIError)) throw error;
      return { status: error.status, ...(error.error as object) };
    },
  );

const tables = (folder: string, sql: string) => {
  const db = new DatabaseSync(join(folder, 'turnpike.db'), { readOnly: true });
  const rows = db.prepare(sql).all();
  db.close();
  return rows.map((row) => ({ ...row }));
};
const stateOf = (folder: string) => tables(folder, 'SELECT state FROM files').map(({ state }) => state);

test("OpenAI's client uploads, lists, reads and deletes", async () => {
  const { client, folder, gateway } = await start();
  const name = "Bericht 'für' \u{1f600}.pdf";
  const file = await client.files.create({
    file: await toFile(pdf, name),
    purpose: 'user_data',
    expires_after: { anchor: 'created_at', seconds: 3600 },
  });
  expect(file).toEqual({
    id: expect.stringMatching(/^file-[0-9a-f]{44}$/),
    object: 'file',
    bytes: pdf.length,
    created_at: expect.any(Number),
    expires_at: file.created_at + 3600,
    filename: name,
    purpose: 'user_data',
    status: 'processed',
  });
  const image = await client.files.create({ file: await toFile(png, 'a.png'), purpose: 'vision' });
  expect(await client.files.retrieve(file.id)).toEqual(file);
  const ids = async (query: OpenAI.FileListParams) => {
    const found: string[] = [];
    for await (const { id } of client.files.list(query)) found.push(id);
    return found;
  };
  expect(await ids({ limit: 1 })).toEqual([image.id, file.id]);
  expect(await ids({ order: 'asc' })).toEqual([file.id, image.id]);
  expect(await ids({ purpose: 'vision' })).toEqual([image.id]);

  const content = await client.files.content(file.id);
  expect(Buffer.from(await content.arrayBuffer())).toEqual(pdf);
  expect(Object.fromEntries(content.headers)).toMatchObject({
    'content-type': 'application/octet-stream',
    'content-disposition': `attachment; filename*=UTF-8''Bericht%20%27f%C3%BCr%27%20%F0%9F%98%80.pdf`,
    'x-content-type-options': 'nosniff',
  });
  expect(await client.files.delete(file.id)).toEqual({ id: file.id, object: 'file', deleted: true });
  const missing = {
    type: 'invalid_request_error',
    param: 'id',
    code: null,
    message: `No such File object: ${file.id}`,
  };
  const { files } = client;
  const asked = [files.retrieve(file.id), files.content(file.id), files.delete(file.id)];
  for (const found of await Promise.all(asked.map(failure))) expect(found).toEqual({ status: 404, ...missing });
  expect(stateOf(folder)).toEqual(['ready']);
  expect((await fetch(`${gateway.url}/files`, { headers: { authorization: 'Bearer sk-a' } })).status).toBe(200);
});

test('what is no upload is refused, and leaves nothing', async () => {
  const { gateway, folder } = await start();
  const send = async (build: (form: FormData) => void) => {
    const body = new FormData();
    build(body);
    const reply = await fetch(`${gateway.url}/v1/files`, {
      method: 'POST',
      headers: { authorization: 'Bearer sk-a' },
      body,
    });
    const { error } = (await reply.json()) as { error?: { param: string; code: string } };
    return `${reply.status} ${error?.param} ${error?.code}`;
  };
  const file = new File(['text'], 'a.txt');
  const fill = (fields: Record<string, string | File>) =>
    send((form) => Object.entries(fields).forEach(([name, value]) => form.append(name, value)));
  const purpose = 'user_data';
  expect(await fill({ purpose })).toBe('400 file missing_required_parameter');
  expect(await fill({ file })).toBe('400 purpose missing_required_parameter');
  expect(await fill({ file, purpose: 'other' })).toBe('400 purpose invalid_value');
  expect(await fill({ purpose, data: file })).toBe('400 file unknown_parameter');
  expect(await fill({ purpose, file, other: 'x' })).toBe('400 other unknown_parameter');
  expect(await fill({ purpose, file: new File([], 'a.txt') })).toBe('400 file invalid_value');
  expect(await fill({ purpose, file: new File(['x'], 'a\u0001.txt') })).toBe('400 file invalid_value');
  expect(await fill({ purpose: 'x'.repeat(2000), file })).toBe('400 purpose invalid_value');
  expect(await fill({ file, purpose, 'expires_after[seconds]': '3600' })).toBe(
    '400 expires_after.anchor missing_required_parameter',
  );
  const expiry = { file, purpose, 'expires_after[anchor]': 'created_at' };
  expect(await fill({ ...expiry, 'expires_after[seconds]': '3599' })).toBe(
    '400 expires_after.seconds integer_out_of_range',
  );
  expect(await fill({ ...expiry, 'expires_after[seconds]': 'x' })).toBe('400 expires_after.seconds invalid_type');
  const twice = (form: FormData) => ['file', 'file'].forEach((name) => form.append(name, file));
  expect(await send(twice)).toBe('400 null invalid_value');
  const manyFields = (form: FormData) => Array.from({ length: 9 }, (_, at) => form.append(`f${at}`, 'x'));
  expect(await send(manyFields)).toBe('400 null invalid_value');
  const json = await fetch(`${gateway.url}/v1/files`, {
    method: 'POST',
    headers: { authorization: 'Bearer sk-a', 'content-type': 'application/json' },
    body: '{}',
  });
  expect(json.status).toBe(415);
  // As no library writes a form: a part without a name, and bytes without one.
  for (const [head, param] of [
    ['content-disposition: form-data', null],
    ['content-disposition: form-data; name="file"\r\ncontent-type: application/octet-stream', 'file'],
  ] as const) {
    const odd = await fetch(`${gateway.url}/v1/files`, {
      method: 'POST',
      headers: { authorization: 'Bearer sk-a', 'content-type': 'multipart/form-data; boundary=x' },
      body: `--x\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n--x\r\n${head}\r\n\r\ntext\r\n--x--\r\n`,
    });
    expect([odd.status, ((await odd.json()) as Json).error.param]).toEqual([400, param]);
  }
  expect(stateOf(folder)).toEqual([]);
});

test('one file and all files of a tenant have their limits, and a large one comes back whole', async () => {
  const { client, stranger, folder } = await start();
  const large = Buffer.alloc(20 * 1024 * 1024, 'turnpike');
  await client.files.create({ file: await toFile(pdf, 'a.pdf'), purpose: 'user_data' });
  const file = await client.files.create({ file: await toFile(large, 'a.txt'), purpose: 'user_data' });
  expect(Buffer.from(await (await client.files.content(file.id)).arrayBuffer()).equals(large)).toBe(true);

  const second = { file: await toFile(large, 'b.txt'), purpose: 'user_data' } as const;
  expect(await failure(client.files.create(second))).toMatchObject({ status: 400, code: 'file_quota_exceeded' });
  expect(await stranger.files.create(second)).toMatchObject({ bytes: large.length });
  await client.files.delete(file.id);
  const over = await toFile(Buffer.alloc(limits.one + 1), 'c.txt');
  expect(await failure(client.files.create({ file: over, purpose: 'user_data' }))).toMatchObject({ status: 413 });
  expect(await client.files.create(second)).toMatchObject({ bytes: large.length });
  expect(stateOf(folder)).toEqual(['ready', 'ready', 'ready']);
});

/** The head and half of an upload, over a socket that stays open. */
async function uploadHalf(gateway: SpawnedGateway) {
  const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
  await once(socket, 'connect');
  socket.on('error', () => {});
  socket.write(
    'POST /v1/files HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer sk-a\r\ncontent-length: 2000000\r\n' +
      'content-type: multipart/form-data; boundary=x\r\n\r\n--x\r\ncontent-disposition: form-data; name="purpose"\r\n\r\n' +
      'user_data\r\n--x\r\ncontent-disposition: form-data; name="file"; filename="a.txt"\r\n\r\n',
  );
  socket.write(Buffer.alloc(1_000_000, 'x'));
  return socket;
}

test('an upload that is cut leaves nothing', async () => {
  const { gateway, folder, client } = await start();
  const socket = await uploadHalf(gateway);
  await vi.waitFor(() => expect(tables(folder, 'SELECT 1 FROM file_chunks').length).toBeGreaterThan(1), 20_000);
  expect((await client.files.list()).data).toEqual([]);
  socket.destroy();
  await vi.waitFor(() => expect(stateOf(folder)).toEqual([]), 20_000);
  expect(tables(folder, 'SELECT size FROM file_usage')).toEqual([{ size: 0 }]);
});

test('an upload in which the gateway is killed is seen by nobody', async () => {
  const { gateway, folder } = await start();
  await uploadHalf(gateway);
  await vi.waitFor(() => expect(tables(folder, 'SELECT 1 FROM file_chunks').length).toBeGreaterThan(1), 20_000);
  await gateway.kill('SIGKILL');
  const { client } = await start(undefined, folder);
  expect(stateOf(folder)).toEqual(['uploading']);
  expect((await client.files.list()).data).toEqual([]);
});

const answers: Record<string, { provider: string; reply: object; sent: (body: UpstreamRequest['body']) => unknown }> = {
  messages: {
    provider: 'anthropic',
    reply: {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: 'claude-haiku-4-5-20251001',
      content: [{ type: 'text', text: 'seen' }],
      stop_reason: 'end_turn',
      usage: { input_tokens: 9, output_tokens: 7 },
    },
    sent: (body) => body.messages[0].content,
  },
  chat: {
    provider: 'openai-compatible',
    reply: {
      id: 'c',
      object: 'chat.completion',
      model: 'x',
      choices: [{ index: 0, message: { role: 'assistant', content: 'seen' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 9, completion_tokens: 7, total_tokens: 16 },
    },
    sent: (body) => body.messages[0].content,
  },
  responses: {
    provider: 'openai',
    reply: {
      id: 'resp_u',
      object: 'response',
      status: 'completed',
      model: 'gpt-5',
      output: [
        {
          type: 'message',
          id: 'msg_u',
          status: 'completed',
          role: 'assistant',
          content: [{ type: 'output_text', text: 'seen', annotations: [] }],
        },
      ],
      usage: { input_tokens: 9, output_tokens: 7, total_tokens: 16 },
    },
    sent: (body) => body.input[0].content,
  },
};

const inBase64 = {
  png: png.toString('base64'),
  pdf: pdf.toString('base64'),
  text: Buffer.from('plain').toString('base64'),
};
const expected: Record<string, unknown> = {
  messages: [
    { type: 'image', source: { type: 'base64', media_type: 'image/png', data: inBase64.png } },
    { type: 'document', source: { type: 'base64', media_type: 'application/pdf', data: inBase64.pdf }, title: 'a.bin' },
    { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'plain' }, title: 'a.txt' },
  ],
  chat: [
    { type: 'image_url', image_url: { url: `data:image/png;base64,${inBase64.png}`, detail: 'auto' } },
    { type: 'file', file: { filename: 'a.bin', file_data: `data:application/pdf;base64,${inBase64.pdf}` } },
    { type: 'text', text: 'plain' },
  ],
  responses: [
    { type: 'input_image', detail: 'auto', image_url: `data:image/png;base64,${inBase64.png}` },
    { type: 'input_file', filename: 'a.bin', file_data: `data:application/pdf;base64,${inBase64.pdf}` },
    { type: 'input_file', filename: 'a.txt', file_data: `data:text/plain;base64,${inBase64.text}` },
  ],
};

describe.each(Object.keys(answers))('files in the input, over %s', (protocol) => {
  const { provider, reply, sent } = answers[protocol] ?? { provider: '', reply: {}, sent: () => undefined };

  test('go by value with every turn, are kept as references, and end with their file', async () => {
    const upstream = await fakeUpstream((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(reply));
    });
    const models = `[{ name: m, provider: ${provider}, model: gpt-5, base_url: "${upstream.url}", api_key: k }]`;
    const { client, stranger, folder } = await start(models);
    const upload = async (bytes: Buffer, name: string) =>
      (await client.files.create({ file: await toFile(bytes, name), purpose: 'user_data' })).id;
    const [image, document, text] = [
      await upload(png, 'p'),
      await upload(pdf, 'a.bin'),
      await upload(Buffer.from('plain'), 'a.txt'),
    ];
    const content: OpenAI.Responses.ResponseInputMessageContentList = [
      { type: 'input_image', file_id: image, detail: 'auto' },
      { type: 'input_file', file_id: document },
      { type: 'input_file', file_id: text },
    ];
    const first = await client.responses.create({ model: 'm', input: [{ role: 'user', content }] });
    const second = await client.responses.create({ model: 'm', input: 'and now?', previous_response_id: first.id });
    expect(upstream.requests.map(({ body }) => sent(body))).toEqual([expected[protocol], expected[protocol]]);
    expect(upstream.requests.map((request) => request.text).join()).not.toContain('file-');
    const items = tables(folder, 'SELECT body FROM items').map(({ body }) => String(body));
    expect(items.join()).toContain(image);
    expect(items.join()).not.toContain(inBase64.pdf.slice(0, 100));
    const inputs = await client.responses.inputItems.list(first.id);
    expect(inputs.data[0]).toMatchObject({ content: [{ file_id: image }, { file_id: document }, { file_id: text }] });

    const ask = (file_id: string, type: 'input_file' | 'input_image', by = client) =>
      failure(
        by.responses.create({
          model: 'm',
          input: ['x', { type, file_id, detail: 'auto' }].map((part) => ({
            role: 'user',
            content: typeof part === 'string' ? part : [part],
          })) as OpenAI.Responses.ResponseInput,
        }),
      );
    const param = 'input[1].content[0].file_id';
    const unknown = { status: 400, type: 'invalid_request_error', code: 'invalid_value', param };
    expect(await ask(image, 'input_file', stranger)).toEqual({
      ...unknown,
      message: `File with id '${image}' not found.`,
    });
    expect(await ask('file-x', 'input_file')).toEqual({ ...unknown, message: "File with id 'file-x' not found." });
    expect(await ask(text, 'input_image')).toMatchObject({ status: 400, code: 'unsupported_image_media_type', param });
    await client.files.delete(document);
    const gone = client.responses.create({ model: 'm', input: 'still?', previous_response_id: second.id });
    expect(await failure(gone)).toEqual({
      ...unknown,
      param: 'input',
      message: `File with id '${document}' not found.`,
    });
    expect(upstream.requests).toHaveLength(2);
  });
});
