/**
 * What upstreams find in their caches of prompts: that a request of a growing conversation begins with the one before, byte
 * for byte; that Anthropic is told where to cache it; and that what was read and written is told.
 */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { arrayElements, sliceJson } from '../src/core/json-slice.ts';
import { type ModelName, type Sent, type Step, steps, walk, type WalkRig, walkRig } from './support/chain-walk.ts';
import type { Answer } from './support/client.ts';
import type { UpstreamRequest } from './support/fake-upstream.ts';
import { testPostgres } from './support/postgres.ts';

let rig: WalkRig;
const cleanups: (() => void)[] = [];
beforeAll(async () => {
  rig = await walkRig((cleanup) => void cleanups.push(cleanup));
});
afterAll(() => {
  for (const cleanup of cleanups) cleanup();
});
beforeEach(() => rig.forgetRefusals());

/** What is cached of a request, as its bytes are: tools, instructions, the conversation; without marks and what closes it. */
function cachedText({ text }: UpstreamRequest): string {
  const parts = ['tools', 'system', 'instructions', 'systemInstruction', 'messages', 'input', 'contents'].map(
    (field) => sliceJson(text, [field]) ?? '',
  );
  return parts
    .join('\n')
    .replaceAll(/,"cache_control":\{[^}]*\}/g, '')
    .replace(/[\s\]}]*$/, '');
}

function sharedBytes(one: string, other: string): number {
  let at = 0;
  while (at < one.length && one[at] === other[at]) at += 1;
  return Buffer.byteLength(one.slice(0, at));
}

const saysNothing = ({ kind }: Step) => kind === 'refusal' || kind === 'silent';

/**
 * How much of a request the next one has to begin with: all of it, but where a vendor's rules change what was sent. DeepSeek
 * wants its thoughts back inside a tool loop and not behind it; and a system message stands before an answer or at the end.
 */
function keptText({ request, step }: Sent, next: UpstreamRequest): string {
  const text = cachedText(request);
  const thought = text.indexOf('"reasoning_content"');
  if (thought >= 0 && !next.text.includes('"reasoning_content"'))
    return text.slice(0, text.lastIndexOf('{"role":"assistant"', thought));
  const system = text.lastIndexOf('{"role":"system"');
  return system >= 0 && step.model === 'opus' && saysNothing(step)
    ? text.slice(0, text.lastIndexOf('{"role":', system - 1))
    : text;
}

/** @returns bytes that were shared, and bytes that were sent before. */
function checkPrefixes(sent: readonly Sent[]): { shared: number; before: number } {
  const sum = { shared: 0, before: 0 };
  for (const { request, parent, step } of sent) {
    const before = sent[parent];
    if (before === undefined || before.step.compacts) continue;
    // A search of Google's cannot be forbidden: the tool is left out where no call is wanted.
    if (step.model === 'gemini' && step.compacts) continue;
    const kept = keptText(before, request);
    const shared = sharedBytes(kept, cachedText(request));
    expect(shared, `${before.request.text}\n${request.text}`).toBe(Buffer.byteLength(kept));
    sum.shared += shared;
    sum.before += Buffer.byteLength(cachedText(before.request));
  }
  return sum;
}

describe.each<ModelName>(['haiku', 'opus', 'gpt-5', 'qwen', 'gemini'])(
  '%s: a request begins with the one before',
  (name) => {
    test.each([
      ['that the gateway keeps, over a restart', false],
      ['that the client carries', true],
    ])(
      'in a conversation %s',
      async (_where, carries) => {
        const sum = { shared: 0, before: 0 };
        await fc.assert(
          fc.asyncProperty(steps([name], 10), async (plan) => {
            const { shared, before } = checkPrefixes(await walk(rig, plan, carries));
            sum.shared += shared;
            sum.before += before;
          }),
          { numRuns: 12 },
        );
        expect(sum.shared / sum.before).toBeGreaterThan(0.8);
        if (carries) return;
        const [plan = []] = fc.sample(steps([name], 8), { numRuns: 1, seed: 7 });
        const half = plan.length >> 1;
        checkPrefixes(await walk(rig, plan, carries, async (at) => void (at === half && (await rig.restart()))));
      },
      300_000,
    );
  },
);

test('a conversation that two nodes hold together is sent on as one would', async () => {
  const postgres = await testPostgres();
  try {
    const store = `{ url: "${await postgres.createDatabase()}", secret: "${'7'.repeat(64)}" }`;
    const rigOfTwo = await walkRig((cleanup) => void cleanups.push(cleanup), store);
    const nodes = [rigOfTwo.client, await rigOfTwo.addNode()];
    const alternate = async (at: number) => void (rigOfTwo.client = nodes[at % 2] ?? rigOfTwo.client);
    const names = ['haiku', 'opus', 'gpt-5', 'qwen', 'gemini'] as const;
    const sum = { shared: 0, before: 0 };
    for (const [seed, name] of names.entries()) {
      const [plan = []] = fc.sample(steps([name], 10), { numRuns: 1, seed: seed + 7 });
      const walked = checkPrefixes(await walk(rigOfTwo, plan, false, alternate));
      sum.shared += walked.shared;
      sum.before += walked.before;
    }
    expect(sum.shared / sum.before).toBeGreaterThan(0.8);
    await rigOfTwo.gateway.kill('SIGTERM');
  } finally {
    await postgres.stop();
  }
}, 300_000);

/** By which fields are put in another order for each seed; in one for 0. */
const rank = (key: string, seed: number) => (seed * (key.length * 7 + key.charCodeAt(0) * seed)) % 13;

/** The same object with its fields in another order; what stands in a schema has the order that the client wants. */
function shuffled(value: unknown, seed: number): unknown {
  if (Array.isArray(value)) return value.map((each) => shuffled(each, seed));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(
    ([key, inner]) => [key, key === 'parameters' || key === 'schema' ? inner : shuffled(inner, seed)] as const,
  );
  return Object.fromEntries(entries.toSorted(([a], [b]) => rank(a, seed) - rank(b, seed) || (a < b ? -1 : 1)));
}

/** The same JSON with every object's fields in one order. */
const inOrder = (text: string) => JSON.stringify(shuffled(JSON.parse(text), 0));

test.each(['haiku', 'gpt-5', 'qwen', 'gemini'])(
  '%s is sent the same bytes, whatever order the fields came in',
  async (model) => {
    const schema = { type: 'object', required: ['b'], properties: { z: { type: 'string' }, b: { type: 'number' } } };
    const body = {
      model,
      instructions: 'Be brief.',
      tools: [{ type: 'function', name: 'look_up', description: 'd', parameters: schema, strict: false }],
      store: false,
      reasoning: { effort: 'low', summary: 'auto' },
      text: {
        format: {
          type: 'json_schema',
          name: 'n',
          schema: { type: 'object', properties: {}, additionalProperties: false },
          strict: true,
        },
      },
      input: [
        {
          type: 'message',
          role: 'user',
          content: [
            { type: 'input_text', text: 'a' },
            { type: 'input_image', image_url: 'data:image/png;base64,QUFB', detail: 'auto' },
          ],
        },
        { type: 'function_call', call_id: 'call_1', name: 'look_up', arguments: '{"b":1.0,"10":1,"2":2}' },
        { type: 'function_call_output', call_id: 'call_1', output: [{ type: 'input_text', text: 'b' }] },
        { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'c', annotations: [] }] },
        { type: 'message', role: 'user', content: 'd' },
      ],
    };
    rig.next = { kind: 'text', count: 1, thinks: false, words: ['hm', '{}'] };
    const texts: string[] = [];
    for (let seed = 1; seed < 6; seed += 1) {
      const answer = await rig.client.create(shuffled(body, seed) as object);
      expect(answer.status, answer.text).toBe(200);
      // OpenAI reads items as items: their fields are passed on in the order in which they came.
      const sent = rig.sent().at(-1)?.text ?? '';
      texts.push(model === 'gpt-5' ? inOrder(sent) : sent);
    }
    expect([...new Set(texts)]).toHaveLength(1);
  },
);

/**
 * Anthropic's cache: prefixes are written where a mark is, and found at a mark or at the twenty blocks before it. A token is four
 * characters.
 * @see https://platform.claude.com/docs/en/build-with-claude/prompt-caching
 */
function createCache(minTokens: number) {
  const entries = new Set<string>();
  return (text: string) => {
    const blocks = ['tools', 'system'].flatMap((field) => arrayElements(sliceJson(text, [field]) ?? '[]') ?? []);
    for (const message of arrayElements(sliceJson(text, ['messages']) ?? '[]') ?? [])
      blocks.push(...(arrayElements(sliceJson(message, ['content']) ?? '[]') ?? []));
    const marked = blocks.map((block) => block.includes('"cache_control"'));
    const prefixes: string[] = [];
    for (const block of blocks)
      prefixes.push(`${prefixes.at(-1) ?? ''}\n${block.replace(/,"cache_control":\{[^}]*\}/, '')}`);
    const tokens = (at: number) => Math.round((prefixes[at] ?? '').length / 4);
    let read = -1;
    for (const [at, isMarked] of marked.entries()) {
      if (!isMarked) continue;
      for (let back = at; back >= Math.max(0, at - 20); back -= 1)
        if (entries.has(prefixes[back] ?? '')) read = Math.max(read, back);
    }
    const last = marked.lastIndexOf(true);
    for (const [at, isMarked] of marked.entries())
      if (isMarked && tokens(at) >= minTokens) entries.add(prefixes[at] ?? '');
    const written = last >= 0 && tokens(last) >= minTokens ? tokens(last) - tokens(read) : 0;
    const cached = read < 0 ? 0 : tokens(read);
    return {
      input_tokens: tokens(blocks.length - 1) - cached - written,
      cache_read_input_tokens: cached,
      cache_creation_input_tokens: written,
    };
  };
}

const tools = [
  {
    type: 'function',
    name: 'look_up',
    description: 'Looks up. '.repeat(600),
    parameters: { type: 'object', properties: {} },
  },
];
const instructions = 'Be brief, and kind. '.repeat(600);

interface Counts {
  input: number;
  cached: number;
  written: number;
}
const countsOf = ({ body }: Answer): Counts => ({
  input: body.usage.input_tokens,
  cached: body.usage.input_tokens_details.cached_tokens,
  written: body.usage.input_tokens_details.cache_write_tokens,
});

describe.each([
  ['haiku', 4096],
  ['opus', 1024],
] as const)('%s: a tool loop', (model, minTokens) => {
  test.each([false, true])('reads what the request before has written, stream: %s', async (stream) => {
    const cache = createCache(minTokens);
    let calls = 0;
    const { answer } = rig.messages;
    rig.messages.answer = ({ text }) => {
      calls += 1;
      // Once so many at once that the newest mark is too far from the last one.
      const count = calls === 3 ? 30 : calls < 12 ? 1 : 0;
      const blocks = Array.from({ length: count }, (_, at) => ({
        type: 'tool_use',
        id: `toolu_${calls}_${at}`,
        name: 'look_up',
        input: {},
      }));
      return {
        blocks: count === 0 ? [{ type: 'text', text: 'Done.' }] : blocks,
        stopReason: count === 0 ? 'end_turn' : 'tool_use',
        usage: cache(text),
      };
    };
    let previous_response_id: string | null = null;
    let input: unknown = 'Look it up.';
    const counts: Counts[] = [];
    for (;;) {
      const turn: Answer = await rig.client.create({ model, stream, tools, instructions, previous_response_id, input });
      expect(rig.messages.refusals).toEqual([]);
      expect(turn.status, turn.text).toBe(200);
      expect((await rig.client.get(turn.body.id)).body.usage).toEqual(turn.body.usage);
      counts.push(countsOf(turn));
      previous_response_id = turn.body.id;
      const output = turn.body.output as { type: string; call_id: string }[];
      const made = output.filter(({ type }) => type === 'function_call');
      if (made.length === 0) break;
      input = made.map(({ call_id }) => ({
        type: 'function_call_output',
        call_id,
        output: `What ${call_id} has found. `.repeat(40),
      }));
    }
    rig.messages.answer = answer;
    expect(counts).toHaveLength(12);
    const [first, ...others] = counts;
    expect(first?.cached).toBe(0);
    counts.forEach(({ cached, written, input: all }, at) => {
      const before = counts[at - 1];
      if (before !== undefined) expect(cached).toBe(before.cached + before.written);
      expect(cached + written).toBe(all);
    });
    const paid = counts.reduce((sum, { cached, written }) => sum + cached * 0.1 + written * 1.25, 0);
    const plain = counts.reduce((sum, { input: all }) => sum + all, 0);
    expect(paid / plain).toBeLessThan(0.35);
    expect(others.length).toBe(11);
  });
});

/** What each client is told of 150 tokens of which 20 were read and 30 written. */
const clients = {
  responses: {
    path: '/v1/responses',
    body: { input: 'a' },
    told: { input_tokens: 150, input_tokens_details: { cached_tokens: 20, cache_write_tokens: 30 } },
  },
  chat: {
    path: '/v1/chat/completions',
    body: { messages: [{ role: 'user', content: 'a' }] },
    told: { prompt_tokens: 150, prompt_tokens_details: { cached_tokens: 20, cache_write_tokens: 30 } },
  },
  messages: {
    path: '/v1/messages',
    body: { messages: [{ role: 'user', content: 'a' }], max_tokens: 100 },
    told: { input_tokens: 100, cache_read_input_tokens: 20, cache_creation_input_tokens: 30 },
  },
};

/** As `toMatchObject` reads it. */
const nested = (told: object): object =>
  Object.fromEntries(
    Object.entries(told).map(([key, value]) => [
      key,
      typeof value === 'object' ? expect.objectContaining(value) : value,
    ]),
  );

describe.each(Object.entries(clients))('what was cached is told to a client of %s', (_name, { path, body, told }) => {
  test.each([false, true])('and kept, stream: %s', async (stream) => {
    const { answer } = rig.messages;
    const usage = { input_tokens: 100, cache_read_input_tokens: 20, cache_creation_input_tokens: 30 };
    rig.messages.answer = () => ({ blocks: [{ type: 'text', text: 'b' }], usage });
    const options = stream && path.endsWith('completions') ? { stream_options: { include_usage: true } } : {};
    const reply = await fetch(`${rig.gateway.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'haiku', stream, ...options, ...body }),
    });
    const text = await reply.text();
    rig.messages.answer = answer;
    expect(reply.status, text).toBe(200);
    const pieces = stream ? [...text.matchAll(/^data: (\{.*)$/gm)].map(([, data = '']) => data) : [text];
    const counted = pieces.flatMap((piece): unknown => {
      const { usage, message, response } = JSON.parse(piece) as Record<string, { usage?: unknown } | null>;
      return usage ?? message?.usage ?? response?.usage ?? [];
    });
    expect(counted, text).toContainEqual(expect.objectContaining(nested(told)));

    const database = new DatabaseSync(join(rig.folder, 'turnpike.db'), { readOnly: true });
    const counts = 'input_tokens, cached_tokens, cache_write_tokens';
    const [row = {}] = database.prepare(`SELECT turn_id, ${counts} FROM attempts ORDER BY id DESC LIMIT 1`).all();
    database.close();
    const { turn_id, ...spent } = row;
    expect(spent).toEqual({ input_tokens: 150, cached_tokens: 20, cache_write_tokens: 30 });
    expect((await rig.client.get(String(turn_id))).body.usage).toMatchObject(clients.responses.told);
  });
});
