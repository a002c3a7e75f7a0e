import type { ClientEvent } from '../support/read-events.ts';
import type { JournalEntry, Sent, StreamEvent } from './history.ts';

/** A response as a client reads it. */
export interface ReadResponse {
  id: string;
  status: string;
  output: { type: string; call_id?: string }[];
}

/** A client's request with all that came back, put together from a journal. */
export interface Exchange {
  sent: Sent;
  sentAt: number;
  status: number | undefined;
  sessionId: string | undefined;
  requestId: string | undefined;
  events: StreamEvent[];
  /** Of a plain answer, whole. */
  body: string | undefined;
  /** Undefined: the answer came whole. */
  cutBy: 'lost' | 'left' | undefined;
  lastAt: number;
}

export function exchangesOf(journal: JournalEntry[]): Map<string, Exchange> {
  const exchanges = new Map<string, Exchange>();
  for (const entry of journal) {
    if (entry.kind === 'sent') {
      const { sent, at } = entry;
      exchanges.set(entry.name, {
        sent,
        sentAt: at,
        status: undefined,
        sessionId: undefined,
        requestId: undefined,
        events: [],
        body: undefined,
        cutBy: undefined,
        lastAt: at,
      });
      continue;
    }
    const exchange = exchanges.get(entry.name);
    if (exchange === undefined) throw new Error(`${entry.name} was answered before it was sent`);
    exchange.lastAt = entry.at;
    if (entry.kind === 'status') {
      exchange.status = entry.status;
      exchange.sessionId = entry.sessionId ?? undefined;
      exchange.requestId = entry.requestId ?? undefined;
    } else if (entry.kind === 'event') exchange.events.push(entry.event);
    else if (entry.kind === 'body') exchange.body = entry.text;
    else exchange.cutBy = entry.kind;
  }
  return exchanges;
}

export function parsed({ event, data }: StreamEvent): ClientEvent {
  return { event, data: JSON.parse(data) as unknown };
}

const terminals = new Set(['response.completed', 'response.incomplete', 'response.failed']);

export function isTerminal({ event }: { event: string }): boolean {
  return terminals.has(event);
}

/** The response whose end the client was told; undefined: it was told of none. */
export function endOf({ sent, status, events, body }: Exchange): ReadResponse | undefined {
  if (sent.action !== 'create' || status !== 200) return undefined;
  if (body !== undefined) return JSON.parse(body) as ReadResponse;
  const end = events.find(isTerminal);
  return end === undefined ? undefined : (parsed(end).data.response as ReadResponse);
}

/** The id that the client was told, at the latest at the end. */
export function idOf(exchange: Exchange): string | undefined {
  const [first] = exchange.events;
  const begun: unknown = first === undefined ? undefined : parsed(first).data.response?.id;
  return typeof begun === 'string' ? begun : endOf(exchange)?.id;
}

/** Nothing says that more of the answer came, nor that it never will. */
export function isOpen({ sent, status, events, body, cutBy }: Exchange): boolean {
  if (cutBy !== undefined || body !== undefined) return false;
  const last = events.at(-1);
  return status === undefined || !sent.create?.stream || last === undefined || !isTerminal(last);
}
