/**
 * The npm clients over replies as providers sent them, replayed byte for byte in pieces at random: what a client's own objects
 * say is what the recording says. TURNPIKE_RECORDINGS names a folder with more (`test/support/recordings.ts`).
 */
import { setTracingDisabled } from '@openai/agents';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isError, type Kind, type Recording, recordings, type Said, saidOf } from '../support/recordings.ts';
import { type ReplayingUpstream, replayingUpstream } from '../support/replaying-upstream.ts';
import { type SpawnedGateway, spawnGateway, temporaryFolder } from '../support/spawn-gateway.ts';
import { clients } from './recorded-clients.ts';

const entries: Record<Kind, string> = {
  messages: 'provider: anthropic, model: claude-haiku-4-5',
  responses: 'provider: openai, model: gpt-5.1',
  chat: 'provider: openai-compatible, model: small-model',
  gemini: 'provider: gemini, model: gemini-3-flash-preview',
  converse:
    'provider: ai-sdk, package: "@ai-sdk/amazon-bedrock", model: amazon.nova-pro-v1:0, settings: { region: us-east-1 }',
};

let upstream: ReplayingUpstream;
let gateway: SpawnedGateway;
const cleanups: (() => void)[] = [];
beforeAll(async () => {
  setTracingDisabled(true);
  upstream = await replayingUpstream((cleanup) => void cleanups.push(cleanup));
  const models = Object.entries(entries).map(([kind, entry]) => {
    const url = kind === 'responses' || kind === 'chat' ? `${upstream.url}/v1` : upstream.url;
    return `  - { name: ${kind}, ${entry}, base_url: "${url}", api_key: k }`;
  });
  gateway = await spawnGateway({
    folder: temporaryFolder(),
    config: `models:\n${models.join('\n')}`,
    onCleanup: (cleanup) => void cleanups.push(cleanup),
  });
});
afterAll(() => {
  for (const cleanup of cleanups) cleanup();
});

/** What all the others end with: its text is what the tools give. */
function closingOf(kind: Kind): Recording {
  const found = recordings.find(
    (each) => each.kind === kind && /^text\.|encrypted-reasoning.jsonl \(2\)/.test(each.name) && saidOf(each).input > 0,
  );
  if (found === undefined) throw new Error(`no closing words for ${kind}`);
  return found;
}

/**
 * Blank lines stand between messages of one answer, for clients that know one message only. LangChain adds up what a stream of
 * Anthropic's says of the tokens at its begin and at its end, and so counts some twice, or those that are told at the end not at all.
 */
const comparable = (said: Said, client: string, { input, output }: Said): object => ({
  calls: said.calls,
  text: said.text.replaceAll('\n\n', ''),
  ...(input === 0 || client === '@langchain/anthropic, streamed' ? {} : { input: said.input }),
  ...(output === 0 || client === '@langchain/anthropic, streamed' ? {} : { output: said.output }),
});

/** One question does not make one answer of it, or it calls tools that the clients here were not made to have. */
const isOther = /"stop_reason": *"pause_turn"|"type": *"(?:custom_tool|apply_patch|shell|local_shell|computer)_call"/;
const isRefusal = /"refusal": *"[^"]|"stop_reason": *"refusal"/;
const isCut = /"(?:length|MAX_TOKENS|max_tokens|model_length)"/;

/** What clients make an error of, whoever sends it to them. */
function isFit(recording: Recording, client: string): boolean {
  const { body, lines } = recording;
  const carriesItems = /, responses,/.test(client) && !/by id/.test(client);
  if (lines === undefined && client.endsWith('streamed')) return false;
  if (isRefusal.test(body)) return !/agents|open-responses, plain/.test(client);
  if (isCut.test(body)) return saidOf(recording).calls.length === 0 && !/agents/.test(client);
  // Its schema has the items that there were.
  if (/"type": *"compaction"/.test(body)) return client !== 'ai 6, @ai-sdk/openai 3, responses, plain';
  if (/"namespace"/.test(body)) return !/agents/.test(client);
  // Its schema has no list of a server's tools.
  if (/"mcp_tool_listing"/.test(body) && client === 'ai 7, @ai-sdk/anthropic, plain') return false;
  // It sends a thought back without the text that it has not.
  if (/"thinking": *""/.test(body)) return client !== '@langchain/anthropic, streamed';
  // It has names of its own for what it does not take as one.
  if (/"name": *"test-tool"/.test(body)) return !/agents/.test(client);
  // An upstream's raw blocks, which these clients cannot ask for: they do not know them, or send them back, and they are not taken
  // from a client, since they can name objects in the account.
  return !(/"hologram"|"mcp_tool_use"|"tool_search_tool_regex"/.test(body) && carriesItems);
}

const fit = recordings
  .filter((each) => !isError(each) && !isOther.test(each.body))
  .map((each) => ({ ...each, able: Object.entries(clients).filter(([client]) => isFit(each, client)) }))
  .filter(({ able }) => able.length > 0);

describe.each(fit)('$kind $name', (recording) => {
  const { kind } = recording;
  test.each(recording.able)('%s', async (client, converse) => {
    const closing = closingOf(kind);
    upstream.replay([recording, closing]);
    const first = saidOf(recording);
    const last = saidOf(closing);
    const said = await converse({
      baseURL: `${gateway.url}/v1`,
      model: kind,
      tools: Array.from(new Set(first.calls.map(({ name }) => name))),
      output: last.text,
    });
    const expected = first.calls.length === 0 ? [first, last] : [first, last, last];
    // Who knows no refusals is told in words.
    const [told] = said;
    if (told !== undefined && isRefusal.test(recording.body) && recording.body.includes(told.text))
      told.text = first.text;
    // Its own clients are told xAI's count, which leaves out what was thought.
    if (told !== undefined && /"model": *"grok/.test(recording.body) && / chat,/.test(client))
      told.output = first.output;
    const compared = (list: Said[]) => list.map((each, at) => comparable(each, client, expected[at] ?? each));
    expect(compared(said)).toEqual(compared(expected));
    // Whoever answered last but one was told what only the tools had known.
    if (first.calls.length > 0)
      expect(upstream.requests.at(-2)?.text).toContain(JSON.stringify(last.text).slice(1, -1));
  });
});
