import { modalities, type Usage } from '../core/usage.ts';
import { publishedPrices } from './published-prices.ts';
import { type MediaPrices, overridePrices, priceListOf, type TokenPrices } from './token-prices.ts';

export interface PriceQuery {
  /** The vendor's id in the price source; undefined: only an override has a price. */
  providerId: string | undefined;
  /** The upstream's name of the model, as it reported it or as we called it. */
  model: string;
  /** USD per million tokens; wins over the published prices. A cache price that it leaves out is the input's. */
  override:
    | { input: number; output: number; cacheRead: number | undefined; cacheWrite: number | undefined }
    | undefined;
}

/**
 * What a call cost, in whole nano-USD, each class of tokens at its own price; undefined where no price is known. Sums
 * over calls are sums of these whole numbers.
 * @see https://github.com/pydantic/genai-prices
 */
export function costNanoUsd(usage: Usage, { providerId, model, override }: PriceQuery): number | undefined {
  const tokens = disjoint(usage);
  if (override !== undefined) return wholeNano(sum(tokens, overridePrices(override)));
  if (providerId === undefined) return undefined;
  const list = priceListOf(providerId, model);
  if (list.kind === 'unknown') return undefined;
  if (list.kind === 'flat') return wholeNano(sum(tokens, list.prices) + mediaSurcharge(usage, tokens, list));

  const input = tokens.input + tokens.cacheRead + tokens.cacheWrite + tokens.cacheWriteHour;
  const price = publishedPrices().calcPrice(
    {
      input_tokens: input,
      cache_read_tokens: tokens.cacheRead,
      cache_write_tokens: tokens.cacheWrite + tokens.cacheWriteHour,
      cache_write_1h_tokens: tokens.cacheWriteHour,
      output_tokens: tokens.output + tokens.reasoning,
      output_reasoning_tokens: tokens.reasoning,
    },
    list.model,
    { providerId },
  );
  return price === null ? undefined : wholeNano(price.total_price * 1e9);
}

/** Each token in one class only. Counts that contradict each other never make a class negative. */
function disjoint(usage: Usage): TokenPrices {
  const cacheWriteHour = Math.min(usage.cacheWriteHourTokens, usage.cacheWriteTokens);
  const reasoning = Math.min(usage.reasoningTokens, usage.outputTokens);
  return {
    input: Math.max(0, usage.inputTokens - usage.cachedTokens - usage.cacheWriteTokens),
    cacheRead: usage.cachedTokens,
    cacheWrite: usage.cacheWriteTokens - cacheWriteHour,
    cacheWriteHour,
    output: usage.outputTokens - reasoning,
    reasoning,
  };
}

function sum(tokens: TokenPrices, prices: TokenPrices): number {
  return (
    tokens.input * prices.input +
    tokens.cacheRead * prices.cacheRead +
    tokens.cacheWrite * prices.cacheWrite +
    tokens.cacheWriteHour * prices.cacheWriteHour +
    tokens.output * prices.output +
    tokens.reasoning * prices.reasoning
  );
}

/** What sound and pictures cost beyond the price of as much text. Of counts that contradict each other, the least is billed. */
function mediaSurcharge(
  { media }: Usage,
  text: TokenPrices,
  { prices, media: mediaPrices }: { prices: TokenPrices; media: MediaPrices },
): number {
  if (media === undefined) return 0;
  const left = { ...text };
  let surcharge = 0;
  const bill = (part: 'input' | 'cacheRead' | 'output', count: number, price: number) => {
    const tokens = Math.min(count, left[part]);
    left[part] -= tokens;
    surcharge += tokens * (price - prices[part]);
  };
  for (const modality of modalities) {
    const { [modality]: counts } = media;
    if (counts === undefined) continue;
    const price = mediaPrices[modality];
    bill('cacheRead', Math.min(counts.cached, counts.input), price.cached);
    bill('input', counts.input - Math.min(counts.cached, counts.input), price.input);
    bill('output', counts.output, price.output);
  }
  return surcharge;
}

/** Undefined for what is no amount of money: a price list may be wrong, a ledger may not. */
function wholeNano(nanoUsd: number): number | undefined {
  const whole = Math.round(nanoUsd);
  return Number.isSafeInteger(whole) && whole >= 0 ? whole : undefined;
}
