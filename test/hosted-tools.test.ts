/** Tools that Anthropic runs: what it is offered, what a client sees of them, what goes back, and turns that it pauses. */
import { describe, expect, test } from 'vitest';
import { expectStream } from './support/check-stream.ts';
import type { Answer } from './support/client.ts';
import type { Block } from './support/fake-upstream.ts';
import { stateRig } from './support/state-rig.ts';

const rig = stateRig();

const search = (id: string, query: string): Block => ({
  type: 'server_tool_use',
  id,
  name: 'web_search',
  input: { query },
});
const found = (id: string): Block => ({
  type: 'web_search_tool_result',
  tool_use_id: id,
  content: [
    { type: 'web_search_result', title: 'A', url: 'https://a.example', encrypted_content: 'EvM', page_age: null },
  ],
});
const said = (text: string): Block => ({ type: 'text', text });
const code: Block = {
  type: 'server_tool_use',
  id: 'srvtoolu_c',
  name: 'bash_code_execution',
  input: { command: 'ls' },
};
const ran: Block = {
  type: 'bash_code_execution_tool_result',
  tool_use_id: 'srvtoolu_c',
  content: { type: 'bash_code_execution_result', stdout: 'a\n', stderr: '', return_code: 0, content: [] },
};
const tools = [{ type: 'web_search' }];
const server = { type: 'mcp', server_label: 'm', server_url: 'https://m.example', require_approval: 'never' };

const searched = (count: number) => ({
  output_tokens: 7,
  server_tool_use: { web_search_requests: count, web_fetch_requests: 0 },
});
const searchesBilled = (count: number) => ({
  image_gen: {
    input_tokens: 0,
    input_tokens_details: { image_tokens: 0, text_tokens: 0 },
    output_tokens: 0,
    total_tokens: 0,
  },
  web_search: { num_requests: count },
});

interface Reply {
  blocks: Block[];
  stopReason?: string;
  endUsage?: object;
}

/** The upstream's next replies, in order. */
function answerWith(...replies: Reply[]): void {
  let next = 0;
  rig.messages.answer = () => replies[Math.min(next++, replies.length - 1)] ?? { blocks: [] };
}

const attemptsOf = ({ body }: Answer) =>
  rig.query(
    'SELECT number, status, input_tokens, output_tokens FROM attempts WHERE turn_id = ? ORDER BY number',
    body.id,
  );
const sent = () => rig.messages.requests.map(({ body }) => body);

test('what the upstream is offered', async () => {
  answerWith({ blocks: [said('Hi.')] });
  const location = { type: 'approximate', country: 'FR', city: null };
  const answer = await rig.client.create({
    model: 'claude',
    input: 'x',
    tools: [
      { type: 'web_search', filters: { allowed_domains: ['a.example'] }, user_location: location },
      { type: 'code_interpreter', container: { type: 'auto' } },
    ],
    tool_choice: { type: 'web_search' },
    max_tool_calls: 3,
  });
  expect(answer.status, answer.text).toBe(200);
  expect(sent()[0]).toMatchObject({
    tools: [
      {
        type: 'web_search_20250305',
        name: 'web_search',
        max_uses: 3,
        allowed_domains: ['a.example'],
        user_location: { type: 'approximate', country: 'FR' },
      },
      // Anthropic could not hold the sum of searches and pages to the limit.
      { type: 'code_execution_20250825', name: 'code_execution' },
    ],
    tool_choice: { type: 'tool', name: 'web_search' },
  });
});

test('a search may open pages too, within the same domains; the preview only searches', async () => {
  answerWith({ blocks: [said('Hi.')] });
  const filters = { blocked_domains: ['b.example'] };
  for (const type of ['web_search', 'web_search_preview'])
    await rig.client.create({ model: 'claude', input: 'x', tools: [{ type, filters }] });
  const [both, preview] = sent().map(({ tools: offered }) => offered);
  expect(both).toEqual([
    { type: 'web_search_20250305', name: 'web_search', blocked_domains: ['b.example'] },
    { type: 'web_fetch_20250910', name: 'web_fetch', blocked_domains: ['b.example'] },
  ]);
  expect(preview).toEqual(both.slice(0, 1));
});

test.each([
  [{ type: 'code_interpreter', container: 'cntr_of_another' }, 'tools[0].container'],
  [{ type: 'code_interpreter', container: { type: 'auto', file_ids: ['file_1'] } }, 'tools[0].container.file_ids'],
  [{ type: 'web_search', filters: { allowed_domains: ['a'], blocked_domains: ['b'] } }, 'tools[0].filters'],
  [{ type: 'mcp', server_label: 'm', server_url: 'https://m.example' }, 'tools[0].require_approval'],
  [{ ...server, require_approval: 'always' }, 'tools[0].require_approval'],
  [{ ...server, connector_id: 'connector_gmail' }, 'tools[0].connector_id'],
  [{ ...server, headers: { 'x-token': 'k' } }, 'tools[0].headers'],
  [{ ...server, allowed_tools: { read_only: true } }, 'tools[0].allowed_tools.read_only'],
])('%j is refused', async (tool, param) => {
  const answer = await rig.client.create({ model: 'claude', input: 'x', tools: [tool] });
  expect([answer.status, answer.body.error.code, answer.body.error.param]).toEqual([400, 'unsupported_value', param]);
  expect(sent()).toEqual([]);
});

describe.each([{ stream: false }, { stream: true }])('stream: $stream', ({ stream }) => {
  test('a search and its result are one item, and go back as they came', async () => {
    const blocks = [said('I look.'), search('srvtoolu_1', 'open'), found('srvtoolu_1'), said('It is open.')];
    answerWith({ blocks });
    const include = ['web_search_call.action.sources'];
    const first = await rig.client.create({ model: 'claude', input: 'x', tools, stream, include });
    expect(first.body.output).toMatchObject([
      { type: 'message' },
      {
        type: 'web_search_call',
        id: expect.stringMatching(/^ws_/),
        status: 'completed',
        action: { type: 'search', query: 'open', sources: [{ type: 'url', url: 'https://a.example' }] },
      },
      { type: 'message', content: [{ text: 'It is open.' }] },
    ]);
    if (stream) {
      expectStream(first.events);
      const of = first.events
        .filter(({ data }) => data.output_index === 1)
        .map(({ event }) => event.replace('response.', ''));
      expect(of).toEqual([
        'output_item.added',
        'web_search_call.in_progress',
        'web_search_call.searching',
        'web_search_call.completed',
        'output_item.done',
      ]);
    }
    await rig.client.create({ model: 'claude', input: 'on', tools, stream, previous_response_id: first.body.id });
    expect(sent()[1].messages[1]).toEqual({ role: 'assistant', content: blocks });
    // Another protocol has no word for it, and the answer stands without it.
    const moved = await rig.client.create({ model: 'qwen', input: 'on', stream, previous_response_id: first.body.id });
    expect(moved.status, moved.text).toBe(200);
    expect(moved.headers.get('x-turnpike-warnings')).toContain('web_search_call');
  });

  test('a page that was opened is a call of the search', async () => {
    const url = 'https://a.example/page';
    const fetch = { type: 'server_tool_use', id: 'srvtoolu_f', name: 'web_fetch', input: { url } };
    const source = { type: 'text', media_type: 'text/plain', data: 'It is open.' };
    const content = { type: 'document', title: 'A', source };
    const page = {
      type: 'web_fetch_tool_result',
      tool_use_id: 'srvtoolu_f',
      content: { type: 'web_fetch_result', url, retrieved_at: null, content },
    };
    answerWith({ blocks: [fetch, page, said('It is open.')] });
    const first = await rig.client.create({ model: 'claude', input: url, tools, stream });
    if (stream) expectStream(first.events);
    const action = { type: 'open_page', url };
    expect(first.body.output[0]).toMatchObject({ type: 'web_search_call', status: 'completed', action });
    expect(first.body.output).toHaveLength(2);
    await rig.client.create({ model: 'claude', input: 'on', tools, stream, previous_response_id: first.body.id });
    expect(sent()[1].messages[1].content).toEqual([fetch, page, said('It is open.')]);
  });

  test('calls at once: each result finds its own', async () => {
    const calls = [search('srvtoolu_1', 'a'), search('srvtoolu_2', 'b')];
    const failure = { type: 'web_search_tool_result_error', error_code: 'unavailable' };
    answerWith({
      blocks: [...calls, { ...found('srvtoolu_2'), content: failure }, found('srvtoolu_1'), said('It is.')],
    });
    const answer = await rig.client.create({ model: 'claude', input: 'x', tools, stream });
    if (stream) expectStream(answer.events);
    expect(answer.body.output).toMatchObject([
      { type: 'web_search_call', status: 'completed', action: { query: 'a' } },
      { type: 'web_search_call', status: 'failed', action: { query: 'b' } },
      { type: 'message' },
    ]);
  });

  test('a search that waits for the client’s own call is told when it is answered, in the next response', async () => {
    const call = { type: 'tool_use', id: 'toolu_1', name: 'f', input: {} };
    const calls = [search('srvtoolu_1', 'a'), call];
    answerWith({ blocks: calls, stopReason: 'tool_use' }, { blocks: [found('srvtoolu_1'), said('It is.')] });
    const all = [...tools, { type: 'function', name: 'f', parameters: { type: 'object', properties: {} } }];
    const first = await rig.client.create({ model: 'claude', input: 'x', tools: all, stream });
    if (stream) expectStream(first.events);
    expect(first.body.output).toMatchObject([{ type: 'web_search_call' }, { type: 'function_call' }]);
    const output = { type: 'function_call_output', call_id: 'toolu_1', output: '1' };
    const include = ['web_search_call.action.sources'];
    const fields = { model: 'claude', input: [output], tools: all, include, stream };
    const second = await rig.client.create({ ...fields, previous_response_id: first.body.id });
    if (stream) expectStream(second.events);
    const action = { type: 'search', query: 'a', sources: [{ type: 'url', url: 'https://a.example' }] };
    expect(second.body.output).toMatchObject([{ type: 'web_search_call', action }, { type: 'message' }]);
    await rig.client.create({ ...fields, input: 'on', previous_response_id: second.body.id });
    const [, , , { content }] = sent()[2].messages;
    expect(content).toEqual([found('srvtoolu_1'), said('It is.')]);
  });

  test('an MCP server: its tools, a call and what came of it, a call that failed', async () => {
    const schema = { type: 'object', properties: {} };
    const listed = { name: 'echo', description: 'Echoes', input_schema: schema };
    const listing = { type: 'mcp_tool_listing', mcp_server_name: 'm', tools: [listed] };
    const use = (id: string) => ({ type: 'mcp_tool_use', id, name: 'echo', server_name: 'm', input: '{"2":1,"1":2}' });
    const came = (id: string, isError: boolean) => ({
      type: 'mcp_tool_result',
      tool_use_id: id,
      is_error: isError,
      content: [{ type: 'text', text: isError ? 'No.' : 'Hello.' }],
    });
    const blocks = [listing, use('mcptoolu_1'), came('mcptoolu_1', false), use('mcptoolu_2'), came('mcptoolu_2', true)];
    answerWith({ blocks: [...blocks, said('Done.')] });
    const tool = { ...server, authorization: 'hunter2', allowed_tools: ['echo'] };
    const fields = { model: 'claude', tools: [tool], stream };
    const first = await rig.client.create({ ...fields, input: 'x' });
    expect(first.status, first.text).toBe(200);
    expect(sent()[0]).toMatchObject({
      mcp_servers: [{ type: 'url', name: 'm', url: 'https://m.example', authorization_token: 'hunter2' }],
      tools: [
        {
          type: 'mcp_toolset',
          mcp_server_name: 'm',
          default_config: { enabled: false },
          configs: { echo: { enabled: true } },
        },
      ],
    });
    expect(rig.messages.requests[0]?.headers['anthropic-beta']).toContain('mcp-client-2026-09-15');
    if (stream) expectStream(first.events);
    const call = { type: 'mcp_call', server_label: 'm', name: 'echo', arguments: '{"2":1,"1":2}' };
    expect(first.body.output).toMatchObject([
      { type: 'mcp_list_tools', server_label: 'm', tools: [listed] },
      { ...call, status: 'completed', output: 'Hello.', error: null },
      { ...call, status: 'failed', error: { type: 'mcp_tool_execution_error' } },
      { type: 'message' },
    ]);
    expect(first.text).not.toContain('hunter2');
    expect(rig.filesWith('hunter2')).toEqual([]);
    await rig.client.create({ ...fields, input: 'on', previous_response_id: first.body.id });
    expect(sent()[1].messages[1].content.map(({ type }: Block) => type)).toEqual(
      [...blocks, said('Done.')].map(({ type }) => type),
    );
    const forced = await rig.client.create({ ...fields, input: 'x', tool_choice: { type: 'mcp', server_label: 'm' } });
    expect([forced.status, forced.body.error.param]).toEqual([400, 'tool_choice']);
  });

  test('code that was run, its output where it is asked for', async () => {
    answerWith({ blocks: [code, ran, said('Done.')], endUsage: searched(0) });
    const tool = [{ type: 'code_interpreter', container: { type: 'auto' } }];
    const include = ['code_interpreter_call.outputs'];
    const shown = await rig.client.create({ model: 'claude', input: 'x', tools: tool, stream, include });
    const item = { type: 'code_interpreter_call', status: 'completed', code: 'ls' };
    expect(shown.body.output[0]).toMatchObject({ ...item, outputs: [{ type: 'logs', logs: 'a\n' }] });
    expect(shown.body).not.toHaveProperty('tool_usage');
    if (stream) expectStream(shown.events);
    const hidden = await rig.client.create({ model: 'claude', input: 'x', tools: tool, stream });
    expect(hidden.body.output[0]).toMatchObject({ ...item, outputs: null });
  });

  test('a search that failed', async () => {
    const error = { type: 'web_search_tool_result_error', error_code: 'max_uses_exceeded' };
    answerWith({ blocks: [search('srvtoolu_1', 'x'), { ...found('srvtoolu_1'), content: error }, said('No.')] });
    const answer = await rig.client.create({ model: 'claude', input: 'x', tools, stream });
    expect(answer.body.output[0]).toMatchObject({ type: 'web_search_call', status: 'failed' });
    expect(answer.text).not.toContain('web_search_call.completed');
  });

  test('a pause is gone on from inside of the response, each call a row of its own, the client sees the sum', async () => {
    const paused = [said('I look.'), search('srvtoolu_1', 'a'), found('srvtoolu_1'), search('srvtoolu_2', 'b')];
    answerWith(
      { blocks: paused, stopReason: 'pause_turn', endUsage: searched(2) },
      { blocks: [found('srvtoolu_2'), said('It is.')], stopReason: 'end_turn', endUsage: searched(1) },
    );
    const answer = await rig.client.create({ model: 'claude', input: 'x', tools, stream });
    expect(answer.body.status, answer.text).toBe('completed');
    if (stream) expectStream(answer.events);
    expect(answer.body.output.map(({ type }: { type: string }) => type)).toEqual([
      'message',
      'web_search_call',
      'web_search_call',
      'message',
    ]);
    const ended = answer.body.output.map(({ status }: { status: string }) => status);
    expect(ended).toEqual(answer.body.output.map(() => 'completed'));
    expect(answer.body.usage).toMatchObject({ input_tokens: 60, output_tokens: 14, total_tokens: 74 });
    expect(answer.body.tool_usage).toEqual(searchesBilled(3));
    expect(sent()[1]).toEqual({
      ...sent()[0],
      messages: [...sent()[0].messages, { role: 'assistant', content: paused }],
    });
    expect(attemptsOf(answer)).toEqual(
      [1, 2].map((number) => ({ number, status: 'completed', input_tokens: 30, output_tokens: 7 })),
    );
    expect((await rig.client.get(answer.body.id)).body).toEqual(answer.body);
    // The whole, pause and continuation, goes back as it came.
    answerWith({ blocks: [said('Yes.')] });
    await rig.client.create({ model: 'claude', input: 'on', tools, previous_response_id: answer.body.id });
    const whole = [...paused, found('srvtoolu_2'), said('It is.')];
    expect(sent()[2].messages[1]).toEqual({ role: 'assistant', content: whole });
  });

  test('what nothing came of any more was cut, and a limit is one of the whole response', async () => {
    const paused = [search('srvtoolu_1', 'a'), found('srvtoolu_1'), search('srvtoolu_2', 'b')];
    answerWith({ blocks: paused, stopReason: 'pause_turn' }, { blocks: [said('No.')] });
    const answer = await rig.client.create({ model: 'claude', input: 'x', tools, stream, max_tool_calls: 4 });
    if (stream) expectStream(answer.events);
    expect(answer.body.output.map(({ status }: { status: string }) => status)).toEqual([
      'completed',
      'incomplete',
      'completed',
    ]);
    // Two were made, of which one is still to be run.
    expect(sent().map(({ tools: [tool] }) => tool.max_uses)).toEqual([4, 3]);
    await rig.client.create({ model: 'claude', input: 'on', tools, stream, previous_response_id: answer.body.id });
    expect(sent()[2].messages[1].content).toEqual([...paused.slice(0, 2), said('No.')]);
  });

  test('a model that pauses without end is stopped, and is no success', async () => {
    answerWith({ blocks: [search('srvtoolu_1', 'a'), found('srvtoolu_1')], stopReason: 'pause_turn' });
    const answer = await rig.client.create({ model: 'claude', input: 'x', tools, stream });
    expect(sent()).toHaveLength(11);
    if (stream) expect(answer.body).toMatchObject({ status: 'failed', usage: { output_tokens: 77 } });
    else expect([answer.status, answer.headers.get('x-should-retry')]).toEqual([502, 'false']);
  });
});

test('a continuation that fails is not tried elsewhere: what the client has seen stands', async () => {
  answerWith({ blocks: [search('srvtoolu_1', 'a')], stopReason: 'pause_turn' });
  const { answer } = rig.messages;
  rig.messages.answer = (request, response) => {
    if (rig.messages.requests.length < 2) return answer(request, response);
    response.writeHead(529, { 'content-type': 'application/json' });
    response.end('{"type":"error","error":{"type":"overloaded_error","message":"x"}}');
    return undefined;
  };
  const failed = await rig.client.create({ model: 'claude', input: 'x', tools, stream: true });
  expectStream(failed.events);
  expect(failed.body).toMatchObject({
    status: 'failed',
    output: [{ type: 'web_search_call' }],
    usage: { output_tokens: 7 },
  });
  expect(attemptsOf(failed).map(({ status }) => status)).toEqual(['completed', 'failed']);
  expect(sent()).toHaveLength(2);
});

test('a client that hangs up before the continuation has its turn ended with what there is', async () => {
  const paused = { blocks: [search('srvtoolu_1', 'a')], stopReason: 'pause_turn' };
  const abort = new AbortController();
  rig.messages.answer = () => {
    if (rig.messages.requests.length === 1) return paused;
    // The continuation is never answered: the client leaves instead.
    abort.abort();
    return undefined;
  };
  const body = JSON.stringify({ model: 'claude', input: 'x', tools, stream: true });
  const response = await fetch(`${rig.gateway.url}/v1/responses`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
    signal: abort.signal,
  });
  const reader = response.body?.getReader();
  const first = await reader?.read();
  const id = /resp_[0-9a-f]+/.exec(new TextDecoder().decode(first?.value))?.[0] ?? '';
  await expect(
    (async () => {
      while ((await reader?.read())?.done === false);
    })(),
  ).rejects.toThrow(/abort/i);
  await expect.poll(async () => (await rig.client.get(id)).body.status).toBe('cancelled');
  const stored = await rig.client.get(id);
  expect(stored.body.output).toMatchObject([{ type: 'web_search_call' }]);
  expect(attemptsOf(stored).map(({ status }) => status)).toEqual(['completed', 'cancelled']);
});

describe.each([{ stream: false }, { stream: true }])('the simulator, stream: $stream', ({ stream }) => {
  test.each([
    ['Search the web for open source.', 1],
    ['Search the web for open source. Pause once.', 2],
  ])('%s', async (input, calls) => {
    const answer = await rig.client.create({ model: 'simulator', input, tools, stream });
    expect(answer.body.status, answer.text).toBe('completed');
    if (stream) expectStream(answer.events);
    const text = 'The web has a page about open source.';
    const citation = {
      type: 'url_citation',
      start_index: 0,
      end_index: text.length,
      title: 'About open source',
      url: 'https://example.com/search?q=open%20source',
    };
    expect(answer.body.output).toMatchObject([
      { type: 'web_search_call', status: 'completed', action: { type: 'search', query: 'open source' } },
      { type: 'message', content: [{ text, annotations: [citation] }] },
    ]);
    expect(attemptsOf(answer)).toHaveLength(calls);
    // It refuses what Anthropic refuses: the conversation goes back as it came.
    const fields = { model: 'simulator', input: 'Thank you.', tools, stream, previous_response_id: answer.body.id };
    expect((await rig.client.create(fields)).body.status).toBe('completed');
  });

  test('nothing is searched where no search is offered', async () => {
    const answer = await rig.client.create({ model: 'simulator', input: 'Search the web for gold.', stream });
    expect(answer.body.output).toMatchObject([{ type: 'message' }]);
  });
});
