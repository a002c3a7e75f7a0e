import type { Breakpoint, CacheTtl, CacheWishes } from './cache-wishes.ts';
import type { Block } from './request-items.ts';
import type { WireMessage } from './request-messages.ts';

/** A piece of the prompt that can end a cached prefix. */
export interface Segment {
  /** A JSON object. */
  json: string;
  /** The client's own mark. */
  breakpoint?: Breakpoint | undefined;
}

/** In the order in which its prefixes are cached. */
interface Prompt {
  tools: readonly Segment[];
  system: readonly Segment[];
  messages: readonly WireMessage[];
}

export interface CachePlan {
  wishes: CacheWishes;
  /** The shortest prefix that the model caches; undefined: none is marked but those that the client marks. */
  minTokens: number | undefined;
  /** `grows`: this prompt will probably begin the next one. `ends`: there is no next one that it begins. */
  future: 'grows' | 'ends' | 'unknown';
  /** The client speaks this protocol, and may have set breakpoints in its own words. */
  isOwnProtocol: boolean;
}

/** Anthropic's limit, for one request. */
const maxBreakpoints = 4;

/** An image or a page, whatever its size. Too few rather than too many: a prefix that is too short is not to be marked. */
const tokensPerFile = 1500;
const charactersPerToken = 4;

/**
 * Marks the ends of prefixes that the upstream is to cache. A mark costs nothing by itself: what is not cached yet up to the
 * last of them costs a quarter more, once, and what is cached a tenth. So a growing conversation has the newest message
 * marked, where the next request will find it: that one marks the same place as the end of what came before the last
 * answer, since from its own newest message Anthropic looks back over twenty blocks only. Tools and instructions are marked
 * too, which other conversations may share, and which stay when what was said is compacted.
 *
 * Where the client marks, its marks are what counts: the last four, or the last three and the newest message, as OpenAI
 * has it. Where it does so in Anthropic's own words, nothing is added.
 * @see https://platform.claude.com/docs/en/build-with-claude/prompt-caching
 */
export function placeBreakpoints(prompt: Prompt, plan: CachePlan): void {
  const segments = [...prompt.tools, ...prompt.system, ...prompt.messages.flatMap(({ blocks }) => blocks)];
  if (segments.some((segment) => isMarked(segment, plan))) return;
  const given = segments.filter(({ breakpoint }) => breakpoint !== undefined);
  const places = placesOf(prompt, plan, given.length > 0);
  if (places.length === 0 && given.length === 0) return;
  const ours = places.filter(longerThan(plan.minTokens ?? 0, segments));
  const chosen = new Set([...given.slice(ours.length - maxBreakpoints), ...ours]);
  const ttl = plan.wishes.ttl ?? '5m';
  // Anthropic wants those that last longer first; a prefix of what is kept for an hour is kept for an hour anyway.
  let longest: CacheTtl = '5m';
  for (const segment of [...chosen].toReversed()) {
    if ((segment.breakpoint?.ttl ?? ttl) === '1h') longest = '1h';
    segment.json = withCacheControl(segment.json, longest);
  }
}

/** @param isGiven whether the client has marked something. */
function placesOf({ tools, system, messages }: Prompt, plan: CachePlan, isGiven: boolean): Segment[] {
  const { minTokens, wishes, future } = plan;
  if (minTokens === undefined || wishes.mode === 'explicit') return [];
  const newest = endOf(messages.at(-1));
  if (isGiven) return newest;
  if (future === 'unknown') return [];
  const shared = [...tools.slice(-1), ...system.slice(-1)];
  if (future === 'ends') return shared;
  const answer = messages.findLastIndex(({ role }) => role === 'assistant');
  return [...shared, ...endOf(messages[answer - 1]), ...newest];
}

/** The last block that can bear a mark: thinking cannot, and of blocks that are not ours to change nobody knows. */
function endOf(message: WireMessage | undefined): Block[] {
  const last = message?.blocks.findLast(({ kind }) => kind !== 'thinking' && kind !== 'extension');
  return last === undefined ? [] : [last];
}

function isMarked(segment: Segment | Block, { isOwnProtocol }: CachePlan): boolean {
  const isForeign = isOwnProtocol || ('kind' in segment && segment.kind === 'extension');
  return isForeign && segment.json.includes('"cache_control"');
}

/** Whether the prefix that a segment ends has so many tokens, by a guess that is rather too low. */
function longerThan(minTokens: number, segments: readonly Segment[]): (segment: Segment) => boolean {
  let tokens = 0;
  const first = segments.findIndex(({ json }) => {
    tokens += json.includes('"type":"base64"') ? tokensPerFile : json.length / charactersPerToken;
    return tokens >= minTokens;
  });
  return (segment) => first >= 0 && segments.indexOf(segment) >= first;
}

function withCacheControl(json: string, ttl: CacheTtl): string {
  return `${json.slice(0, -1)},"cache_control":{"type":"ephemeral"${ttl === '1h' ? ',"ttl":"1h"' : ''}}}`;
}
