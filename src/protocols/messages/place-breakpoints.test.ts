import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ContextItem, InputPart, Item, MessageItem } from '../../core/items.ts';
import type { FunctionTool, TurnRequest } from '../../core/request.ts';
import { plainRequest } from '../../../test/fixtures/plain-request.ts';
import { messagesCodec } from './index.ts';
import { frozen } from '../../../test/support/frozen.ts';

const tool = (name: string): FunctionTool => ({
  type: 'function',
  name,
  description: null,
  parameters: null,
  strict: null,
});
const lookUp = tool('look_up');
const long = (text: string) => `${text} ${'word '.repeat(400)}`;

const request = plainRequest;

const of = (item: Item): ContextItem => ({ item, origin: undefined });
const says = (role: MessageItem['role'], ...content: (string | InputPart)[]): ContextItem =>
  of({
    type: 'message',
    id: 'msg_1',
    role,
    content: content.map((part) => (typeof part === 'string' ? { type: 'input_text', text: part } : part)),
  });
const call = (id: string): ContextItem =>
  of({ type: 'function_call', id, call_id: id, name: 'look_up', arguments: '{}' });
const output = (id: string, text = `of ${id}`): ContextItem =>
  of({ type: 'function_call_output', id, call_id: id, output: text });
const marked = (text: string, ttl?: string): InputPart => ({
  type: 'input_text',
  text,
  prompt_cache_breakpoint: { mode: 'explicit', ...(ttl === undefined ? {} : { ttl }) },
});

interface Case {
  context: ContextItem[];
  fields?: Partial<TurnRequest>;
  minCachedTokens?: number | undefined;
}

function encode({ context, fields = {}, minCachedTokens = 100 }: Case) {
  return messagesCodec.encodeRequest({
    request: { ...request, input: context.map(({ item }) => item), ...fields },
    context: frozen(context),
    inheritedTools: [],
    model: 'claude-haiku-4-5',
    profile: {
      maxOutputTokens: 1000,
      reasoning: 'adaptive',
      reasoningField: 'none',
      midConversationSystem: true,
      maxTokensField: 'max_tokens',
      jsonSchemaOutput: true,
      customTools: false,
      minCachedTokens,
    },
  });
}

/** Where the breakpoints are, with how long they last. */
function marks(given: Case): string[] {
  const found: string[] = [];
  const walk = (value: unknown, path: string): void => {
    if (typeof value !== 'object' || value === null) return;
    if ('cache_control' in value) {
      const { type, ttl } = value.cache_control as { type: string; ttl?: string };
      expect(type).toBe('ephemeral');
      found.push(ttl === undefined ? path : `${path} ${ttl}`);
    }
    for (const [key, inner] of Object.entries(value)) walk(inner, path === '' ? key : `${path}.${key}`);
  };
  const { tools, system, messages } = JSON.parse(encode(given).body) as Record<string, unknown>;
  walk({ tools, system, messages }, '');
  return found;
}

const start = says('user', long('Start.'));
const answer = says('assistant', 'Well.');
const tools = [tool('other'), lookUp];
const instructions = long('Be brief.');

describe('where breakpoints are placed', () => {
  test.each<[string, Case, string[]]>([
    [
      'a question alone: nothing, nobody knows whether more will follow',
      { context: [start], fields: { instructions } },
      [],
    ],
    [
      'a question with tools: calls and their outputs will follow',
      { context: [start], fields: { instructions, tools } },
      ['system.0', 'messages.0.content.0'],
    ],
    [
      'a cache key: the client says that prompts begin alike',
      { context: [start], fields: { instructions, promptCacheKey: 'k' } },
      ['system.0', 'messages.0.content.0'],
    ],
    [
      'the same, as an option',
      { context: [start], fields: { extra: { prompt_cache_options: { mode: 'implicit' } } } },
      ['messages.0.content.0'],
    ],
    [
      'a conversation: what the last request ended with, and the newest message',
      { context: [start, answer, says('user', 'More.', 'And more.')], fields: { instructions } },
      ['system.0', 'messages.0.content.0', 'messages.2.content.1'],
    ],
    [
      'a tool loop: the outputs',
      { context: [start, call('a'), call('b'), output('a'), output('b')], fields: { instructions, tools } },
      ['system.0', 'messages.0.content.0', 'messages.2.content.1'],
    ],
    [
      'a system message that ends the conversation',
      { context: [start, answer, says('user', 'More.'), says('developer', 'Hurry.')] },
      ['messages.0.content.0', 'messages.3.content.0'],
    ],
    [
      'tools that are long enough by themselves',
      {
        context: [start, answer, says('user', 'More.')],
        fields: { instructions, tools: [{ ...lookUp, description: long('Looks up.') }] },
      },
      ['tools.0', 'system.0', 'messages.0.content.0', 'messages.2.content.0'],
    ],
    [
      'too short',
      { context: [says('user', 'Hi.'), answer, says('user', 'More.')], fields: { instructions: 'i', tools } },
      [],
    ],
    [
      'the beginning too short',
      { context: [says('user', 'Hi.'), answer, start], fields: { instructions: 'i', tools } },
      ['messages.2.content.0'],
    ],
    [
      'an image is not as long as its bytes',
      {
        context: [says('user', { type: 'input_image', image_url: `data:image/png;base64,${'A'.repeat(20_000)}` })],
        fields: { tools },
        minCachedTokens: 2000,
      },
      [],
    ],
    [
      'a summary is asked for: the conversation goes on without what is summed up',
      { context: [start, answer, start], fields: { instructions, tools, compaction: 'item' } },
      ['system.0'],
    ],
    [
      'none wanted',
      {
        context: [start, answer, start],
        fields: { instructions, extra: { prompt_cache_options: { mode: 'explicit' } } },
      },
      [],
    ],
    [
      'for an hour',
      { context: [start, answer, start], fields: { extra: { prompt_cache_options: { ttl: '30m' } } } },
      ['messages.0.content.0 1h', 'messages.2.content.0 1h'],
    ],
  ])('%s', (_name, given, expected) => {
    expect(marks(given)).toEqual(expected);
  });

  test('off', () => {
    const given = { context: [start, answer, start], fields: { instructions, tools }, minCachedTokens: 0 };
    expect(marks(given)).toHaveLength(4);
    const { body } = messagesCodec.encodeRequest({
      request: { ...request, instructions, tools },
      context: given.context,
      inheritedTools: [],
      model: 'm',
      profile: {
        maxOutputTokens: 1000,
        reasoning: 'none',
        reasoningField: 'none',
        midConversationSystem: true,
        maxTokensField: 'max_tokens',
        jsonSchemaOutput: true,
        customTools: false,
      },
    });
    expect(body).not.toContain('cache_control');
  });

  test('thinking and blocks of servers bear none: the block before them does', () => {
    const origin = { protocol: 'messages', model: 'claude-haiku-4-5' } as const;
    const search = '{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{}}';
    const context: ContextItem[] = [
      start,
      {
        item: {
          type: 'message',
          id: 'msg_2',
          role: 'assistant',
          content: [{ type: 'output_text', text: 'Hm.', annotations: [] }],
        },
        origin: { ...origin, source: '' },
      },
      {
        item: { type: 'web_search_call', id: 'ws_1', status: 'completed' },
        origin: { ...origin, source: search },
      },
    ];
    expect(marks({ context })).toEqual(['messages.0.content.0', 'messages.1.content.0']);
  });
});

describe("the client's own", () => {
  test.each<[string, Case, string[]]>([
    [
      'beside the newest message, which is marked as OpenAI marks it',
      { context: [says('user', long('a'), marked('b'), 'c'), answer, says('user', 'd')] },
      ['messages.0.content.1', 'messages.2.content.0'],
    ],
    [
      'alone, where it says so',
      {
        context: [says('user', long('a'), marked('b'), 'c'), answer, says('user', 'd')],
        fields: { extra: { prompt_cache_options: { mode: 'explicit' } } },
      },
      ['messages.0.content.1'],
    ],
    [
      'alone, where caching is off',
      { context: [says('user', marked('b'), 'c')], minCachedTokens: Infinity },
      ['messages.0.content.0'],
    ],
    [
      'the last three beside the newest message',
      { context: [says('user', ...['a', 'b', 'c', 'd', 'e'].map((text) => marked(long(text))), 'f')] },
      ['messages.0.content.2', 'messages.0.content.3', 'messages.0.content.4', 'messages.0.content.5'],
    ],
    [
      'the newest message is one of them',
      { context: [says('user', ...['a', 'b', 'c', 'd', 'e'].map((text) => marked(long(text))))] },
      ['messages.0.content.2', 'messages.0.content.3', 'messages.0.content.4'],
    ],
    [
      'in instructions, in the middle of the conversation, and on an output of a tool',
      {
        context: [
          says('developer', marked('a'), 'b'),
          says('user', 'c'),
          call('a'),
          of({
            type: 'function_call_output',
            id: 'o',
            call_id: 'a',
            output: [marked('d'), { type: 'input_text', text: 'e' }],
          }),
          says('developer', marked('f')),
        ],
        fields: { extra: { prompt_cache_options: { mode: 'explicit' } } },
      },
      ['system.0', 'messages.2.content.0', 'messages.3.content.0'],
    ],
    [
      'what lasts an hour makes all before it last an hour',
      { context: [says('user', marked(long('a')), marked('b', '30m'), marked('c'), 'd')] },
      ['messages.0.content.0 1h', 'messages.0.content.1 1h', 'messages.0.content.2', 'messages.0.content.3'],
    ],
  ])('%s', (_name, given, expected) => {
    expect(marks(given)).toEqual(expected);
  });

  test("in Anthropic's words: nothing is added", () => {
    const block = { type: 'tool_use', id: 'a', name: 'look_up', input: {}, cache_control: { type: 'ephemeral' } };
    const source = JSON.stringify(block);
    const context = [
      start,
      { item: call('a').item, origin: { protocol: 'messages', model: 'claude-haiku-4-5', source } } as const,
      output('a'),
    ];
    expect(marks({ context, fields: { tools, protocol: 'messages' } })).toEqual(['messages.1.content.0']);
    const fields = { tools, protocol: 'messages', extra: { cache_control: { type: 'ephemeral' } } } as const;
    expect(marks({ context: [start, answer, start], fields })).toEqual([]);
    const { extra: _, ...bare } = fields;
    expect(marks({ context: [start, answer, start], fields: bare })).toHaveLength(2);
  });
});

describe('what is told of it', () => {
  test.each<[string, Partial<TurnRequest>, string[]]>([
    ['mode and lifetime', { extra: { prompt_cache_options: { mode: 'implicit', ttl: '30m' } } }, []],
    ['a lifetime that is too long', { extra: { prompt_cache_options: { ttl: '12h' } } }, ['prompt_cache_options.ttl']],
    ['an unknown lifetime', { extra: { prompt_cache_options: { ttl: '1d' } } }, ['prompt_cache_options.ttl']],
    ['an unknown mode', { extra: { prompt_cache_options: { mode: 'x' } } }, ['prompt_cache_options.mode']],
    ['options that are none', { extra: { prompt_cache_options: 'x' } }, ['prompt_cache_options']],
    [
      'a comparison',
      { extra: { prompt_cache_options: { comparison_response_id: 'resp_1', prewarm: false } } },
      ['prompt_cache_options.comparison_response_id'],
    ],
    ['in memory', { extra: { prompt_cache_retention: 'in_memory' } }, []],
    ['for a day', { extra: { prompt_cache_retention: '24h' } }, ['prompt_cache_retention']],
  ])('%s', (_name, fields, params) => {
    expect(encode({ context: [start], fields }).warnings.map(({ param }) => param)).toEqual(params);
  });

  test('a cache that is only to be warmed is refused: it would cost an answer', () => {
    const fields = { extra: { prompt_cache_options: { prewarm: true } } };
    expect(() => encode({ context: [start], fields })).toThrow(
      expect.objectContaining({ code: 'unsupported_parameter', param: 'prompt_cache_options.prewarm' }),
    );
  });

  test('a mark that is to last longer than an hour', () => {
    const { warnings } = encode({ context: [says('user', marked('a', '12h'))] });
    expect(warnings.map(({ param }) => param)).toEqual(['input']);
  });
});

/** Rounds of a conversation: how many calls each answer makes, or none; with marks of the client's here and there. */
const rounds = fc.array(
  fc.record({ calls: fc.nat({ max: 30 }), texts: fc.array(fc.boolean(), { minLength: 1, maxLength: 3 }) }),
  { minLength: 1, maxLength: 8 },
);
type Round = typeof rounds extends fc.Arbitrary<(infer T)[]> ? T : never;

/** The contexts of the requests of a chain, each beginning with the one before. */
function contextsOf(given: readonly Round[], withMarks: boolean): ContextItem[][] {
  const context: ContextItem[] = [];
  return given.map(({ calls, texts }, round) => {
    if (round > 0) {
      const ids = Array.from({ length: calls }, (_, at) => `call_${round}_${at}`);
      context.push(...(ids.length === 0 ? [says('assistant', `answer ${round}`)] : ids.map(call)));
      context.push(...ids.map((id) => output(id)));
    }
    context.push(says('user', ...texts.map((isMarked, at) => (isMarked && withMarks ? marked(`t${at}`) : `t${at}`))));
    return [...context];
  });
}

const withoutMarks = (body: string) => body.replaceAll(/,"cache_control":\{[^}]*\}/g, '');
const prompt = (body: string) => body.slice(body.search(/"(?:tools|system|messages)":/));

describe('laws', () => {
  test('never more than four, never two on one block, and long-lived ones first', () => {
    const ttl = fc.constantFrom(undefined, '30m');
    fc.assert(
      fc.property(rounds, fc.boolean(), ttl, fc.nat({ max: 200 }), (given, withMarks, ttl, minCachedTokens) => {
        const extra = ttl === undefined ? {} : { prompt_cache_options: { ttl } };
        for (const context of contextsOf(given, withMarks)) {
          const found = marks({ context, fields: { tools, instructions, extra }, minCachedTokens });
          expect(found.length).toBeLessThanOrEqual(4);
          expect(new Set(found).size).toBe(found.length);
          const lasting = found.map((mark) => mark.endsWith(' 1h'));
          expect(lasting).toEqual(lasting.toSorted((a, b) => Number(b) - Number(a)));
        }
      }),
    );
  });

  test('a request begins with the one before, and marks the place where that one ended', () => {
    fc.assert(
      fc.property(rounds, (given) => {
        let before: string | undefined;
        for (const context of contextsOf(given, false)) {
          const body = prompt(encode({ context, fields: { tools, instructions } }).body);
          // What is behind the last mark is not cached; what is before it was found under the marks that were set then.
          const cached = body.slice(0, body.lastIndexOf(',"cache_control"'));
          if (before !== undefined) {
            const found = body
              .split(',"cache_control"')
              .map((_, at, pieces) => withoutMarks(pieces.slice(0, at + 1).join(',"cache_control"')));
            expect(found).toContain(before);
          }
          before = withoutMarks(cached);
        }
      }),
    );
  });
});
