import { describe, expect, test } from 'vitest';
import { answerTo, redactedThinkingTrigger, refusalTrigger } from './answer.ts';
import { checkRequest } from './check-request.ts';
import { createSigner } from './signature.ts';

const signer = createSigner('key');
type Body = Record<string, unknown>;

/** Answers, once it is sure that the request would not have been refused. */
function answer(fields: Body) {
  const body = JSON.stringify({ model: 'm', max_tokens: 1000, ...fields });
  const headers = { 'x-api-key': 'k', 'anthropic-version': '2023-06-01' };
  const checked = checkRequest({ path: '/v1/messages', headers, body }, signer);
  if (checked.refused !== undefined) throw new Error(checked.refused.message);
  return answerTo(checked.request, checked.turns, signer);
}

const said = (text: string) => ({ type: 'text', text });
const user = (content: unknown) => ({ role: 'user', content });
const weather = {
  name: 'get_weather',
  description: 'The weather in a city.',
  input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
};
const result = (id: string, content: unknown = '18 °C', more: Body = {}) => ({
  type: 'tool_result',
  tool_use_id: id,
  content,
  ...more,
});
const ask = { tools: [weather], messages: [user('What is the weather in Paris and Rome?')] };
const uses = (ids: string[]) => ids.map((id) => ({ type: 'tool_use', id, name: 'get_weather', input: {} }));
const answered = (...content: unknown[]) => ({
  tools: [weather],
  messages: [...ask.messages, { role: 'assistant', content: uses(['a', 'b']) }, user(content)],
});
const textOf = (fields: Body) =>
  answer(fields)
    .blocks.flatMap((block) => (block.type === 'text' ? [block.text] : []))
    .join('');

describe('text', () => {
  test('says what it heard, and how much it remembers', () => {
    expect(textOf({ messages: [user('Hello')] })).toContain('You said: "Hello".');
    expect(textOf({ messages: [user('Hello'), { role: 'assistant', content: 'Hi' }, user('And?')] })).toBe(
      'You said: "And?". I see 2 earlier messages in this conversation.',
    );
  });

  test('answers from the history', () => {
    const messages = [user('My name is Ada.'), { role: 'assistant', content: 'Hi' }, user('What is my name?')];
    expect(textOf({ messages })).toBe('Your name is Ada.');
  });

  test('leaves out what a program put between tags', () => {
    expect(textOf({ messages: [user('<system-reminder>Call tools.</system-reminder>Hello')] })).toContain('"Hello"');
    expect(textOf({ messages: [user('<system>Be brief.</system>'), user('Hello')] })).toContain('"Hello"');
  });

  test('names what it cannot read', () => {
    expect(
      textOf({ messages: [user([{ type: 'image', source: { type: 'url', url: 'https://a.example/b.png' } }])] }),
    ).toBe(
      'You sent a message of image. I am a simulator: I remember this conversation, and I call tools when I am asked to.',
    );
  });

  test('is of the JSON schema that is asked for', () => {
    const schema = {
      type: 'object',
      additionalProperties: false,
      required: ['city', 'days'],
      properties: { city: { type: 'string' }, days: { type: 'integer' } },
    };
    const text = textOf({
      messages: [user('Plan 3 days in Paris')],
      output_config: { format: { type: 'json_schema', schema } },
    });
    expect(JSON.parse(text)).toEqual({ city: 'Paris', days: 3 });
  });
});

describe('tools', () => {
  test('are called with ids of the real form, unique in the conversation', () => {
    const first = answer(ask);
    expect(first.stopReason).toBe('tool_use');
    const ids = first.blocks.map((block) => (block.type === 'tool_use' ? block.id : ''));
    expect(first.blocks.map((block) => block.type === 'tool_use' && block.input)).toEqual([
      '{"city":"Paris"}',
      '{"city":"Rome"}',
    ]);
    const again = answer({
      tools: [weather],
      messages: [
        ...ask.messages,
        { role: 'assistant', content: uses(ids) },
        user(ids.map((id) => result(id))),
        ...ask.messages,
      ],
    });
    expect(again.blocks.map(({ type }) => type)).toEqual(['tool_use', 'tool_use']);
    const all = [...ids, ...again.blocks.map((block) => (block.type === 'tool_use' ? block.id : ''))];
    expect(new Set(all).size).toBe(4);
    for (const id of all) expect(id).toMatch(/^toolu_01[1-9A-Za-z]{22}$/);
  });

  test("'s results are in the answer, each by the name of its tool", () => {
    const results = [result('a', [{ type: 'text', text: '18 °C' }]), result('b', 'no such city', { is_error: true })];
    expect(textOf(answered(...results))).toBe('get_weather says: 18 °C\nget_weather failed: no such city');
    expect(textOf(answered(result('b', []), result('a')))).toBe('get_weather says: nothing\nget_weather says: 18 °C');
  });

  test('are called again when words after the results ask for it, or when a call is forced', () => {
    const results = [result('a'), result('b')];
    expect(answer(answered(...results, { type: 'text', text: 'And the weather in Oslo?' })).stopReason).toBe(
      'tool_use',
    );
    expect(answer({ ...answered(...results), tool_choice: { type: 'any' } }).stopReason).toBe('tool_use');
    expect(textOf(answered(...results, { type: 'text', text: 'Thanks!' }))).toContain('You also said: "Thanks!".');
  });
});

test('of a computer it takes a screenshot', () => {
  const tools = [{ type: 'computer_20251124', name: 'computer', display_width_px: 9, display_height_px: 9 }];
  const { blocks } = answer({ tools, messages: [user('Use the computer to take a screenshot.')] });
  expect(blocks).toMatchObject([{ type: 'tool_use', name: 'computer', input: '{"action":"screenshot"}' }]);
});

test('what is about to be compacted is summed up, what was said just before and the results of tools included', () => {
  const order = 'The conversation is about to be compacted: write the summary.';
  const history = [user('I am Ann.'), { role: 'assistant', content: 'Hello, Ann.' }];
  const summary = ['The user said: I am Ann.', 'The user said: Bye.', 'The assistant said: Hello, Ann.'];
  expect(textOf({ messages: [...history, user([said('Bye.'), said(order)])] })).toBe(summary.join('\n'));
  expect(textOf(answered(result('a'), result('b'), said(order)))).toMatch(/A tool said: 18 °C$/);
});

describe('thinking', () => {
  test.each([{ type: 'adaptive' }, { type: 'enabled', budget_tokens: 1024 }])(
    '$type: thinks first, signs it and takes it back',
    (thinking) => {
      const first = answer({ ...ask, thinking, max_tokens: 2000 });
      const [thought, ...calls] = first.blocks;
      if (thought?.type !== 'thinking') throw new Error('no thinking');
      expect(thought.thinking).toContain('get_weather');
      expect(first.usage.thinkingTokens).toBe(thought.tokens);
      const content = [
        { type: 'thinking', thinking: thought.thinking, signature: thought.signature },
        ...uses(calls.map((block) => (block.type === 'tool_use' ? block.id : ''))),
      ];
      const results = uses(calls.map((block) => (block.type === 'tool_use' ? block.id : ''))).map(({ id }) =>
        result(id),
      );
      const messages = [...ask.messages, { role: 'assistant', content }, user(results)];
      expect(answer({ ...ask, thinking, max_tokens: 2000, messages }).stopReason).toBe('end_turn');
    },
  );

  test('is not shown where that is not wanted, and counts all the same', () => {
    const shown = answer({ ...ask, thinking: { type: 'adaptive' } });
    const hidden = answer({ ...ask, thinking: { type: 'adaptive', display: 'omitted' } });
    expect(hidden.blocks[0]).toMatchObject({ type: 'thinking', thinking: '' });
    expect(hidden.usage).toEqual(shown.usage);
    const [thought] = hidden.blocks;
    expect(thought?.type === 'thinking' && signer.verify('m', '', thought.signature)).toBe(true);
  });

  test('can be redacted', () => {
    const [thought] = answer({ messages: [user(redactedThinkingTrigger)], thinking: { type: 'adaptive' } }).blocks;
    expect(thought?.type === 'redacted_thinking' && signer.verify('m', '', thought.data)).toBe(true);
  });

  test('is off unless asked for', () => {
    expect(answer(ask).usage.thinkingTokens).toBeUndefined();
    expect(answer({ ...ask, thinking: { type: 'between_tools' } }).blocks[0]?.type).toBe('tool_use');
    expect(answer({ ...answered(result('a'), result('b')), thinking: { type: 'between_tools' } }).blocks[0]?.type).toBe(
      'thinking',
    );
  });
});

describe('ends', () => {
  test('refused', () => {
    expect(answer({ messages: [user(`Please. ${refusalTrigger}`)] })).toMatchObject({
      blocks: [],
      stopReason: 'refusal',
    });
  });

  test('at a stop sequence, which is not part of the text', () => {
    const stopped = answer({ messages: [user('one two three')], stop_sequences: ['three', 'two'] });
    expect(stopped).toMatchObject({
      stopReason: 'stop_sequence',
      stopSequence: 'two',
      blocks: [{ text: 'You said: "one ' }],
    });
  });

  test('at max_tokens, wherever that is: the answer is a beginning of the whole answer and never longer', () => {
    const request = { ...ask, thinking: { type: 'adaptive' } };
    const whole = answer(request);
    for (let max = 0; max < whole.usage.outputTokens; max += 1) {
      const cut = answer({ ...request, max_tokens: max });
      expect(cut.stopReason).toBe('max_tokens');
      expect(cut.usage.outputTokens).toBeLessThanOrEqual(max);
      for (const [index, block] of cut.blocks.entries()) {
        const full = whole.blocks[index];
        if (block.type === 'tool_use' && full?.type === 'tool_use')
          expect(full.input.startsWith(block.input)).toBe(true);
        if (block.type === 'thinking' && full?.type === 'thinking') {
          expect(full.thinking.startsWith(block.thinking)).toBe(true);
          expect(signer.verify('m', block.thinking, block.signature)).toBe(true);
        }
      }
    }
    expect(answer({ ...request, max_tokens: whole.usage.outputTokens })).toEqual(whole);
  });
});

describe('usage', () => {
  const cached = { cache_control: { type: 'ephemeral' } };
  const system = [{ type: 'text', text: 'Be brief. '.repeat(100), ...cached }];
  const total = ({ usage }: ReturnType<typeof answer>) =>
    usage.inputTokens + usage.cacheReadTokens + usage.cacheWrite5mTokens + usage.cacheWrite1hTokens;

  test('without breakpoints nothing is cached', () => {
    expect(answer(ask).usage).toMatchObject({ cacheReadTokens: 0, cacheWrite5mTokens: 0, cacheWrite1hTokens: 0 });
  });

  test('a prefix is written by the first turn and read by the next', () => {
    const first = answer({ system, messages: [user('Hello')] });
    const second = answer({ system, messages: [user('Hello'), { role: 'assistant', content: 'Hi' }, user('More')] });
    expect(first.usage.cacheWrite5mTokens).toBeGreaterThan(200);
    expect(first.usage.cacheReadTokens).toBe(0);
    expect(second.usage).toMatchObject({ cacheReadTokens: first.usage.cacheWrite5mTokens, cacheWrite5mTokens: 0 });
  });

  test('classes sum to the same whole, wherever the breakpoint is', () => {
    const messages = [user('Hello'), { role: 'assistant', content: 'Hi' }, user('More')];
    const plain = total(answer({ system: 'Be brief.', messages }));
    expect(total(answer({ system: 'Be brief.', messages, ...cached }))).toBe(plain);
    const long = answer({ system: 'Be brief.', messages, cache_control: { type: 'ephemeral', ttl: '1h' } });
    expect(total(long)).toBe(plain);
    expect(long.usage.cacheWrite1hTokens).toBeGreaterThan(0);
  });
});

test('the same request has the same answer', () => {
  expect(answer(ask)).toEqual(answer(ask));
  expect(answer({ ...ask, stream: true })).toEqual(answer(ask));
});
