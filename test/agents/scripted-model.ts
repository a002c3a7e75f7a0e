import { checkRequest } from '../../src/providers/simulator/check-request.ts';
import { createSigner } from '../../src/providers/simulator/signature.ts';
import { fakeChatModel, fakeMessagesModel } from '../support/fake-models.ts';
import { type Block, type FakeUpstream, sendJson, type UpstreamRequest } from '../support/fake-upstream.ts';
import { call, openAiUpstream, text } from '../support/openai-upstream.ts';

/** The tool of an agent that runs a command, as its model calls it. */
export interface Shell {
  name: string;
  argumentsOf(command: string): object;
  /** It is a custom tool of this namespace, which OpenAI's models call by its input alone. */
  namespace?: string;
}

export interface Scripted extends FakeUpstream {
  /** What it would not take of the gateway. */
  refusals: string[];
}

export const backends = ['anthropic', 'openai', 'openai-compatible'] as const;
export type BackendName = (typeof backends)[number];

/** What tells an order from all that agents say besides. */
export const order = (command: string) => `Please do RUN[${command}] and tell me what it says.`;
const ordered = /RUN\[([^\]]+)\]/;
const code = /\bcode-[0-9a-f]{8}\b/g;

// oxlint-disable-next-line no-explicit-any -- JSON of a provider's protocol
type Json = any;

interface Said {
  by: 'user' | 'tool';
  text: string;
}
type Thought = { command: string } | { answer: string };

/** What it has said is among the outputs: a summary stands for them. */
const told = 'The tools have said';

/**
 * Does what was ordered last, and when that is done tells every code that any tool has ever put out.
 * @param body without tools, as that of a title is, it has nothing to do it with.
 */
function think(said: Said[], body: Json): Thought {
  const orderAt = said.findLastIndex(({ by, text: words }) => by === 'user' && ordered.test(words));
  const isOutput = ({ by, text: words }: Said) => by === 'tool' || words.includes(told);
  const outputAt = said.findLastIndex(isOutput);
  const command = ordered.exec(said[orderAt]?.text ?? '')?.[1];
  if (command !== undefined && outputAt < orderAt && hasTools(body)) return { command };
  const outputs = said.filter(isOutput).map(({ text: words }) => words);
  return { answer: `${told} ${[...new Set(outputs.join(' ').match(code))].join(' and ')}.` };
}

const textOf = (content: Json): string =>
  typeof content === 'string' ? content : (content ?? []).map((part: Json) => part.text ?? '').join('\n');

/** Codex brings some of them inside of an item. */
const hasTools = ({ tools = [], input = [] }: Json): boolean =>
  tools.length > 0 || input.some(({ type }: Json) => type === 'additional_tools');

function saidInMessages({ messages }: Json): Said[] {
  return messages.flatMap(({ role, content }: Json): Said[] => {
    if (role !== 'user') return [];
    if (typeof content === 'string') return [{ by: 'user', text: content }];
    return content.map((block: Json) =>
      block.type === 'tool_result'
        ? { by: 'tool', text: textOf(block.content) }
        : { by: 'user', text: block.text ?? '' },
    );
  });
}

function saidInChat({ messages }: Json): Said[] {
  return messages.flatMap(({ role, content }: Json): Said[] => {
    if (role === 'tool') return [{ by: 'tool', text: textOf(content) }];
    return role === 'user' ? [{ by: 'user', text: textOf(content) }] : [];
  });
}

function saidInResponses({ input }: Json): Said[] {
  return input.flatMap(({ type, role, content, output }: Json): Said[] => {
    if (String(type).endsWith('_call_output')) return [{ by: 'tool', text: textOf(output) }];
    return role === 'user' ? [{ by: 'user', text: textOf(content) }] : [];
  });
}

/** One is never given twice, in whichever conversation. */
let calls = 0;
const newId = (prefix: string) => `${prefix}${String((calls += 1)).padStart(24, '0')}`;

/** As Anthropic: it holds requests to all that the simulator knows of its rules, and thinks before it calls. */
async function scriptedMessages(shell: Shell, onCleanup: (cleanup: () => void) => void): Promise<Scripted> {
  const signer = createSigner('a model of the tests');
  const refusals: string[] = [];
  const upstream = await fakeMessagesModel(onCleanup);
  upstream.answer = (request, response) => {
    const { path, headers, text: body } = request;
    if (path.startsWith('/v1/messages/count_tokens')) {
      sendJson(response, { input_tokens: 1234 });
      return undefined;
    }
    const checked = checkRequest({ path, headers: plain(headers), body }, signer);
    if (checked.refused !== undefined) {
      const { status, type, message } = checked.refused;
      refusals.push(message);
      sendJson(response, { type: 'error', error: { type, message } }, status);
      return undefined;
    }
    const thought = think(saidInMessages(request.body), request.body);
    if ('answer' in thought) return { blocks: [{ type: 'text', text: thought.answer }], model: request.body.model };
    const blocks: Block[] = [
      { type: 'tool_use', id: newId('toolu_'), name: nameOf(shell), input: shell.argumentsOf(thought.command) },
    ];
    const { thinking } = request.body;
    if (thinking !== undefined && thinking.type !== 'disabled') {
      const words = 'A command was ordered.';
      blocks.unshift({ type: 'thinking', thinking: words, signature: signer.sign(request.body.model, words, words) });
    }
    return { blocks, stopReason: 'tool_use', model: request.body.model };
  };
  return { ...upstream, refusals };
}

const plain = (headers: UpstreamRequest['headers']) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));

/** Where namespaces are not known, names say them. */
const nameOf = ({ name, namespace }: Shell) => (namespace === undefined ? name : `${namespace}__${name}`);

async function scriptedChat(shell: Shell, onCleanup: (cleanup: () => void) => void): Promise<Scripted> {
  const upstream = await fakeChatModel(onCleanup);
  upstream.answer = (request) => {
    const thought = think(saidInChat(request.body), request.body);
    if ('answer' in thought) return { content: thought.answer };
    const argumentsText = JSON.stringify(shell.argumentsOf(thought.command));
    const fn = { name: nameOf(shell), arguments: argumentsText };
    return { tool_calls: [{ id: newId('call_'), type: 'function', function: fn }] };
  };
  return { ...upstream, refusals: [] };
}

async function scriptedOpenAi(shell: Shell, onCleanup: (cleanup: () => void) => void): Promise<Scripted> {
  const upstream = await openAiUpstream(onCleanup);
  upstream.answer = (request) => {
    const thought = think(saidInResponses(request.body), request.body);
    if ('answer' in thought) return { output: [text(thought.answer)] };
    const given = shell.argumentsOf(thought.command);
    const { name, namespace } = shell;
    if (namespace === undefined) return { output: [call(name, JSON.stringify(given), newId('call_'))] };
    const custom = { id: newId('ctc_'), type: 'custom_tool_call', status: 'completed', call_id: newId('call_') };
    return { output: [{ ...custom, name, namespace, ...given }] };
  };
  return upstream;
}

/** A provider whose model runs commands by the agent's own tool, and the entry of a configuration that names it. */
export async function scriptedModel(
  backend: BackendName,
  shell: Shell,
  onCleanup: (cleanup: () => void) => void,
): Promise<{ upstream: Scripted; entry: string }> {
  const make = { anthropic: scriptedMessages, openai: scriptedOpenAi, 'openai-compatible': scriptedChat }[backend];
  const upstream = await make(shell, onCleanup);
  const model = { anthropic: 'claude-sonnet-4-6', openai: 'gpt-5-mini', 'openai-compatible': 'qwen3-32b' }[backend];
  const base = backend === 'anthropic' ? upstream.url : `${upstream.url}/v1`;
  // As much as the stand-in for Anthropic lets any model write.
  const most = backend === 'anthropic' ? ', max_output_tokens: 64000' : '';
  const entry = `provider: ${backend}, model: ${model}, base_url: "${base}", api_key: sk-upstream${most}`;
  return { upstream, entry };
}
