import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ContextItem, InputPart } from '../core/items.ts';
import type { TurnRequest } from '../core/request.ts';
import { estimateInputTokens } from './estimate-input.ts';

const bare: Pick<TurnRequest, 'instructions' | 'tools' | 'textFormat'> = {
  instructions: null,
  tools: [],
  textFormat: { type: 'text' },
};
const said = (...content: InputPart[]): ContextItem => ({
  item: { type: 'message', id: 'msg_1', role: 'user', content },
  origin: undefined,
});
const text = (value: string): InputPart => ({ type: 'input_text', text: value });
const count = (...content: InputPart[]) => estimateInputTokens(bare, [said(...content)]);

describe('estimateInputTokens', () => {
  test.each<[what: string, words: string, tokens: number]>([
    ['nothing', '', 0],
    ['English', 'The quick brown fox jumps over the lazy dog.', 10],
    ['a special token, which is text here', '<|endoftext|>', 7],
  ])('%s', async (_what, words, tokens) => {
    const frames = 8 + 2;
    expect(await count(text(words))).toBe(frames + tokens);
  });

  test('a long text is counted by parts of it', async () => {
    const sentence = 'The quick brown fox jumps over the lazy dog. ';
    const one = (await count(text(sentence.repeat(100)))) - 10;
    const many = (await count(text(sentence.repeat(100_000)))) - 10;
    expect(many / one).toBeGreaterThan(980);
    expect(many / one).toBeLessThan(1020);
  });

  test('more text is never fewer tokens than nothing, whatever it is', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 2000 }), async (words) => {
        expect(await count(text(words))).toBeGreaterThanOrEqual(9);
      }),
    );
  });

  test('images and files count by the piece, not by their bytes', async () => {
    const image =
      (await count(text('a'), { type: 'input_image', image_url: `data:image/png;base64,${'A'.repeat(9e5)}` })) -
      (await count(text('a')));
    expect(image).toBeLessThan(1500);
    expect(image).toBeGreaterThan(500);
  });

  test('instructions, tools, schemas and calls count', async () => {
    const words = 'weather in the city of Lisbon';
    const least = await estimateInputTokens(bare, []);
    const tool = { type: 'function', name: 'f', description: words, parameters: {}, strict: null } as const;
    const call: ContextItem = {
      item: { type: 'function_call', id: 'fc_1', call_id: 'c', name: 'f', arguments: words },
      origin: undefined,
    };
    expect(await estimateInputTokens({ ...bare, instructions: words }, [])).toBeGreaterThan(least + 4);
    expect(await estimateInputTokens({ ...bare, tools: [tool] }, [])).toBeGreaterThan(least + 8);
    const textFormat = { type: 'json_schema', name: 'a', schema: { title: words }, strict: null } as const;
    expect(await estimateInputTokens({ ...bare, textFormat }, [])).toBeGreaterThan(least + 4);
    expect(await estimateInputTokens(bare, [call])).toBeGreaterThan(least + 8);
  });
});
