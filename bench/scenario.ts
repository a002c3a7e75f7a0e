/** What `load.ts` is told and what it tells. */
export interface LoadJob {
  url: string;
  path: string;
  headers: Record<string, string>;
  /** Sent in turn. */
  bodies: string[];
  /** What a whole answer holds, a stream at its end. */
  endMark: string;
  seconds: number;
  concurrency: number;
  /** Arrivals a second; absent: closed loop. */
  rate?: number;
}

export interface LoadResult {
  done: number;
  /** How often each way to fail was met. */
  errors: Record<string, number>;
  /** Reads of the answers' bodies. */
  chunks: number;
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  /** To the first words of a stream. */
  firstP50Ms: number;
}

/** The protocol pairs that a target is asked for: client's × upstream's. Its model's name stands for each. */
export type Pair = 'responses-anthropic' | 'messages-anthropic' | 'chat-anthropic' | 'chat-chat';

export interface Scenario {
  name: string;
  pair: Pair;
  stream: boolean;
  /** Of the model's stream. */
  chunks?: number;
  delayMs?: number;
  /** Bytes of the input. */
  inputBytes: number;
  concurrency?: number;
  rate?: number;
  /** The gateway's event loop is watched, which costs it a timer every 2 ms. */
  watchesLoop?: boolean;
  /** Bytes of the tools that come with each request. */
  toolBytes?: number;
  /** The scenario that is played at the same time: measured is what others wait for it. */
  beside?: string;
  /** Turns before the one that is measured, all together as long as `inputBytes`. */
  chain?: number;
}

const pairs: readonly Pair[] = ['responses-anthropic', 'messages-anthropic', 'chat-anthropic', 'chat-chat'];

/** 30 items of 4 KB. */
const chainBytes = 120_000;

export const scenarios: readonly Scenario[] = [
  ...pairs.flatMap((pair): Scenario[] => [
    { name: pair, pair, stream: false, inputBytes: 2000 },
    { name: `${pair}-stream`, pair, stream: true, inputBytes: 2000 },
  ]),
  { name: 'latency', pair: 'responses-anthropic', stream: false, inputBytes: 2000, concurrency: 1 },
  { name: 'latency-stream', pair: 'responses-anthropic', stream: true, inputBytes: 2000, concurrency: 1 },
  { name: 'open-loop', pair: 'responses-anthropic', stream: false, inputBytes: 20_000, rate: 300, watchesLoop: true },
  {
    name: 'open-loop-1000',
    pair: 'responses-anthropic',
    stream: false,
    inputBytes: 20_000,
    rate: 1000,
    watchesLoop: true,
  },
  { name: 'large', pair: 'responses-anthropic', stream: false, inputBytes: 10_000_000, concurrency: 1 },
  { name: 'tools', pair: 'responses-anthropic', stream: false, inputBytes: 2000, toolBytes: 200_000, concurrency: 1 },
  ...['large', 'tools'].map((beside): Scenario => ({
    name: `beside-${beside}`,
    pair: 'responses-anthropic',
    stream: false,
    inputBytes: 2000,
    concurrency: 1,
    beside,
  })),
  {
    name: 'slow-streams',
    pair: 'responses-anthropic',
    stream: true,
    chunks: 25,
    delayMs: 200,
    inputBytes: 100,
    concurrency: 2000,
  },
  ...[2, 10, 100, 1000].map((turn): Scenario => ({
    name: `turn-${turn}`,
    pair: 'responses-anthropic',
    stream: false,
    inputBytes: chainBytes,
    concurrency: 1,
    chain: turn - 1,
  })),
];

interface Wire {
  path: string;
  tool: (name: string, parameters: object) => object;
  body(model: string, text: string, stream: boolean, parent: string | undefined): object;
  plainMark: string;
  streamMark: string;
}

const message = (text: string) => [{ role: 'user', content: text }];

/** How each protocol asks, and how its whole answers end. */
const wires: Record<'responses' | 'messages' | 'chat', Wire> = {
  responses: {
    path: '/v1/responses',
    tool: (name, parameters) => ({ type: 'function', name, parameters }),
    body: (model, input, stream, parent) => ({ model, input, stream, previous_response_id: parent }),
    plainMark: '"status":"completed"',
    streamMark: 'response.completed',
  },
  messages: {
    path: '/v1/messages',
    tool: (name, parameters) => ({ name, input_schema: parameters }),
    body: (model, text, stream) => ({ model, max_tokens: 1000, messages: message(text), stream }),
    plainMark: 'end_turn',
    streamMark: 'message_stop',
  },
  chat: {
    path: '/v1/chat/completions',
    tool: (name, parameters) => ({ type: 'function', function: { name, parameters } }),
    body: (model, text, stream) => ({ model, messages: message(text), stream }),
    plainMark: '"finish_reason":"stop"',
    streamMark: '[DONE]',
  },
};

/** Tools of 2 KB each. */
function toolsOf({ tool }: Wire, bytes: number): object[] {
  const text = (description: string) => ({ type: 'string', description });
  const properties = Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`p${index}`, text('x'.repeat(150))]));
  return Array.from({ length: bytes / 2000 }, (_, index) => tool(`tool_${index}`, { type: 'object', properties }));
}

/** Where a scenario is played, and under which names of models. */
export interface Addressed {
  url: string;
  headers: Record<string, string>;
  /** Without the hints; a pair that is not there is not played. */
  models: Partial<Record<Pair, string>>;
  /** The fake itself: asked in its own protocol, for everything. */
  isUpstream: boolean;
}

/** @param parent id of the chain's last turn. */
export function jobOf(
  { pair, stream, inputBytes, chunks = 100, delayMs = 0, chain, toolBytes, ...scenario }: Scenario,
  target: Addressed,
  { seconds, concurrency, parent }: { seconds: number; concurrency: number; parent?: string | undefined },
): LoadJob {
  const [client = 'responses', upstream = 'messages'] = pair.replace('anthropic', 'messages').split('-');
  const wire = wires[(target.isUpstream ? upstream : client) as keyof typeof wires];
  const base = target.models[pair] ?? 'bench';
  const model = `${base}-c${chunks}${delayMs === 0 ? '' : `-d${delayMs}`}`;
  // What stands in a chain already is not sent again, but to the upstream.
  const text = 'x'.repeat(chain === undefined || target.isUpstream ? inputBytes : 100);
  const body = wire.body(model, text, stream, parent);
  const tools = toolBytes === undefined ? {} : { tools: toolsOf(wire, toolBytes) };
  return {
    url: target.url,
    path: wire.path,
    headers: { 'content-type': 'application/json', 'anthropic-version': '2023-06-01', ...target.headers },
    bodies: [JSON.stringify({ ...body, ...tools })],
    endMark: stream ? wire.streamMark : wire.plainMark,
    seconds,
    concurrency: scenario.concurrency ?? concurrency,
    ...(scenario.rate === undefined ? {} : { rate: scenario.rate }),
  };
}
