import { segmentsOf } from './segments.ts';
import type { MessagesRequest } from './wire.ts';

const maxBreakpoints = 4;

export function tooManyBreakpoints(request: MessagesRequest): string | undefined {
  const count = segmentsOf(request).filter(({ cacheControl }) => cacheControl !== undefined).length;
  return count > maxBreakpoints
    ? `A maximum of ${maxBreakpoints} blocks with cache_control may be provided. Found ${count}.`
    : undefined;
}

export function breakpointOrderProblem(request: MessagesRequest): string | undefined {
  let short = false;
  for (const { cacheControl, path } of segmentsOf(request)) {
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
