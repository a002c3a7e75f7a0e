import { isDeepStrictEqual } from 'node:util';
import { endOf, type Exchange, exchangesOf, idOf, parsed, type ReadResponse } from './exchange.ts';
import {
  type AttemptRow,
  type CreateSent,
  type History,
  isProbe,
  namesIn,
  type Served,
  type SpendLogRow,
  spender,
  spenderNanoUsdPerToken,
  spenderTokens,
  type Step,
  tenantOf,
  type TurnRow,
} from './history.ts';
import { streamProblem } from './stream-problem.ts';

/** What a run must not have done. */
export type Law = 'C1' | 'C2' | 'C3' | 'C4' | 'C5' | 'C6' | 'C7' | 'C8' | 'C9' | 'L';

export const laws: Record<Law, string> = {
  C1: 'an end that a client has read is kept, as it was read, and can be gone on from with the whole history',
  C2: 'an id that a client has read the end of resolves at once, on every node',
  C3: 'nothing reads as completed that the upstream did not complete, and everything that began has ended',
  C4: 'each call of the upstream is on record once, with its tokens or an estimate that says so',
  C5: 'a budget is a cap on what the upstream bills, to within one request, and nothing of it stays held',
  C6: 'the response, its attempts and its spend row are found from its id, in one session with its parent; what was refused is found in the log from the id of the request, and what the log names in the store',
  C7: 'what was deleted stays gone; what was not to be stored is nowhere',
  C8: 'a stream is well-formed, and what is fetched is what was streamed',
  C9: 'no tenant reads, reaches or continues what is another tenant’s',
  L: 'what nothing disturbs is answered, and no process ends by itself',
};

export interface Violation {
  law: Law;
  /** The request that it is about; empty: none. */
  name: string;
  what: string;
}

interface Create extends Exchange {
  create: CreateSent;
}

/** A history with what the laws look things up by. */
export interface Evidence {
  history: History;
  exchanges: Map<string, Exchange>;
  creates: Create[];
  calls: Map<string, Served[]>;
  turnsOf: Map<string, TurnRow[]>;
  turns: Map<string, TurnRow>;
  attemptsOf: Map<string, AttemptRow[]>;
  spendLogsOf: Map<string, SpendLogRow[]>;
  /** Ids that somebody with the right to has asked to delete, and whether the answer was read. */
  deletes: Map<string, boolean>;
}

function group<T>(list: readonly T[], keyOf: (value: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const value of list) {
    const key = keyOf(value);
    const found = groups.get(key);
    if (found === undefined) groups.set(key, [value]);
    else found.push(value);
  }
  return groups;
}

export function evidenceOf(history: History): Evidence {
  const exchanges = exchangesOf(history.journal);
  const creates: Create[] = [];
  const deletes = new Map<string, boolean>();
  for (const exchange of exchanges.values()) {
    const { create, action, trespass, target } = exchange.sent;
    if (create !== undefined) creates.push({ ...exchange, create });
    if (action === 'delete' && !trespass && target !== undefined) deletes.set(target, exchange.status === 200);
  }
  return {
    history,
    exchanges,
    creates,
    calls: group(history.ledger, ({ name }) => name),
    turnsOf: group(history.dump.turns, ({ end_user }) => end_user?.replace('user-', '') ?? ''),
    turns: new Map(history.dump.turns.map((turn) => [turn.id, turn])),
    attemptsOf: group(
      history.dump.attempts.toSorted((a, b) => a.number - b.number),
      ({ turn_id }) => turn_id,
    ),
    spendLogsOf: group(history.dump.spendLogs, ({ request_id }) => request_id),
    deletes,
  };
}

type Report = (name: string, what: string) => void;

const isGood = (end: ReadResponse | undefined) => end?.status === 'completed' || end?.status === 'incomplete';

/** Short enough to read in a report. */
function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing');
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}

/** Where two lists part. */
function difference(expected: readonly unknown[], actual: readonly unknown[]): string {
  const at = expected.findIndex((value, index) => !isDeepStrictEqual(value, actual[index]));
  const position = at === -1 ? expected.length : at;
  return `step ${position} of ${expected.length} is ${shown(actual[position])}, not ${shown(expected[position])}`;
}

/** How long the trouble with a store goes on after what caused it: connections are found broken when they are used. */
const disturbedMs = 3000;

function isDisturbed({ disturbances }: History, { sent, sentAt, lastAt }: Exchange): boolean {
  return disturbances.some(
    ({ node, from, to }) => (node ?? sent.node) === sent.node && from < lastAt && to + disturbedMs > sentAt,
  );
}

const unavailable = 'store_unavailable';

/**
 * The client was told that the store did not take it, when the store could not be counted on; or, by a node that was stopped,
 * that its request had not come in time.
 */
function isRefusedHonestly(history: History, exchange: Exchange): boolean {
  if (!isDisturbed(history, exchange)) return false;
  const { sent, status, body, events } = exchange;
  if (status === 408) {
    return body?.includes('request_timeout') === true && history.disturbances.some(({ node }) => node === sent.node);
  }
  if (status === 503) return body?.includes(unavailable) === true;
  const [error, last] = events.slice(-2);
  return (
    last?.event === 'response.failed' &&
    error?.event === 'error' &&
    error.data.includes('The response could not be stored.')
  );
}

/** A body that is no JSON is another than any that is. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return { status: 'no JSON', text };
  }
}

function checkKept({ history, creates, exchanges, deletes }: Evidence, report: Report): void {
  // Whoever fetched a turn while it ended elsewhere has read its end too.
  for (const { sent, status, body } of exchanges.values()) {
    if (sent.action !== 'get' || status !== 200 || body === undefined || deletes.has(sent.target ?? '')) continue;
    const found = history.found.get(sent.target ?? '');
    const read = jsonOf(body) as ReadResponse;
    if (ended.has(read.status) && (found?.status !== 200 || !isDeepStrictEqual(jsonOf(found.text), read))) {
      report(sent.name, `${sent.target} was fetched as ${shown(read)} but GET says ${shown(found?.text)}`);
    }
  }
  for (const exchange of creates) {
    const { sent, create } = exchange;
    const end = endOf(exchange);
    if (isProbe(sent) && end?.status !== 'completed') {
      report(
        sent.create?.parent ?? '',
        `cannot be gone on from in the end: ${exchange.status} ${shown(exchange.body)}`,
      );
    }
    if (end === undefined || !isGood(end) || !create.store || sent.trespass || deletes.has(end.id)) continue;
    const found = history.found.get(end.id);
    if (found?.status !== 200)
      report(sent.name, `its end was read, but GET says ${found?.status} ${shown(found?.text)}`);
    else if (!isDeepStrictEqual(jsonOf(found.text), end)) {
      report(sent.name, `was read as ${shown(end)} but GET says ${shown(found.text)}`);
    }
  }
}

/** What the upstream saw for each turn: what it saw for the parent, what it answered then, and what is new; nothing else. */
function checkWhole({ creates, calls }: Evidence, report: Report): void {
  const byName = new Map(creates.map((exchange) => [exchange.sent.name, exchange]));
  const known = new Map<string, { steps: Step[]; pure: boolean }>();
  const upTo = (name: string): { steps: Step[]; pure: boolean } => {
    const found = known.get(name);
    if (found !== undefined) return found;
    const create = byName.get(name)?.create;
    const before = create?.parent === undefined ? { steps: [], pure: true } : afterwards(create.parent);
    const context = { steps: [...before.steps, ...(create?.input ?? [])], pure: before.pure };
    known.set(name, context);
    return context;
  };
  const afterwards = (name: string) => {
    const { steps, pure } = upTo(name);
    const call = calls.get(name)?.findLast(({ end }) => end === 'done');
    return { steps: [...steps, ...(call?.said ?? [])], pure: pure && call?.dialect === 'messages' };
  };
  for (const { sent } of creates) {
    if (sent.trespass) continue;
    for (const { seen, dialect } of calls.get(sent.name) ?? []) {
      const { steps, pure } = upTo(sent.name);
      // Signed thinking goes back to where it came from; a chain that went elsewhere in between may have lost it.
      const keeps = pure && dialect === 'messages';
      const counts = ([kind]: Step) => keeps || kind !== 'thinking';
      const expected = steps.filter(counts);
      const actual = seen.filter(counts);
      if (!isDeepStrictEqual(actual, expected))
        report(sent.name, `the model saw another history: ${difference(expected, actual)}`);
    }
  }
}

function checkAtOnce({ creates, exchanges, deletes }: Evidence, report: Report): void {
  for (const { sent, status, body, sentAt } of creates) {
    const parent = exchanges.get(sent.create?.parent ?? '');
    if (parent === undefined || sent.trespass || status !== 400 || deletes.has(sent.target ?? '')) continue;
    const wait = Math.round(sentAt - parent.lastAt);
    report(
      parent.sent.name,
      `its end was read on ${parent.sent.node}, and ${wait} ms later ${sent.node} said ${shown(body)}`,
    );
  }
}

const ended = new Set(['completed', 'incomplete', 'failed', 'cancelled']);

function checkTrue({ history, creates, calls, turnsOf, deletes }: Evidence, report: Report): void {
  for (const exchange of creates) {
    const { sent, create } = exchange;
    const { name } = sent;
    const isDone = calls.get(name)?.at(-1)?.end === 'done';
    if (!isDone && isGood(endOf(exchange))) report(name, 'was told to be complete, but the upstream never finished');
    for (const { status } of turnsOf.get(name) ?? []) {
      if (!ended.has(status)) report(name, `is ${status} for ever`);
      if (!isDone && (status === 'completed' || status === 'incomplete')) {
        report(name, `is stored as ${status}, but the upstream never finished`);
      }
    }
    const id = idOf(exchange);
    if (id === undefined || !create.store || sent.trespass || deletes.has(id)) continue;
    const found = history.found.get(id);
    const status = found?.status === 200 ? (jsonOf(found.text) as ReadResponse).status : String(found?.status);
    if (!ended.has(status)) report(name, `had begun for its client, but GET says ${status}`);
  }
}

function checkSpend({ creates, exchanges, calls, turnsOf, attemptsOf, history }: Evidence, report: Report): void {
  for (const { end_user: user, id } of history.dump.turns) {
    if (user !== spender && !exchanges.has(user?.replace('user-', '') ?? ''))
      report('', `turn ${id} of ${user} is nobody’s`);
  }
  for (const exchange of creates) {
    const { name, tenant } = exchange.sent;
    const turns = turnsOf.get(name) ?? [];
    if (turns.length > 1) report(name, `is stored ${turns.length} times`);
    const attempts = turns.flatMap(({ id }) => attemptsOf.get(id) ?? []);
    for (const { key_id } of turns) if (key_id !== `key_${tenant}`) report(name, `is booked on ${key_id}`);
    const served = calls.get(name) ?? [];
    for (const [index, call] of served.entries()) {
      const attempt = attempts[index];
      if (attempt === undefined) report(name, `call ${index + 1} of the upstream is not on record`);
      else {
        const problem = spendProblem(attempt, call);
        if (problem !== undefined) report(name, `attempt ${attempt.number} ${problem}`);
      }
    }
    for (const attempt of attempts.slice(served.length)) {
      // It never began, or its call did not get out of a node that was stopped.
      const spent = attempt.input_tokens + attempt.output_tokens;
      if (attempt.status === 'failed' && spent === 0 && isDisturbed(history, exchange)) continue;
      // The process died, or the client left, after the intent and before the call.
      if (attempt.status !== 'crashed' && attempt.status !== 'cancelled') {
        report(name, `attempt ${attempt.number} is ${attempt.status}, but the upstream was never called`);
      }
    }
    if (isGood(endOf(exchange)) && attempts.at(-1)?.status !== 'completed') {
      report(name, `was told to be complete, but its last attempt is ${attempts.at(-1)?.status}`);
    }
  }
}

function spendProblem(attempt: AttemptRow, call: Served): string | undefined {
  const { status, estimated, input_tokens: input, output_tokens: output, cost_nano_usd: cost } = attempt;
  const isExact = call.end === 'done' && input === call.inputTokens && output === call.outputTokens;
  const tokens = `${input} + ${output} tokens where the upstream says ${call.inputTokens} + ${call.outputTokens}`;
  switch (status) {
    case 'completed':
      if (call.end !== 'done') return 'is completed, but the upstream never finished';
      if (estimated === 1 || !isExact) return `has ${tokens}`;
      return cost !== null && cost > 0 ? undefined : 'costs nothing';
    case 'failed':
      if (call.end === 'refused') return input + output === 0 ? undefined : `was refused, but has ${tokens}`;
      return estimated === 1 || isExact ? undefined : `has ${tokens}, and no estimate`;
    case 'cancelled':
    case 'crashed':
      return estimated === 1 || isExact ? undefined : `has ${tokens}, and no estimate`;
    default:
      return `is ${status} for ever`;
  }
}

function checkBudgets({ history, turns }: Evidence, report: Report): void {
  const { budgets, attempts, held } = history.dump;
  for (const { what, budget_id: id, owner } of held) report('', `a ${what} of ${id} is left behind by ${owner}`);
  const booked = new Map<string, number>();
  for (const { turn_id: id, cost_nano_usd: cost } of attempts) {
    const budget = `key:${turns.get(id)?.key_id}`;
    booked.set(budget, (booked.get(budget) ?? 0) + (cost ?? 0));
  }
  let billed = 0;
  for (const { name, outputTokens } of history.ledger) if (name === '') billed += outputTokens * spenderNanoUsdPerToken;
  for (const { id, limit, spent } of budgets) {
    if (spent < (booked.get(id) ?? 0)) report('', `${id} says ${spent} of what has cost ${booked.get(id)}`);
    if (id !== `key:key_${spender}`) continue;
    const request = spenderTokens * spenderNanoUsdPerToken;
    if (billed > limit + request) report('', `${id} is ${limit}, and the upstream bills ${billed}`);
    if (spent < billed) report('', `${id} says ${spent}, and the upstream bills ${billed}`);
  }
}

function checkJoined({ creates, turns, attemptsOf, spendLogsOf, history }: Evidence, report: Report): void {
  for (const exchange of creates) {
    const { name, tenant } = exchange.sent;
    const id = idOf(exchange);
    if (id === undefined) continue;
    const turn = turns.get(id);
    if (turn?.tenant !== tenant) {
      report(name, turn === undefined ? `has no row for ${id}` : `is stored for ${turn.tenant}`);
      continue;
    }
    if (turn.session_id !== exchange.sessionId)
      report(name, `is in session ${turn.session_id}, not ${exchange.sessionId}`);
  }
  for (const { id, tenant, end_user, session_id, parent } of history.dump.turns) {
    const name = end_user?.replace('user-', '') ?? '';
    const attempts = attemptsOf.get(id) ?? [];
    const logs = spendLogsOf.get(id) ?? [];
    const [log] = logs;
    const input = attempts.reduce((sum, { input_tokens }) => sum + input_tokens, 0);
    const output = attempts.reduce((sum, { output_tokens }) => sum + output_tokens, 0);
    if (attempts.length === 0) report(name, `${id} has no attempt`);
    if (logs.length !== 1 || log === undefined) report(name, `${id} has ${logs.length} spend rows`);
    else if (log.session_id !== session_id || log.team_id !== tenant)
      report(name, `${id} has a spend row of another session`);
    else if (log.prompt_tokens !== input || log.completion_tokens !== output) {
      report(
        name,
        `${id} spent ${log.prompt_tokens} + ${log.completion_tokens} tokens, its attempts ${input} + ${output}`,
      );
    }
    const parentRow = turns.get(parent ?? '');
    if (parent !== null && parentRow?.session_id !== session_id)
      report(name, `${id} is in another session than its parent`);
  }
}

/** What a node logs it writes before it answers. */
function checkLogged({ exchanges, turns, history }: Evidence, report: Report): void {
  const requests = new Set(history.log.map(({ requestId }) => requestId));
  const responses = new Set(history.log.map(({ responseId }) => responseId));
  for (const exchange of exchanges.values()) {
    const { sent, status = 0, requestId } = exchange;
    if (status !== 0 && requestId === undefined) report(sent.name, 'was answered without the id of the request');
    if (status >= 500 && !requests.has(requestId)) report(sent.name, `was refused, and no log names ${requestId}`);
    const id = idOf(exchange);
    const isLost = exchange.events.some(({ data }) => data.includes('The response could not be stored.'));
    if (isLost && id !== undefined && !responses.has(id)) report(sent.name, `was not stored, and no log names ${id}`);
  }
  for (const { node, responseId, text } of history.log)
    if (responseId !== undefined && !turns.has(responseId))
      report('', `the log of ${node} names ${responseId}, of which there is no row: ${shown(text)}`);
}

function checkGone({ history, creates, exchanges }: Evidence, report: Report): void {
  for (const { sent, status } of exchanges.values()) {
    if (sent.action !== 'delete' || sent.trespass || status !== 200) continue;
    const found = history.found.get(sent.target ?? '');
    if (found?.status !== 404) report(sent.name, `${sent.target} was deleted, but GET says ${found?.status}`);
  }
  for (const exchange of creates) {
    const id = idOf(exchange);
    if (exchange.create.store || id === undefined) continue;
    const found = history.found.get(id);
    if (found?.status !== 404) report(exchange.sent.name, `was not to be stored, but GET says ${found?.status}`);
  }
  for (const text of history.leaked)
    report(namesIn(text)[0] ?? '', `was not to be stored, but ${text} is in the store's files`);
}

function checkStreams({ history, creates, deletes }: Evidence, report: Report): void {
  for (const exchange of creates) {
    const { sent, create, status, events, cutBy } = exchange;
    if (status !== 200 || !create.stream) continue;
    const problem = streamProblem(events.map(parsed), cutBy === undefined);
    if (problem !== undefined) report(sent.name, `its stream is wrong: ${problem}`);
    const end = endOf(exchange);
    if (end?.status !== 'failed' || !create.store || deletes.has(end.id)) continue;
    // Told failed and stored otherwise may come of an outcome that was never told; the reverse never.
    if (isRefusedHonestly(history, exchange)) continue;
    const found = history.found.get(end.id);
    if (found?.status !== 200 || !isDeepStrictEqual(jsonOf(found.text), end)) {
      report(sent.name, `was streamed as ${shown(end)} but GET says ${shown(found?.text)}`);
    }
  }
}

function checkWalls({ history, exchanges }: Evidence, report: Report): void {
  for (const exchange of exchanges.values()) {
    const { sent, status, body = '', events, cutBy } = exchange;
    const foreign = (text: string) => namesIn(text).filter((name) => tenantOf(name) !== sent.tenant);
    const read = foreign(body).concat(events.flatMap(({ data }) => foreign(data)));
    if (read.length > 0) report(sent.name, `${sent.tenant} read what ${read[0]} said`);
    if (!sent.trespass || cutBy !== undefined || isRefusedHonestly(history, exchange)) continue;
    const refused = sent.action === 'create' ? 400 : 404;
    if (status !== refused)
      report(sent.name, `${sent.tenant} reached another tenant's ${sent.target}: ${status} ${shown(body)}`);
  }
  for (const { name, seen } of history.ledger) {
    const foreign = namesIn(JSON.stringify(seen)).find((other) => tenantOf(other) !== tenantOf(name));
    if (foreign !== undefined) report(name, `the model was shown what ${foreign} said`);
  }
}

/** An exchange that was not cut must be answered as the upstream answered; one that was lost must have lost its node. */
function checkAlive({ history, exchanges, calls, deletes }: Evidence, report: Report): void {
  for (const fault of history.faults) report('', fault);
  for (const exchange of exchanges.values()) {
    const { sent, status, body, cutBy, sentAt, lastAt } = exchange;
    if (cutBy === 'left' || (sent.trespass && cutBy === undefined)) continue;
    if (cutBy === 'lost') {
      const killed = history.deeds.some(
        ({ at, node, what }) =>
          node === sent.node && what.startsWith('ended') && at > sentAt - graceMs && at < lastAt + graceMs,
      );
      if (!killed) report(sent.name, `lost its connection to ${sent.node}, which went on`);
      continue;
    }
    if (isRefusedHonestly(history, exchange)) {
      if (status === 408 && calls.has(sent.name))
        report(sent.name, 'was told to have come late, but the upstream was called');
      continue;
    }
    const said = `${status} ${shown(body ?? exchange.events.at(-1)?.data)}`;
    if (sent.action !== 'create') {
      if (status !== 200) report(sent.name, `was answered ${said}`);
      continue;
    }
    if (status === 400 && deletes.has(sent.target ?? '')) continue;
    const end = endOf(exchange);
    const last = calls.get(sent.name)?.at(-1)?.end;
    if (last === 'done' && end?.status !== 'completed')
      report(sent.name, `the upstream finished, but the answer was ${said}`);
    if (last === undefined || last === 'left')
      report(sent.name, `the upstream was not heard out, and the answer was ${said}`);
    if (last !== 'done' && status !== undefined && status < 500 && end?.status !== 'failed') {
      report(sent.name, `the upstream broke off, and the answer was ${said}`);
    }
  }
}

/** How far apart the rig may see a process end and its connections break. */
const graceMs = 2000;

const checks: Record<Law, readonly ((evidence: Evidence, report: Report) => void)[]> = {
  C1: [checkKept, checkWhole],
  C2: [checkAtOnce],
  C3: [checkTrue],
  C4: [checkSpend],
  C5: [checkBudgets],
  C6: [checkJoined, checkLogged],
  C7: [checkGone],
  C8: [checkStreams],
  C9: [checkWalls],
  L: [checkAlive],
};

/** Every breach of every law: a pure function of what was written down. */
export function check(history: History): Violation[] {
  const evidence = evidenceOf(history);
  const violations: Violation[] = [];
  for (const law of Object.keys(checks) as Law[]) {
    for (const run of checks[law]) run(evidence, (name, what) => violations.push({ law, name, what }));
  }
  return violations;
}
