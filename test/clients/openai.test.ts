/** OpenAI's own client, as applications use it, against a spawned gateway over each backend. */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import OpenAI from 'openai';
import { zodTextFormat } from 'openai/helpers/zod';
import type {
  FunctionTool,
  Response,
  ResponseCreateParamsNonStreaming,
  ResponseInputItem,
} from 'openai/resources/responses/responses';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { fakeUpstream, frame, messageEvents, sendJson } from '../support/fake-upstream.ts';
import { spawnGateway, temporaryFolder } from '../support/spawn-gateway.ts';
import {
  anthropic,
  type Backend,
  backends,
  expectReasoningSent,
  openAiCompatible,
  simulator,
  thinkHard,
  weatherIn,
} from './weather-model.ts';

const model = 'weather-model';
const masterKey = 'sk-test-master';

const weatherTool: FunctionTool = {
  type: 'function',
  name: 'get_weather',
  description: 'The weather in a city',
  parameters: {
    type: 'object',
    properties: { city: { type: 'string' } },
    required: ['city'],
    additionalProperties: false,
  },
  strict: true,
};

function clientOf(url: string, apiKey = masterKey): OpenAI {
  return new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });
}

/** A gateway over the backend; `restart` kills it and starts it again on the same folder. */
async function start(backend: Backend) {
  const upstream = await fakeUpstream(backend.answer);
  const folder = temporaryFolder();
  const config = `
auth: { master_key: ${masterKey}, keys: [{ name: other, key: sk-test-other, team: others }] }
models: [{ name: ${model}, ${backend.entry(upstream.url)} }]
`;
  let gateway = await spawnGateway({ folder, config });
  return {
    folder,
    upstream,
    url: () => gateway.url,
    client: () => clientOf(gateway.url),
    restart: async () => {
      await gateway.kill('SIGKILL');
      gateway = await spawnGateway({ folder, config });
    },
  };
}

/** The outputs of the calls that a response makes; fails where it makes none. */
function runTools({ output }: Response): ResponseInputItem[] {
  const outputs = output.flatMap((item): ResponseInputItem[] => {
    if (item.type !== 'function_call') return [];
    expect(item.name).toBe('get_weather');
    const { city } = JSON.parse(item.arguments) as { city: string };
    return [{ type: 'function_call_output', call_id: item.call_id, output: weatherIn[city] ?? `nothing of ${city}` }];
  });
  expect(outputs).not.toEqual([]);
  return outputs;
}

type Create = (client: OpenAI, body: Omit<ResponseCreateParamsNonStreaming, 'stream'>) => Promise<Response>;

const ways: Record<string, Create> = {
  plain: (client, body) => client.responses.create(body),

  async 'raw events'(client, body) {
    const ids = new Set<string>();
    const deltas: string[] = [];
    let done: Response | undefined;
    let expected = 0;
    for await (const event of await client.responses.create({ ...body, stream: true })) {
      expect(event.sequence_number).toBe(expected++);
      if ('response' in event) ids.add(event.response.id);
      if (event.type === 'response.output_text.delta') deltas.push(event.delta);
      if (event.type === 'response.completed') done = event.response;
    }
    if (done === undefined) throw new Error('the stream ended without response.completed');
    expect([...ids]).toEqual([done.id]);
    const texts = done.output.flatMap((item) => (item.type === 'message' ? item.content : []));
    expect(deltas.join('')).toBe(texts.map((part) => (part.type === 'output_text' ? part.text : '')).join(''));
    return done;
  },

  async 'stream helper'(client, body) {
    const ids = new Set<string>();
    const stream = client.responses.stream(body);
    stream.on('response.created', ({ response }) => ids.add(response.id));
    const final = await stream.finalResponse();
    expect([...ids]).toEqual([final.id]);
    return final;
  },
};

function textOf({ output }: Response): string {
  return output
    .flatMap((item) => (item.type === 'message' ? item.content : []))
    .map((part) => (part.type === 'output_text' ? part.text : ''))
    .join('');
}

const user = (content: string): ResponseInputItem => ({ role: 'user', content });

describe.each(backends)('over $name', (backend) => {
  test.each(Object.entries(ways))('a conversation with tools goes on after kill -9: %s', async (_, create) => {
    const { folder, upstream, client, restart } = await start(backend);
    const tools = [weatherTool];
    const body = { model, tools, reasoning: thinkHard };
    const first = await create(client(), { ...body, input: 'What is the weather in Paris?' });
    const second = await create(client(), {
      ...body,
      previous_response_id: first.id,
      input: [...runTools(first), user('Now look up the weather in Rome.')],
    });
    await restart();
    const third = await create(client(), { ...body, previous_response_id: second.id, input: runTools(second) });

    expect(third.status).toBe('completed');
    expect(textOf(third)).toContain(weatherIn['Rome']);
    if (backend.repeats === 'all') expect(textOf(third)).toContain(weatherIn['Paris']);
    expect(upstream.requests).toHaveLength(backend.name === 'simulator' ? 0 : 3);
    expectReasoningSent(backend, upstream.requests, [first, second, third]);

    const turns = [first, second, third];
    const { output_text: _text, ...stored } = await client().responses.retrieve(third.id);
    expect(third).toMatchObject(stored);
    expect(turns.map((turn) => turn.previous_response_id)).toEqual([null, first.id, second.id]);
    const database = new DatabaseSync(join(folder, 'turnpike.db'), { readOnly: true });
    const rows = database
      .prepare('SELECT request_id, session_id FROM "LiteLLM_SpendLogs" ORDER BY "startTime", request_id')
      .all();
    database.close();
    expect(rows.map((row) => row['request_id'])).toEqual(turns.map((turn) => turn.id));
    expect(new Set(rows.map((row) => row['session_id'])).size).toBe(1);
  });

  test.each(Object.entries(ways))('a conversation that the client keeps itself: %s', async (_, create) => {
    const { upstream, client } = await start(backend);
    const input: ResponseInputItem[] = [user('What is the weather in Paris?')];
    const include = ['reasoning.encrypted_content' as const];
    const fields = { model, tools: [weatherTool], reasoning: thinkHard, store: false, include };
    const turns: Response[] = [];
    for (const next of ['Now look up the weather in Rome.', 'And that is all.']) {
      // oxlint-disable-next-line no-await-in-loop -- a conversation
      const asked = await create(client(), { ...fields, input });
      input.push(...(asked.output as ResponseInputItem[]), ...runTools(asked));
      // oxlint-disable-next-line no-await-in-loop -- a conversation
      const told = await create(client(), { ...fields, input });
      input.push(...(told.output as ResponseInputItem[]), user(next));
      turns.push(asked, told);
    }
    expect(textOf(turns.at(-1) as Response)).toContain(weatherIn['Rome']);
    expectReasoningSent(backend, upstream.requests, turns);
    const { output } = await create(client(), { ...fields, input });
    expect(output.length).toBeGreaterThan(0);
    expectReasoningSent(backend, upstream.requests, turns);
  });

  test('parallel calls are each answered', async () => {
    const { client } = await start(backend);
    const tools = [weatherTool];
    const first = await client().responses.create({
      model,
      tools,
      input: 'What is the weather in Paris and Rome? Look up both.',
    });
    const outputs = runTools(first);
    expect(outputs).toHaveLength(2);
    const second = await client().responses.create({
      model,
      tools,
      previous_response_id: first.id,
      input: outputs.toReversed(),
    });
    expect(second.output_text).toContain(weatherIn['Paris']);
    expect(second.output_text).toContain(weatherIn['Rome']);
  });

  test('structured output is parsed, plain and streamed', async () => {
    const { client } = await start(backend);
    const Report = z.object({ city: z.string(), sunny: z.boolean() });
    const body = { model, input: 'Is it sunny in Paris?', text: { format: zodTextFormat(Report, 'report') } };
    const parsed = await client().responses.parse(body);
    expect(parsed.output_parsed).toEqual({ city: 'Paris', sunny: true });
    const streamed = await client().responses.stream(body).finalResponse();
    expect(streamed.output_parsed).toEqual({ city: 'Paris', sunny: true });
  });
});

describe('what is stored', () => {
  test('a response is retrieved as it was given, listed page by page, and gone once deleted', async () => {
    const { client } = await start(simulator);
    const { responses } = client();
    const first = await responses.create({
      model,
      instructions: 'Be brief.',
      input: [user('One.'), user('Two.'), user('Three.')],
      metadata: { ticket: '17' },
    });
    const second = await responses.create({ model, previous_response_id: first.id, input: 'Four.' });
    expect(await responses.retrieve(first.id)).toEqual(first);

    const texts: string[] = [];
    const ids = new Set<string>();
    for await (const item of responses.inputItems.list(second.id, { limit: 2, order: 'asc' })) {
      if (item.type !== 'message') throw new Error(`not a message: ${item.type}`);
      ids.add(item.id ?? '');
      texts.push(item.content.map((part) => ('text' in part ? part.text : '')).join(''));
    }
    expect(texts).toEqual(['One.', 'Two.', 'Three.', first.output_text, 'Four.']);
    expect(ids.size).toBe(5);
    const newest = await responses.inputItems.list(second.id, { limit: 1 });
    expect(newest.data).toMatchObject([{ content: [{ text: 'Four.' }] }]);
    expect(newest.has_more).toBe(true);

    await responses.delete(first.id);
    await expect(responses.retrieve(first.id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    await expect(responses.delete(first.id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    expect((await responses.retrieve(second.id)).id).toBe(second.id);
  });

  test('what is not to be stored is not', async () => {
    const { client } = await start(simulator);
    const { responses } = client();
    const { id } = await responses.create({ model, input: 'Between us.', store: false });
    await expect(responses.retrieve(id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    await expect(responses.create({ model, previous_response_id: id, input: 'Go on.' })).rejects.toMatchObject({
      code: 'previous_response_not_found',
    });
  });

  test('what a response cost is told where the price is known', async () => {
    const costOver = async (backend: Backend) => {
      const { client } = await start(backend);
      const { id } = await client().responses.create({ model, input: 'Hello.' });
      const { response } = await client().responses.retrieve(id).withResponse();
      return response.headers.get('x-turnpike-cost-usd');
    };
    const price = 'price: { input: 1, output: 5, cache_read: 0.1, cache_write: 1.25 }';
    // 25 tokens of input, 2 read from the cache, 3 written to it, 7 of output.
    expect(await costOver({ ...anthropic, entry: (url) => `${anthropic.entry(url)}, ${price}` })).toBe('0.00006395');
    expect(await costOver(openAiCompatible)).toBeNull();
  });

  test('models are listed', async () => {
    const { client } = await start(simulator);
    const names: string[] = [];
    for await (const each of client().models.list()) names.push(each.id);
    expect(names).toEqual([model]);
  });
});

test('what the model refuses is left out with a warning', async () => {
  const { client, upstream } = await start({
    ...anthropic,
    entry: (url) => anthropic.entry(url).replace('claude-haiku-4-5', 'claude-opus-4-8'),
  });
  const { data, response } = await client()
    .responses.create({ model, input: 'Hello.', temperature: 0.5 })
    .withResponse();
  expect(data.status).toBe('completed');
  expect(upstream.requests[0]?.body).not.toHaveProperty('temperature');
  expect(response.headers.get('x-turnpike-warnings')).toContain('"temperature"');
});

describe('errors come in the classes that applications catch', () => {
  const hello = { model, input: 'Hello.' };
  const cases: {
    name: string;
    // A class of the client: its constructor's arguments are no concern of the test.
    type: abstract new (...parameters: never[]) => Error;
    call: (client: OpenAI) => Promise<unknown>;
    code: string | null;
    param: string | null;
    text: string;
  }[] = [
    {
      name: 'an unknown parent',
      type: OpenAI.BadRequestError,
      call: ({ responses }) => responses.create({ ...hello, previous_response_id: 'resp_never' }),
      code: 'previous_response_not_found',
      param: 'previous_response_id',
      text: "Previous response with id 'resp_never' not found.",
    },
    {
      name: 'an unknown parent, streamed',
      type: OpenAI.BadRequestError,
      call: ({ responses }) => responses.create({ ...hello, stream: true, previous_response_id: 'resp_never' }),
      code: 'previous_response_not_found',
      param: 'previous_response_id',
      text: "Previous response with id 'resp_never' not found.",
    },
    {
      name: 'an unknown parent, by the stream helper',
      type: OpenAI.BadRequestError,
      call: ({ responses }) => responses.stream({ ...hello, previous_response_id: 'resp_never' }).finalResponse(),
      code: 'previous_response_not_found',
      param: 'previous_response_id',
      text: "Previous response with id 'resp_never' not found.",
    },
    {
      name: 'a value out of its range',
      type: OpenAI.BadRequestError,
      call: ({ responses }) => responses.create({ ...hello, temperature: 3 }),
      code: 'decimal_out_of_range',
      param: 'temperature',
      text: "'temperature'",
    },
    {
      name: 'an output without its call',
      type: OpenAI.BadRequestError,
      call: ({ responses }) =>
        responses.create({ model, input: [{ type: 'function_call_output', call_id: 'call_1', output: '1' }] }),
      code: null,
      param: 'input',
      text: 'No tool call found for function call output with call_id call_1.',
    },
    {
      name: 'a key that does not exist',
      type: OpenAI.AuthenticationError,
      call: ({ baseURL }) => new OpenAI({ baseURL, apiKey: 'sk-nobody', maxRetries: 0 }).responses.create(hello),
      code: 'invalid_api_key',
      param: null,
      text: 'Incorrect API key provided.',
    },
    {
      name: 'a model that does not exist',
      type: OpenAI.NotFoundError,
      call: ({ responses }) => responses.create({ ...hello, model: 'nope' }),
      code: 'model_not_found',
      param: 'model',
      text: "The model 'nope' does not exist",
    },
    {
      name: 'a response that does not exist',
      type: OpenAI.NotFoundError,
      call: ({ responses }) => responses.retrieve('resp_never'),
      code: null,
      param: 'response_id',
      text: "Response with id 'resp_never' not found.",
    },
  ];

  test.each(cases)('$name', async ({ type, call, code, param, text }) => {
    const { client } = await start(simulator);
    const error: unknown = await call(client()).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(type);
    expect(error).toMatchObject({ code, param, message: expect.stringContaining(text) });
  });

  test('an open tool call is told before anything is spent', async () => {
    const { client, upstream } = await start(anthropic);
    const { responses } = client();
    const first = await responses.create({ model, tools: [weatherTool], input: 'What is the weather in Paris?' });
    await expect(responses.create({ model, previous_response_id: first.id, input: 'And now?' })).rejects.toMatchObject({
      status: 400,
      param: 'input',
      message: expect.stringContaining(`No tool output found for function call`),
    });
    expect(upstream.requests).toHaveLength(1);
  });

  test('a foreign id is answered as an unknown one', async () => {
    const { client, url } = await start(simulator);
    const mine = await client().responses.create(hello);
    const theirs = clientOf(url(), 'sk-test-other').responses;
    const unknown = `resp_${'0'.repeat(44)}`;
    const answers = await Promise.all(
      [mine.id, unknown].flatMap((id) =>
        [
          theirs.retrieve(id),
          theirs.delete(id),
          theirs.inputItems.list(id),
          theirs.create({ ...hello, previous_response_id: id }),
        ].map((call) =>
          Promise.resolve(call).then(
            () => 'found',
            (error: unknown) =>
              error instanceof OpenAI.APIError ? `${error.status} ${error.message.replace(id, 'ID')}` : String(error),
          ),
        ),
      ),
    );
    expect(answers.slice(0, 4)).toEqual(answers.slice(4));
    expect(answers).not.toContain('found');
    expect((await client().responses.retrieve(mine.id)).id).toBe(mine.id);
  });

  test.each([
    { status: 429, type: 'rate_limit_error', expected: OpenAI.RateLimitError, code: 'rate_limit_exceeded' },
    { status: 529, type: 'overloaded_error', expected: OpenAI.InternalServerError, code: 'upstream_overloaded' },
    { status: 401, type: 'authentication_error', expected: OpenAI.InternalServerError, code: 'upstream_auth' },
    { status: 400, type: 'invalid_request_error', expected: OpenAI.BadRequestError, code: 'upstream_rejected' },
  ])('the upstream answers $status', async ({ status, type, expected, code }) => {
    const { client } = await start({
      ...anthropic,
      answer: (_, response) => sendJson(response, { type: 'error', error: { type, message: 'No.' } }, status),
    });
    for (const create of Object.values(ways)) {
      const error: unknown = await create(client(), hello).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(expected);
      expect(error).toMatchObject({ code });
    }
  });

  test('a stream that was cut is an error, and never looks complete', async () => {
    const { client } = await start({
      ...anthropic,
      answer(_, response) {
        const events = messageEvents([{ type: 'text', text: 'It is sunny in Paris.' }]);
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write(events.slice(0, -2).map(frame).join(''), () => response.destroy());
      },
    });
    const seen: string[] = [];
    const reading = (async () => {
      for await (const event of await client().responses.create({ ...hello, stream: true })) seen.push(event.type);
    })();
    await expect(reading).rejects.toMatchObject({
      code: 'server_error',
      message: expect.stringContaining('The upstream closed the connection'),
    });
    expect(seen).toContain('response.output_text.delta');
    expect(seen).not.toContain('response.completed');
    await expect(client().responses.stream(hello).finalResponse()).rejects.toBeInstanceOf(OpenAI.APIError);
  });
});
