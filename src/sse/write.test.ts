import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createSseParser } from './parse.ts';
import { keepAliveComment, sseDone, sseFrame } from './write.ts';

function parse(text: string): [string, string][] {
  const frames: [string, string][] = [];
  const parser = createSseParser((event, data) => frames.push([event, data]));
  parser.push(Buffer.from(text));
  return frames;
}

describe('sse/write', () => {
  test('the parser reads back what the writer wrote, whatever the data holds', () => {
    const data = fc.string({ unit: fc.constantFrom('a', ' ', ':', '\n', '\r', 'data: x', 'event: y', 'é') });
    fc.assert(
      fc.property(fc.constantFrom('', 'response.created'), data, (event, text) => {
        expect(parse(sseFrame(event, text))).toEqual([[event, text.replace(/\r\n?/g, '\n')]]);
      }),
    );
  });

  test('a frame without an event has one line, the end marker is a frame, a comment is none', () => {
    expect(sseFrame('', '{}')).toBe('data: {}\n\n');
    expect(parse(sseDone)).toEqual([['', '[DONE]']]);
    expect(parse(keepAliveComment + sseFrame('', '1'))).toEqual([['', '1']]);
  });
});
