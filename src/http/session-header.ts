import type { IncomingMessage } from 'node:http';
import { GatewayError } from '../core/errors.ts';
import { isJsonObject, parseJsonObject } from '../core/json-object.ts';
import type { TurnRequest } from '../core/request.ts';
import { headerValues } from './header-values.ts';

/** The first that is there counts: what is meant for gateways, then what Claude Code and Codex send of their own accord. */
const sessionHeaders = [
  'x-session-id',
  'x-litellm-session-id',
  'session_id',
  'x-claude-code-session-id',
  'session-id',
  'thread-id',
] as const;
const maxLength = 256;

const isSessionId = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= maxLength && /^[\x21-\x7e]+$/.test(value);

/**
 * The session that the client's headers say its turn belongs to.
 * @throws GatewayError 400 for one that is not 1 to 256 visible ASCII characters.
 */
export function sessionHeader(request: IncomingMessage): string | undefined {
  for (const name of sessionHeaders) {
    const [value] = headerValues(request, name);
    if (value === undefined) continue;
    if (isSessionId(value)) return value;
    const message = `Invalid header '${name}': expected 1 to ${maxLength} visible ASCII characters.`;
    throw new GatewayError('invalid_value', message, { param: name });
  }
  return undefined;
}

/**
 * The session that the client says its turn belongs to, by a header or, where proxies have taken those, by a field; a
 * parent's session comes before it. Fields have meanings of their own: one that names no session says nothing of it.
 * @throws GatewayError as `sessionHeader` does.
 */
export function namedSession(headers: IncomingMessage, request: TurnRequest): string | undefined {
  const named = sessionHeader(headers);
  if (named !== undefined) return named;
  const { client_metadata: clientMetadata } = request.extra;
  const { session_id: session, thread_id: thread } = isJsonObject(clientMetadata) ? clientMetadata : {};
  const { user_id: userId } = request.metadata;
  return [session, thread, sessionOfUser(userId ?? request.user), sessionOfCache(request.promptCacheKey)].find(
    isSessionId,
  );
}

/** Claude Code's `metadata.user_id`: the JSON of an object, in older versions `user_…_account_…_session_…`. */
function sessionOfUser(userId: string | undefined): unknown {
  if (userId === undefined) return undefined;
  if (userId.startsWith('{')) return parseJsonObject(userId)?.['session_id'];
  return /^user_[^\s]*_session_([^\s_]+)$/.exec(userId)?.[1];
}

/** Codex and opencode put their session's id there. Any other key is shared by all whose requests begin alike. */
function sessionOfCache(key: string | undefined): string | undefined {
  return key !== undefined && /^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|ses_[0-9A-Za-z]{20,})$/.test(key)
    ? key
    : undefined;
}
