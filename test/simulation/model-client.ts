import type { TurnSink } from '../../src/turn/turn.ts';
import type { Home, World } from './world.ts';

/** Whatever a client was told of the end of its turn. */
export interface Told {
  status: string;
  /** The Response object, as it was written. */
  text: string;
}

export interface ClientSink extends TurnSink {
  /** What it was told in headers, and of a stream that had them while it waited for another turn in comments. */
  readonly headers: Record<string, string> | undefined;
  readonly stream: string;
  /** The response's id, once the gateway has written it. */
  readonly id: string | undefined;
  /** Part of an item has been written. */
  readonly shown: boolean;
  readonly told: Told | undefined;
  readonly ended: boolean;
  readonly gone: boolean;
  /** The longest that a stream was silent, from its headers on. */
  readonly silenceMs: number;
  hangUp(): void;
}

export interface ClientSinkOptions {
  world: World;
  node: Home;
  tag: string;
  onTold: (told: Told) => void;
  /** The gateway has heard that the client has left, or that it has read all there was. */
  onHeard: () => void;
  onOffence: (offence: string) => void;
}

const sessionHeader = 'x-turnpike-session-id';
const lateHeader = /^: (x-turnpike-[a-z-]+): (.*)$/gm;
const terminalEvent = /^event: response\.(?:completed|incomplete|failed)\ndata: \{.*?"response":(.*)\}$/m;

/** A client on the other end of a connection, that reads at its own pace and leaves when it likes. */
export function createClientSink({ world, node, tag, onTold, onHeard, onOffence }: ClientSinkOptions): ClientSink {
  const { random } = world;
  const room = random.pick([40, 600, 16_384, 16_384]);
  const readMs = random.pick([0, 0, 20, 1500, 20_000]);
  let headers: Record<string, string> | undefined;
  let stream = '';
  let id: string | undefined;
  let told: Told | undefined;
  let unread = 0;
  let shown = false;
  let full = false;
  let ended = false;
  let gone = false;
  let writtenAtMs = 0;
  let silenceMs = 0;

  function take(text: string): void {
    if (headers === undefined) onOffence('bytes were written before the headers');
    const now = world.nowMs();
    if (stream !== '' && node.frozenUntilMs < writtenAtMs) silenceMs = Math.max(silenceMs, now - writtenAtMs);
    writtenAtMs = now;
    stream += text;
    unread += text.length;
    id ??= /"id":"(resp_\w+)"/.exec(text)?.[1];
    shown ||= text.includes('event: response.output_item.added');
    const late = Object.fromEntries(Array.from(text.matchAll(lateHeader), ([, name, value]) => [name, value]));
    if (late[sessionHeader] !== undefined) headers = { 'content-type': headers?.['content-type'] ?? '', ...late };
    const isPlain = headers?.['content-type']?.startsWith('application/json') === true;
    const json = isPlain ? text : terminalEvent.exec(text)?.[1];
    if (json === undefined) return;
    if (told !== undefined) onOffence('a second terminal event was written');
    told = { status: String((JSON.parse(json) as { status: unknown }).status), text: json };
    onTold(told);
  }

  function readOn(): void {
    world.schedule(
      `client ${tag} reads`,
      () => {
        if (gone) return;
        unread = 0;
        full = false;
        sink.onDrain();
        onHeard();
      },
      { delayMs: readMs === 0 ? 0 : random.below(readMs), home: node },
    );
  }

  const sink: ClientSink = {
    get closed() {
      return gone || ended;
    },
    get headers() {
      return headers;
    },
    get stream() {
      return stream;
    },
    get id() {
      return id;
    },
    get shown() {
      return shown;
    },
    get told() {
      return told;
    },
    get ended() {
      return ended;
    },
    get gone() {
      return gone;
    },
    get silenceMs() {
      return silenceMs;
    },
    start(given) {
      if (gone) return;
      if (headers !== undefined) onOffence('the headers were sent twice');
      headers = given;
      writtenAtMs = world.nowMs();
    },
    write(text) {
      if (gone) return true;
      if (ended) onOffence('bytes were written after the end');
      take(text);
      if (unread <= room) return true;
      if (!full) readOn();
      full = true;
      return false;
    },
    end(text) {
      if (gone) return;
      if (ended) onOffence('the answer was ended twice');
      if (text !== '') take(text);
      ended = true;
      world.schedule(`connection of ${tag} is done`, () => sink.onClose(), { delayMs: world.latencyMs(), home: node });
    },
    onClose: () => {},
    onDrain: () => {},
    hangUp() {
      if (gone || ended) return;
      gone = true;
      const close = () => {
        sink.onClose();
        onHeard();
      };
      world.schedule(`connection of ${tag} closes`, close, { home: node });
    },
  };
  return sink;
}
