import { GatewayError } from '../../src/core/errors.ts';
import type { Transport, UpstreamListener, UpstreamRequest } from '../../src/providers/provider.ts';
import { type Block, frame, messageEvents } from '../support/fake-upstream.ts';
import type { Home, Step, World } from './world.ts';

/**
 * What becomes of a reply, apart from good ones:
 * - `no-stop`: the connection closes after stop reason and usage, without `message_stop`;
 * - `cut`: it closes in the middle; `broken`: it breaks there; `stalled`: it says nothing more, but pings;
 * - `error-event`, `garbage`: in the middle of a stream;
 * - `refused`: an error reply; `unreachable`, `timeout`: no reply at all; `unsendable`: the transport itself throws;
 * - `hanging`: whole, but the connection stays open.
 */
export type Fate =
  | 'whole'
  | 'no-stop'
  | 'cut'
  | 'broken'
  | 'stalled'
  | 'error-event'
  | 'garbage'
  | 'refused'
  | 'unreachable'
  | 'timeout'
  | 'unsendable'
  | 'hanging';

/** One call as the upstream saw it, and what the gateway can have got of its reply. */
export interface UpstreamCallRecord {
  /** The client's turn: the request's user id carries it. */
  readonly tag: string;
  readonly home: Home;
  readonly request: UpstreamRequest;
  readonly body: WireRequest;
  readonly fate: Fate;
  readonly status: number;
  readonly blocks: Block[];
  readonly stopReason: 'end_turn' | 'tool_use' | 'max_tokens' | 'refusal';
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** The gateway has read `message_start`, or a whole plain reply. */
  begun: boolean;
  /** It has read all that makes the reply complete. */
  whole: boolean;
  state: 'open' | 'ended' | 'aborted' | 'crashed';
  paused: boolean;
}

export interface WireRequest {
  model: string;
  stream?: boolean;
  tools?: unknown[];
  tool_choice?: { type: string };
  metadata: { user_id: string };
  messages: { role: string; content: Record<string, unknown>[] }[];
}

export interface ModelUpstreamOptions {
  world: World;
  /** How probable it is that a call goes wrong. */
  faultRate: number;
  onCall: (call: UpstreamCallRecord) => void;
  /** Told of whatever the gateway does to a call. */
  onTouched: (call: UpstreamCallRecord) => void;
}

/** What is sent; after how many bytes of it the reply has begun, needs but the end of the connection, and is complete. */
interface ReplyBytes {
  bytes: Buffer;
  begunAt: number;
  endableAt: number;
  wholeAt: number;
}

const never = Number.POSITIVE_INFINITY;

const misfortunes = [
  'no-stop',
  'cut',
  'cut',
  'broken',
  'broken',
  'stalled',
  'error-event',
  'error-event',
  'garbage',
  'refused',
  'refused',
  'unreachable',
  'timeout',
  'unsendable',
  'hanging',
] as const satisfies readonly Fate[];

const errorNames: Record<number, string> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  429: 'rate_limit_error',
  500: 'api_error',
  529: 'overloaded_error',
};

/** Keys that a parser would reorder, a number that it would round, and more than one byte to a letter. */
const callInput = '{"b": "é – 🜁", "2": 18446744073709551616, "1": null}';

/** The upstream's side of all calls: Anthropic's bytes, in reads that end anywhere, at any pace, to any end. */
export function createModelUpstream(options: ModelUpstreamOptions): (home: Home) => Transport {
  const { world, faultRate, onCall, onTouched } = options;
  const { random } = world;
  let calls = 0;

  function blocksOf(stopReason: UpstreamCallRecord['stopReason']): Block[] {
    const blocks: Block[] = [];
    if (random.chance(0.4)) blocks.push({ type: 'thinking', thinking: `thought ${calls} …`, signature: `sig${calls}` });
    if (stopReason !== 'tool_use' || random.chance(0.5)) blocks.push({ type: 'text', text: `said ${calls} – 🜁` });
    if (stopReason !== 'tool_use') return blocks;
    const count = 1 + random.below(2);
    for (let at = 0; at < count; at += 1) {
      blocks.push({ type: 'tool_use', id: `toolu_${calls}_${at}`, name: 'look_up', input: callInput });
    }
    return blocks;
  }

  function stopReasonOf({ tools, tool_choice }: WireRequest): UpstreamCallRecord['stopReason'] {
    if (tools !== undefined && tool_choice?.type !== 'none' && random.chance(0.5)) return 'tool_use';
    return random.pick(['end_turn', 'end_turn', 'end_turn', 'end_turn', 'max_tokens', 'refusal']);
  }

  function streamOf(call: UpstreamCallRecord): ReplyBytes {
    const { blocks, stopReason, inputTokens, outputTokens, body } = call;
    const frames = messageEvents(blocks, {
      stopReason,
      inputTokens,
      outputTokens,
      model: `${body.model}-20251001`,
      id: `msg_${calls}`,
    }).map(frame);
    if (call.fate === 'no-stop') frames.pop();
    const wrong = random.below(frames.length - 1);
    if (call.fate === 'error-event') {
      const error = { type: 'overloaded_error', message: 'Overloaded' };
      frames.splice(wrong, frames.length, frame(Object.assign({ type: 'error' }, { error })));
    } else if (call.fate === 'garbage') {
      frames.splice(wrong, frames.length, 'event: content_block_delta\ndata: {"type":"content_blo\n\n');
    }
    const bytes = Buffer.from(frames.join(''));
    const isGood = call.fate !== 'error-event' && call.fate !== 'garbage';
    const begunAt = !isGood && wrong === 0 ? never : Buffer.byteLength(frames[0] ?? '');
    if (!isGood) return { bytes, begunAt, endableAt: never, wholeAt: never };
    if (call.fate === 'no-stop') return { bytes, begunAt, endableAt: bytes.length, wholeAt: never };
    return { bytes, begunAt, endableAt: bytes.length - Buffer.byteLength(frames.at(-1) ?? ''), wholeAt: bytes.length };
  }

  function plainOf(call: UpstreamCallRecord): ReplyBytes {
    const { blocks, stopReason, inputTokens, outputTokens, body, fate } = call;
    const content = blocks.map(({ input, ...block }) => {
      const json = JSON.stringify(block);
      return input === undefined ? json : `${json.slice(0, -1)},"input":${input as string}}`;
    });
    const usage = { input_tokens: inputTokens, cache_creation_input_tokens: 3, cache_read_input_tokens: 2 };
    const end = { stop_reason: stopReason, stop_sequence: null, usage: { ...usage, output_tokens: outputTokens } };
    const head = { id: `msg_${calls}`, type: 'message', role: 'assistant', model: `${body.model}-20251001` };
    const json = `${JSON.stringify(head).slice(0, -1)},"content":[${content.join(',')}],${JSON.stringify(end).slice(1)}`;
    const isGood = fate !== 'garbage' && fate !== 'error-event';
    const bytes = Buffer.from(isGood ? json : json.slice(1));
    return { bytes, begunAt: never, endableAt: isGood ? bytes.length : never, wholeAt: never };
  }

  function refusalOf(status: number): ReplyBytes {
    const error = { type: errorNames[status], message: 'No.' };
    const bytes = Buffer.from(JSON.stringify({ type: 'error', error }));
    return { bytes, begunAt: never, endableAt: never, wholeAt: never };
  }

  function serve(call: UpstreamCallRecord, listener: UpstreamListener): { wake(): void; stop(): void } {
    const { fate, status, home, body } = call;
    const isStream = body.stream === true && status === 200;
    const reply = status !== 200 ? refusalOf(status) : isStream ? streamOf(call) : plainOf(call);
    const { bytes, begunAt, endableAt, wholeAt } = reply;
    const stopAt =
      fate === 'cut' || fate === 'broken' || fate === 'stalled' ? random.below(bytes.length) : bytes.length;
    const pace = random.pick(['at once', 'fast', 'fast', 'slow']);
    const readBytes = random.pick([7, 64, 333, 333, 4000]);
    let offset = -1;
    let pending: Step | undefined;

    const later = (name: string, run: () => void) => {
      const delayMs = pace === 'at once' ? 0 : pace === 'fast' ? random.below(30) : world.latencyMs();
      pending = world.schedule(
        `upstream ${call.tag} ${name}`,
        () => {
          pending = undefined;
          run();
        },
        { delayMs, home },
      );
    };
    const over = (end: () => void) => {
      call.state = 'ended';
      end();
    };

    const goOn = () => {
      if (call.state !== 'open' || call.paused || pending !== undefined) return;
      if (fate === 'unreachable') later('is unreachable', () => over(() => listener.onError(unreachable())));
      else if (fate === 'timeout') later('does not answer', () => over(() => listener.onError(timedOut())));
      else if (offset === -1) later('sends headers', sendHeaders);
      else if (offset < stopAt) later('sends bytes', sendBytes);
      else if (fate === 'stalled') return;
      else if (fate === 'broken') later('breaks', () => over(() => listener.onError(broken())));
      else if (fate !== 'hanging' || !isStream) later('ends', sendEnd);
    };
    const sendHeaders = () => {
      offset = 0;
      const type = isStream ? 'text/event-stream; charset=utf-8' : 'application/json';
      listener.onHeaders(status, { 'content-type': type });
      goOn();
    };
    const sendBytes = () => {
      const end = Math.min(stopAt, offset + 1 + random.below(readBytes));
      const chunk = bytes.subarray(offset, end);
      offset = end;
      call.begun ||= offset >= begunAt;
      call.whole ||= offset >= wholeAt;
      listener.onData(chunk);
      goOn();
    };
    const sendEnd = () => {
      if (offset >= endableAt) Object.assign(call, { begun: true, whole: true });
      over(() => listener.onEnd());
    };

    goOn();
    return {
      wake: goOn,
      stop() {
        if (pending !== undefined) world.cancel(pending);
        pending = undefined;
      },
    };
  }

  return (home) => ({
    send(request, listener) {
      calls += 1;
      const body = JSON.parse(request.body) as WireRequest;
      const fate = random.chance(faultRate) ? random.pick(misfortunes) : 'whole';
      const stopReason = stopReasonOf(body);
      const call: UpstreamCallRecord = {
        tag: body.metadata.user_id,
        home,
        request,
        body,
        fate,
        status: fate === 'refused' ? random.pick([400, 401, 429, 500, 529]) : 200,
        blocks: blocksOf(stopReason),
        stopReason,
        inputTokens: 1000 + random.below(9000),
        outputTokens: 100 + random.below(900),
        begun: false,
        whole: false,
        state: 'open',
        paused: false,
      };
      onCall(call);
      world.trace(() => `call of ${call.tag}: ${fate} ${call.status} ${stopReason}`);
      if (fate === 'unsendable') {
        call.state = 'ended';
        throw new Error('simulated: there is no way to this upstream');
      }
      const served = serve(call, listener);
      return {
        pause() {
          call.paused = true;
          onTouched(call);
          served.stop();
        },
        resume() {
          call.paused = false;
          onTouched(call);
          served.wake();
        },
        abort() {
          if (call.state !== 'open') return;
          call.state = 'aborted';
          onTouched(call);
          served.stop();
        },
      };
    },
    close: () => Promise.resolve(),
  });
}

function unreachable(): GatewayError {
  return new GatewayError('upstream_unreachable', 'The upstream could not be reached.', { retryable: true });
}

function timedOut(): GatewayError {
  return new GatewayError('upstream_timeout', 'The upstream did not answer in time.', { retryable: true });
}

function broken(): GatewayError {
  return new GatewayError('upstream_stream_broken', 'The connection closed before the answer was complete.');
}
