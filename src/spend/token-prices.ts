import type { ModelPrice, PriceCalculation } from '@pydantic/genai-prices';
import type { MediaTokens, Modality } from '../core/usage.ts';
import { publishedPrices } from './published-prices.ts';

/** Nano-USD for a token of each class (a million tokens for a dollar are 1,000). */
export interface TokenPrices {
  input: number;
  cacheRead: number;
  cacheWrite: number;
  cacheWriteHour: number;
  output: number;
  /** Of reasoning, which some vendors sell at a price of its own. */
  reasoning: number;
}

/** Nano-USD for a token of each modality: the price of text where it has none of its own. */
export type MediaPrices = Record<Modality, Record<keyof MediaTokens, number>>;

/**
 * `varying`: the price depends on how much is bought, or on the time, and must be asked for anew at every use, by the name that
 * the price source has for the model.
 */
export type PriceList =
  | { kind: 'flat'; prices: TokenPrices; media: MediaPrices }
  | { kind: 'varying'; model: string }
  | { kind: 'unknown' };

const nanoUsdPerToken = 1000;
const maxRemembered = 1000;
const remembered = new Map<string, PriceList>();

/** The published prices of a model: looked up once, since the lookup costs more than all the rest of the bill. */
export function priceListOf(providerId: string, model: string): PriceList {
  const key = `${providerId}\0${model}`;
  let list = remembered.get(key);
  if (list === undefined) {
    list = priceListFrom(publishedPrices().calcPrice({}, model, { providerId }), model);
    if (list.kind === 'unknown' && providerId === 'openrouter') list = variantPrices(providerId, model);
    // Names of models come from upstreams too: they must not fill the memory.
    if (remembered.size >= maxRemembered) remembered.clear();
    remembered.set(key, list);
  }
  return list;
}

function priceListFrom(found: PriceCalculation | null, model: string): PriceList {
  if (found === null) return { kind: 'unknown' };
  const list = Array.isArray(found.model.prices) ? undefined : flatList(found.model_price);
  return list ?? { kind: 'varying', model };
}

/**
 * OpenRouter takes a suffix on any model: `:nitro` and most others say how it is to be routed, and have no price of their own. A
 * model without a price would be one that no budget limits. Those that are models of their own come first of several.
 * @see https://openrouter.ai/docs/guides/routing/model-variants/overview
 */
function variantPrices(providerId: string, model: string): PriceList {
  const [base = '', first, ...others] = model.split(':');
  if (first === undefined) return { kind: 'unknown' };
  if (first === 'free') return flatList({ input_mtok: 0, output_mtok: 0 }) ?? { kind: 'unknown' };
  return priceListOf(providerId, others.length === 0 ? base : `${base}:${first}`);
}

/** A class without a price of its own costs what the class that holds it costs. Undefined: a price is not a number for each token. */
function flatList(model: ModelPrice): PriceList | undefined {
  if (Object.values(model).some((price) => typeof price === 'object')) return undefined;
  // Sold by the call, or by what a token count does not say.
  if (model['requests_kcount'] !== undefined) return undefined;
  const input = priceIn(model, 'input_mtok') ?? 0;
  const output = priceIn(model, 'output_mtok') ?? 0;
  const cacheWrite = priceIn(model, 'cache_write_mtok') ?? input;
  const prices: TokenPrices = {
    input,
    cacheRead: priceIn(model, 'cache_read_mtok') ?? input,
    cacheWrite,
    cacheWriteHour: priceIn(model, 'cache_write_1h_mtok') ?? cacheWrite,
    output,
    reasoning: priceIn(model, 'output_reasoning_mtok') ?? output,
  };
  return { kind: 'flat', prices, media: mediaPrices(model, prices) };
}

function priceIn(model: ModelPrice, name: string): number | undefined {
  const price = model[name];
  return typeof price === 'number' ? price * nanoUsdPerToken : undefined;
}

function mediaPrices(model: ModelPrice, text: TokenPrices): MediaPrices {
  const pricesOf = (modality: Modality) => {
    const input = priceIn(model, `input_${modality}_mtok`) ?? text.input;
    const cached = priceIn(model, `cache_${modality}_read_mtok`) ?? priceIn(model, 'cache_read_mtok') ?? input;
    const output = priceIn(model, `output_${modality}_mtok`) ?? text.output;
    return { input, cached, output };
  };
  return { audio: pricesOf('audio'), image: pricesOf('image'), video: pricesOf('video') };
}

/** @param override USD per million tokens; a cache price that it leaves out is the input's. */
export function overridePrices(override: {
  input: number;
  output: number;
  cacheRead: number | undefined;
  cacheWrite: number | undefined;
}): TokenPrices {
  const { input, output, cacheRead = input, cacheWrite = input } = override;
  return {
    input: input * nanoUsdPerToken,
    cacheRead: cacheRead * nanoUsdPerToken,
    cacheWrite: cacheWrite * nanoUsdPerToken,
    cacheWriteHour: cacheWrite * nanoUsdPerToken,
    output: output * nanoUsdPerToken,
    reasoning: output * nanoUsdPerToken,
  };
}
