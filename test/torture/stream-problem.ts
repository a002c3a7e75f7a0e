import type { ClientEvent } from '../support/read-events.ts';
import { isTerminal } from './exchange.ts';
import { isDeepStrictEqual } from 'node:util';

const begins = ['response.created', 'response.in_progress'];

/**
 * The grammar of a Responses stream: numbered without holes, one id, each item added then done once, deltas that add up to
 * what is done, and one terminal event, the last, whose output is the items that were done.
 * @param whole false: the connection broke, and what came must be the beginning of a good stream.
 * @returns what is wrong with it; undefined: nothing.
 */
export function streamProblem(events: ClientEvent[], whole: boolean): string | undefined {
  const begin = begins.slice(0, events.length);
  if (
    !isDeepStrictEqual(
      events.slice(0, 2).map(({ event }) => event),
      begin,
    )
  )
    return 'it does not begin with created, in_progress';
  const ids = new Set(events.flatMap(({ data }) => (data.response === undefined ? [] : [String(data.response.id)])));
  if (ids.size > 1) return `it has several ids: ${[...ids].join(', ')}`;

  const open = new Map<number, string>();
  const done: unknown[] = [];
  /** Texts that are being written, and those that are done. */
  const written = new Map<string, string>();
  const closed = new Set<string>();
  for (const [position, { event, data }] of events.entries()) {
    if (data.type !== event) return `event ${event} has type ${data.type}`;
    if (position > 1 && begins.includes(event)) return `${event} comes again`;
    if (data.sequence_number !== position) return `event ${position} is numbered ${data.sequence_number}`;
    const index: number = data.output_index;
    if (event === 'response.output_item.added') {
      if (index !== open.size) return `item ${index} is added after ${open.size} items`;
      open.set(index, data.item.id);
    } else if (event === 'response.output_item.done') {
      if (done[index] !== undefined) return `item ${index} is done twice`;
      if (data.item.id !== open.get(index)) return `item ${index} changed its id`;
      const unfinished = [...written.keys()].find((place) => place.startsWith(`${index} `) && !closed.has(place));
      if (unfinished !== undefined) return `item ${index} is done before ${unfinished}`;
      done[index] = data.item;
    } else if (data.item_id !== undefined) {
      if (data.item_id !== open.get(index) || done[index] !== undefined) return `${event} for item ${index}, not open`;
      const stem = event.replace(/\.(delta|done)$/, '');
      const place = `${index} ${stem} ${data.content_index ?? data.summary_index ?? ''}`;
      if (closed.has(place)) return `${event} after ${place} was done`;
      if (event.endsWith('.delta')) written.set(place, (written.get(place) ?? '') + data.delta);
      const text: unknown = data.text ?? data.arguments;
      if (event.endsWith('.done') && text !== undefined && text !== (written.get(place) ?? ''))
        return `${place} is done with another text than its deltas`;
      if (event.endsWith('.done')) closed.add(place);
    } else if (isTerminal({ event })) {
      if (position !== events.length - 1) return `${event} is followed by ${events[position + 1]?.event}`;
      if (done.length !== open.size || !isDeepStrictEqual(data.response.output, done))
        return 'the terminal event has another output than the stream';
    }
  }
  const last = events.at(-1);
  if (whole && (last === undefined || !isTerminal(last))) return 'it ended without a terminal event';
  return undefined;
}
