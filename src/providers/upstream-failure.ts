import { GatewayError } from '../core/errors.ts';

/** How far a call had come when it failed. */
export type CallStage = 'before-headers' | 'before-body' | 'in-body';

/** Certificate and handshake failures, by the names that OpenSSL and Node give them. */
const tlsCode =
  /^(ERR_TLS_|ERR_SSL_|CERT_|CRL_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_|ERROR_IN_|EPROTO$|UND_ERR_PRX_TLS$)/;

/** What the network and the proxy do to us, as opposed to what we do wrong: Node's system errors and undici's own. */
const networkCode =
  /^(E[A-Z0-9_]+|UND_ERR_SOCKET|UND_ERR_CONNECT_TIMEOUT|UND_ERR_ABORTED|UND_ERR_INFO|UND_ERR_PRX_CONN|UND_ERR_SOCKS5.*)$/;

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/**
 * The error that a client and the route see for a call that broke on its way. Only `cause` names hosts and addresses.
 * Retryable is everything that failed before the first byte of a body: nothing of such an answer can have been shown.
 */
export function upstreamFailure(error: Error, stage: CallStage): GatewayError {
  if (error instanceof GatewayError) return error;
  const code = codeOf(error);
  const retryable = stage !== 'in-body';
  if (code === 'UND_ERR_HEADERS_TIMEOUT') {
    return new GatewayError('upstream_timeout', 'The upstream did not answer in time.', { cause: error, retryable });
  }
  if (code === 'UND_ERR_BODY_TIMEOUT') {
    return new GatewayError('upstream_timeout', 'The upstream stopped sending.', { cause: error, retryable });
  }
  if (tlsCode.test(code)) {
    return new GatewayError('upstream_tls', 'No secure connection to the upstream could be made.', { cause: error });
  }
  if (code === 'UND_ERR_DESTROYED' || code === 'UND_ERR_CLOSED') {
    return new GatewayError('shutting_down', 'The gateway is shutting down.', { cause: error });
  }
  const malformed = error.name === 'HTTPParserError' || code === 'UND_ERR_HEADERS_OVERFLOW';
  if (malformed && stage === 'before-headers') {
    return new GatewayError('upstream_invalid_response', 'The upstream did not answer in HTTP.', {
      cause: error,
      retryable,
    });
  }
  if (!malformed && code !== 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH' && !networkCode.test(code)) {
    return new GatewayError('internal_error', 'The upstream request failed inside the gateway.', { cause: error });
  }
  if (stage === 'before-headers') {
    return new GatewayError('upstream_unreachable', 'The upstream could not be reached.', { cause: error, retryable });
  }
  return new GatewayError(
    'upstream_stream_broken',
    'The upstream closed the connection before its answer was complete.',
    {
      cause: error,
      retryable,
    },
  );
}
