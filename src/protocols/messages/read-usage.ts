import { isJsonObject } from '../../core/json-object.ts';
import { addUsage, noUsage, tokenCount, type Usage } from '../../core/usage.ts';

/** What a reply has said of its tokens so far; undefined: not a word, or nothing that is a count. */
interface UsageCounts {
  input: number | undefined;
  cacheRead: number | undefined;
  cacheWrite: number | undefined;
  cacheWriteHour: number | undefined;
  output: number | undefined;
  thinking: number | undefined;
  searches: number | undefined;
  /** Of the compactions in it, which the others do not hold. */
  compactions: Usage;
}

export const noCounts: UsageCounts = {
  input: undefined,
  cacheRead: undefined,
  cacheWrite: undefined,
  cacheWriteHour: undefined,
  output: undefined,
  thinking: undefined,
  searches: undefined,
  compactions: noUsage,
};

// Counts of one reply are cumulative. Some compatible servers send zeros for what they said before, or will say later.
function larger(known: number | undefined, value: unknown): number | undefined {
  const count = tokenCount(value);
  if (count === undefined || known === undefined) return count ?? known;
  return Math.max(known, count);
}

/** Adds what a `usage` object says (of a message, `message_start` or `message_delta`). */
export function addCounts(known: UsageCounts, usage: unknown): UsageCounts {
  if (!isJsonObject(usage)) return known;
  const creation = isJsonObject(usage.cache_creation) ? usage.cache_creation : {};
  const details = isJsonObject(usage.output_tokens_details) ? usage.output_tokens_details : {};
  const tools = isJsonObject(usage.server_tool_use) ? usage.server_tool_use : {};
  return {
    input: larger(known.input, usage.input_tokens),
    cacheRead: larger(known.cacheRead, usage.cache_read_input_tokens),
    cacheWrite: larger(known.cacheWrite, usage.cache_creation_input_tokens),
    cacheWriteHour: larger(known.cacheWriteHour, creation.ephemeral_1h_input_tokens),
    output: larger(known.output, usage.output_tokens),
    thinking: larger(known.thinking, details.thinking_tokens),
    searches: larger(known.searches, tools.web_search_requests),
    compactions: compactionsIn(usage.iterations) ?? known.compactions,
  };
}

/**
 * "A `compaction` entry's tokens are not included in the top-level `usage` fields." Undefined: the list is not there.
 * @see https://platform.claude.com/docs/en/build-with-claude/compaction
 */
function compactionsIn(iterations: unknown): Usage | undefined {
  if (!Array.isArray(iterations)) return undefined;
  return (iterations as unknown[])
    .filter((each) => isJsonObject(each) && each['type'] === 'compaction')
    .map((each) => usageOf(addCounts(noCounts, each)) ?? noUsage)
    .reduce(addUsage, noUsage);
}

/** Undefined where the input was never reported: a sum with a hole in it is no usage. */
export function usageOf(counts: UsageCounts): Usage | undefined {
  if (counts.input === undefined) return undefined;
  const outputTokens = counts.output ?? 0;
  const cachedTokens = counts.cacheRead ?? 0;
  const cacheWriteTokens = counts.cacheWrite ?? 0;
  const said = {
    inputTokens: counts.input + cachedTokens + cacheWriteTokens,
    cachedTokens,
    cacheWriteTokens,
    cacheWriteHourTokens: Math.min(counts.cacheWriteHour ?? 0, cacheWriteTokens),
    outputTokens,
    reasoningTokens: Math.min(counts.thinking ?? 0, outputTokens),
    estimated: false,
  };
  return addUsage(said, counts.compactions);
}
