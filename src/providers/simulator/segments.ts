import type { BetaCacheControlEphemeral } from '@anthropic-ai/sdk/resources/beta/messages/messages';
import { isJsonObject } from '../../core/json-object.ts';
import type { MessagesRequest } from './wire.ts';

/** A piece of the prompt that can end a cached prefix. */
export interface Segment {
  path: string;
  tokens: number;
  cacheControl: BetaCacheControlEphemeral | undefined;
  /** It stands before the last assistant message: an earlier call, which answered with that message, had it too. */
  sentBefore: boolean;
}

/** What an image or a file counts for, whatever its size. */
const tokensPerFile = 1500;

/** The simulator's tokenizer: four characters a token. */
export function tokensIn(text: string): number {
  return Math.ceil(text.length / 4);
}

/**
 * The prompt in the order in which its prefix is cached: tools, system, messages.
 * @see https://platform.claude.com/docs/en/build-with-claude/prompt-caching
 */
export function segmentsOf(request: MessagesRequest): Segment[] {
  const lastAssistant = request.messages.findLastIndex(({ role }) => role === 'assistant');
  const segments: Segment[] = [];
  const add = (value: object | string, path: string, sentBefore: boolean): void => {
    const block = typeof value === 'string' ? {} : value;
    const nested = 'content' in block && Array.isArray(block.content) ? block.content.filter(isJsonObject) : [];
    for (const [place, inner] of nested.entries()) add(inner, `${path}.content.${place}`, sentBefore);
    const own = nested.length === 0 ? value : { ...block, content: undefined };
    segments.push({
      path,
      tokens: 'source' in block ? tokensPerFile : tokensIn(JSON.stringify(own)),
      cacheControl: 'cache_control' in block ? cacheControlOf(block.cache_control) : undefined,
      sentBefore,
    });
  };
  const addAll = (values: readonly object[] | string, path: string, sentBefore: boolean): void => {
    if (typeof values === 'string') add(values, path, sentBefore);
    else for (const [place, value] of values.entries()) add(value, `${path}.${place}`, sentBefore);
  };
  addAll(request.tools ?? [], 'tools', lastAssistant >= 0);
  addAll(request.system ?? [], 'system', lastAssistant >= 0);
  for (const [index, { content }] of request.messages.entries()) {
    addAll(content ?? [], `messages.${index}.content`, index < lastAssistant);
  }
  const last = segments.at(-1);
  if (last !== undefined && request.cache_control) last.cacheControl ??= request.cache_control;
  return segments;
}

function cacheControlOf(value: unknown): BetaCacheControlEphemeral | undefined {
  if (!isJsonObject(value)) return undefined;
  return value['ttl'] === '1h' ? { type: 'ephemeral', ttl: '1h' } : { type: 'ephemeral' };
}
