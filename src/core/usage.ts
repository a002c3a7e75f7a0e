/** Tokens of one or more upstream calls, by class. The classes nest as the Responses API nests them. */
export interface Usage {
  /** All input, cached and cache-written tokens included. */
  inputTokens: number;
  cachedTokens: number;
  cacheWriteTokens: number;
  /** The part of `cacheWriteTokens` that was written for an hour (Anthropic's `ephemeral_1h_input_tokens`). */
  cacheWriteHourTokens: number;
  /** All output, reasoning included. */
  outputTokens: number;
  reasoningTokens: number;
  /** True: at least one figure is ours, not the provider's. */
  estimated: boolean;
  /** The parts of a call's input and output that are no text, where there are any: some vendors sell them at other prices. */
  media?: MediaUsage;
}

export const modalities = ['audio', 'image', 'video'] as const;
export type Modality = (typeof modalities)[number];
export type MediaUsage = Partial<Record<Modality, MediaTokens>>;

/** Tokens of one modality. */
export interface MediaTokens {
  /** Part of the input, cached tokens included. */
  input: number;
  cached: number;
  output: number;
}

export const noUsage: Usage = {
  inputTokens: 0,
  cachedTokens: 0,
  cacheWriteTokens: 0,
  cacheWriteHourTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
  estimated: false,
};

/** Of a call's media nothing is kept: each call is priced by itself. */
export function addUsage(one: Usage, other: Usage): Usage {
  return {
    inputTokens: one.inputTokens + other.inputTokens,
    cachedTokens: one.cachedTokens + other.cachedTokens,
    cacheWriteTokens: one.cacheWriteTokens + other.cacheWriteTokens,
    cacheWriteHourTokens: one.cacheWriteHourTokens + other.cacheWriteHourTokens,
    outputTokens: one.outputTokens + other.outputTokens,
    reasoningTokens: one.reasoningTokens + other.reasoningTokens,
    estimated: one.estimated || other.estimated,
  };
}

/** Some servers fill the field with zeros where they have not counted. */
export function countsNothing({ inputTokens, outputTokens }: Usage): boolean {
  return inputTokens === 0 && outputTokens === 0;
}

/** A count as upstreams report it. What is not a whole number between 0 and 10^12 counts as not reported. */
export function tokenCount(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 1e12 ? value : undefined;
}

type CountOf = (modality: Modality) => number | undefined;

/** @param counts what the provider said of each part; undefined: nothing. */
export function mediaUsage(counts: { input: CountOf; cached?: CountOf; output: CountOf }): Pick<Usage, 'media'> {
  const media: MediaUsage = {};
  for (const modality of modalities) {
    const input = counts.input(modality) ?? 0;
    const output = counts.output(modality) ?? 0;
    if (input + output > 0) media[modality] = { input, cached: counts.cached?.(modality) ?? 0, output };
  }
  return Object.keys(media).length === 0 ? {} : { media };
}
