import { createRequire } from 'node:module';
import type * as priceList from './price-list.ts';

/** Sources run unbundled; the build puts the list's file beside the bundle. */
const listFile = import.meta.url.endsWith('.ts') ? './price-list.ts' : './price-list.mjs';

let list: typeof priceList | undefined;

/** The price source. Read at its first use: a megabyte of text, for nothing where each model's price is configured. */
export function publishedPrices(): typeof priceList {
  list ??= createRequire(import.meta.url)(listFile) as typeof priceList;
  return list;
}
