import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect } from 'vitest';
import { expectStream } from '../support/check-stream.ts';
import { type RawCall, rawServer, rawUpstream, sendBody, sendStream } from '../support/raw-upstream.ts';
import { parseEvents } from '../support/read-events.ts';
import { type SpawnedGateway, spawnGateway, temporaryFolder } from '../support/spawn-gateway.ts';
import { type Dialect, dialects, framesOf, plainOf, providerOf } from '../support/upstream-replies.ts';

/** Answers one upstream call. `number` counts the calls of its turn from 1. */
export type Script = (call: RawCall, number: number) => void;

/** How a turn ends: a status of the response, or an HTTP error. */
export type Ending = 'completed' | 'incomplete' | 'failed' | { status: number; code: string | null };

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  ending: Ending;
  /** Undefined for an HTTP error. */
  // oxlint-disable-next-line no-explicit-any -- a test reads whatever was sent
  response: any;
}

export interface Attempt {
  status: string;
  input_tokens: number;
  output_tokens: number;
  estimated: number;
  cost_nano_usd: number | null;
  ended_at_ms: number | null;
  upstream_id: string | null;
  error_code: string | null;
  turn_id: string;
}

export interface Outcome extends Answer {
  attempts: Attempt[];
  /** What the upstream got. */
  calls: RawCall[];
  /** What the upstream got on the next turn; undefined where there is none. */
  next: RawCall | undefined;
  /** What the client got on the next turn. */
  nextAnswer: Answer;
}

export interface TurnOptions {
  dialect: Dialect;
  stream: boolean;
  script: Script;
  /** Give the upstream up quickly. */
  impatience?: Impatience | undefined;
  /** A model of its own in place of the scripted upstream. */
  model?: string;
  /** The upstream has no ear to count calls with; undefined: it has. */
  expectedCalls?: number;
  /** Told of all that the client has read so far. */
  onText?: (text: string) => void;
}

export const upstreamKey = 'sk-upstream-canary-0123456789';

/** What the gateway waits for 400 ms only; a slow machine must not make it wait in vain for anything else. */
export type Impatience = 'first-byte' | 'idle';
const timeouts: Record<Impatience, string> = {
  'first-byte': 'timeouts: { first_byte_ms: 400 }',
  idle: 'timeouts: { idle_ms: 400 }',
};

export const tools = [
  {
    type: 'function',
    name: 'get_weather',
    parameters: { type: 'object', properties: { location: { type: 'string' } } },
  },
];

export function answerWell(dialect: Dialect): Script {
  return (call) => {
    if (call.body.stream === true) sendStream(call, framesOf(dialect).join(''));
    else sendBody(call, plainOf(dialect));
  };
}

export type Harness = Awaited<ReturnType<typeof startHarness>>;

/** One gateway with one upstream behind it, which answers each model as its script says. */
export async function startHarness() {
  const cleanups: (() => void)[] = [];
  const scripts = new Map<string, { script: Script; calls: RawCall[] }>();
  const upstream = await rawUpstream((call) => {
    const scripted = scripts.get(call.body.model);
    if (scripted === undefined) throw new Error(`no script for the model ${call.body.model}`);
    scripted.calls.push(call);
    scripted.script(call, scripted.calls.length);
  });
  const connections = { reset: 0, silent: 0 };
  const reset = await rawServer((socket) => {
    connections.reset += 1;
    socket.resetAndDestroy();
  });
  const silent = await rawServer((socket) => {
    connections.silent += 1;
    socket.pause();
  });
  // A port that was just free: nothing listens there.
  const refused = await rawServer(() => undefined);
  refused.close();
  const trapped: RawCall[] = [];
  const trap = await rawUpstream((call) => void trapped.push(call));
  cleanups.push(upstream.close, reset.close, silent.close, trap.close);

  const model = (name: string, dialect: Dialect, base: string, more = '') =>
    `  - { name: "${name}", provider: ${providerOf[dialect]}, model: "*", api_key: ${upstreamKey}, ` +
    `base_url: "${base}/v1", price: { input: 1, output: 2 }${more === '' ? '' : `, ${more}`} }`;
  const folder = temporaryFolder();
  const config = [
    'auth: { master_key: sk-master }',
    'routing: { retries: 1 }',
    'models:',
    ...dialects.flatMap((dialect) => [
      model(`${dialect}/*`, dialect, upstream.url),
      model(`first-byte-${dialect}/*`, dialect, upstream.url, timeouts['first-byte']),
      model(`idle-${dialect}/*`, dialect, upstream.url, timeouts.idle),
      model(`refused-${dialect}/*`, dialect, refused.url),
      model(`reset-${dialect}/*`, dialect, reset.url),
      model(`silent-${dialect}/*`, dialect, silent.url, timeouts['first-byte']),
    ]),
  ].join('\n');
  const gateway: SpawnedGateway = await spawnGateway({ config, folder, onCleanup: (end) => cleanups.push(end) });

  let serial = 0;
  const nextModel = (script: Script): { name: string; calls: RawCall[] } => {
    const name = `case-${(serial += 1)}`;
    const calls: RawCall[] = [];
    scripts.set(name, { script, calls });
    return { name, calls };
  };

  const authorization = { authorization: 'Bearer sk-master' };
  function send(body: object): Promise<Response> {
    return fetch(`${gateway.url}/v1/responses`, {
      method: 'POST',
      headers: { ...authorization, 'content-type': 'application/json' },
      body: JSON.stringify({ tools, ...body }),
    });
  }

  async function post(body: object, onText: (text: string) => void = () => undefined): Promise<Answer> {
    const reply = await send(body);
    let text = '';
    for await (const piece of (reply.body ?? new ReadableStream()).pipeThrough(new TextDecoderStream())) {
      text += piece;
      onText(text);
    }
    const base = { status: reply.status, headers: reply.headers, text };
    if (reply.status !== 200) {
      const { error } = JSON.parse(text);
      expect(Object.keys(error), text).toEqual(['message', 'type', 'param', 'code']);
      return { ...base, ending: { status: reply.status, code: error.code }, response: undefined };
    }
    const isStream = reply.headers.get('content-type')?.startsWith('text/event-stream') === true;
    const response = isStream ? expectStream(parseEvents(text)) : JSON.parse(text);
    return { ...base, ending: response.status, response };
  }

  async function get(id: string): Promise<unknown> {
    const reply = await fetch(`${gateway.url}/v1/responses/${id}`, { headers: authorization });
    expect(reply.status).toBe(200);
    return reply.json();
  }

  function query<Row>(statement: string, ...parameters: string[]): Row[] {
    const database = new DatabaseSync(join(folder, 'turnpike.db'), { readOnly: true });
    try {
      return database.prepare(statement).all(...parameters) as Row[];
    } finally {
      database.close();
    }
  }

  function attemptsOf(named: string): Attempt[] {
    return query<Attempt>(
      'SELECT a.* FROM attempts a JOIN turns t ON t.tenant = a.tenant AND t.id = a.turn_id WHERE t.model = ? ORDER BY a.number',
      named,
    );
  }

  const parents = new Map<Dialect, string>();
  for (const dialect of dialects) {
    const { name } = nextModel(answerWell(dialect));
    const { response } = await post({ model: `${dialect}/${name}`, input: 'Where am I?' });
    parents.set(dialect, response.id);
  }

  /** The law of every fault; what it adds is the caller's to check. */
  async function runTurn(options: TurnOptions): Promise<Outcome> {
    const { dialect, stream, script, impatience } = options;
    const { name, calls } = nextModel(script);
    const group = options.model ?? (impatience === undefined ? dialect : `${impatience}-${dialect}`);
    const model = `${group}/${name}`;
    const previous_response_id = parents.get(dialect);
    const body = { model, stream, previous_response_id, input: 'What is the weather in Paris?' };
    const answer = await post(body, options.onText);
    expect(answer.text).not.toContain(upstreamKey);

    const attempts = attemptsOf(model);
    expect(attempts).toHaveLength(options.expectedCalls ?? calls.length);
    expect(new Set(attempts.map(({ turn_id }) => turn_id)).size).toBe(1);
    const ended = answer.ending === 'completed' || answer.ending === 'incomplete';
    expect(attempts.map(({ status }) => status)).toEqual(
      attempts.map((_, at) => (ended && at === attempts.length - 1 ? 'completed' : 'failed')),
    );
    for (const { input_tokens, output_tokens, cost_nano_usd, ended_at_ms } of attempts) {
      expect(ended_at_ms).not.toBeNull();
      for (const count of [input_tokens, output_tokens, cost_nano_usd]) {
        expect(Number.isSafeInteger(count) && Number(count) >= 0).toBe(true);
      }
    }

    const id = attempts[0]?.turn_id ?? '';
    const stored = (await get(id)) as { status: string; output: { type: string; status: string; call_id: string }[] };
    if (answer.response === undefined) expect(stored).toMatchObject({ id, status: 'failed' });
    else expect(stored).toEqual(answer.response);

    // What comes after: a whole turn is gone on with, a failed one is not, and its parent is as it was.
    const after = nextModel(answerWell(dialect));
    const open = stored.output.filter(({ type, status }) => type === 'function_call' && status === 'completed');
    const outputs = open.map(({ call_id }) => ({ type: 'function_call_output', call_id, output: '18' }));
    const nextTurn = await post({
      model: `${dialect}/${after.name}`,
      previous_response_id: id,
      input: [...outputs, { role: 'user', content: 'Go on.' }],
    });
    if (ended) {
      expect(nextTurn.ending, nextTurn.text).toBe('completed');
    } else {
      expect(nextTurn.ending).toEqual({ status: 400, code: 'previous_response_not_found' });
      expect(nextTurn.text).toContain("its status is 'failed'");
      const sibling = await post({ model: `${dialect}/${after.name}`, previous_response_id, input: 'Again.' });
      expect(sibling.ending, sibling.text).toBe('completed');
    }
    return { ...answer, attempts, calls, next: ended ? after.calls[0] : undefined, nextAnswer: nextTurn };
  }

  return {
    gateway,
    trap: { url: trap.url, calls: trapped },
    connections,
    send,
    post,
    get,
    query,
    attemptsOf,
    nextModel,
    runTurn,
    cleanUp() {
      for (const cleanup of cleanups) cleanup();
    },
  };
}
