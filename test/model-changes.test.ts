/** One conversation over models of several vendors, each as strict as its vendor is. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ModelName, type Step, steps, walk, type WalkRig, walkRig } from './support/chain-walk.ts';

let rig: WalkRig;
const cleanups: (() => void)[] = [];
beforeAll(async () => {
  rig = await walkRig((cleanup) => void cleanups.push(cleanup));
});
afterAll(() => {
  for (const cleanup of cleanups) cleanup();
});

describe.each([
  ['that the gateway keeps', false],
  ['that the client carries', true],
])('a conversation %s', (_name, carries) => {
  test('goes from any model to any other, at any point', async () => {
    const runs = Number(process.env['TURNPIKE_WALKS'] ?? 40);
    await fc.assert(
      fc.asyncProperty(steps(), async (plan) => {
        rig.forgetRefusals();
        await walk(rig, plan, carries);
      }),
      { numRuns: runs, endOnFailure: false },
    );
  }, 600_000);
});

const calling = (model: ModelName, fields: Partial<Step> = {}): Step => ({
  model,
  stream: false,
  reasons: true,
  kind: 'calls',
  count: 2,
  back: 0,
  says: 'text',
  reversed: false,
  compacts: false,
  ...fields,
});

interface Message {
  role: string;
  content: { type: string; thinking?: string }[];
}
interface Transformation {
  id: string;
  reason: string;
}

describe.each([false, true])('examples, stream: %s', (stream) => {
  test('Claude, OpenAI, Google and a local model each answer the calls of the one before, and Claude has its thoughts back', async () => {
    const names: ModelName[] = ['haiku', 'gpt-5', 'gemini', 'qwen', 'haiku'];
    const sent = await walk(
      rig,
      names.map((model) => calling(model, { stream })),
      false,
    );
    const [first, openai, google, local, last] = sent;
    const messages: Message[] = last?.request.body.messages;
    const shape = messages.map(({ role, content }) => [role, ...content.map(({ type }) => type)]);
    const foreign = [
      ['user', 'tool_result', 'tool_result'],
      ['assistant', 'text', 'tool_use', 'tool_use'],
    ];
    expect(shape).toEqual([
      ['user', 'text'],
      ['assistant', 'thinking', 'text', 'tool_use', 'tool_use'],
      ...foreign,
      ...foreign,
      ...foreign,
      ['user', 'tool_result', 'tool_result'],
    ]);
    const [thought] = first?.answer.body.output ?? [];
    expect(messages[1]?.content[0]?.thinking).toBe(thought.summary[0].text);
    const ids = (from: typeof first): string[] =>
      from?.answer.body.output
        .filter(({ type }: { type: string }) => type === 'reasoning')
        .map(({ id }: Transformation) => id);
    const removed: Transformation[] = last?.answer.body.input_transformations;
    expect(removed.map(({ id }) => id)).toEqual([...ids(openai), ...ids(google), ...ids(local)]);
    expect(new Set(removed.map(({ reason }) => reason))).toEqual(new Set(['model_mismatch']));
    // It answers to calls that were made without its thinking, which it does not think about.
    expect(last?.request.body.thinking).toEqual({ type: 'disabled' });
  });

  test('what a local model thought before another took its turn goes back to it while the loop is open, and no longer', async () => {
    const names: ModelName[] = ['qwen', 'haiku', 'qwen', 'qwen'];
    const plan = names.map((model) => calling(model, { stream }));
    const sent = await walk(
      rig,
      [...plan, calling('qwen', { stream, kind: 'text' }), calling('qwen', { stream })],
      false,
    );
    const thoughts = sent.map(({ request }) =>
      (request.body.messages as { role: string; reasoning_content?: string }[])
        .filter(({ role }) => role === 'assistant')
        .map(({ reasoning_content: thought }) => thought !== undefined),
    );
    expect(thoughts.slice(2)).toEqual([
      [true, false],
      [true, false, true],
      [true, false, true, true],
      // The loop is over, and so is what was thought in it.
      [false, false, false, false, false],
    ]);
  });
});
