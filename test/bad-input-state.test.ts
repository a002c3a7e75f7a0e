/**
 * State that a request names wrongly: each is the error that OpenAI gives, word for word. Nothing is spent, and the response
 * that was to be continued can be continued still.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expectStream } from './support/check-stream.ts';
import { createClient } from './support/client.ts';
import { type RawCall, rawUpstream, sendBody } from './support/raw-upstream.ts';
import { type SpawnedGateway, spawnGateway, temporaryFolder } from './support/spawn-gateway.ts';
import { connect } from './support/socket-client.ts';
import { plainOf } from './support/upstream-replies.ts';

const cleanups: (() => void)[] = [];
const calls: RawCall[] = [];
const folder = temporaryFolder();
let gateway: SpawnedGateway;
/** Of responses: one that ended with a text, and one that waits for the output of a tool. */
const made = { said: '', saidItem: '', thought: '', calling: '', unstored: '', conversation: '' };

beforeAll(async () => {
  const upstream = await rawUpstream((call) => {
    calls.push(call);
    sendBody(
      call,
      plainOf('messages', call.text.includes('Think.') ? 'thinking' : call.text.includes('Call.') ? 'call' : 'text'),
    );
  });
  cleanups.push(upstream.close);
  gateway = await spawnGateway({
    folder,
    config: `models: [{ name: m, provider: anthropic, model: claude-haiku-4-5, base_url: "${upstream.url}", api_key: k }]`,
    onCleanup: (end) => cleanups.push(end),
  });
  const respond = async (body: object) =>
    JSON.parse((await send('POST', '/v1/responses', { model: 'm', ...body })).text) as {
      id: string;
      output: { id: string }[];
    };
  made.said = (await respond({ input: [{ role: 'user', id: 'msg_mine', content: 'Hello.' }] })).id;
  made.calling = (await respond({ input: 'Call.', tools: [tool] })).id;
  const [thought] = (await respond({ input: 'Think.' })).output;
  made.thought = thought?.id ?? '';
  made.unstored = (await respond({ input: 'Hello.', store: false })).id;
  made.conversation = (JSON.parse((await send('POST', '/v1/conversations', {})).text) as { id: string }).id;
});
afterAll(() => {
  for (const cleanup of cleanups) cleanup();
});

async function send(method: string, path: string, body?: object): Promise<{ status: number; text: string }> {
  const reply = await fetch(`${gateway.url}${path}`, {
    method,
    headers: { 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: reply.status, text: await reply.text() };
}

function rows(): unknown {
  const database = new DatabaseSync(join(folder, 'turnpike.db'), { readOnly: true });
  try {
    return database
      .prepare('SELECT (SELECT count(*) FROM attempts) AS attempts, (SELECT count(*) FROM turns) AS turns')
      .get();
  } finally {
    database.close();
  }
}

const tool = { type: 'function', name: 'get_weather', parameters: { type: 'object', properties: {} } };
const unknown = `resp_${'f'.repeat(50)}`;
const notFound = (id: string) => ({
  message: `Previous response with id '${id}' not found.`,
  param: 'previous_response_id',
  code: 'previous_response_not_found',
});
const input = (message: string, code: string | null = null) => ({ message, param: 'input', code });
const output = { type: 'function_call_output', call_id: 'call_none', output: 'x' };

interface Row {
  name: string;
  body: () => object;
  status?: number;
  error: () => { message: string; param: string; code: string | null };
}

/** Bodies of a create; the same state is named wrongly in the same way where input is counted and compacted. */
const creates: Row[] = [
  {
    name: 'a parent that is not there',
    body: () => ({ previous_response_id: unknown, input: 'x' }),
    error: () => notFound(unknown),
  },
  {
    name: 'a parent that was not stored',
    body: () => ({ previous_response_id: made.unstored, input: 'x' }),
    error: () => notFound(made.unstored),
  },
  {
    name: 'a call without its output',
    body: () => ({ previous_response_id: made.calling, input: 'x' }),
    error: () => input('No tool output found for function call toolu_1.'),
  },
  {
    name: 'an output without its call',
    body: () => ({ previous_response_id: made.said, input: [output] }),
    error: () => input('No tool call found for function call output with call_id call_none.'),
  },
  {
    name: 'reasoning without what came of it',
    body: () => ({
      input: [
        { type: 'reasoning', id: made.thought, summary: [] },
        { role: 'user', content: 'x' },
      ],
    }),
    error: () => input(`Item '${made.thought}' of type 'reasoning' was provided without its required following item.`),
  },
  {
    name: 'a reference to reasoning at the end',
    body: () => ({ previous_response_id: made.said, input: [{ type: 'item_reference', id: made.thought }] }),
    error: () => input(`Item '${made.thought}' of type 'reasoning' was provided without its required following item.`),
  },
  {
    name: 'an item of the chain, once more',
    body: () => ({ previous_response_id: made.said, input: [{ role: 'user', id: 'msg_mine', content: 'Hello.' }] }),
    error: () => input('Duplicate item found with id msg_mine. Remove duplicate items from your input and try again.'),
  },
  {
    name: 'a reference to nothing',
    body: () => ({ previous_response_id: made.said, input: [{ type: 'item_reference', id: 'fc_none' }] }),
    status: 404,
    error: () =>
      input(
        "Item with id 'fc_none' not found. Items are not persisted when `store` is set to false. Try again with `store` set to true, or remove this item from your input.",
      ),
  },
  {
    name: 'a part of the other side',
    body: () => ({ input: [{ role: 'assistant', content: [{ type: 'input_text', text: 'x' }] }] }),
    error: () => ({
      message: "Invalid value: 'input_text'. Supported values are: 'output_text' and 'refusal'.",
      param: 'input[0].content[0]',
      code: 'invalid_value',
    }),
  },
  {
    name: 'an unknown model',
    body: () => ({ model: 'none', input: 'x', previous_response_id: made.said }),
    status: 404,
    error: () => ({
      message: "The model 'none' does not exist or you do not have access to it.",
      param: 'model',
      code: 'model_not_found',
    }),
  },
];

const createsOnly: Row[] = [
  {
    name: 'a parent and a conversation',
    body: () => ({ previous_response_id: made.said, conversation: made.conversation, input: 'x' }),
    error: () => ({
      message:
        "Mutually exclusive parameters: 'previous_response_id' and 'conversation'. Ensure you are only providing one of them.",
      param: 'conversation',
      code: 'invalid_value',
    }),
  },
  {
    name: 'a conversation that is not there',
    body: () => ({ conversation: 'conv_none', input: 'x' }),
    status: 404,
    error: () => ({ message: "Conversation with id 'conv_none' not found.", param: 'conversation', code: null }),
  },
  {
    name: 'background, and not stored',
    body: () => ({ previous_response_id: made.said, background: true, store: false, input: 'x' }),
    error: () => ({
      message: "Invalid 'background': it can only be used when 'store' is true.",
      param: 'background',
      code: 'invalid_value',
    }),
  },
  {
    name: 'no output wanted, over HTTP',
    body: () => ({ previous_response_id: made.said, generate: false, input: 'x' }),
    error: () => ({ message: expect.stringContaining('WebSocket'), param: 'generate', code: 'unsupported_parameter' }),
  },
];

async function expectRefused(act: () => Promise<{ status: number; text: string }>, status: number, error: object) {
  const before = { rows: rows(), calls: calls.length };
  const answer = await act();
  expect({ status: answer.status, ...JSON.parse(answer.text) }).toEqual({
    status,
    error: { type: 'invalid_request_error', ...error },
  });
  expect({ rows: rows(), calls: calls.length }).toEqual(before);
  const next = await send('POST', '/v1/responses', { model: 'm', previous_response_id: made.said, input: 'Go on.' });
  expect(next.status, next.text).toBe(200);
}

/** What is compacted may wait for an output: the call stays behind the summary. */
const isOpenEnded = (path: string, { name }: Row) => path === '/compact' && name === 'a call without its output';

const cases = [
  ...['', '/compact', '/input_tokens'].flatMap((path) =>
    creates.filter((row) => !isOpenEnded(path, row)).map((row) => ({ path, ...row })),
  ),
  ...createsOnly.map((row) => ({ path: '', ...row })),
];

test.each(cases)('POST /v1/responses$path: $name', async ({ path, body, status = 400, error }) => {
  await expectRefused(() => send('POST', `/v1/responses${path}`, { model: 'm', ...body() }), status, error());
});

test.each(['background', 'stream'])('the same errors where %s is asked for', async (field) => {
  for (const { body, status = 400, error } of creates)
    await expectRefused(() => send('POST', '/v1/responses', { model: 'm', [field]: true, ...body() }), status, error());
});

test.each([
  ['GET', ''],
  ['DELETE', ''],
  ['POST', '/cancel'],
  ['GET', '/input_items'],
  ['GET', '?stream=true'],
])('%s /v1/responses/{id}%s of a response that is not there', async (method, path) => {
  const [before, query = ''] = path.split('?');
  const address = `/v1/responses/${unknown}${before}${query === '' ? '' : `?${query}`}`;
  const error = { message: `Response with id '${unknown}' not found.`, param: 'response_id', code: null };
  await expectRefused(() => send(method, address), 404, error);
});

test('a response that was not made in the background is not cancelled', async () => {
  await expectRefused(() => send('POST', `/v1/responses/${made.said}/cancel`), 400, {
    message: 'Cannot cancel a synchronous response.',
    param: null,
    code: null,
  });
});

test('where nothing may be kept nothing is, and what would need it is refused in OpenAI’s words', async () => {
  const folder = temporaryFolder();
  const upstream = await rawUpstream((call) => sendBody(call, plainOf('messages', 'text')));
  const { url } = await spawnGateway({
    folder,
    config: `
ledger: { content: none }
models: [{ name: m, provider: anthropic, model: claude-haiku-4-5, base_url: "${upstream.url}", api_key: k }]`,
  });
  try {
    const client = createClient(url);
    const made = await client.create({ model: 'm', input: 'Between us.' });
    expect([made.status, made.body.store]).toEqual([200, false]);
    expect((await client.get(made.body.id)).status).toBe(404);
    const refused: [body: object, param: string, what: string][] = [
      [{ previous_response_id: made.body.id }, 'previous_response_id', 'Previous response'],
      [{ conversation: 'conv_1' }, 'conversation', 'Conversation'],
      [{ background: true }, 'background', 'Background'],
    ];
    for (const [body, param, what] of refused) {
      const answer = await client.create({ model: 'm', input: 'On.', ...body });
      expect([answer.status, answer.body.error]).toEqual([
        400,
        {
          message: `${what} cannot be used for this organization due to Zero Data Retention.`,
          type: 'invalid_request_error',
          param,
          code: 'unsupported_parameter',
        },
      ]);
    }
    // A socket has its newest response itself.
    const socket = await connect(url);
    const first = expectStream(await socket.create({ model: 'm', input: 'Between us.' }));
    const second = await socket.create({ model: 'm', input: 'On.', previous_response_id: first.id });
    expect(expectStream(second).store).toBe(false);
    for (const file of readdirSync(folder))
      expect(readFileSync(join(folder, file)).includes('Between us'), file).toBe(false);
  } finally {
    upstream.close();
  }
});
