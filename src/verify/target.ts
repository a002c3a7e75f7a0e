import { exec } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { createSseParser } from '../sse/parse.ts';
import { Failure } from './expect.ts';
import { openSocket, type VerifySocket } from './socket.ts';

// oxlint-disable no-explicit-any -- whatever a server answers is looked at

export interface TargetOptions {
  /** With or without `/v1` at its end. */
  baseUrl: string;
  key: string | undefined;
  key2: string | undefined;
  model: string;
  model2: string | undefined;
  /** A shell command that ends when the server has been started again. */
  restartCommand: string | undefined;
  /** Ends whatever waits. */
  signal?: AbortSignal;
}

export interface Reply {
  status: number;
  headers: Headers;
  text: string;
  /** Parsed; undefined: it is not JSON. */
  body: any;
}

export interface StreamEvent {
  type: string;
  /** The `event:` line; '' where there was none. */
  name: string;
  data: any;
}

export interface StreamReply {
  status: number;
  events: StreamEvent[];
  /** Of the last event that holds one. */
  response: any;
  /** What follows the last event: `[DONE]` or nothing. */
  marker: string | undefined;
  /** The body where it was no stream. */
  body: any;
}

export interface RequestOptions {
  /** Null: without any. */
  key?: string | null | undefined;
  headers?: Record<string, string>;
  /** Sent as it stands. */
  raw?: string;
}

export interface StreamOptions extends RequestOptions {
  /** Called with each event as it comes; true ends the reading there, and the connection with it. */
  until?: (event: StreamEvent) => boolean | undefined;
}

/** The server under test. */
export interface Target extends TargetOptions {
  request(method: string, path: string, body?: object, options?: RequestOptions): Promise<Reply>;
  stream(method: string, path: string, body?: object, options?: StreamOptions): Promise<StreamReply>;
  /** `POST /responses` that must answer 200. The model is filled in. @returns the Response object. */
  create(body: object, options?: RequestOptions): Promise<any>;
  /** The same without the demand. */
  tryCreate(body: object, options?: RequestOptions): Promise<Reply>;
  /** As a stream. */
  createStream(body: object, options?: StreamOptions): Promise<StreamReply>;
  socket(): Promise<VerifySocket>;
  /** Runs the restart command, then waits for the server to answer. */
  restart(): Promise<void>;
}

const run = promisify(exec);

export function createTarget(options: TargetOptions): Target {
  const base = options.baseUrl.replace(/\/+$/, '').replace(/(?<!\/v1)$/, '/v1');

  async function send(method: string, path: string, body: object | undefined, given: RequestOptions) {
    const { key = options.key, headers = {}, raw } = given;
    const text = raw ?? (body === undefined ? undefined : JSON.stringify(body));
    return fetch(`${base}${path}`, {
      method,
      headers: {
        ...(typeof key === 'string' ? { authorization: `Bearer ${key}` } : {}),
        ...(text === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(text === undefined ? {} : { body: text }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
  }

  const request: Target['request'] = async (method, path, body, given = {}) => {
    const response = await send(method, path, body, given);
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, body: parsed(text) };
  };

  const stream: Target['stream'] = async (method, path, body, given = {}) => {
    const response = await send(method, path, body, given);
    const reply: StreamReply = {
      status: response.status,
      events: [],
      response: undefined,
      marker: undefined,
      body: undefined,
    };
    if (response.body === null || response.headers.get('content-type')?.startsWith('text/event-stream') !== true) {
      reply.body = parsed(await response.text());
      return reply;
    }
    let stop = false;
    const parser = createSseParser((name, text) => {
      if (stop) return;
      if (text === '[DONE]') {
        reply.marker = text;
        return;
      }
      const data = parsed(text);
      if (data === undefined) throw new Failure(`an event of the stream is not JSON: ${text.slice(0, 200)}`);
      const event = { type: String(data.type), name, data };
      reply.events.push(event);
      reply.response = data.response ?? reply.response;
      stop = given.until?.(event) ?? false;
    });
    for await (const chunk of response.body) {
      parser.push(Buffer.from(chunk));
      if (stop) return reply;
    }
    parser.end();
    return reply;
  };

  const tryCreate: Target['tryCreate'] = (body, given) =>
    request('POST', '/responses', { model: options.model, ...body }, given);

  return {
    ...options,
    request,
    stream,
    tryCreate,
    async create(body, given) {
      const { status, body: response, text } = await tryCreate(body, given);
      if (status !== 200) throw new Failure(`POST /responses answered ${status}: ${text.slice(0, 300)}`);
      return response;
    },
    createStream: (body, given) => stream('POST', '/responses', { model: options.model, stream: true, ...body }, given),
    socket: () => openSocket(`${base.replace(/^http/, 'ws')}/responses`, options.key),
    async restart() {
      if (options.restartCommand === undefined) throw new Error('there is no restart command');
      await run(options.restartCommand);
      for (;;) {
        const answers = await request('GET', '/models').then(
          ({ status }) => status < 500,
          () => false,
        );
        if (answers) return;
        await pause(100, undefined, options.signal === undefined ? {} : { signal: options.signal });
      }
    },
  };
}

function parsed(text: string): any {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
