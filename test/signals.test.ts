/** Who stops what: a gateway that is told to end, a client that leaves, a client that reads slowly. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { beginStream, chunkOf, lastChunk, type RawCall, rawUpstream, sendStream } from './support/raw-upstream.ts';
import { parseEvents } from './support/read-events.ts';
import { type SpawnedGateway, spawnGateway, temporaryFolder } from './support/spawn-gateway.ts';
import { chatFrame, type Dialect, dialects, framesOf, providerOf, said } from './support/upstream-replies.ts';

const firstHalf = said.slice(0, said.length >> 1);

interface Setup {
  gateway: SpawnedGateway;
  folder: string;
  config: string;
  calls: RawCall[];
}

const env = { TURNPIKE_LOG_LEVEL: 'info' };

async function setUp(dialect: Dialect, answer: (call: RawCall) => void, drainSeconds = 600): Promise<Setup> {
  const calls: RawCall[] = [];
  const upstream = await rawUpstream((call) => {
    calls.push(call);
    answer(call);
  });
  onTestFinished(upstream.close);
  const config = [
    `server: { drain_seconds: ${drainSeconds} }`,
    `models: [{ name: m, provider: ${providerOf[dialect]}, model: x, base_url: "${upstream.url}/v1", api_key: k }]`,
  ].join('\n');
  const folder = temporaryFolder();
  return { gateway: await spawnGateway({ config, folder, env }), folder, config, calls };
}

/** Asks for a stream, and reads its beginning. @returns what reads on. */
async function beginHttp({ gateway }: Setup): Promise<() => void> {
  const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.write(requestText({ model: 'm', input: 'hi', stream: true }));
  await once(socket, 'readable');
  return () => void socket.on('data', () => undefined);
}

async function beginSocket({ gateway }: Setup): Promise<() => void> {
  const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/v1/responses`);
  onTestFinished(() => socket.terminate());
  await once(socket, 'open');
  socket.send(JSON.stringify({ type: 'response.create', model: 'm', input: 'hi' }));
  await once(socket, 'message');
  socket.pause();
  return () => socket.resume();
}

/** A good stream in two parts: up to its first text, and the rest. */
function parts(dialect: Dialect): [begun: string, rest: string] {
  const frames = framesOf(dialect);
  const at = frames.findIndex((each) => each.includes(firstHalf)) + 1;
  return [frames.slice(0, at).join(''), frames.slice(at).join('')];
}

interface Client {
  text: () => string;
  until: (part: string) => Promise<void>;
  /** Resolves with all that was sent. */
  ended: Promise<string>;
  socket: Socket;
}

function client({ gateway }: Setup): Client {
  const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1').on('error', () => undefined);
  onTestFinished(() => void socket.destroy());
  let text = '';
  let check = (): void => undefined;
  const gone = new Promise<void>((resolve) => socket.on('close', () => resolve()));
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString();
    check();
  });
  return {
    socket,
    text: () => text,
    until: (part) =>
      new Promise((resolve) => {
        check = () => {
          if (text.includes(part)) resolve();
        };
        check();
      }),
    ended: gone.then(() => text),
  };
}

function requestText(body: object): string {
  const text = JSON.stringify(body);
  const headers = 'host: localhost\r\ncontent-type: application/json\r\nconnection: close\r\n';
  return `POST /v1/responses HTTP/1.1\r\n${headers}content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
}

function stream(setup: Setup, input = 'hi'): Client {
  const caller = client(setup);
  caller.socket.write(requestText({ model: 'm', input, stream: true }));
  return caller;
}

/** The events in a chunked HTTP answer whose chunks hold whole events. */
function eventsOf(answer: string) {
  const body = answer.slice(answer.indexOf('\r\n\r\n') + 4);
  return parseEvents(body.replaceAll(/(?:^|\r\n)[0-9a-f]+\r\n/g, '').replace(/\r\n$/, ''));
}

const idIn = (text: string): string => /"id":"(resp_\w+)"/.exec(text)?.[1] ?? '';

// oxlint-disable-next-line no-explicit-any -- a test reads whatever was sent
async function get({ gateway }: Pick<Setup, 'gateway'>, id: string): Promise<any> {
  return (await fetch(`${gateway.url}/v1/responses/${id}`)).json();
}

function attempts({ folder }: Setup): Record<string, unknown>[] {
  const database = new DatabaseSync(join(folder, 'turnpike.db'), { readOnly: true });
  try {
    return database.prepare('SELECT status, estimated, input_tokens, output_tokens, error_code FROM attempts').all();
  } finally {
    database.close();
  }
}

async function expectNobodyListens({ gateway }: Setup): Promise<void> {
  const failure: { cause?: unknown } = await fetch(`${gateway.url}/health/live`).then(
    () => new Error('somebody listens'),
    (error: Error) => error,
  );
  expect(failure.cause).toMatchObject({ code: 'ECONNREFUSED' });
}

describe.each(dialects)('with %s behind it', (dialect) => {
  const [begun, rest] = parts(dialect);

  test('SIGTERM: what runs ends well, what comes is refused, and then the gateway is gone', async () => {
    const setup = await setUp(dialect, (call) => beginStream(call, begun));
    const running = stream(setup);
    await running.until('response.output_text.delta');
    // Requests whose connections were there before the signal, half sent.
    const probe = client(setup);
    probe.socket.write('GET /health/ready HTTP/1.1\r\nhost: localhost\r\n');
    const late = client(setup);
    const lateRequest = requestText({ model: 'm', input: 'late' });
    late.socket.write(lateRequest.slice(0, 30));
    const before = await fetch(`${setup.gateway.url}/health/ready`);
    expect(before.status).toBe(200);

    const exit = setup.gateway.kill('SIGTERM');
    await expect.poll(() => setup.gateway.output(), { timeout: 30_000 }).toContain('stopping');
    probe.socket.write('\r\n');
    late.socket.write(lateRequest.slice(30));
    for (const refused of [await probe.ended, await late.ended]) {
      expect(refused).toMatch(/^HTTP\/1\.1 503 /);
      expect(JSON.parse(refused.split('\r\n\r\n')[1] ?? '').error).toMatchObject({
        code: 'shutting_down',
        type: 'server_error',
        param: null,
      });
    }
    await expectNobodyListens(setup);

    setup.calls[0]?.socket.write(Buffer.concat([chunkOf(rest), Buffer.from(lastChunk)]));
    const final = eventsOf(await running.ended).at(-1);
    expect(final?.event).toBe('response.completed');
    expect(final?.data.response.output[0].content[0].text).toBe(said);
    expect(await exit).toBe(0);
    await expectNobodyListens(setup);
    expect(setup.calls).toHaveLength(1);

    const again = await spawnGateway({ config: setup.config, folder: setup.folder });
    expect(await get({ gateway: again }, final?.data.response.id)).toEqual(final?.data.response);
    expect(attempts(setup)).toMatchObject([{ status: 'completed', estimated: 0, output_tokens: 7 }]);
  });

  test('SIGTERM: what does not end in time is cut, and its end is stored', async () => {
    const setup = await setUp(dialect, (call) => beginStream(call, begun), 0);
    const running = stream(setup);
    await running.until('response.output_text.delta');
    expect(await setup.gateway.kill('SIGTERM')).toBe(0);
    const text = await running.ended;
    expect(text).not.toMatch(/response\.(completed|incomplete|failed)/);
    await setup.calls[0]?.closed;
    const [attempt] = attempts(setup);
    expect(attempt).toMatchObject({ status: 'cancelled', estimated: 1 });

    const again = await spawnGateway({ config: setup.config, folder: setup.folder });
    expect(await get({ gateway: again }, idIn(text))).toMatchObject({
      status: attempt?.['status'],
      output: [{ status: 'incomplete', content: [{ text: firstHalf }] }],
    });
  });

  test('a second SIGTERM does not wait', async () => {
    const setup = await setUp(dialect, (call) => beginStream(call, begun));
    const running = stream(setup);
    await running.until('response.output_text.delta');
    const exit = setup.gateway.kill('SIGTERM');
    await expect.poll(() => setup.gateway.output(), { timeout: 30_000 }).toContain('stopping');
    expect(await setup.gateway.kill('SIGTERM')).toBe(1);
    expect(await exit).toBe(1);
    const again = await spawnGateway({ config: setup.config, folder: setup.folder });
    expect(await get({ gateway: again }, idIn(running.text()))).toMatchObject({ status: 'failed' });
    expect(attempts(setup)).toMatchObject([{ status: 'crashed', estimated: 1 }]);
  });

  test.each([
    ['resets', (socket: Socket) => socket.resetAndDestroy()],
    ['closes', (socket: Socket) => socket.destroy()],
  ])(
    'a client that %s in the middle of a stream: the upstream is hung up on, and billed as far as it came',
    async (_, leave) => {
      const setup = await setUp(dialect, (call) => {
        if (JSON.stringify(call.body).includes('go on for ever')) beginStream(call, begun);
        else sendStream(call, begun + rest);
      });
      const parent = JSON.parse(
        await (
          await fetch(`${setup.gateway.url}/v1/responses`, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify({ model: 'm', input: 'hi' }),
          })
        ).text(),
      );
      const caller = stream(setup, 'go on for ever');
      await caller.until('response.output_text.delta');
      leave(caller.socket);
      await setup.calls[1]?.closed;

      const id = idIn(caller.text());
      await expect
        .poll(() => get(setup, id), { timeout: 30_000 })
        .toMatchObject({
          id,
          status: 'cancelled',
          output: [{ type: 'message', status: 'incomplete', content: [{ text: firstHalf }] }],
        });
      expect(attempts(setup)).toMatchObject([
        { status: 'completed' },
        { status: 'cancelled', estimated: 1, error_code: null },
      ]);
      const { usage } = await get(setup, id);
      expect(attempts(setup)[1]).toMatchObject({
        input_tokens: usage.input_tokens,
        output_tokens: usage.output_tokens,
      });
      expect(usage.input_tokens).toBeGreaterThan(0);
      expect(usage.output_tokens).toBeGreaterThan(0);

      const chained = await fetch(`${setup.gateway.url}/v1/responses`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'm', previous_response_id: id, input: 'x' }),
      });
      expect(chained.status).toBe(400);
      expect(await chained.json()).toMatchObject({
        error: { code: 'previous_response_not_found', param: 'previous_response_id' },
      });
      const sibling = await fetch(`${setup.gateway.url}/v1/responses`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'm', previous_response_id: parent.id, input: 'x' }),
      });
      expect(sibling.status).toBe(200);
      expect(setup.calls).toHaveLength(3);
    },
  );

  test('a client that leaves before its plain answer: the upstream is hung up on', async () => {
    const setup = await setUp(dialect, () => undefined);
    const caller = client(setup);
    caller.socket.write(requestText({ model: 'm', input: 'hi' }));
    await expect.poll(() => setup.calls.length, { timeout: 30_000 }).toBe(1);
    caller.socket.destroy();
    await setup.calls[0]?.closed;
    await expect
      .poll(() => attempts(setup), { timeout: 30_000 })
      .toMatchObject([{ status: 'cancelled', estimated: 1, output_tokens: 0 }]);
  });

  test.each(['HTTP', 'a WebSocket'])(
    'a client that reads nothing stops the upstream, and starts it again, over %s',
    async (over) => {
      const text = 'x'.repeat(64 * 1024);
      const delta =
        dialect === 'chat'
          ? chatFrame({ content: text })
          : framesOf(dialect)
              .find((each) => each.includes(firstHalf))
              ?.replace(firstHalf, text);
      const chunk = chunkOf(delta ?? '');
      const total = 1024;
      let written = 0;
      const setup = await setUp(dialect, (call) => {
        beginStream(call, begun);
        const more = (): void => {
          while (written < total && !call.socket.destroyed) {
            written += 1;
            if (!call.socket.write(chunk)) {
              call.socket.once('drain', more);
              return;
            }
          }
        };
        more();
      });
      const readOn = over === 'HTTP' ? await beginHttp(setup) : await beginSocket(setup);

      // As long as the upstream gets rid of anything it is not stopped; requests that are answered meanwhile are the clock.
      for (let seen = -1, quiet = 0; quiet < 200; quiet = seen === written ? quiet + 1 : 0) {
        seen = written;
        expect((await fetch(`${setup.gateway.url}/health/live`)).status).toBe(200);
      }
      expect(written).toBeLessThan(total / 2);

      readOn();
      await expect.poll(() => written, { timeout: 50_000 }).toBe(total);
    },
  );
});
