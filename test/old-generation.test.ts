/**
 * What a turn has used dies with it. One function that V8 allocates in its old generation is enough to keep a whole turn, 28 KB,
 * until the next full collection: a fifth of all CPU once (docs/decisions/2026-11-30-functions-in-properties.md).
 */
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { fakeChatModel, fakeMessagesModel } from './support/fake-models.ts';
import { type SpawnedGateway, spawnGateway, temporaryFolder } from './support/spawn-gateway.ts';

const preload = new URL('support/old-generation.ts', import.meta.url).href;
const turns = 100;

/** A turn leaves 1 to 2 KB while code is still being compiled, and left 32 when it was kept. */
const maxBytes = 8192;

async function oldBytes(gateway: SpawnedGateway): Promise<number> {
  const from = gateway.output().length;
  process.kill(gateway.pid, 'SIGUSR2');
  for (;;) {
    const told = /^old generation: (\d+)$/m.exec(gateway.output().slice(from));
    if (told !== null) return Number(told[1]);
    await once(gateway.process.stderr as NodeJS.ReadableStream, 'data');
  }
}

const content = 'It was a dark and stormy night. '.repeat(60);
const chat = { messages: [{ role: 'user', content }] };

test.skipIf(process.env['TURNPIKE_TEST_GATEWAY'] !== undefined)(
  'turns leave nothing in the old generation',
  async () => {
    const [messages, other] = await Promise.all([fakeMessagesModel(), fakeChatModel()]);
    const gateway = await spawnGateway({
      folder: temporaryFolder(),
      env: { NODE_OPTIONS: `--import=${preload}` },
      config: `
models:
  - { name: claude, provider: anthropic, model: claude-haiku-4-5, base_url: "${messages.url}", api_key: k }
  - { name: qwen, provider: openai-compatible, model: qwen3-32b, base_url: "${other.url}/v1", api_key: k }
`,
    });
    const kinds: [path: string, body: object][] = [
      ['/v1/responses', { model: 'claude', input: content }],
      ['/v1/responses', { model: 'claude', input: content, stream: true }],
      ['/v1/chat/completions', { model: 'qwen', ...chat }],
      ['/v1/chat/completions', { model: 'qwen', ...chat, stream: true }],
      ['/v1/messages', { model: 'claude', max_tokens: 100, ...chat }],
      ['/v1/messages', { model: 'claude', max_tokens: 100, ...chat, stream: true }],
    ];
    const left: number[] = [];
    for (const [path, body] of kinds) {
      const play = async () => {
        for (let turn = 0; turn < turns; turn++) {
          const answer = await fetch(`${gateway.url}${path}`, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify(body),
          });
          expect(answer.status, await answer.text()).toBe(200);
          if (turn % 20 === 0) await oldBytes(gateway);
        }
      };
      await play();
      const before = await oldBytes(gateway);
      await play();
      left.push(((await oldBytes(gateway)) - before) / turns);
    }
    for (const bytes of left) expect(bytes).toBeLessThan(maxBytes);
  },
);
