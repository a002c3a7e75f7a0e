import type { InputPart, OutputPart } from '../../core/items.ts';
import { isJsonObject } from '../../core/json-object.ts';
import type { Report } from '../../core/report.ts';
import type { TurnRequest } from '../../core/request.ts';

/** How long Anthropic keeps a prefix after it was last used. */
export type CacheTtl = '5m' | '1h';

/** What the client says of the upstream's prompt cache, in OpenAI's words. */
export interface CacheWishes {
  /** `explicit`: nothing but what the client marks is to be cached. Undefined: the client did not say. */
  mode: 'implicit' | 'explicit' | undefined;
  ttl: CacheTtl | undefined;
}

/** Fields of a request that are read here. */
export const cacheFields: ReadonlySet<string> = new Set(['prompt_cache_options', 'prompt_cache_retention']);

const leftOut = 'The upstream does not know the field; it was left out.';

/** OpenAI's lifetimes are the least that is wanted: an hour is Anthropic's longest. */
function ttlOf(ttl: unknown, param: string, report: Report): CacheTtl | undefined {
  if (ttl === undefined || ttl === null) return undefined;
  if (ttl === '30m') return '1h';
  if (ttl !== '12h') report.warn(param, leftOut);
  else report.warn(param, 'The upstream keeps a prompt for an hour at most, which is what was asked for.');
  return ttl === '12h' ? '1h' : undefined;
}

export function readCacheWishes({ protocol, extra }: TurnRequest, report: Report): CacheWishes {
  const wishes: CacheWishes = { mode: undefined, ttl: undefined };
  if (protocol === 'messages') {
    // Anthropic's own field has it place the mark itself.
    return extra['cache_control'] === undefined ? wishes : { ...wishes, mode: 'explicit' };
  }
  const { prompt_cache_options: options, prompt_cache_retention: retention } = extra;
  // In memory is how every upstream keeps it; a day is longer than this one can.
  if (retention !== undefined && retention !== 'in_memory') report.warn('prompt_cache_retention', leftOut);
  if (options === undefined) return wishes;
  if (!isJsonObject(options)) {
    report.warn('prompt_cache_options', leftOut);
    return wishes;
  }
  for (const [field, value] of Object.entries(options)) {
    const param = `prompt_cache_options.${field}`;
    if (field === 'ttl') wishes.ttl = ttlOf(value, param, report);
    else if (field === 'mode' && (value === 'implicit' || value === 'explicit')) wishes.mode = value;
    else if (value !== null && value !== false) report.warn(param, leftOut);
  }
  return wishes;
}

/** The end of a prefix as the client marks it. */
export interface Breakpoint {
  /** Undefined: the request's. */
  ttl: CacheTtl | undefined;
}

/** The last mark on one of these parts, which end one block, or stand next to one another in one message. */
export function breakpointOf(parts: readonly (InputPart | OutputPart)[], report: Report): Breakpoint | undefined {
  let breakpoint: Breakpoint | undefined;
  for (const part of parts) {
    const mark: unknown = 'prompt_cache_breakpoint' in part ? part.prompt_cache_breakpoint : undefined;
    if (isJsonObject(mark)) breakpoint = { ttl: ttlOf(mark['ttl'], 'input', report) };
  }
  return breakpoint;
}
