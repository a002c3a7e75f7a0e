import fc from 'fast-check';
import { expect } from 'vitest';
import type { Answer, Client } from './client.ts';
import { type Block, sendJson, type UpstreamRequest } from './fake-upstream.ts';
import type { ChatAnswer, MessagesAnswer } from './fake-models.ts';
import { type GeminiAnswer, type GeminiUpstream, geminiUpstream, signatureOf } from './gemini-upstream.ts';
import {
  call as openAiCall,
  type OpenAiAnswer,
  type OpenAiUpstream,
  openAiUpstream,
  text as openAiText,
  thought,
} from './openai-upstream.ts';
import { spawnGateway, type SpawnedGateway, temporaryFolder } from './spawn-gateway.ts';
import { createClient } from './client.ts';
import { type StrictModel, strictChatModel, strictMessagesModel } from './strict-models.ts';

type Json = any; // oxlint-disable-line no-explicit-any -- JSON of either side

/** Public names of models, of which no two take back one another's reasoning. */
export const models = [
  'haiku',
  'sonnet',
  'opus',
  'gpt-5',
  'gpt-5-mini',
  'gpt-4o',
  'qwen',
  'deepseek',
  'gemini',
  'flash',
] as const;
export type ModelName = (typeof models)[number];

export interface WalkRig {
  gateway: SpawnedGateway;
  client: Client;
  messages: Awaited<ReturnType<typeof strictMessagesModel>>;
  openai: OpenAiUpstream;
  chat: StrictModel<ChatAnswer>;
  gemini: GeminiUpstream;
  /** What whichever model is asked next will answer. */
  next: Planned;
  /** All requests that upstreams were sent, oldest first. */
  sent: () => UpstreamRequest[];
  refusals: () => string[];
  forgetRefusals(): void;
  /** The folder of its store. */
  folder: string;
  restart(): Promise<void>;
  /** Another gateway on the same database, which must be one that takes several. */
  addNode(): Promise<Client>;
}

/** Strict fakes of three vendors behind one gateway. @param store of the configuration; undefined: a file of its own. */
export async function walkRig(onCleanup: (cleanup: () => void) => void, store?: string): Promise<WalkRig> {
  const messages = await strictMessagesModel(onCleanup);
  const openai = await openAiUpstream(onCleanup);
  const chat = await strictChatModel(onCleanup);
  const gemini = await geminiUpstream(onCleanup);
  const entry = (name: string, provider: string, model: string, url: string) =>
    `  - { name: ${name}, provider: ${provider}, model: ${model}, base_url: "${url}", api_key: k, max_output_tokens: 32000 }\n`;
  const entries = [
    entry('haiku', 'anthropic', 'claude-haiku-4-5', messages.url),
    entry('sonnet', 'anthropic', 'claude-sonnet-4-6', messages.url),
    entry('opus', 'anthropic', 'claude-opus-4-8', messages.url),
    entry('gpt-5', 'openai', 'gpt-5', `${openai.url}/v1`),
    entry('gpt-5-mini', 'openai', 'gpt-5-mini', `${openai.url}/v1`),
    entry('gpt-4o', 'openai', 'gpt-4o', `${openai.url}/v1`),
    entry('qwen', 'openai-compatible', 'qwen3-32b', `${chat.url}/v1`),
    entry('deepseek', 'openai-compatible', 'deepseek-reasoner', `${chat.url}/v1`),
    entry('gemini', 'gemini', 'gemini-3-pro-preview', gemini.url),
    entry('flash', 'gemini', 'gemini-2.5-flash', gemini.url),
  ];
  const stored = store === undefined ? '' : `store: ${store}\n`;
  const config = `models:\n${entries.join('')}routing: { retries: 0 }\n${stored}`;
  const folder = temporaryFolder();
  const sent: UpstreamRequest[] = [];
  const rig: WalkRig = {
    folder,
    messages,
    openai,
    chat,
    gemini,
    next: { kind: 'text', count: 1, thinks: false, words: ['none'] },
    sent: () => sent,
    refusals: () => [...messages.refusals, ...openai.refusals, ...chat.refusals, ...gemini.refusals],
    forgetRefusals() {
      for (const { refusals } of [messages, openai, chat, gemini]) refusals.length = 0;
    },
    async restart() {
      await rig.gateway.kill('SIGKILL');
      await start();
    },
    addNode: async () => createClient((await spawnGateway({ config, folder: temporaryFolder(), onCleanup })).url),
  } as WalkRig;
  const start = async () => {
    rig.gateway = await spawnGateway({ config, folder, onCleanup });
    rig.client = createClient(rig.gateway.url);
  };
  // Servers from before there were compactions of their own: summaries are the gateway's, over each of these vendors.
  messages.answer = (request, response) => {
    if (request.body.compaction !== undefined) {
      const error = { type: 'invalid_request_error', message: 'compaction: Extra inputs are not permitted' };
      sendJson(response, { type: 'error', error }, 400);
      return undefined;
    }
    sent.push(request);
    return asMessages(rig.next, request.body, messages.signer);
  };
  openai.answer = (request, response) => {
    if (request.text.includes('"compaction_trigger"')) {
      const error = { message: "Invalid value: 'compaction_trigger'.", type: 'invalid_request_error', param: 'input' };
      sendJson(response, { error: { ...error, code: null } }, 400);
      return undefined;
    }
    sent.push(request);
    return asOpenAi(rig.next, request.body);
  };
  chat.answer = (request) => (sent.push(request), asChat(rig.next, request.body));
  gemini.answer = (request) => (sent.push(request), asGemini(rig.next, request));
  await start();
  return rig;
}

const kinds = ['text', 'calls', 'custom', 'search', 'refusal', 'cut-text', 'cut-call', 'silent'] as const;

/** What a model answers: in its own protocol's words, with words of ours that can be found again. */
export interface Planned {
  kind: (typeof kinds)[number] | 'summary';
  /** How many calls. */
  count: number;
  thinks: boolean;
  /** Words that nothing else holds: what it thinks, what it says, then one for each call. */
  words: string[];
}

const word = ({ words }: Planned, at: number) => words[at % words.length] ?? '';
const isCut = ({ kind }: Planned) => kind === 'cut-text' || kind === 'cut-call';
const callsOf = (plan: Planned) =>
  ['calls', 'custom', 'cut-call'].includes(plan.kind)
    ? Array.from({ length: plan.count }, (_, at) => word(plan, at + 2))
    : [];
const nameOf = ({ kind }: Planned) => (kind === 'custom' ? 'apply' : 'look_up');
/** Some vendors count their calls anew in every answer. */
let serial = 0;
const callId = (prefix: string, at: number) =>
  serial % 3 === 0 ? `${prefix}_${at}` : `${prefix}_${(serial += 1)}_${at}`;

function asMessages(
  plan: Planned,
  body: Json,
  signer: Awaited<ReturnType<typeof strictMessagesModel>>['signer'],
): MessagesAnswer {
  const blocks: Block[] = [];
  serial += 1;
  const isOn = body.thinking !== undefined && body.thinking.type !== 'disabled';
  if (plan.thinks && isOn) {
    const thinking = word(plan, 0);
    if (plan.count === 3) blocks.push({ type: 'redacted_thinking', data: signer.sign(body.model, '', thinking) });
    blocks.push({ type: 'thinking', thinking, signature: signer.sign(body.model, thinking, thinking) });
  }
  if (plan.kind === 'search' && body.tools?.some(({ name }: Json) => name === 'web_search') === true) {
    const id = `srvtoolu_${(serial += 1)}`;
    const page = {
      type: 'web_search_result',
      url: 'https://example.com',
      title: 'T',
      encrypted_content: 'c2VhbGVk',
      page_age: null,
    };
    blocks.push({ type: 'server_tool_use', id, name: 'web_search', input: { query: 'q' } });
    blocks.push({ type: 'web_search_tool_result', tool_use_id: id, content: [page] });
  }
  if (plan.kind !== 'silent') blocks.push({ type: 'text', text: word(plan, 1) });
  callsOf(plan).forEach((said, at) => {
    const input = plan.kind === 'custom' ? { input: said } : { what: said };
    blocks.push({ type: 'tool_use', id: callId('toolu', at), name: nameOf(plan), input });
  });
  if (plan.kind === 'refusal') return { blocks, stopReason: 'refusal' };
  if (isCut(plan)) return { blocks, stopReason: 'max_tokens' };
  return { blocks, stopReason: callsOf(plan).length > 0 ? 'tool_use' : 'end_turn' };
}

function asOpenAi(plan: Planned, { model, tools }: Json): OpenAiAnswer {
  const output: Json[] = [];
  if (plan.thinks && String(model).startsWith('gpt-5')) output.push(thought(model, word(plan, 0)));
  if (plan.kind === 'search' && tools?.some(({ type }: Json) => type === 'web_search') === true) {
    output.push({
      id: `ws_${(serial += 1)}`,
      type: 'web_search_call',
      status: 'completed',
      action: { type: 'search', query: 'q' },
    });
  }
  const refusal = [{ type: 'refusal', refusal: word(plan, 1) }];
  if (plan.kind === 'refusal') output.push(openAiText('', { content: refusal }));
  else if (plan.kind !== 'silent') output.push(openAiText(word(plan, 1)));
  callsOf(plan).forEach((said, at, all) => {
    const status = plan.kind === 'cut-call' && at === all.length - 1 ? { status: 'incomplete' } : {};
    const whole = openAiCall(nameOf(plan), JSON.stringify({ what: said }));
    const { arguments: _, id, ...rest } = whole;
    if (plan.kind === 'custom')
      output.push({ ...rest, id: id.replace('fc', 'ctc'), type: 'custom_tool_call', input: said });
    else output.push({ ...whole, ...status });
  });
  return { output, status: isCut(plan) ? 'incomplete' : 'completed' };
}

function asChat(plan: Planned, { model }: Json): ChatAnswer {
  serial += 1;
  const tool_calls = callsOf(plan).map((said, at) => ({
    id: callId('call', at),
    type: 'function' as const,
    function: {
      name: nameOf(plan),
      arguments: JSON.stringify(plan.kind === 'custom' ? { input: said } : { what: said }),
    },
  }));
  return {
    content: plan.kind === 'silent' ? '' : word(plan, 1),
    ...(plan.thinks && model !== 'none' ? { reasoning_content: word(plan, 0) } : {}),
    ...(tool_calls.length > 0 ? { tool_calls } : {}),
    ...(plan.kind === 'refusal' ? { finishReason: 'content_filter' } : isCut(plan) ? { finishReason: 'length' } : {}),
  };
}

function asGemini(plan: Planned, { model, body }: { model: string; body: Json }): GeminiAnswer {
  serial += 1;
  const thoughtSignature = signatureOf(model, word(plan, 0));
  const parts: Json[] = [{ text: word(plan, 0), thought: true }];
  const shown = body.generationConfig?.thinkingConfig?.includeThoughts === true ? parts : [];
  const calls = callsOf(plan).map((said, at) => ({
    functionCall: {
      name: nameOf(plan),
      args: plan.kind === 'custom' ? { input: said } : { what: said },
      ...(at % 2 === 0 ? { id: callId('g', at) } : {}),
    },
    ...(at === 0 ? { thoughtSignature } : {}),
  }));
  if (plan.kind !== 'silent') shown.push({ text: word(plan, 1), ...(calls.length === 0 ? { thoughtSignature } : {}) });
  const finishReason = plan.kind === 'refusal' ? 'SAFETY' : isCut(plan) ? 'MAX_TOKENS' : 'STOP';
  return { parts: [...shown, ...calls], finishReason };
}

export interface Step {
  model: ModelName;
  stream: boolean;
  reasons: boolean;
  /** What the model is to answer. */
  kind: (typeof kinds)[number];
  count: number;
  /** From which of the turns before it goes on: 0 the newest. */
  back: number;
  says: 'text' | 'image' | 'developer' | 'parts';
  /** Outputs of tools come in this order, and as texts or parts. */
  reversed: boolean;
  compacts: boolean;
}

export const steps = (names: readonly ModelName[] = models, most = 12): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.record({
      model: fc.constantFrom(...names),
      stream: fc.boolean(),
      reasons: fc.boolean(),
      kind: fc.oneof(
        { weight: 3, arbitrary: fc.constantFrom<Step['kind']>('text', 'calls') },
        { weight: 2, arbitrary: fc.constantFrom(...kinds) },
      ),
      count: fc.integer({ min: 1, max: 3 }),
      back: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat({ max: 5 }) }),
      says: fc.constantFrom<Step['says']>('text', 'text', 'image', 'developer', 'parts'),
      reversed: fc.boolean(),
      compacts: fc.oneof({ weight: 12, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
    }),
    { minLength: 1, maxLength: most },
  );

/** What a client knows of a turn: what the next one goes on from. */
interface Turn {
  id: string | undefined;
  /** Every item so far: what a client that carries all itself sends. */
  items: Json[];
  /** Words that the next model must see, in order, and what was thought, with who may see it. */
  visible: string[];
  thoughts: { id: string; word: string; scope: string }[];
  pending: Json[];
}

export interface Sent {
  step: Step;
  request: UpstreamRequest;
  /** The place in the walk of the turn that it goes on from; -1: none. */
  parent: number;
  answer: Answer;
}

const tools = [
  {
    type: 'function',
    name: 'look_up',
    description: 'Looks up',
    parameters: { type: 'object', properties: { what: { type: 'string' } } },
    strict: false,
  },
  { type: 'custom', name: 'apply', description: 'Applies' },
  { type: 'web_search' },
];
const functionTools = tools.slice(0, 2);
const withoutHosted: ReadonlySet<ModelName> = new Set(['qwen', 'deepseek', 'flash']);

let words = 0;
const fresh = (prefix: string) => `${prefix}${(words += 1).toString().padStart(6, '0')}z`;

/**
 * Walks a tree of turns, and holds of every request that the upstream took it, saw all that was said, and saw of what was
 * thought its own alone; and that the client was told of the rest.
 * @param carries the client sends everything itself and nothing is stored.
 */
export async function walk(
  rig: WalkRig,
  plan: readonly Step[],
  carries: boolean,
  beforeTurn: (at: number) => Promise<void> = () => Promise.resolve(),
): Promise<Sent[]> {
  const turns: Turn[] = [];
  const sent: Sent[] = [];
  for (const [at, step] of plan.entries()) {
    await beforeTurn(at);
    const parent = turns.length === 0 ? -1 : Math.max(0, turns.length - 1 - step.back);
    const before = turns[parent] ?? { id: undefined, items: [], visible: [], thoughts: [], pending: [] };
    const compacts = step.compacts && before.pending.length === 0 && before.items.length > 0;
    const { input, said } = inputOf(step, before, compacts);
    rig.next = {
      kind: compacts ? 'text' : step.kind,
      count: step.count,
      thinks: true,
      words: [fresh('thought'), fresh('answer'), ...Array.from({ length: step.count }, () => fresh('call'))],
    };
    const fields = carries
      ? { input: [...before.items, ...input], store: false, include: ['reasoning.encrypted_content'] }
      : { input, previous_response_id: before.id ?? null };
    const answer = await rig.client.create({
      model: step.model,
      stream: step.stream,
      tools: withoutHosted.has(step.model) ? functionTools : tools,
      ...(step.reasons ? { reasoning: { effort: 'low', summary: 'auto' } } : {}),
      max_output_tokens: 16_000,
      ...fields,
    });
    expect(rig.refusals()).toEqual([]);
    expect(answer.status, answer.text).toBe(200);
    expect(answer.body.error, answer.text).toBeNull();
    expect(['completed', 'incomplete']).toContain(answer.body.status);
    if (!carries) expect((await rig.client.get(answer.body.id)).body).toEqual(answer.body);
    const request = rig.sent().at(-1);
    if (request === undefined) throw new Error('no upstream was asked');
    checkSeen(request, [...before.visible, ...said], answer);
    checkThoughts(request, before.thoughts, answer);
    sent.push({ step, request, parent, answer });
    turns.push(after(before, input, said, rig.next, answer, scopeOf(request), compacts));
  }
  return sent;
}

const png = (said: string) => `data:image/png;base64,${Buffer.from(`image of ${said}`).toString('base64')}`;

function inputOf(step: Step, { pending }: Turn, compacts: boolean): { input: Json[]; said: string[] } {
  const input: Json[] = [];
  const said: string[] = [];
  for (const { type, call_id } of step.reversed ? pending.toReversed() : pending) {
    const text = fresh('output');
    said.push(text);
    const output =
      step.reversed && type === 'function_call'
        ? [
            { type: 'input_text', text },
            { type: 'input_image', image_url: png(text), detail: 'auto' },
          ]
        : text;
    input.push({ type: `${type}_output`, call_id, output });
  }
  if (pending.length === 0 || step.says !== 'text') {
    const text = fresh('user');
    said.push(text);
    const place = { type: 'message', role: 'user' };
    if (step.says === 'image') {
      const image = { type: 'input_image', image_url: png(text), detail: 'auto' };
      input.push({ ...place, content: [{ type: 'input_text', text }, image] });
    } else if (step.says === 'parts') {
      const second = fresh('user');
      said.push(second);
      input.push({ ...place, content: [text, second].map((each) => ({ type: 'input_text', text: each })) });
    } else if (step.says === 'developer') {
      const rule = fresh('rule');
      said.push(rule);
      input.push({ ...place, content: text }, { type: 'message', role: 'developer', content: rule });
    } else input.push({ ...place, content: text });
  }
  if (compacts) input.push({ type: 'compaction_trigger' });
  return { input, said };
}

const promptOf = ({ body }: UpstreamRequest) =>
  JSON.stringify([
    body.system,
    body.systemInstruction,
    body.instructions,
    body.messages ?? body.input ?? body.contents,
  ]);

/** Outputs of tools and developers' messages are moved to where a wire wants them; all else is in order. */
function checkSeen(request: UpstreamRequest, visible: readonly string[], answer: Answer): void {
  const prompt = promptOf(request);
  const missing = visible.filter((each) => !prompt.includes(each));
  expect(missing, `${request.text}\n${answer.headers.get('x-turnpike-warnings')}`).toEqual([]);
  const places = visible.filter((each) => !/^(?:output|rule)/.test(each)).map((each) => prompt.indexOf(each));
  expect(places, request.text).toEqual(places.toSorted((a, b) => a - b));
}

function scopeOf({ path, body }: UpstreamRequest): string {
  return body.model ?? /models\/([^:]+)/.exec(path)?.[1] ?? '';
}

function checkThoughts(request: UpstreamRequest, thoughts: Turn['thoughts'], answer: Answer): void {
  const removed = new Set((answer.body.input_transformations ?? []).map(({ id }: Json) => id));
  const warned = answer.headers.get('x-turnpike-warnings') ?? '';
  for (const { id, word: thinking, scope } of thoughts) {
    const signature = signatureOf(scope, thinking);
    const isShown = request.text.includes(thinking) || request.text.includes(signature);
    if (scope !== scopeOf(request)) {
      expect(isShown, `${thinking} of ${scope} went to ${scopeOf(request)}`).toBe(false);
      expect(removed, `${thinking} of ${scope} was withheld in silence`).toContain(id);
    } else if (scope.startsWith('gemini')) continue;
    else if (!isShown) expect(removed.has(id) || /[Rr]easoning/.test(warned), `${thinking} is gone`).toBe(true);
    else expect(removed, `${thinking} was sent, and said to be withheld`).not.toContain(id);
  }
}

function after(
  before: Turn,
  input: Json[],
  said: string[],
  plan: Planned,
  answer: Answer,
  scope: string,
  compacts: boolean,
): Turn {
  const { id, output } = answer.body;
  const items = [...before.items, ...input.filter(({ type }) => type !== 'compaction_trigger'), ...output];
  const own = (output as Json[])
    .filter(({ type }) => type === 'reasoning')
    .map((item) => ({ id: item.id, word: word(plan, 0), scope }));
  if (compacts) {
    const users = [...before.visible, ...said].filter((each) => /^(?:user|rule)/.test(each));
    return { id, items, visible: [...users, word(plan, 1)], thoughts: [], pending: [] };
  }
  const isRefused = plan.kind === 'refusal';
  const pending = (output as Json[]).filter(
    ({ type, status }) => /^(?:function|custom_tool)_call$/.test(type) && status === 'completed',
  );
  const calls = pending.map((item) => /call\d+z/.exec(item.arguments ?? item.input)?.[0] ?? '');
  const visible = [...before.visible, ...said];
  if (!isRefused && plan.kind !== 'silent') visible.push(word(plan, 1));
  return { id, items, visible: [...visible, ...calls], thoughts: [...before.thoughts, ...own], pending };
}
