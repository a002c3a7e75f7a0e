import { GatewayError } from '../../core/errors.ts';
import { isJsonObject } from '../../core/json-object.ts';
import type { Transport, UpstreamCall, UpstreamListener, UpstreamRequest } from '../provider.ts';
import { callOptionsOf } from './call-options.ts';
import { type LanguageModel, loadProvider, modelOf } from './load-model.ts';

export interface ModelAddress {
  package: string;
  factory: string | undefined;
  model: string;
}

/**
 * Calls language models in this process, and says what they say as a server would: a stream of their parts, each as JSON,
 * or the whole result; an error that the vendor answered with as that answer. Nothing is tried twice here.
 */
export function createAiSdkTransport(): Transport {
  /** By package and settings, of which a configuration has few. */
  const providers = new Map<string, ReturnType<typeof loadProvider>>();
  const running = new Set<AbortController>();

  async function modelFor({ headers }: UpstreamRequest): Promise<LanguageModel> {
    const address = JSON.parse(headers['model'] ?? '{}') as ModelAddress;
    const { package: name, factory, model } = address;
    const key = `${name} ${factory} ${headers['settings']}`;
    let provider = providers.get(key);
    if (provider === undefined) {
      provider = loadProvider(name, factory, JSON.parse(headers['settings'] ?? '{}') as object);
      providers.set(key, provider);
      // What is missing may be installed while the gateway runs.
      provider.catch(() => providers.delete(key));
    }
    return modelOf(await provider, model, name);
  }

  return {
    send(request, listener) {
      const controller = new AbortController();
      running.add(controller);
      const onOver = () => running.delete(controller);
      return startCall(request, listener, { controller, modelFor: () => modelFor(request), onOver });
    },
    close() {
      for (const controller of running)
        controller.abort(new GatewayError('shutting_down', 'The gateway is shutting down.'));
      return Promise.resolve();
    },
  };
}

interface RunningCall {
  controller: AbortController;
  modelFor: () => Promise<LanguageModel>;
  onOver: () => void;
}

function startCall(
  request: UpstreamRequest,
  listener: UpstreamListener,
  { controller, modelFor, onOver }: RunningCall,
): UpstreamCall {
  const { signal } = controller;
  let isOver = false;
  let resume: (() => void) | undefined;
  let room: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;

  /** A call that is silent for longer is given up. */
  const wait = (ms: number, message: string): void => {
    clearTimeout(timer);
    timer = setTimeout(() => controller.abort(new GatewayError('upstream_timeout', message, { retryable: true })), ms);
  };
  const say = (data: string): void => {
    if (!isOver) listener.onData(Buffer.from(data));
  };

  async function run(): Promise<void> {
    const model = await modelFor();
    const options = { ...callOptionsOf(request.body), abortSignal: signal };
    wait(request.timeouts.firstByteMs, 'The upstream did not answer in time.');
    if (request.path === 'doGenerate') {
      const result = await model.doGenerate(options);
      if (isOver) return;
      listener.onHeaders(200, { 'content-type': 'application/json' });
      say(JSON.stringify(result, printed));
    } else {
      const { stream } = await model.doStream(options);
      if (isOver) return void stream.cancel();
      listener.onHeaders(200, { 'content-type': 'text/event-stream' });
      for await (const part of stream) {
        wait(request.timeouts.idleMs, 'The upstream stopped sending.');
        say(`data: ${JSON.stringify(part, printed)}\n\n`);
        // oxlint-disable-next-line no-await-in-loop -- the reader has no room
        if (room !== undefined) await room;
        if (isOver) return;
      }
    }
    isOver = true;
    listener.onEnd();
  }

  function fail(thrown: unknown): void {
    if (isOver) return;
    isOver = true;
    const error = signal.aborted ? signal.reason : thrown;
    const answer = signal.aborted ? undefined : answerOf(error);
    if (answer === undefined) return listener.onError(failureOf(error));
    listener.onHeaders(answer.status, answer.headers);
    listener.onData(Buffer.from(answer.body));
    listener.onEnd();
  }

  void run()
    .catch(fail)
    .finally(() => {
      clearTimeout(timer);
      onOver();
    });
  return {
    pause() {
      room ??= new Promise((resolve) => {
        resume = resolve;
      });
    },
    resume() {
      room = undefined;
      resume?.();
    },
    abort() {
      if (isOver) return;
      isOver = true;
      resume?.();
      controller.abort(new Error('aborted by the gateway'));
    },
  };
}

/** Errors say what the upstream said, and nothing of the request; bytes are base64. */
function printed(_key: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (!(value instanceof Error)) return value;
  const { message, name } = value;
  return { message, type: name, ...('statusCode' in value ? { code: value.statusCode } : {}) };
}

/** What the vendor answered with, where the error is that. */
function answerOf(error: unknown): { status: number; headers: Record<string, string>; body: string } | undefined {
  if (!(error instanceof Error)) return undefined;
  if (error.name === 'AI_UnsupportedFunctionalityError' || error.name === 'AI_InvalidPromptError')
    return { status: 400, headers: {}, body: JSON.stringify({ error: { message: error.message } }) };
  if (!('statusCode' in error) || typeof error.statusCode !== 'number' || error.statusCode < 400) return undefined;
  const body = 'responseBody' in error && typeof error.responseBody === 'string' ? error.responseBody : '';
  const given = 'responseHeaders' in error && isJsonObject(error.responseHeaders) ? error.responseHeaders : {};
  const headers = Object.fromEntries(
    Object.entries(given).flatMap(([name, value]) => (typeof value === 'string' ? [[name.toLowerCase(), value]] : [])),
  );
  return {
    status: error.statusCode,
    headers,
    body: body === '' ? JSON.stringify({ error: { message: error.message } }) : body,
  };
}

function failureOf(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  const name = error instanceof Error ? error.name : '';
  if (name === 'AI_LoadAPIKeyError' || name === 'AI_LoadSettingError')
    return new GatewayError('upstream_auth', 'The deployment has no credential that its package takes.', {
      cause: error,
      retryable: 'elsewhere',
    });
  if (name === 'AI_APICallError' && error instanceof Error && 'statusCode' in error && error.statusCode === undefined)
    return new GatewayError('upstream_unreachable', 'The upstream could not be reached.', {
      cause: error,
      retryable: true,
    });
  const message = "The upstream's reply cannot be read.";
  return new GatewayError('upstream_invalid_response', message, { cause: error, retryable: true });
}
