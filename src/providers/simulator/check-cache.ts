import type { Segment } from './segments.ts';

const maxBreakpoints = 4;

export function tooManyBreakpoints(segments: Segment[]): string | undefined {
  const count = segments.filter(({ cacheControl }) => cacheControl !== undefined).length;
  return count > maxBreakpoints
    ? `A maximum of ${maxBreakpoints} blocks with cache_control may be provided. Found ${count}.`
    : undefined;
}

export function breakpointOrderProblem(segments: Segment[]): string | undefined {
  let short = false;
  for (const { cacheControl, path } of segments) {
    if (cacheControl === undefined) continue;
    if (cacheControl.ttl !== '1h') short = true;
    else if (short) {
      return (
        `${path}.cache_control.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block. ` +
        'Note that blocks are processed in the following order: `tools`, `system`, `messages`.'
      );
    }
  }
  return undefined;
}
