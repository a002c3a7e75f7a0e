import type { LanguageModelV4, LanguageModelV4CallOptions } from '@ai-sdk/provider';
import { expect, test } from 'vitest';
import { callOptionsOf } from './call-options.ts';
import type { LanguageModel } from './load-model.ts';

// A type error here is the news that the specification is another.
export const called = (model: LanguageModelV4): LanguageModel => ({
  ...model,
  doStream: (options) => model.doStream(options as LanguageModelV4CallOptions),
  doGenerate: (options) => model.doGenerate(options as LanguageModelV4CallOptions),
});

test('numbers are printed as they were written, addresses are URLs, the rest is as it was', () => {
  const input = '{"a":18446744073709551616,"b":1.0,"c":[1e400,7,-0.5],"d":{"e":"1.0"}}';
  const url = { type: 'url', url: 'https://a.example/b.png' };
  const content = [
    { type: 'tool-call', toolCallId: 'x', toolName: 'f', input },
    { type: 'file', mediaType: 'image/png', data: { type: 'data', data: 'AAAA' } },
    { type: 'file', mediaType: 'image/*', data: url },
    { type: 'tool-result', toolCallId: 'x', output: { type: 'content', value: [{ type: 'file', data: url }] } },
  ];
  const { prompt, topP } = callOptionsOf(JSON.stringify({ topP: 0.5, prompt: [{ role: 'user', content }] })) as {
    prompt: [
      { content: [{ input: object }, object, { data: { url: URL } }, { output: { value: [{ data: { url: URL } }] } }] },
    ];
    topP: number;
  };
  const [call, file, linked, result] = prompt[0].content;
  expect(JSON.stringify(call.input)).toBe(input);
  expect(file).toEqual(content[1]);
  expect(linked.data.url).toEqual(new URL(url.url));
  expect(result.output.value[0].data.url).toEqual(new URL(url.url));
  expect(topP).toBe(0.5);
});
