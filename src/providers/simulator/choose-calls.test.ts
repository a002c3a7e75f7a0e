import { describe, expect, test } from 'vitest';
import { chooseCalls } from './choose-calls.ts';
import type { MessagesRequest } from './wire.ts';

const object = (properties: Record<string, unknown>) => ({
  type: 'object' as const,
  properties,
  required: Object.keys(properties),
});
const weather = {
  name: 'get_weather',
  description: 'Current conditions outside.',
  input_schema: object({ city: { type: 'string' } }),
};
const time = {
  name: 'get_time',
  description: 'What a clock shows.',
  input_schema: object({ zone: { type: 'string' } }),
};
const read = { name: 'Read', description: 'Opens a document.', input_schema: object({ path: { type: 'string' } }) };
const ping = { name: 'ping', input_schema: { type: 'object' as const } };
const tools = [weather, time, read, ping];

const calls = (text: string, more: Partial<MessagesRequest> = {}) =>
  chooseCalls({ model: 'm', max_tokens: 1, messages: [], tools, ...more }, text).map(
    ({ name, input }) => `${name} ${input}`,
  );

describe.each([
  ['Hello there.', []],
  ['What is the weather in Paris?', ['get_weather {"city":"Paris"}']],
  ['weather in paris please', ['get_weather {"city":"paris"}']],
  ['How is the weather in "são paulo"?', ['get_weather {"city":"são paulo"}']],
  [
    'What is the weather in both Paris and New York today?',
    ['get_weather {"city":"Paris"}', 'get_weather {"city":"New York"}'],
  ],
  [
    'weather in Paris, London & Rome',
    ['get_weather {"city":"Paris"}', 'get_weather {"city":"London"}', 'get_weather {"city":"Rome"}'],
  ],
  ['Give me the weather and the time in Paris.', ['get_weather {"city":"Paris"}', 'get_time {"zone":"Paris"}']],
  ['Call get_time and get_weather in parallel for Oslo.', ['get_time {"zone":"Oslo"}', 'get_weather {"city":"Oslo"}']],
  ['Ask get weather about Oslo.', ['get_weather {"city":"Oslo"}']],
  ['What are the conditions in Oslo?', ['get_weather {"city":"Oslo"}']],
  ['Use a tool for Oslo.', ['get_weather {"city":"Oslo"}']],
  ['Call the weather tool twice for Oslo.', ['get_weather {"city":"Oslo"}', 'get_weather {"city":"Oslo"}']],
  ['ping', ['ping {}']],
  [
    'Read it. Then call get_time with {"zone": 18446744073709551616, "2": 1, "1": "}"} now',
    ['get_time {"zone": 18446744073709551616, "2": 1, "1": "}"}'],
  ],
  ['get_time {"zone":"a"} get_time {"zone":"b"}', ['get_time {"zone":"a"}', 'get_time {"zone":"b"}']],
  ['get_time {"zone":', ['get_time {"zone":"zone"}']],
])('%s', (text, expected) => {
  test('asks for these calls', () => expect(calls(text)).toEqual(expected));
});

describe('tool_choice', () => {
  test('none: nothing is called, however it is asked for', () => {
    expect(calls('Call get_weather for Oslo', { tool_choice: { type: 'none' } })).toEqual([]);
  });

  test('any: something is called, however little it is asked for', () => {
    expect(calls('Hello', { tool_choice: { type: 'any' } })).toEqual(['get_weather {"city":"Hello"}']);
  });

  test('tool: that one is called, whatever is asked for', () => {
    expect(calls('Weather in Oslo', { tool_choice: { type: 'tool', name: 'get_time' } })).toEqual([
      'get_time {"zone":"Oslo"}',
    ]);
  });

  test('without parallel calls there is one', () => {
    expect(
      calls('Weather in Oslo and Rome', { tool_choice: { type: 'auto', disable_parallel_tool_use: true } }),
    ).toEqual(['get_weather {"city":"Oslo"}']);
  });
});

test('without tools there are no calls', () => expect(calls('Call get_weather', { tools: [] })).toEqual([]));
