import { parseEvents } from '../support/read-events.ts';

const terminals: ReadonlySet<string> = new Set(['response.completed', 'response.incomplete', 'response.failed']);

/**
 * What `expectStream` of test/support expects of a stream, for many thousands of streams: told, not thrown.
 * @returns what is wrong with it.
 */
export function checkClientStream(text: string): string[] {
  const offences: string[] = [];
  const check = (isRight: boolean, offence: string) => {
    if (!isRight) offences.push(`the stream: ${offence}`);
  };
  const events = parseEvents(text);
  const names = events.map(({ event }) => event);
  const final = events.at(-1)?.data.response;
  check(names[0] === 'response.created' && names[1] === 'response.in_progress', 'begins in another way');
  check(
    events.every(({ event, data }, at) => data.type === event && data.sequence_number === at),
    'is not numbered without holes',
  );
  check(
    names.filter((name) => terminals.has(name)).length === 1 && terminals.has(names.at(-1) ?? ''),
    'ends otherwise',
  );
  const failed = names.at(-1) === 'response.failed';
  check(names.indexOf('error') === (failed ? names.length - 2 : -1), 'has an error in the wrong place');
  check(
    events.every(({ data }) => data.response === undefined || data.response.id === final?.id),
    'names more than one response',
  );

  const added: string[] = [];
  const done: string[] = [];
  const written = new Map<string, string>();
  for (const { event, data } of events) {
    if (event === 'response.output_item.added') {
      check(data.output_index === added.length, 'adds items out of order');
      added.push(data.item.id);
    } else if (event === 'response.output_item.done') {
      check(data.item.id === added[data.output_index] && done[data.output_index] === undefined, 'ends an item twice');
      done[data.output_index] = JSON.stringify(data.item);
    } else if (data.item_id !== undefined) {
      check(data.item_id === added[data.output_index] && done[data.output_index] === undefined, 'writes into no item');
      const stem = event.slice(0, event.lastIndexOf('.'));
      const place = `${stem} ${data.output_index} ${data.content_index ?? data.summary_index ?? ''}`;
      if (event.endsWith('.delta')) written.set(place, (written.get(place) ?? '') + data.delta);
      const whole = data.text ?? data.refusal ?? data.arguments ?? data.input;
      if (event.endsWith('.done') && whole !== undefined) check(whole === (written.get(place) ?? ''), 'loses a delta');
    }
  }
  check(done.length === added.length, 'leaves an item open');
  check(JSON.stringify(final?.output) === `[${done.join(',')}]`, 'ends with other items than it showed');
  return offences;
}
