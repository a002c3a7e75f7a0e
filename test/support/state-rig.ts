import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type SQLOutputValue } from 'node:sqlite';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { type Client, createClient } from './client.ts';
import {
  type ChatAnswer,
  chatEcho,
  fakeChatModel,
  type FakeModel,
  fakeMessagesModel,
  type MessagesAnswer,
  messagesEcho,
} from './fake-models.ts';
import { spawnGateway, type SpawnedGateway, temporaryFolder } from './spawn-gateway.ts';

export interface StateRig {
  gateway: SpawnedGateway;
  client: Client;
  /** Behind `claude`, `sonnet` and half of `pair`. */
  messages: FakeModel<MessagesAnswer>;
  /** Behind `qwen` and the other half of `pair`. */
  chat: FakeModel<ChatAnswer>;
  /** First in every group whose name begins with `shaky-`; the second is `messages`. */
  broken: FakeModel<MessagesAnswer>;
  query(sql: string, ...values: string[]): Record<string, SQLOutputValue>[];
  /** Names of the store's files that hold this text, as it stands or as JSON escapes it. */
  filesWith(text: string): string[];
  /** Kills the gateway and starts another on what it has left. */
  restart(): Promise<void>;
}

const shaky = (name: string, url: string, second: string) => `
  - { name: ${name}, provider: anthropic, model: claude-haiku-4-5, base_url: "${url}", api_key: k, weight: 1.0e+12 }
  - { name: ${name}, provider: anthropic, model: claude-haiku-4-5, base_url: "${second}", api_key: k, weight: 1.0e-12 }`;

/** Nobody listens on port 1. */
const closedUrl = 'http://127.0.0.1:1';

export const shakyGroups = ['shaky-500', 'shaky-529', 'shaky-cut', 'shaky-closed'] as const;

/** One gateway for all tests of a file, over fake upstreams whose answers each test sets. */
export function stateRig(): StateRig {
  const rig = {} as StateRig;
  const folder = temporaryFolder();
  const cleanups: (() => void)[] = [];
  const onCleanup = (cleanup: () => void) => void cleanups.push(cleanup);

  beforeAll(async () => {
    rig.messages = await fakeMessagesModel(onCleanup);
    rig.chat = await fakeChatModel(onCleanup);
    rig.broken = await fakeMessagesModel(onCleanup);
    const { url } = rig.messages;
    const config = `
models:
  - { name: claude, provider: anthropic, model: claude-haiku-4-5, base_url: "${url}", api_key: k }
  - { name: sonnet, provider: anthropic, model: claude-sonnet-4-5, base_url: "${url}", api_key: k }
  - { name: qwen, provider: openai-compatible, model: qwen3-32b, base_url: "${rig.chat.url}/v1", api_key: k }
  - { name: pair, provider: anthropic, model: claude-haiku-4-5, base_url: "${url}", api_key: k, weight: 1 }
  - { name: pair, provider: openai-compatible, model: qwen3-32b, base_url: "${rig.chat.url}/v1", api_key: k, weight: 1 }
  - { name: simulator, provider: simulator, model: simulator }
  - { name: simulator-2, provider: simulator, model: another }${shakyGroups
    .flatMap((name) =>
      ['', '-stream'].map((end) => shaky(`${name}${end}`, name === 'shaky-closed' ? closedUrl : rig.broken.url, url)),
    )
    .join('')}
aliases: { gpt-4o-mini: claude, best: gpt-4o-mini, gpt-4o: qwen }
routing: { retries: 1 }
`;
    const start = async () => {
      rig.gateway = await spawnGateway({ config, folder, onCleanup });
      rig.client = createClient(rig.gateway.url);
    };
    rig.restart = async () => {
      await rig.gateway.kill('SIGKILL');
      await start();
    };
    await start();
  });
  beforeEach(() => {
    rig.messages.answer = messagesEcho;
    rig.chat.answer = chatEcho;
    for (const { requests } of [rig.messages, rig.chat, rig.broken]) requests.length = 0;
  });
  afterAll(() => {
    for (const cleanup of cleanups) cleanup();
    rmSync(folder, { recursive: true, maxRetries: 10 });
  });

  rig.query = (sql, ...values) => {
    const database = new DatabaseSync(join(folder, 'turnpike.db'), { readOnly: true });
    try {
      return database.prepare(sql).all(...values);
    } finally {
      database.close();
    }
  };
  rig.filesWith = (text) =>
    readdirSync(folder).filter(
      (name) => name.startsWith('turnpike.db') && readFileSync(join(folder, name)).includes(text),
    );
  return rig;
}
