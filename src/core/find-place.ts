import type { TurnRequest } from './request.ts';

/** Longer than any name that a decoder notes a place for. */
const maxNameLength = 200;

/**
 * Where the client has what our request has at `param`, or what that is a part of: `input[2].output[0]` → `messages[3].content`
 * and the `[0]` that is left. Any field of the client's own is a name too, as long as a body: only its head is looked at.
 */
export function findPlace(
  param: string,
  { places = {} }: Pick<TurnRequest, 'places'>,
): { place: string; rest: string } | undefined {
  let end = param.length <= maxNameLength ? param.length : boundaryBefore(param, maxNameLength);
  for (; end > 0; end = boundaryBefore(param, end)) {
    const name = param.slice(0, end);
    const place = Object.hasOwn(places, name) ? places[name] : undefined;
    if (place !== undefined) return { place, rest: param.slice(end) };
  }
  return undefined;
}

function boundaryBefore(param: string, end: number): number {
  return Math.max(param.lastIndexOf('.', end - 1), param.lastIndexOf('[', end - 1));
}
