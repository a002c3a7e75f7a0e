import { z } from 'zod';
import { check } from '../../core/check.ts';

/** Where a client leaves the threshold to us: what Anthropic compacts at by default. */
const defaultThreshold = 150_000;

const entries = z
  .array(z.object({ type: z.enum(['compaction']), compact_threshold: z.int().min(1000).nullish() }))
  .nullish();

/** @returns the tokens above which the context is to be compacted; undefined: it never is. */
export function decodeContextManagement(value: unknown): number | undefined {
  if (value === undefined) return undefined;
  const [first, ...more] =
    check(z.object({ context_management: entries }), { context_management: value }, '').context_management ?? [];
  if (first === undefined) return undefined;
  return Math.min(...[first, ...more].map((entry) => entry.compact_threshold ?? defaultThreshold));
}
