import type { Violation } from './check.ts';
import { laws } from './check.ts';
import { exchangesOf, idOf } from './exchange.ts';
import type { History, JournalEntry } from './history.ts';
import { roundText } from './schedule.ts';

const maxShown = 10;

/** Violations as text: the seed and the schedule, then each with everything that is known of its request, in time's order. */
export function reportText(history: History, violations: Violation[]): string {
  const { seed, engine, nodes, schedule } = history;
  const lines = [`seed ${seed}, ${engine}, nodes ${nodes.join(' ')}`, 'schedule:', ...schedule.map(roundText)];
  for (const { law, name, what } of violations.slice(0, maxShown)) {
    lines.push('', `${law} (${laws[law]})`, `${name}: ${what}`, ...(name === '' ? [] : timelineOf(history, name)));
  }
  if (violations.length > maxShown) lines.push('', `and ${violations.length - maxShown} more`);
  return lines.join('\n');
}

interface Moment {
  at: number;
  text: string;
}

function entryText(entry: JournalEntry): string {
  switch (entry.kind) {
    case 'sent':
      return `sent ${JSON.stringify(entry.sent)}`;
    case 'status':
      return `status ${entry.status}, session ${entry.sessionId}, request ${entry.requestId}`;
    case 'event':
      return `read ${entry.event.event} ${/\bresp_\w+/.exec(entry.event.data)?.[0] ?? ''}`;
    case 'body':
      return `read ${entry.text.slice(0, 200)}`;
    case 'lost':
      return `lost the connection: ${entry.why}`;
    case 'left':
      return 'hung up';
  }
}

/** What client, upstream and nemesis wrote down about a request and its id, joined; then its rows. */
export function timelineOf(history: History, name: string): string[] {
  const { journal, ledger, deeds, dump, found, log } = history;
  const own = journal.filter((entry) => entry.name === name);
  const exchange = exchangesOf(own).get(name);
  const id = exchange === undefined ? undefined : idOf(exchange);
  const about = journal.filter((entry) => entry.kind === 'sent' && id !== undefined && entry.sent.target === id);
  const moments: Moment[] = [...own, ...about].map((entry) => ({
    at: entry.at,
    text: `client ${entry.name}: ${entryText(entry)}`,
  }));
  for (const { at, endedAt, end, name: other, dialect, seen, inputTokens, outputTokens } of ledger) {
    if (other !== name) continue;
    moments.push({ at, text: `upstream: called (${dialect}), saw ${seen.length} steps` });
    moments.push({ at: endedAt, text: `upstream: ${end}, ${inputTokens} + ${outputTokens} tokens` });
  }
  const from = Math.min(...moments.map(({ at }) => at)) - 100;
  const to = Math.max(...moments.map(({ at }) => at)) + 100;
  for (const { at, node, what } of deeds) if (at > from && at < to) moments.push({ at, text: `node ${node}: ${what}` });
  const rows = dump.turns.filter((turn) => turn.end_user === `user-${name}`);
  const ids = new Set([...rows.map((row) => row.id), ...(id === undefined ? [] : [id])]);
  return [
    ...moments.toSorted((a, b) => a.at - b.at).map(({ at, text }) => `  ${at.toFixed(1)} ${text}`),
    ...rows.map((row) => `  turn ${JSON.stringify(row)}`),
    ...dump.attempts.filter((row) => ids.has(row.turn_id)).map((row) => `  attempt ${JSON.stringify(row)}`),
    ...log
      .filter((line) => ids.has(line.responseId ?? '') || (line.requestId ?? '') === (exchange?.requestId ?? 'none'))
      .map((line) => `  log of ${line.node}: ${line.text}`),
    ...[...ids].map((key) => `  GET ${key}: ${found.get(key)?.status} ${found.get(key)?.text.slice(0, 200)}`),
  ];
}
