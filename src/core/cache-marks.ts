import type { ContextItem } from './items.ts';
import type { Report } from './report.ts';

/** For upstreams that find by themselves what they have cached, and cannot be told where it ends. */
export function warnOfCacheMarks(context: readonly ContextItem[], report: Report): void {
  const isMarked = context.some(({ item }) => {
    const parts = item.type === 'message' ? item.content : 'output' in item ? item.output : undefined;
    return Array.isArray(parts) && parts.some((part) => 'prompt_cache_breakpoint' in Object(part));
  });
  if (isMarked)
    report.warn('input', 'The upstream takes no prompt_cache_breakpoint; what it caches is its own choice.');
}
