/**
 * Conversations over OpenAI's Responses API: what the upstream is sent, value for value, and what the client reads. The
 * upstream refuses what OpenAI refuses and stores nothing.
 */
import { rmSync } from 'node:fs';
import OpenAI from 'openai';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { expectStream } from './support/check-stream.ts';
import { type Answer, type Client, createClient } from './support/client.ts';
import {
  chatEcho,
  type ChatAnswer,
  fakeChatModel,
  fakeMessagesModel,
  type FakeModel,
  type MessagesAnswer,
  messagesEcho,
} from './support/fake-models.ts';
import { frame } from './support/fake-upstream.ts';
import {
  call,
  type OpenAiAnswer,
  openAiEcho,
  openAiUpstream,
  type OpenAiUpstream,
  responseEvents,
  responseOf,
  text,
  thought,
} from './support/openai-upstream.ts';
import { spawnGateway, type SpawnedGateway, temporaryFolder } from './support/spawn-gateway.ts';

let openai: OpenAiUpstream;
let claude: FakeModel<MessagesAnswer>;
let qwen: FakeModel<ChatAnswer>;
let gateway: SpawnedGateway;
let client: Client;
const cleanups: (() => void)[] = [];
const onCleanup = (cleanup: () => void) => void cleanups.push(cleanup);
const folder = temporaryFolder();
const keys = ['alpha', 'beta'].map((name) => `{ name: ${name}, key: sk-${name} }`);
const asTenant = (name: string) => ({ authorization: `Bearer sk-${name}` });

const start = () => {
  const entry = (name: string, model = name) =>
    `  - { name: "${name}", provider: openai, model: "${model}", base_url: "${openai.url}/v1", api_key: k }`;
  return spawnGateway({
    folder,
    onCleanup,
    config: `
auth: { master_key: sk-master, keys: [${keys.join(', ')}] }
routing: { retries: 0 }
models:
${['gpt-5', 'gpt-4o', 'llama', 'o3'].map((name) => entry(name)).join('\n')}
  - { name: claude, provider: anthropic, model: claude-haiku-4-5, base_url: "${claude.url}", api_key: k }
  - { name: qwen, provider: openai-compatible, model: qwen3-32b, base_url: "${qwen.url}/v1", api_key: k }
`,
  });
};

beforeAll(async () => {
  openai = await openAiUpstream(onCleanup);
  claude = await fakeMessagesModel(onCleanup);
  qwen = await fakeChatModel(onCleanup);
  gateway = await start();
  client = createClient(gateway.url);
});
beforeEach(() => {
  openai.answer = openAiEcho;
  claude.answer = messagesEcho;
  qwen.answer = chatEcho;
  for (const { requests } of [openai, claude, qwen]) requests.length = 0;
  openai.refusals.length = 0;
});
afterAll(() => {
  for (const cleanup of cleanups) cleanup();
  rmSync(folder, { recursive: true, maxRetries: 10 });
});

/** The next answers, one a request; then echoes again. */
function answers(...next: OpenAiAnswer[]): void {
  openai.answer = (...given) => next.shift() ?? openAiEcho(...given);
}

const send = (body: object, tenant = 'alpha') => client.create(body, asTenant(tenant));
async function turn(body: object, status = 'completed'): Promise<Answer> {
  const answer = await send(body);
  expect(answer.status, answer.text).toBe(200);
  if (answer.events.length > 0) expectStream(answer.events);
  expect(answer.body.status, answer.text).toBe(status);
  const stored = await client.request('GET', `/v1/responses/${answer.body.id}`, undefined, asTenant('alpha'));
  expect(stored.body).toEqual(answer.body);
  return answer;
}
const go = (model: string, parent: Answer | undefined, input: unknown, fields: object = {}, status?: string) =>
  turn({ model, previous_response_id: parent?.body.id, input, ...fields }, status);
const warningsOf = ({ headers }: Answer): { param: string; message: string }[] =>
  JSON.parse(headers.get('x-turnpike-warnings') ?? '[]');
const sent = () => openai.requests.map(({ body }) => body);
const lastInput = () => sent().at(-1).input;

const user = (said: string) => ({ type: 'message', role: 'user', content: [{ type: 'input_text', text: said }] });
const tool = { type: 'function', name: 'look_up', parameters: { type: 'object', properties: {} }, strict: false };
const result = (call_id: string, output = `of ${call_id}`) => ({ type: 'function_call_output', call_id, output });

describe.each([{ stream: false }, { stream: true }])('stream: $stream', ({ stream }) => {
  test('a tool loop: what the model said goes back as it came, sealed reasoning before its call', async () => {
    const first = [
      thought('gpt-5', 'hm'),
      call('look_up', '{"2":1,"1":1e2}', 'call_a'),
      call('look_up', '{}', 'call_b'),
    ];
    const second = [thought('gpt-5', 'so'), text('Both.', { phase: 'final_answer' })];
    answers({ output: first }, { output: second });
    const asked = await go('gpt-5', undefined, 'Look up.', { stream, tools: [tool], reasoning: { effort: 'low' } });
    const told = await go('gpt-5', asked, [result('call_b'), result('call_a')], { stream, tools: [tool] });
    await go('gpt-5', told, 'And?', { stream });

    expect(openai.refusals).toEqual([]);
    expect(sent().map(({ store, include }) => [store, include])).toEqual(
      sent().map(() => [false, ['reasoning.encrypted_content']]),
    );
    expect(sent()[0]).toMatchObject({ model: 'gpt-5', tools: [tool], reasoning: { effort: 'low' } });
    expect(lastInput()).toEqual([
      user('Look up.'),
      ...first,
      result('call_b'),
      result('call_a'),
      ...second,
      user('And?'),
    ]);
    expect(told.body.output).toMatchObject([
      { type: 'reasoning', summary: [{ text: 'so' }] },
      { type: 'message', phase: 'final_answer', content: [{ text: 'Both.', logprobs: [] }] },
    ]);
    expect(told.body.output.map(({ id }: { id: string }) => id)).not.toContain(second[0].id);
    expect(told.body).toMatchObject({
      service_tier: 'default',
      reasoning: { effort: 'medium' },
      usage: {
        input_tokens: 30,
        input_tokens_details: { cached_tokens: 10, cache_write_tokens: 4 },
        output_tokens: 9,
        output_tokens_details: { reasoning_tokens: 3 },
        total_tokens: 39,
      },
    });
    expect(told.body.billing).toBeUndefined();
  });

  test('forks see their own ancestors only', async () => {
    const root = await go('gpt-5', undefined, 'Root.', { stream });
    const left = await go('gpt-5', root, 'Left.', { stream });
    await go('gpt-5', root, 'Right.', { stream });
    await go('gpt-5', left, 'Left again.', { stream });
    const said = sent().map(({ input }) => input.flatMap(({ content }: { content: { text: string }[] }) => content));
    expect(said.at(-2).map((part: { text: string }) => part.text)).toEqual(['Root.', 'Re: Root.', 'Right.']);
    expect(said.at(-1).map((part: { text: string }) => part.text)).toEqual([
      'Root.',
      'Re: Root.',
      'Left.',
      'Re: Left.',
      'Left again.',
    ]);
    expect(openai.refusals).toEqual([]);
  });

  test('a chain moves over three vendors and back; what cannot go along is said', async () => {
    const own = [thought('gpt-5', 'hm'), call('look_up', '{}', 'call_a')];
    answers({ output: own });
    const asked = await go('gpt-5', undefined, 'Look up.', { stream, tools: [tool] });
    const thinking = { type: 'thinking', thinking: 'Let me see.', signature: 'c2ln' };
    const use = { type: 'tool_use', id: 'toolu_1', name: 'look_up', input: { what: 'b' } };
    claude.answer = () => ({ blocks: [thinking, use], stopReason: 'tool_use' });
    const onClaude = await go('claude', asked, [result('call_a')], { stream, tools: [tool] });
    expect(onClaude.body.input_transformations).toMatchObject([{ type: 'reasoning', reason: 'model_mismatch' }]);
    const onQwen = await go('qwen', onClaude, [result('toolu_1')], { stream, tools: [tool] });
    const back = await go('gpt-5', onQwen, 'And?', { stream });

    expect(openai.refusals).toEqual([]);
    expect(back.body.input_transformations).toMatchObject([{ type: 'reasoning', reason: 'model_mismatch' }]);
    expect(lastInput()).toEqual([
      user('Look up.'),
      ...own,
      result('call_a'),
      { type: 'function_call', call_id: 'toolu_1', name: 'look_up', arguments: '{"what":"b"}' },
      result('toolu_1'),
      {
        type: 'message',
        role: 'assistant',
        content: [expect.objectContaining({ text: onQwen.body.output[0].content[0].text })],
      },
      user('And?'),
    ]);
    await go('claude', back, 'Once more.', { stream });
    expect(claude.requests.at(-1)?.body.messages.length).toBeGreaterThan(6);
  });

  test('another model of the vendor gets no reasoning, and the items behind it no ids that speak of it', async () => {
    const own = [thought('gpt-5', 'hm'), call('look_up', '{}', 'call_a')];
    answers({ output: own });
    const asked = await go('gpt-5', undefined, 'Look up.', { stream, tools: [tool] });
    const told = await go('gpt-4o', asked, [result('call_a')], { stream, tools: [tool] });
    expect(openai.refusals).toEqual([]);
    expect(told.body.input_transformations).toMatchObject([
      { id: asked.body.output[0].id, type: 'reasoning', action: 'removed', reason: 'model_mismatch' },
    ]);
    const { id: _id, ...bare } = own[1];
    expect(lastInput()).toEqual([user('Look up.'), bare, result('call_a')]);
    expect(sent().at(-1).include).toBeUndefined();
  });

  test('an answer that was cut by its limit: its reasoning and its call are not sent again', async () => {
    const cut = { ...call('look_up', '{"wh', 'call_a'), status: 'incomplete' };
    answers({ output: [text('Well.'), thought('gpt-5', 'hm'), cut], status: 'incomplete' });
    const asked = await go('gpt-5', undefined, 'Look up.', { stream, tools: [tool] }, 'incomplete');
    expect(asked.body.incomplete_details).toEqual({ reason: 'max_output_tokens' });
    const next = await go('gpt-5', asked, 'Go on.', { stream });
    expect(openai.refusals).toEqual([]);
    expect(lastInput()).toMatchObject([{ role: 'user' }, { role: 'assistant' }, { role: 'user' }]);
    expect(warningsOf(next).map(({ param }) => param)).toEqual(['input', 'input']);
  });

  test('what the upstream ran itself is carried, with its progress', async () => {
    const search = {
      id: 'ws_'.padEnd(53, '7'),
      type: 'web_search_call',
      status: 'completed',
      action: { type: 'search', query: 'tides', sources: [{ '2': 18_446_744, '1': 'x' }] },
    };
    const cited = text('High at noon.');
    cited.content[0].annotations = [
      { type: 'url_citation', url: 'https://tides.example', title: 'T', start_index: 0, end_index: 4 },
    ];
    answers({ output: [search, cited] });
    const asked = await go('gpt-4o', undefined, 'Tides?', { stream });
    if (stream) {
      const names = asked.events.map(({ event }) => event).filter((name) => name.includes('web_search'));
      expect(names).toEqual(
        ['in_progress', 'searching', 'completed'].map((verb) => `response.web_search_call.${verb}`),
      );
    }
    expect(asked.body.output).toMatchObject([
      { ...search, id: expect.stringMatching(/^ws_/) },
      { content: cited.content },
    ]);
    await go('gpt-4o', asked, 'And?', { stream });
    expect(openai.refusals).toEqual([]);
    expect(lastInput().slice(1, 3)).toEqual([search, cited]);
  });

  test('a refusal in the stream is an error with its reason; nothing of it is billed', async () => {
    openai.answer = ({ body }, response) => {
      const error = { code: 'rate_limit_exceeded', message: 'Slow down.' };
      const failed = responseOf(body, { output: [], status: 'failed', fields: { error, usage: null } });
      if (body.stream !== true) return { output: [], status: 'failed', fields: { error, usage: null } };
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.end(responseEvents(failed).map(frame).join(''));
      return undefined;
    };
    const answer = await send({ model: 'gpt-5', input: 'x', stream });
    if (stream) {
      expect(expectStream(answer.events)).toMatchObject({
        status: 'failed',
        error: { code: 'rate_limit_exceeded' },
        usage: null,
      });
    } else expect(answer).toMatchObject({ status: 429, body: { error: { code: 'rate_limit_exceeded' } } });
  });
});

test('a stateless client carries sealed reasoning itself', async () => {
  const include = ['reasoning.encrypted_content'];
  const own = [thought('gpt-5', 'hm'), call('look_up', '{}', 'call_a')];
  answers({ output: own });
  const first = await send({ model: 'gpt-5', input: 'Look up.', tools: [tool], store: false, include });
  const [reasoning, called] = first.body.output;
  const input = [user('Look up.'), reasoning, called, result('call_a')];
  const second = await send({ model: 'gpt-5', input, tools: [tool], store: false, include });
  expect(second.status, second.text).toBe(200);
  expect(openai.refusals).toEqual([]);
  expect(lastInput()).toMatchObject([
    user('Look up.'),
    { type: 'reasoning', encrypted_content: own[0].encrypted_content, summary: own[0].summary },
    { type: 'function_call', call_id: 'call_a', arguments: '{}' },
    result('call_a'),
  ]);
});

test('an answer is paid at the prices of OpenAI’s own model', async () => {
  const { body } = await go('gpt-5', undefined, 'Hello.');
  const stored = await client.request('GET', `/v1/responses/${body.id}`, undefined, asTenant('alpha'));
  expect(stored.headers.get('x-turnpike-cost-usd')).toBe('0.00011625');
});

test('that a model gives no encrypted reasoning is learnt from one refusal', async () => {
  const first = await go('llama', undefined, 'Hello.');
  expect(sent().map(({ include }) => include)).toEqual([['reasoning.encrypted_content'], undefined]);
  expect(first.body.output[0].content[0].text).toBe('Re: Hello.');
  await go('llama', first, 'Again.', { stream: true });
  expect(sent()).toHaveLength(3);
  expect(openai.refusals).toHaveLength(1);
});

test('parameters that this API alone knows travel as they are', async () => {
  const body = {
    input: 'x',
    instructions: 'Be brief.',
    temperature: 0.5,
    top_p: 0.5,
    max_output_tokens: 100,
    max_tool_calls: 3,
    top_logprobs: 2,
    include: ['message.output_text.logprobs'],
    text: {
      format: { type: 'json_schema', name: 'a', schema: { type: 'object', properties: { file_id: {} } }, strict: true },
      verbosity: 'low',
    },
    tools: [
      { ...tool, defer: 1 },
      { type: 'custom', name: 'apply', format: { type: 'grammar', syntax: 'regex', definition: 'a+' } },
    ],
    tool_choice: { type: 'allowed_tools', mode: 'auto', tools: [{ type: 'custom', name: 'apply' }] },
    parallel_tool_calls: false,
    truncation: 'auto',
    user: 'u',
    safety_identifier: 's',
    prompt_cache_key: 'k',
    service_tier: 'flex',
    personality: { tone: 'dry' },
    prompt_cache_options: { mode: 'implicit' },
  };
  answers({ output: [text('{"file_id":1}')] });
  const answer = await send({ model: 'gpt-4o', ...body, metadata: { ticket: '17' }, reasoning: { context: 'auto' } });
  expect(answer.status, answer.text).toBe(200);
  expect(warningsOf(answer)).toEqual([]);
  const { model, store, input, ...rest } = sent()[0];
  expect({ ...rest, input: 'x' }).toEqual({ ...body, reasoning: { context: 'auto' } });
  expect([model, store, input]).toEqual(['gpt-4o', false, [user('x')]]);

  const refused = await send({ model: 'gpt-4o', input: 'x', colour: 'red' });
  expect(refused).toMatchObject({
    status: 400,
    body: { error: { param: 'colour', message: "Unknown parameter: 'colour'." } },
  });
});

describe('objects in the account of the provider, one credential for two tenants', () => {
  test.each<[param: string, body: object]>([
    [
      'input[0].content[0].file_id',
      { input: [{ role: 'user', content: [{ type: 'input_file', file_id: 'file-1' }] }] },
    ],
    ['input[0].container_id', { input: [{ role: 'user', content: 'x', container_id: 'cntr_1' }] }],
    ['prompt', { prompt: { id: 'pmpt_1' } }],
    ['image.file_id', { image: { file_id: 'file-1' } }],
    ['tools[0].vector_store_ids', { tools: [{ ...tool, vector_store_ids: ['vs_1'] }] }],
    ['prompt_cache_options.comparison_response_id', { prompt_cache_options: { comparison_response_id: 'resp_1' } }],
  ])('%s is refused to both alike', async (param, body) => {
    const [alpha, beta] = await Promise.all(
      ['alpha', 'beta'].map((tenant) => send({ model: 'gpt-5', input: 'x', ...body }, tenant)),
    );
    expect(alpha).toMatchObject({ status: 400, body: { error: { param, type: 'invalid_request_error' } } });
    expect(beta?.text).toBe(alpha?.text);
    expect(openai.requests).toEqual([]);
  });

  test("another tenant's chain is unknown, and the upstream is asked nothing", async () => {
    const mine = await send({ model: 'gpt-5', input: 'x' });
    openai.requests.length = 0;
    const foreign = await send({ model: 'gpt-5', input: 'y', previous_response_id: mine.body.id }, 'beta');
    expect(foreign).toMatchObject({ status: 400, body: { error: { code: 'previous_response_not_found' } } });
    expect(openai.requests).toEqual([]);
  });
});

test("OpenAI's own client: its stream helper over a tool loop", async () => {
  answers(
    { output: [thought('o3', 'hm'), call('look_up', '{"what":"tides"}', 'call_a')] },
    { output: [thought('o3', 'so'), text('High at noon.')] },
  );
  const sdk = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'sk-alpha', maxRetries: 0 });
  const asked = await sdk.responses
    .stream({ model: 'o3', input: 'Tides?', tools: [{ ...tool, type: 'function' }] })
    .finalResponse();
  const called = asked.output.find((item) => item.type === 'function_call');
  expect(called).toMatchObject({ call_id: 'call_a', arguments: '{"what":"tides"}' });
  const told = sdk.responses.stream({
    model: 'o3',
    previous_response_id: asked.id,
    input: [{ type: 'function_call_output', call_id: 'call_a', output: 'noon' }],
    tools: [{ ...tool, type: 'function' }],
  });
  let said = '';
  told.on('response.output_text.delta', ({ delta }) => (said += delta));
  const final = await told.finalResponse();
  expect([said, final.output_text]).toEqual(['High at noon.', 'High at noon.']);
  expect(openai.refusals).toEqual([]);
});

test('a chain goes on after the gateway was killed', async () => {
  const own = [thought('gpt-5', 'hm'), call('look_up', '{}', 'call_a')];
  answers({ output: own });
  const asked = await go('gpt-5', undefined, 'Look up.', { stream: true, tools: [tool] });
  await gateway.kill('SIGKILL');
  gateway = await start();
  client = createClient(gateway.url);
  await go('gpt-5', asked, [result('call_a')], { stream: true, tools: [tool] });
  expect(openai.refusals).toEqual([]);
  expect(lastInput()).toEqual([user('Look up.'), ...own, result('call_a')]);
});
