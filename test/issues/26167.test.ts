/**
 * The bug that Turnpike was born from: on the LiteLLM proxy the second turn of every tool-calling conversation over a
 * bridged Anthropic backend failed. The report's two calls, with a kill -9 between them, and its three defects one by one.
 * @see https://github.com/BerriAI/litellm/issues/26167
 */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, describe, expect, test } from 'vitest';
import { fakeUpstream, messageEvents, sendEvents, sendJson } from '../support/fake-upstream.ts';
import { queryDatabase, testPostgres } from '../support/postgres.ts';
import { parseEvents } from '../support/read-events.ts';
import { spawnGateway, temporaryFolder } from '../support/spawn-gateway.ts';

const toolUse = {
  type: 'tool_use',
  id: 'toolu_01A09q90qw90lq917835lq9',
  name: 'get_weather',
  // Keys that JSON.parse would reorder, and a number that it would round.
  input: '{"location": "Paris", "2": 18446744073709551616, "1": null}',
};
const thinking = { type: 'thinking', thinking: 'The user wants the weather.', signature: 'c2lnbmVk' };
const said = { type: 'text', text: 'I’ll look it up.' };

const tool = {
  type: 'function',
  name: 'get_weather',
  description: 'Get the current weather in a given location',
  parameters: {
    type: 'object',
    properties: { location: { type: 'string', description: 'The city and state' } },
    required: ['location'],
  },
};
const question = 'What is the weather like in Paris today?';

/** A plain reply with the same blocks, written as text so that the tool's input stays as it is. */
function plainReply(blocks: object[], stopReason: string): string {
  const content = blocks.map((block) => JSON.stringify(block).replace(JSON.stringify(toolUse.input), toolUse.input));
  return `{"id":"msg_1","type":"message","role":"assistant","model":"claude-haiku-4-5-20251001","content":[${content.join(',')}],"stop_reason":"${stopReason}","stop_sequence":null,"usage":{"input_tokens":110,"cache_creation_input_tokens":7,"cache_read_input_tokens":40,"output_tokens":25}}`;
}

const postgres = await testPostgres();
afterAll(() => postgres.stop());

interface Engine {
  /** The line of the configuration; empty: the default. */
  config: string;
  query: (sql: string) => Promise<Record<string, unknown>[]>;
}

const engines: Record<string, (folder: string) => Promise<Engine>> = {
  SQLite: async (folder) => ({
    config: '',
    async query(sql) {
      const database = new DatabaseSync(join(folder, 'turnpike.db'), { readOnly: true });
      const rows = database.prepare(sql).all();
      database.close();
      return rows;
    },
  }),
  Postgres: async () => {
    const url = await postgres.createDatabase();
    return {
      config: `store: { url: "${url}", secret: "${'0f'.repeat(32)}", timeout_ms: 10000 }`,
      // Its times are in UTC without saying so, as LiteLLM's are.
      query: (sql) => queryDatabase(`${url}?options=-c%20TimeZone%3DUTC`, sql),
    };
  },
};

describe.each(
  Object.entries(engines).flatMap(([name, open]) => [true, false].map((stream) => ({ name, open, stream }))),
)('on $name with stream: $stream', ({ name, open, stream }) => {
  test('the second turn works after kill -9, and the store tells one story', async () => {
    const upstream = await fakeUpstream(({ body }, response, count) => {
      const blocks = count === 1 ? [thinking, said, toolUse] : [{ type: 'text', text: 'It is 18 °C in Paris.' }];
      const stopReason = count === 1 ? 'tool_use' : 'end_turn';
      if (body.stream === true) {
        sendEvents(response, messageEvents(blocks, { model: 'claude-haiku-4-5-20251001', stopReason }));
      } else {
        response.writeHead(200, { 'content-type': 'application/json' }).end(plainReply(blocks, stopReason));
      }
    });
    const folder = temporaryFolder();
    const engine = await open(folder);
    const config = `
${engine.config}
auth: { master_key: sk-1234 }
models:
  - { name: claude-haiku, provider: anthropic, model: claude-haiku-4-5, base_url: "${upstream.url}", api_key: upstream-key }
aliases: { gpt-4o-mini: claude-haiku }
`;
    const post = async (url: string, body: object) => {
      const response = await fetch(`${url}/v1/responses`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: 'Bearer sk-1234' },
        body: JSON.stringify({ ...body, stream }),
      });
      const text = await response.text();
      expect(response.status, text).toBe(200);
      const session = response.headers.get('x-turnpike-session-id');
      if (!stream) return { session, response: JSON.parse(text) };
      const events = parseEvents(text);
      expect(new Set(events.flatMap(({ data }) => data.response?.id ?? [])).size).toBe(1);
      return { session, response: events.at(-1)?.data.response };
    };

    const before = await spawnGateway({ config, folder });
    const first = await post(before.url, {
      model: 'gpt-4o-mini',
      input: [{ role: 'user', content: question }],
      tools: [tool],
      reasoning: { effort: 'low' },
    });
    await before.kill('SIGKILL');
    expect(first.response.id).toMatch(/^resp_[0-9a-f]{44}$/);
    expect(first.response.status).toBe('completed');
    const call = first.response.output.at(-1);
    expect(call).toMatchObject({ type: 'function_call', call_id: toolUse.id, arguments: toolUse.input });

    const after = await spawnGateway({ config, folder });
    const second = await post(after.url, {
      model: 'gpt-4o-mini',
      previous_response_id: first.response.id,
      input: [{ type: 'function_call_output', call_id: call.call_id, output: '{"temperature": 18}' }],
      tools: [tool],
      reasoning: { effort: 'low' },
    });
    expect(second.response.status).toBe('completed');
    expect(second.response.previous_response_id).toBe(first.response.id);
    expect(second.response.output[0].content[0].text).toBe('It is 18 °C in Paris.');

    // What the model saw on turn 2: every block of turn 1, in order, value for value.
    expect(upstream.requests).toHaveLength(2);
    const sent = upstream.requests[1];
    expect(sent?.body.messages).toEqual([
      { role: 'user', content: [{ type: 'text', text: question }] },
      { role: 'assistant', content: [thinking, said, { ...toolUse, input: JSON.parse(toolUse.input) }] },
      {
        role: 'user',
        content: [{ type: 'tool_result', tool_use_id: toolUse.id, content: '{"temperature": 18}' }],
      },
    ]);
    expect(sent?.text).toContain(`"input":${toolUse.input}`);
    expect(sent?.headers['x-api-key']).toBe('upstream-key');

    // The report's three defects, by SQL on the view of the same name.
    const rows = await engine.query(
      'SELECT request_id, session_id, messages, call_type, spend, prompt_tokens, model_group, status FROM "LiteLLM_SpendLogs" ORDER BY "startTime"',
    );
    expect(rows.map((row) => row['request_id'])).toEqual([first.response.id, second.response.id]);
    expect(rows.map((row) => row['call_type'])).toEqual(['aresponses', 'aresponses']);
    expect(new Set(rows.map((row) => row['session_id']))).toEqual(new Set([first.session]));
    expect(second.session).toBe(first.session);
    const messagesOf = ({ messages }: Record<string, unknown>): unknown =>
      typeof messages === 'string' ? JSON.parse(messages) : messages;
    expect(rows.map(messagesOf)).toMatchObject([
      [{ type: 'message', role: 'user', content: [{ type: 'input_text', text: question }] }],
      [{ type: 'function_call_output', call_id: toolUse.id, output: '{"temperature": 18}' }],
    ]);
    expect(rows.every((row) => Number(row['spend']) > 0 && row['status'] === 'success')).toBe(true);
    expect(rows.map((row) => row['prompt_tokens'])).toEqual(stream ? [30, 30] : [157, 157]);

    // The report's own query, as it stands.
    if (name !== 'Postgres') return;
    const report = await engine.query(
      `SELECT request_id, session_id, (messages::text='{}') AS msg_empty, call_type FROM "LiteLLM_SpendLogs" WHERE "startTime" > now() - interval '5 minutes'`,
    );
    const told = (id: string) => ({
      request_id: id,
      session_id: first.session,
      msg_empty: false,
      call_type: 'aresponses',
    });
    expect(report).toHaveLength(2);
    expect(report).toEqual(expect.arrayContaining([told(first.response.id), told(second.response.id)]));
  });
});

test('an id that was never given out is an error, and nothing is sent or spent', async () => {
  const upstream = await fakeUpstream((_, response) => sendJson(response, {}));
  const gateway = await spawnGateway({
    folder: temporaryFolder(),
    config: `models: [{ name: m, provider: anthropic, model: claude-haiku-4-5, base_url: "${upstream.url}", api_key: k }]`,
  });
  const response = await fetch(`${gateway.url}/v1/responses`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'm', previous_response_id: 'resp_unknown', input: 'go on' }),
  });
  expect(response.status).toBe(400);
  expect(await response.json()).toEqual({
    error: {
      message: "Previous response with id 'resp_unknown' not found.",
      type: 'invalid_request_error',
      param: 'previous_response_id',
      code: 'previous_response_not_found',
    },
  });
  expect(upstream.requests).toEqual([]);
});
