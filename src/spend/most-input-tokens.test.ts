import { expect, test } from 'vitest';
import type { ContextItem, Item } from '../core/items.ts';
import { mostInputTokens } from './most-input-tokens.ts';

const tools = 1_000;
const contextOf = (...content: object[]) =>
  [{ item: { type: 'message', id: 'msg_1', role: 'user', content } as unknown as Item }] as unknown as ContextItem[];
const png = 'iVBORw0KGgo'.repeat(5_000);

test('a text is no more tokens than it has bytes, however it is written', () => {
  for (const text of ['hello', '漢字', 'x9$'.repeat(1000), '😀\n"\\']) {
    const body = JSON.stringify({ input: text });
    const context = contextOf({ type: 'input_text', text });
    expect(mostInputTokens(body, context, 'm')).toBe(tools + Buffer.byteLength(body));
    expect(mostInputTokens(body, context, 'm')).toBeGreaterThanOrEqual(Buffer.byteLength(text));
  }
});

const image = { type: 'input_image', image_url: `data:image/png;base64,${png}` };
const rest = '{"image":""}'.length;

test.each([
  ['an image', image, `{"image":"${png}"}`, 'm', rest + 10_000],
  ['an image of a model that counts them dearer', image, `{"image":"${png}"}`, 'gpt-4o-mini', rest + 50_000],
  ['an image by URL', { type: 'input_image', image_url: 'https://a.example/b.png' }, '{}', 'm', 2 + 10_000],
  ['an image by id', { type: 'input_image', file_id: 'file_1' }, '{}', 'm', 2 + 10_000],
  ['a file', { type: 'input_file', file_data: png }, `{"image":"${png}"}`, 'm', rest + 500_000],
  ['a file by URL', { type: 'input_file', file_url: 'https://a.example/b.pdf' }, '{}', 'm', 2 + 500_000],
  ['a file that is sent as text', { type: 'input_file', file_data: 'aGVsbG8=' }, '{"text":"hello"}', 'm', 16],
  ['more than any model takes', { type: 'input_text', text: '' }, 'x'.repeat(2_100_000), 'm', 2_000_000 - tools],
])('%s', (_, part, body, model, tokens) => {
  expect(mostInputTokens(body, contextOf(part), model)).toBe(tokens + tools);
});

test('images in outputs of tools and of computers count, two of them twice', () => {
  const output = { type: 'computer_call_output', output: { type: 'computer_screenshot', image_url: image.image_url } };
  const context = [output, { type: 'function_call_output', output: [image] }].map((item) => ({ item }));
  const body = `{"image":"${png}","image":"${png}"}`;
  expect(mostInputTokens(body, context as unknown as ContextItem[], 'm')).toBe(
    tools + body.length - 2 * png.length + 20_000,
  );
});

test('what looks like an image and is none takes nothing off a text, nor does one image more than itself', () => {
  const text = 'A'.repeat(200_000);
  const fake = { type: 'input_image', image_url: text };
  const listed = { type: 'mcp_list_tools', id: 'mcpl_1', server_label: 'x', tools: [{ input_schema: { x: fake } }] };
  const output = { type: 'function_call_output', call_id: 'c', output: JSON.stringify(fake) };
  const said = contextOf({ type: 'input_text', text });
  const body = JSON.stringify({ input: text });
  for (const item of [listed, output]) {
    const context = [...said, ...Array.from({ length: 40 }, () => ({ item }))] as unknown as ContextItem[];
    expect(mostInputTokens(body, context, 'm')).toBe(body.length + tools);
  }
  const twice = JSON.stringify({ input: text, image: `data:image/png;base64,${text}` });
  const context = [...said, ...contextOf({ ...fake, image_url: `data:image/png;base64,${text}` })];
  expect(mostInputTokens(twice, context, 'm')).toBe(twice.length - text.length + 10_000 + tools);
});

test('many images are each found in the body', () => {
  const urls = Array.from({ length: 150 }, (_, n) => `data:image/png;base64,${png}${String(n).padStart(3, '0')}`);
  const body = JSON.stringify({ images: urls });
  const context = contextOf(...urls.map((url) => ({ type: 'input_image', image_url: url })));
  expect(mostInputTokens(body, context, 'm')).toBe(tools + body.length + 150 * (10_000 - png.length - 3));
});
