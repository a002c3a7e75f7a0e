/**
 * Compaction end to end: `/v1/responses/compact`, `compaction_trigger` and what follows a compaction item, over both kinds
 * of backend.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { createClient } from './support/client.ts';
import type { Block, UpstreamRequest } from './support/fake-upstream.ts';
import { lastText } from './support/fake-models.ts';
import { spawnGateway, temporaryFolder } from './support/spawn-gateway.ts';
import { stateRig } from './support/state-rig.ts';

const rig = stateRig();
const user = (content: string) => ({ type: 'message', role: 'user', content });
const tool = { type: 'function', name: 'add', parameters: { type: 'object', properties: {} }, strict: false };
const trigger = { type: 'compaction_trigger' };
const models = ['claude', 'qwen'];
const sentTo = (model: string) => (model === 'qwen' ? rig.chat.requests : rig.messages.requests);

/** Sums up what it is asked to sum up, and says so; calls `add` where it is told to; else it repeats what it was told. */
function answerAs(summary = 'THE SUMMARY'): void {
  const wanted = (request: UpstreamRequest) => {
    const text = lastText(request);
    if (text.includes('about to be compacted')) return 'sum up';
    return text === 'Call.' && request.body.messages.at(-1).role === 'user' ? 'call' : text;
  };
  rig.messages.answer = (request) => {
    const word = wanted(request);
    const last = request.body.messages.at(-1).content.at(-1).type;
    if (word === 'sum up') return { blocks: [{ type: 'text', text: summary }] };
    if (word !== 'call' || last === 'tool_result') return { blocks: [{ type: 'text', text: `Re: ${word}` }] };
    const blocks: Block[] = [
      { type: 'thinking', thinking: 'Add.', signature: 'c2lnbmVk' },
      { type: 'tool_use', id: 'toolu_open', name: 'add', input: '{"a":1.0}' },
    ];
    return { blocks, stopReason: 'tool_use' };
  };
  rig.chat.answer = (request) => {
    const word = wanted(request);
    if (word === 'sum up') return { content: summary };
    if (word !== 'call' || request.body.messages.at(-1).role === 'tool') return { content: `Re: ${word}` };
    return { tool_calls: [{ id: 'toolu_open', type: 'function', function: { name: 'add', arguments: '{"a":1.0}' } }] };
  };
}

/** Who said what, calls and results included; a summary as such. */
function saidIn(request: UpstreamRequest | undefined): string[] {
  // oxlint-disable-next-line no-explicit-any -- either protocol's
  const messages: any[] = request?.body.messages ?? [];
  return messages.flatMap(({ role, content, tool_calls }) => {
    const texts =
      typeof content === 'string' || content === null
        ? [content ?? '']
        : content.map((block: Block) => (typeof block['text'] === 'string' ? block['text'] : block.type));
    if (tool_calls !== undefined) texts.push('tool_use');
    return texts
      .filter((text: string) => text !== '')
      .map((text: string) => `${role}: ${/<summary>\n(.*)\n<\/summary>/s.exec(text)?.[1] ?? text}`);
  });
}

async function ok(body: object) {
  const answer = await rig.client.create(body);
  expect(answer.status, answer.text).toBe(200);
  expect(answer.body.status, answer.text).toBe('completed');
  return answer;
}
const compact = (body: object) => rig.client.request('POST', '/v1/responses/compact', body);

describe.each(models)('over %s', (model) => {
  test('a conversation comes back as a window, which a new chain goes on from', async () => {
    const summary = `THE SUMMARY of ${model}`;
    answerAs(summary);
    const first = await ok({ model, input: [{ role: 'developer', content: 'Be brief.' }, user('one')], tools: [tool] });
    const second = await ok({ model, input: 'two', previous_response_id: first.body.id });
    const before = rig.query('SELECT count(*) n FROM attempts')[0]?.['n'];
    const answer = await compact({
      model,
      previous_response_id: second.body.id,
      instructions: 'Hurry.',
      tools: [tool],
    });
    expect(answer.status, answer.text).toBe(200);
    expect(Object.keys(answer.body)).toEqual(['id', 'object', 'created_at', 'output', 'usage']);
    expect(answer.body).toMatchObject({ object: 'response.compaction', usage: { total_tokens: expect.any(Number) } });
    expect(answer.body.usage.total_tokens).toBeGreaterThan(0);
    const window = answer.body.output;
    expect(window.map(({ type, role }: { type: string; role?: string }) => role ?? type)).toEqual([
      'user',
      'user',
      'compaction',
    ]);
    expect(window[2]).toEqual({
      type: 'compaction',
      id: expect.stringMatching(/^cmp_/),
      encrypted_content: expect.stringMatching(/^tp1\./),
    });

    // It is a turn like any other towards the upstream and in the books, and no response to its client.
    const asked = sentTo(model).at(-1);
    expect(saidIn(asked).slice(-2)[0]).toMatch(/^(assistant: Re: two|user: two)$/);
    expect(JSON.stringify(asked?.body.tool_choice)).toMatch(/none/);
    expect(rig.query('SELECT count(*) n FROM attempts')[0]?.['n']).toBe(Number(before) + 1);
    expect((await rig.client.get(answer.body.id)).status).toBe(404);
    expect(rig.filesWith(summary)).toEqual([]);

    const next = await ok({ model, input: [...window, user('three')] });
    // The developer's message is in the envelope: the window has no place for it.
    const system = model === 'qwen' ? ['system: Be brief.'] : [];
    expect(saidIn(sentTo(model).at(-1))).toEqual([
      ...system,
      'user: one',
      'user: two',
      `user: ${summary}`,
      'user: three',
    ]);
    if (model === 'claude') expect(JSON.stringify(sentTo(model).at(-1)?.body.system)).toContain('Be brief.');
    await ok({ model, input: 'four', previous_response_id: next.body.id });
    expect(saidIn(sentTo(model).at(-1)).slice(-3)).toEqual(['user: three', 'assistant: Re: three', 'user: four']);
  });

  test.each([false, true])('a trigger is answered with one compaction item, stream: %s', async (stream) => {
    answerAs();
    const first = await ok({ model, input: 'one' });
    const body = { model, stream, input: [user('two'), trigger], previous_response_id: first.body.id };
    const answer = await ok({ ...body, reasoning: { effort: 'high' }, text: { format: { type: 'json_object' } } });
    expect(answer.body.output).toHaveLength(1);
    expect(answer.body.output[0].type).toBe('compaction');
    if (stream) {
      expect(answer.events.map(({ data }) => data.type)).toEqual([
        'response.created',
        'response.in_progress',
        'response.output_item.added',
        'response.compaction.compacting',
        'response.output_item.done',
        'response.completed',
      ]);
    }
    expect(saidIn(sentTo(model).at(-1)).slice(0, 3)).toEqual(['user: one', 'assistant: Re: one', 'user: two']);
    expect(sentTo(model).at(-1)?.text).not.toContain('compaction_trigger');
    expect((await rig.client.get(answer.body.id)).body).toEqual(answer.body);

    const third = await ok({ model, stream, input: 'three', previous_response_id: answer.body.id });
    expect(saidIn(sentTo(model).at(-1))).toEqual(['user: one', 'user: two', 'user: THE SUMMARY', 'user: three']);
    // A fork from before it sees none of it, and the second compaction takes the place of the first.
    await ok({ model, input: 'aside', previous_response_id: first.body.id });
    expect(saidIn(sentTo(model).at(-1))).toEqual(['user: one', 'assistant: Re: one', 'user: aside']);
    answerAs('LATER');
    const again = await ok({ model, stream, input: [trigger], previous_response_id: third.body.id });
    await ok({ model, input: 'four', previous_response_id: again.body.id });
    expect(saidIn(sentTo(model).at(-1))).toEqual([
      'user: one',
      'user: two',
      'user: three',
      'user: LATER',
      'user: four',
    ]);
  });

  test.each(['chain', 'window'])(
    'a call that waits for its output survives, with the thought behind it: %s',
    async (how) => {
      answerAs();
      const first = await ok({ model, input: 'one' });
      const settings = { model, tools: [tool], reasoning: { effort: 'low' } };
      const called = await ok({ ...settings, input: 'Call.', previous_response_id: first.body.id });
      const call = called.body.output.at(-1);
      expect(call.type).toBe('function_call');
      const output = { type: 'function_call_output', call_id: call.call_id, output: '2' };
      if (how === 'chain') {
        const compacted = await ok({ ...settings, input: [trigger], previous_response_id: called.body.id });
        await ok({ ...settings, input: [output], previous_response_id: compacted.body.id });
      } else {
        const compacted = await compact({ model, previous_response_id: called.body.id });
        expect(compacted.status, compacted.text).toBe(200);
        // A client may also drop all that stands before the item.
        await ok({ ...settings, input: [compacted.body.output.at(-1), output] });
      }
      const sent = sentTo(model).at(-1);
      const users = how === 'chain' ? ['user: one', 'user: Call.'] : [];
      const thought = model === 'claude' ? ['assistant: thinking'] : [];
      const result = model === 'claude' ? 'user: tool_result' : 'tool: 2';
      expect(saidIn(sent)).toEqual([...users, 'user: THE SUMMARY', ...thought, 'assistant: tool_use', result]);
      expect(sent?.text).toContain(model === 'claude' ? '"input":{"a":1.0}' : String.raw`{\"a\":1.0}`);
      if (model === 'claude') expect(sent?.text).toContain('c2lnbmVk');
    },
  );

  test('a conversation is refused, and so is an unknown parent', async () => {
    expect((await compact({ model, input: 'x', conversation: 'conv_1' })).body.error.param).toBe('conversation');
    expect((await compact({ model, input: 'x', previous_response_id: 'resp_1' })).body.error).toMatchObject({
      code: 'previous_response_not_found',
    });
  });

  test('a summary that is empty or cut is a failure, which is billed', async () => {
    for (const summary of ['', ' \n']) {
      answerAs(summary);
      const answer = await compact({ model, input: 'one' });
      expect(answer.status).toBe(502);
      expect(answer.body.error.code).toBe('upstream_error');
    }
    rig.messages.answer = () => ({ blocks: [{ type: 'text', text: 'Half a' }], stopReason: 'max_tokens' });
    rig.chat.answer = () => ({ content: 'Half a', finishReason: 'length' });
    expect((await compact({ model, input: 'one' })).status).toBe(502);
    const row = rig.query('SELECT status, output_tokens FROM attempts ORDER BY id DESC LIMIT 1')[0];
    expect(row).toEqual({ status: 'failed', output_tokens: model === 'claude' ? 7 : 5 });
  });

  test("Codex's own remote compaction: its trigger, and its next turn with the item", async () => {
    answerAs();
    const file = new URL('fixtures/codex/compact-remote.json', import.meta.url);
    const captured = JSON.parse(readFileSync(file, 'utf8'));
    const { previous_response_id: _warmup, ...compaction } = captured.compact;
    const base = { type: 'message', role: 'developer', content: 'You are a coding agent.' };
    const input = [base, ...compaction.input];
    const answer = await ok({ ...compaction, model, input });
    expect(answer.events.at(-1)?.data.type).toBe('response.completed');
    const [item, ...rest] = answer.body.output;
    expect(rest).toEqual([]);
    expect(item.type).toBe('compaction');
    const next = { ...captured.next, model };
    next.input = next.input.map((sent: { type: string }) => (sent.type === 'compaction' ? item : sent));
    await ok(next);
    const said = saidIn(sentTo(model).at(-1));
    expect(said.at(-1)).toBe('user: Say hello.');
    expect(said.at(-2)).toBe('user: THE SUMMARY');
    expect(said).toContain('user: Say hi.');
    expect(said.join()).not.toContain('SAW:NONE');
    expect(sentTo(model).at(-1)?.text).toContain('You are a coding agent running in the Codex CLI');
  });
});

/** With its last byte another: the tag's. What ends in base64url's padding bits would be the same byte by chance. */
function altered(envelope: string): string {
  const [version, keyId, sealed = ''] = envelope.split('.');
  const bytes = Buffer.from(sealed, 'base64url');
  bytes.writeUInt8((bytes.at(-1) ?? 0) ^ 1, bytes.length - 1);
  return [version, keyId, bytes.toString('base64url')].join('.');
}

test('a compaction item that does not open is left out and said, and what stands before it is seen', async () => {
  answerAs();
  const config = `
auth: { keys: [{ name: a, key: tp-compact-key-a, team: alpha }, { name: b, key: tp-compact-key-b, team: beta }] }
models: [{ name: claude, provider: anthropic, model: claude-haiku-4-5, base_url: "${rig.messages.url}", api_key: k }]
`;
  const gateway = await spawnGateway({ config, folder: temporaryFolder() });
  const client = createClient(gateway.url);
  const as = (key: string) => ({ authorization: `Bearer tp-compact-key-${key}` });
  const made = await client.request('POST', '/v1/responses/compact', { model: 'claude', input: 'one' }, as('a'));
  const item = made.body.output.at(-1);
  const envelope: string = item.encrypted_content;
  const cases: [content: string, key: string][] = [
    [envelope, 'b'],
    [altered(envelope), 'a'],
    ['opaque', 'a'],
  ];
  for (const [encrypted_content, key] of cases) {
    const input = [user('one'), { role: 'assistant', content: 'Re: one' }, { ...item, encrypted_content }, user('two')];
    const answer = await client.create({ model: 'claude', input }, as(key));
    expect(answer.status, answer.text).toBe(200);
    expect(saidIn(rig.messages.requests.at(-1))).toEqual(['user: one', 'assistant: Re: one', 'user: two']);
    const removed = { id: item.id, type: 'reasoning', action: 'removed', reason: 'organization_mismatch' };
    expect(answer.body.input_transformations).toEqual([removed]);
    expect(answer.headers.get('x-turnpike-warnings')).toContain(item.id);
  }
  const foreign = await client.create({ model: 'claude', input: 'x', store: true }, as('a'));
  const ask = (id: string) =>
    client.request('POST', '/v1/responses/compact', { model: 'claude', previous_response_id: id }, as('b'));
  const answers = [await ask(foreign.body.id), await ask('resp_unknown')];
  expect(answers.map(({ status }) => status)).toEqual([400, 400]);
  expect(answers[0]?.text.replace(foreign.body.id, 'ID')).toBe(answers[1]?.text.replace('resp_unknown', 'ID'));
});

test('a trigger alone is told that there is nothing', async () => {
  const { body } = await rig.client.create({ model: 'claude', input: [trigger] });
  expect(body.error.message).toBe('There is nothing to compact: the trigger is all that was sent.');
});

test.each<[what: string, body: object, status: number, param: string]>([
  ['a trigger before the end', { input: [trigger, user('one')] }, 400, 'input[0].type'],
  ['nothing to sum up', { input: [{ role: 'developer', content: 'Be brief.' }, trigger] }, 400, 'input'],
  ['nothing but a trigger', { input: [trigger] }, 400, 'input'],
])('%s is refused', async (_what, body, status, param) => {
  const answer = await rig.client.create({ model: 'claude', ...body });
  expect(answer.status, answer.text).toBe(status);
  expect(answer.body.error.param).toBe(param);
  expect(rig.messages.requests).toEqual([]);
});

describe('configuration_update', () => {
  const update = (reasoning?: object, text?: object) => ({ type: 'configuration_update', reasoning, text });
  const effortOf = (request: UpstreamRequest | undefined) => request?.body.thinking?.budget_tokens;

  test('holds on later turns of the chain, until another one or past a compaction', async () => {
    answerAs();
    const schema = { type: 'object', properties: {}, additionalProperties: false };
    const format = { type: 'json_schema', name: 'a', schema };
    const first = await ok({ model: 'claude', input: [update({ effort: 'high' }, { format }), user('one')] });
    const budget = effortOf(rig.messages.requests.at(-1));
    expect(budget).toBeGreaterThan(1024);
    expect(first.body).toMatchObject({ reasoning: { effort: 'high' }, text: { format: { type: 'json_schema' } } });
    const second = await ok({ model: 'claude', input: 'two', previous_response_id: first.body.id });
    expect(effortOf(rig.messages.requests.at(-1))).toBe(budget);
    expect(rig.messages.requests.at(-1)?.body.output_config.format.type).toBe('json_schema');
    const compacted = await ok({ model: 'claude', input: [trigger], previous_response_id: second.body.id });
    expect(rig.messages.requests.at(-1)?.body.thinking).toBeUndefined();
    await ok({ model: 'claude', input: 'three', previous_response_id: compacted.body.id });
    expect(effortOf(rig.messages.requests.at(-1))).toBe(budget);
    const overruled = await ok({
      model: 'claude',
      reasoning: { effort: 'high' },
      input: [update({ effort: 'low' }, { format: { type: 'text' } }), user('four')],
      previous_response_id: second.body.id,
    });
    expect(effortOf(rig.messages.requests.at(-1))).toBe(1024);
    expect(rig.messages.requests.at(-1)?.body.output_config).toBeUndefined();
    expect(overruled.headers.get('x-turnpike-warnings')).toContain('reasoning.effort');
  });

  test('is checked as the parameters are', async () => {
    const ask = async (item: object) => (await rig.client.create({ model: 'claude', input: [item, user('x')] })).body;
    expect((await ask(update({ effort: 'most' }))).error).toMatchObject({ param: 'input[0].reasoning.effort' });
    expect((await ask(update(undefined, { format: { type: 'json_schema' } }))).error).toMatchObject({
      param: 'input[0].text.format.name',
    });
  });
});

describe.each(models)('context_management over %s', (model) => {
  const long = (word: string) => `${word} ${'lorem ipsum dolor sit amet '.repeat(300)}`;
  const context_management = [{ type: 'compaction', compact_threshold: 1000 }];

  test.each([false, true])(
    'a context past the threshold is compacted inside the response, stream: %s',
    async (stream) => {
      answerAs();
      const body = { model, stream, context_management };
      const first = await ok({ ...body, input: [{ role: 'developer', content: 'Be brief.' }, user(long('one'))] });
      // All of it has just been said: there is nothing older to compact.
      expect(first.body.output).toHaveLength(1);
      const before = Number(rig.query('SELECT count(*) n FROM attempts')[0]?.['n']);
      const second = await ok({ ...body, input: 'two', previous_response_id: first.body.id });
      expect(second.body.output.map(({ type }: { type: string }) => type)).toEqual(['compaction', 'message']);
      expect(second.body.output[1].content[0].text).toBe('Re: two');
      const system = model === 'qwen' ? ['system: Be brief.'] : [];
      expect(saidIn(sentTo(model).at(-1))).toEqual([...system, 'user: THE SUMMARY', 'user: two']);
      expect(Number(rig.query('SELECT count(*) n FROM attempts')[0]?.['n'])).toBe(before + 2);
      expect(
        rig.query(
          'SELECT count(DISTINCT session_id) n FROM turns WHERE session_id = ?',
          String(second.headers.get('x-turnpike-session-id')),
        )[0]?.['n'],
      ).toBe(1);
      if (stream) {
        const types = second.events.map(({ data }) => data.type);
        expect(types.slice(0, 6)).toEqual([
          'response.created',
          'response.in_progress',
          'response.output_item.added',
          'response.compaction.compacting',
          'response.output_item.done',
          'response.output_item.added',
        ]);
        expect(
          second.events.map(({ data }) => data.output_index).filter((index) => index === 1).length,
        ).toBeGreaterThan(3);
      }
      expect((await rig.client.get(second.body.id)).body).toEqual(second.body);

      // The chain goes on from there, and so does a client that carries it all, or drops what the item stands for.
      const expected = [...system, 'user: THE SUMMARY', 'user: two', 'assistant: Re: two', 'user: three'];
      await ok({ ...body, input: 'three', previous_response_id: second.body.id });
      expect(saidIn(sentTo(model).at(-1))).toEqual(expected);
      await ok({ ...body, store: false, input: [user(long('one')), ...second.body.output, user('three')] });
      expect(saidIn(sentTo(model).at(-1))).toEqual(expected);
      await ok({ ...body, store: false, input: [...second.body.output, user('three')] });
      expect(saidIn(sentTo(model).at(-1))).toEqual(expected);
    },
  );

  test('a tool loop is never cut in two, and keeps its thinking', async () => {
    answerAs();
    const body = { model, tools: [tool], reasoning: { effort: 'low' } };
    const first = await ok({ ...body, input: long('one') });
    const called = await ok({ ...body, input: 'Call.', previous_response_id: first.body.id });
    const output = { type: 'function_call_output', call_id: called.body.output.at(-1).call_id, output: '2' };
    const done = await ok({ ...body, context_management, input: [output], previous_response_id: called.body.id });
    expect(done.body.output[0].type).toBe('compaction');
    const thought = model === 'claude' ? ['assistant: thinking'] : [];
    const result = model === 'claude' ? 'user: tool_result' : 'tool: 2';
    expect(saidIn(sentTo(model).at(-1))).toEqual(['user: THE SUMMARY', ...thought, 'assistant: tool_use', result]);
  });

  test('where the summary fails the turn goes on as it was, and says so', async () => {
    answerAs('');
    const first = await ok({ model, input: long('one') });
    const answer = await ok({ model, context_management, input: 'two', previous_response_id: first.body.id });
    expect(answer.body.output.map(({ type }: { type: string }) => type)).toEqual(['message']);
    expect(saidIn(sentTo(model).at(-1))).toHaveLength(3);
    expect(answer.headers.get('x-turnpike-warnings')).toContain('context_management');
  });
});

test.each<[what: string, value: unknown, param: string]>([
  ['another type', [{ type: 'trim' }], 'context_management[0].type'],
  ['too low a threshold', [{ type: 'compaction', compact_threshold: 999 }], 'context_management[0].compact_threshold'],
  ['no list', 'compaction', 'context_management'],
])('context_management: %s is refused', async (_what, context_management, param) => {
  const answer = await rig.client.create({ model: 'claude', input: 'x', context_management });
  expect(answer.status).toBe(400);
  expect(answer.body.error.param).toBe(param);
});

test('a reply that is paused after a compaction goes on behind it', async () => {
  answerAs();
  const context_management = [{ type: 'compaction', compact_threshold: 1000 }];
  const first = await ok({ model: 'claude', input: 'lorem ipsum '.repeat(2000) });
  const { answer } = rig.messages;
  let asked = 0;
  rig.messages.answer = (request, response) => {
    if (lastText(request).includes('about to be compacted')) return answer(request, response);
    asked += 1;
    const block = { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: '{"query":"x"}' };
    if (asked === 1) return { blocks: [{ type: 'text', text: 'Searching.' }, block], stopReason: 'pause_turn' };
    return { blocks: [{ type: 'text', text: 'Found.' }] };
  };
  const tools = [{ type: 'web_search' }];
  const input = { model: 'claude', tools, context_management, stream: true, input: 'two' };
  const second = await ok({ ...input, previous_response_id: first.body.id });
  const types = second.body.output.map(({ type }: { type: string }) => type);
  expect(types).toEqual(['compaction', 'message', 'web_search_call', 'message']);
  expect(asked).toBe(2);
  expect(rig.messages.requests.at(-1)?.text).not.toContain('"compaction"');
});
