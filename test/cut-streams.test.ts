/**
 * Good streams, cut at every event boundary and at random bytes: a turn is complete only where the upstream had said all.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Harness, startHarness } from './faults/harness.ts';
import { beginStream, sendStream } from './support/raw-upstream.ts';
import { callArguments, dialects, framesOf, said, shapes, thought } from './support/upstream-replies.ts';

let harness: Harness;
beforeAll(async () => {
  harness = await startHarness();
});
afterAll(() => harness.cleanUp());

/** @see https://en.wikipedia.org/wiki/Linear_congruential_generator */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** What each item holds when it is whole. */
const whole: Record<string, string> = { message: said, reasoning: thought, function_call: callArguments };

interface OutputItem {
  type: string;
  status: string;
  arguments?: string;
  content?: { text: string }[];
  summary?: { text: string }[];
}

function textOf({ arguments: text, content = [], summary = [] }: OutputItem): string {
  return text ?? [...content, ...summary].map((part) => part.text).join('');
}

describe.each(dialects)('%s', (dialect) => {
  describe.each(shapes)('%s', (shape) => {
    const frames = framesOf(dialect, shape);
    const bytes = Buffer.from(frames.join(''));
    const boundaries = frames.map((_, count) => Buffer.byteLength(frames.slice(0, count).join('')));
    const random = randomNumbers(26_167);
    const offsets = Array.from({ length: 20 }, () => Math.floor(random() * bytes.length));
    /** All that counts has been said, but for the terminal marker. */
    const enough = dialect === 'responses' || dialect === 'gemini' ? bytes.length : (boundaries.at(-1) ?? 0);
    const firstEvent = boundaries[1] ?? 0;

    /** @param clean whether HTTP's own end is there, so that nothing but the protocol tells that the stream was cut. */
    async function expectCut(offset: number, clean: boolean): Promise<void> {
      const outcome = await harness.runTurn({
        dialect,
        stream: true,
        script(call) {
          if (clean) return sendStream(call, bytes.subarray(0, offset));
          beginStream(call, bytes.subarray(0, offset));
          call.socket.end();
        },
      });
      const { ending, response, attempts } = outcome;
      const where = `cut at ${offset} of ${bytes.length}`;
      if (offset < firstEvent) expect(ending, where).toMatchObject({ status: 502, code: 'upstream_stream_broken' });
      else expect(ending, where).toBe(clean && offset >= enough ? 'completed' : 'failed');
      expect(attempts.at(-1)?.error_code ?? null, where).toBe(ending === 'completed' ? null : 'upstream_stream_broken');
      const items: OutputItem[] = response?.output ?? [];
      for (const item of items) {
        const expected = whole[item.type] ?? '';
        if (item.status === 'completed') expect(textOf(item), where).toBe(expected);
        else expect(expected.startsWith(textOf(item)), where).toBe(true);
      }
    }

    test('closed at every event boundary', async () => {
      for (const boundary of boundaries) await expectCut(boundary, true);
    });

    test('broken off at every event boundary', async () => {
      for (const boundary of boundaries) await expectCut(boundary, false);
    });

    test('closed at random bytes', async () => {
      for (const offset of offsets) await expectCut(offset, true);
    });

    test('broken off at random bytes', async () => {
      for (const offset of offsets) await expectCut(offset, false);
    });

    test('the whole stream makes whole items', async () => {
      const { response } = await harness.runTurn({
        dialect,
        stream: true,
        script: (call) => sendStream(call, bytes),
      });
      const items: OutputItem[] = response.output;
      for (const item of items) expect([item.status, textOf(item)]).toEqual(['completed', whole[item.type]]);
    });
  });
});
