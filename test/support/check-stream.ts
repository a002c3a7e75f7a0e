import { expect } from 'vitest';
import type { ClientEvent } from './read-events.ts';

const terminals = new Set(['response.completed', 'response.incomplete', 'response.failed']);

/**
 * The grammar of a Responses stream: numbered without holes, one id, each item added then done once, deltas that add up to
 * what is done, and one terminal event at the end whose output is the items that were done.
 * @returns the terminal event's response.
 */
// oxlint-disable-next-line no-explicit-any -- a test reads whatever was sent
export function expectStream(events: ClientEvent[]): any {
  const names = events.map(({ event }) => event);
  expect(names.slice(0, 2)).toEqual(['response.created', 'response.in_progress']);
  expect(events.map(({ event, data }) => data.type === event)).not.toContain(false);
  expect(events.map(({ data }) => data.sequence_number)).toEqual(events.map((_, index) => index));
  expect(names.filter((name) => terminals.has(name))).toEqual(names.slice(-1));
  const final = events.at(-1)?.data.response;
  const failed = names.at(-1) === 'response.failed';
  expect(names.flatMap((name, at) => (name === 'error' ? [at] : []))).toEqual(failed ? [names.length - 2] : []);
  expect(new Set(events.flatMap(({ data }) => data.response?.id ?? []))).toEqual(new Set([final.id]));

  const open = new Map<number, string>();
  const done: unknown[] = [];
  const written = new Map<string, string>();
  for (const { event, data } of events) {
    const index: number = data.output_index;
    if (event === 'response.output_item.added') {
      expect(index).toBe(open.size);
      open.set(index, data.item.id);
    } else if (event === 'response.output_item.done') {
      expect(done[index]).toBeUndefined();
      expect(data.item.id).toBe(open.get(index));
      done[index] = data.item;
    } else if (data.item_id !== undefined) {
      expect(data.item_id).toBe(open.get(index));
      expect(done[index]).toBeUndefined();
      const stem = event.replace(/\.(delta|done)$/, '');
      const place = `${stem} ${index} ${data.content_index ?? data.summary_index ?? ''}`;
      if (event.endsWith('.delta')) written.set(place, (written.get(place) ?? '') + data.delta);
      const whole = data.text ?? data.refusal ?? data.arguments ?? data.input;
      if (event.endsWith('.done') && whole !== undefined) expect(whole).toBe(written.get(place) ?? '');
    }
  }
  expect(done).toHaveLength(open.size);
  expect(final.output).toEqual(done);
  return final;
}
