export type ErrorType =
  | 'invalid_request_error'
  | 'authentication_error'
  | 'permission_error'
  | 'rate_limit_error'
  | 'server_error';

interface ErrorKind {
  status: number;
  type: ErrorType;
  /** What the client reads as `code`. OpenAI leaves it null where SDKs match on the message. */
  wireCode: string | null;
}

const invalid = (wireCode: string | null, status = 400): ErrorKind => ({
  status,
  type: 'invalid_request_error',
  wireCode,
});
const server = (wireCode: string, status: number): ErrorKind => ({ status, type: 'server_error', wireCode });

/** Every way in which a request can end badly. Closed: an error that is not here has no status to be answered with. */
export const errorKinds = {
  invalid_json: invalid('invalid_json'),
  invalid_type: invalid('invalid_type'),
  invalid_value: invalid('invalid_value'),
  missing_required_parameter: invalid('missing_required_parameter'),
  unknown_parameter: invalid('unknown_parameter'),
  unsupported_parameter: invalid('unsupported_parameter'),
  unsupported_value: invalid('unsupported_value'),
  string_above_max_length: invalid('string_above_max_length'),
  array_above_max_length: invalid('array_above_max_length'),
  integer_out_of_range: invalid('integer_out_of_range'),
  decimal_out_of_range: invalid('decimal_out_of_range'),
  previous_response_not_found: invalid('previous_response_not_found'),
  tool_output_missing: invalid(null),
  tool_call_missing: invalid(null),
  tool_output_duplicate: invalid(null),
  reasoning_unfollowed: invalid(null),
  item_duplicate: invalid(null),
  item_not_found: invalid(null, 404),
  response_not_found: invalid(null, 404),
  response_not_cancellable: invalid(null),
  response_not_streamable: invalid(null),
  conversation_not_found: invalid(null, 404),
  conversation_locked: invalid('conversation_locked'),
  file_not_found: invalid(null, 404),
  file_quota_exceeded: invalid('file_quota_exceeded'),
  unsupported_image_media_type: invalid('unsupported_image_media_type'),
  team_not_found: invalid('team_not_found', 404),
  team_name_taken: invalid('team_name_taken'),
  team_has_keys: invalid('team_has_keys'),
  key_not_found: invalid('key_not_found', 404),
  idempotency_key_mismatch: invalid('idempotency_key_mismatch'),
  idempotency_result_not_kept: invalid('idempotency_result_not_kept'),
  websocket_connection_limit_reached: invalid('websocket_connection_limit_reached'),
  websocket_stream_limit_reached: invalid('websocket_stream_limit_reached'),
  context_length_exceeded: invalid('context_length_exceeded'),
  upstream_rejected: invalid('upstream_rejected'),
  model_not_found: invalid('model_not_found', 404),
  not_found: invalid('unknown_url', 404),
  method_not_allowed: invalid('method_not_supported', 405),
  request_timeout: invalid('request_timeout', 408),
  request_too_large: invalid('request_too_large', 413),
  unsupported_media_type: invalid('unsupported_media_type', 415),
  expectation_failed: invalid('expectation_failed', 417),
  host_not_allowed: { status: 403, type: 'permission_error', wireCode: 'host_not_allowed' },
  origin_not_allowed: { status: 403, type: 'permission_error', wireCode: 'origin_not_allowed' },
  model_not_allowed: { status: 403, type: 'permission_error', wireCode: 'model_not_allowed' },
  master_key_required: { status: 403, type: 'permission_error', wireCode: 'master_key_required' },
  invalid_api_key: { status: 401, type: 'authentication_error', wireCode: 'invalid_api_key' },
  too_many_queued: { status: 429, type: 'rate_limit_error', wireCode: 'rate_limit_exceeded' },
  budget_exceeded: { status: 429, type: 'rate_limit_error', wireCode: 'budget_exceeded' },
  upstream_rate_limited: { status: 429, type: 'rate_limit_error', wireCode: 'rate_limit_exceeded' },
  internal_error: server('internal_error', 500),
  upstream_auth: server('upstream_auth', 502),
  upstream_unreachable: server('upstream_unreachable', 502),
  upstream_tls: server('upstream_tls', 502),
  upstream_invalid_response: server('upstream_invalid_response', 502),
  upstream_stream_broken: server('upstream_stream_broken', 502),
  upstream_error: server('upstream_error', 502),
  upstream_overloaded: server('upstream_overloaded', 503),
  upstream_timeout: server('upstream_timeout', 504),
  no_healthy_deployment: server('no_healthy_deployment', 503),
  store_unavailable: server('store_unavailable', 503),
  shutting_down: server('shutting_down', 503),
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof errorKinds;

/**
 * Set by the provider, who alone knows: whether the route may try again. `elsewhere`: on another deployment only, since this one would
 * say the same.
 */
export type Retryable = boolean | 'elsewhere';

interface ErrorDetails {
  param?: string;
  cause?: unknown;
  retryable?: Retryable;
  /** Seconds, as the upstream said. */
  retryAfterSeconds?: number;
  /** True: an upstream has been paid for this request or its key, or nothing is left to pay with: SDKs must not repeat it by themselves. */
  spent?: boolean;
}

/** The one error class. Its message is for the client: no secret, no text of ours or an upstream's that could hold one. */
export class GatewayError extends Error {
  readonly code: ErrorCode;
  readonly param: string | null;
  readonly retryable: Retryable;
  readonly retryAfterSeconds: number | undefined;
  readonly spent: boolean;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'GatewayError';
    this.code = code;
    // A field may have an empty name. It is written as JSON writes it, for an empty param names nothing.
    this.param = details.param === '' ? '""' : (details.param ?? null);
    this.retryable = details.retryable ?? false;
    this.retryAfterSeconds = details.retryAfterSeconds;
    this.spent = details.spent ?? false;
  }

  /** The same error, after money was spent on the request. */
  asSpent(): GatewayError {
    return this.copy({ spent: true });
  }

  /** The same error, of a parameter that the client knows by this name. */
  of(param: string): GatewayError {
    return this.copy({ param });
  }

  /** The same error in other words. */
  saying(message: string, cause: unknown): GatewayError {
    return this.copy({ cause }, message);
  }

  private copy(changed: ErrorDetails, message = this.message): GatewayError {
    const { param, cause, retryable, retryAfterSeconds, spent } = this;
    return new GatewayError(this.code, message, {
      ...(param === null ? {} : { param }),
      ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
      cause,
      retryable,
      spent,
      ...changed,
    });
  }

  get status(): number {
    return errorKinds[this.code].status;
  }

  get type(): ErrorType {
    return errorKinds[this.code].type;
  }

  get wireCode(): string | null {
    return errorKinds[this.code].wireCode;
  }
}
