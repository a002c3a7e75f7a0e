import { GatewayError } from '../core/errors.ts';
import { isJsonObject, parseJsonObject } from '../core/json-object.ts';
import { createEventStreamParser, type EventMessage } from './event-stream.ts';
import type { Transport, UpstreamCall, UpstreamListener } from './provider.ts';

/** What Bedrock calls a failure inside a stream, in Anthropic's words. */
const errorTypes: Readonly<Record<string, string>> = {
  throttlingException: 'rate_limit_error',
  serviceUnavailableException: 'overloaded_error',
  modelNotReadyException: 'overloaded_error',
  modelTimeoutException: 'timeout_error',
  validationException: 'invalid_request_error',
  accessDeniedException: 'permission_error',
};

/**
 * Streams in AWS' binary framing as the event streams that they carry: whoever listens reads what Anthropic would have sent.
 * @see https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModelWithResponseStream.html
 */
export function createEventStreamTransport(transport: Transport): Transport {
  return {
    send(request, listener) {
      const call: UpstreamCall = transport.send(
        request,
        unframed(listener, () => call.abort()),
      );
      return call;
    },
    close: () => transport.close(),
  };
}

function unframed(listener: UpstreamListener, abort: () => void): UpstreamListener {
  let text = '';
  let parser: { push(chunk: Buffer): void } | undefined;
  return {
    ...listener,
    onHeaders(status, headers) {
      const isFramed = headers['content-type']?.startsWith('application/vnd.amazon.eventstream') === true;
      if (!isFramed) return listener.onHeaders(status, headers);
      parser = createEventStreamParser((message) => {
        text += eventOf(message);
      });
      listener.onHeaders(status, { ...headers, 'content-type': 'text/event-stream' });
    },
    onData(chunk) {
      if (parser === undefined) return listener.onData(chunk);
      try {
        parser.push(chunk);
      } catch (cause) {
        abort();
        const message = 'The upstream sent a stream that cannot be read.';
        listener.onError(new GatewayError('upstream_invalid_response', message, { cause, retryable: true }));
        return;
      }
      if (text === '') return;
      const read = Buffer.from(text);
      text = '';
      listener.onData(read);
    },
    onEnd: () => listener.onEnd(),
    onError: (error) => listener.onError(error),
  };
}

function eventOf({ headers, payload }: EventMessage): string {
  const body = parseJsonObject(payload.toString('utf8')) ?? {};
  if (headers[':message-type'] === 'event') {
    const { bytes } = body;
    const data = typeof bytes === 'string' ? Buffer.from(bytes, 'base64').toString('utf8') : '';
    const type = parseJsonObject(data)?.['type'];
    return typeof type === 'string' ? frame(type, data) : '';
  }
  const name = headers[':exception-type'] ?? headers[':error-code'] ?? '';
  const message = body['message'] ?? headers[':error-message'] ?? 'The upstream failed.';
  const type = errorTypes[name.charAt(0).toLowerCase() + name.slice(1)] ?? 'api_error';
  return frame('error', JSON.stringify({ type: 'error', error: { type, message } }));
}

/** The data is JSON on one line: a line feed in it would end it. */
function frame(event: string, data: string): string {
  return `event: ${event}\ndata: ${data.replaceAll(/[\r\n]/g, ' ')}\n\n`;
}

/** Bedrock says `{"message": …}` where Anthropic says `{"error": {"message": …}}`. */
export function asAnthropicError(body: string): string {
  const said = parseJsonObject(body);
  if (said === undefined || isJsonObject(said['error'])) return body;
  return JSON.stringify({ type: 'error', error: { message: said['message'] ?? said['Message'] } });
}
