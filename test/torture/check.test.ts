import { describe, expect, test } from 'vitest';
import { check, type Law } from './check.ts';
import { spender, spenderNanoUsdPerToken, spenderTokens } from './history.ts';
import type { BudgetRow, CreateSent, Dump, Found, History, JournalEvent, Served, Sent, Step } from './history.ts';
import { engineNames } from './engine.ts';
import { createSchedule, crashPoints } from './schedule.ts';
import { timelineOf } from './report.ts';
import { streamProblem } from './stream-problem.ts';

const firstName = 'alpha-00-000001';
const secondName = 'alpha-00-000002';

function responseOf(id: string, status = 'completed') {
  return { id, status, output: [] as { type: string }[] };
}

/** Two turns of one chain, the second streamed, and all that was written down of them. */
function goodHistory(): History {
  const history: History = {
    seed: '1',
    engine: 'sqlite',
    nodes: ['a'],
    schedule: [],
    deeds: [],
    disturbances: [],
    journal: [],
    ledger: [],
    found: new Map(),
    dump: { turns: [], attempts: [], spendLogs: [], budgets: [], held: [] },
    log: [],
    leaked: [],
    faults: [],
  };
  const first: Step[] = [['user', `kn-${firstName}`]];
  const answer: Step[] = [['assistant', `Re kn-${firstName}`]];
  addTurn(history, firstName, 'resp_1', undefined, first, first);
  addTurn(history, secondName, 'resp_2', firstName, [['user', 'go on']], [...first, ...answer, ['user', 'go on']]);
  return history;
}

function addTurn(
  history: History,
  name: string,
  id: string,
  parent: string | undefined,
  input: Step[],
  seen: Step[],
): void {
  const stream = parent !== undefined;
  const create: CreateSent = { model: 'claude', stream, store: true, parent, input };
  const target = parent === undefined ? undefined : 'resp_1';
  const sent: Sent = {
    name,
    client: 'alpha-00',
    tenant: 'alpha',
    node: 'a',
    action: 'create',
    target,
    trespass: false,
    create,
  };
  const add = (event: JournalEvent) => history.journal.push({ at: history.journal.length, name, ...event });
  const response = responseOf(id);
  add({ kind: 'sent', sent });
  add({ kind: 'status', status: 200, sessionId: 'sess_1', requestId: 'req_1' });
  if (stream) {
    for (const [number, [event, status]] of [
      ['response.created', 'in_progress'],
      ['response.in_progress', 'in_progress'],
      ['response.completed', 'completed'],
    ].entries()) {
      const data = { type: event, sequence_number: number, response: responseOf(id, status) };
      add({ kind: 'event', event: { event: event ?? '', data: JSON.stringify(data) } });
    }
  } else add({ kind: 'body', text: JSON.stringify(response) });
  history.ledger.push({
    at: history.journal.length - 1.5,
    name,
    dialect: 'messages',
    stream,
    seen,
    said: [['assistant', `Re kn-${name}`]],
    inputTokens: 10,
    outputTokens: 5,
    end: 'done',
    endedAt: history.journal.length,
  });
  history.found.set(id, { status: 200, text: JSON.stringify(response) });
  const { turns, attempts, spendLogs } = history.dump;
  turns.push({
    tenant: 'alpha',
    id,
    parent: target ?? null,
    session_id: 'sess_1',
    status: 'completed',
    stored: 1,
    key_id: 'key_alpha',
    end_user: `user-${name}`,
  });
  attempts.push({
    tenant: 'alpha',
    id: `att_${id}`,
    turn_id: id,
    number: 1,
    status: 'completed',
    input_tokens: 10,
    output_tokens: 5,
    estimated: 0,
    cost_nano_usd: 1,
    error_code: null,
  });
  spendLogs.push({
    request_id: id,
    session_id: 'sess_1',
    team_id: 'alpha',
    prompt_tokens: 10,
    completion_tokens: 5,
  });
}

function first<T>(list: T[]): T {
  const [value] = list;
  if (value === undefined) throw new Error('the list is empty');
  return value;
}

/** The journal of another request, of `tenant`, for the first turn's id. */
function addReach(history: History, action: 'get' | 'delete', tenant: 'alpha' | 'beta', status: number, text: string) {
  const name = `${tenant}-01-000001`;
  const trespass = tenant === 'beta';
  const sent: Sent = { name, client: `${tenant}-01`, tenant, node: 'a', action, target: 'resp_1', trespass };
  const events: JournalEvent[] = [
    { kind: 'sent', sent },
    { kind: 'status', status, sessionId: null, requestId: 'req_1' },
    { kind: 'body', text },
  ];
  for (const event of events) history.journal.push({ at: history.journal.length, name, ...event });
}

/** Replaces what the journal says of the answer to the second turn. */
function answerSecond(history: History, events: JournalEvent[]): void {
  const kept = history.journal.filter(({ name, kind }) => name !== secondName || kind === 'sent');
  const at = history.journal.length;
  history.journal = [...kept, ...events.map((event) => ({ at, name: secondName, ...event }))];
}

const refusal: JournalEvent[] = [
  { kind: 'status', status: 400, sessionId: null, requestId: 'req_1' },
  { kind: 'body', text: '{"error":{"code":"previous_response_not_found"}}' },
];

const unavailable: JournalEvent[] = [
  { kind: 'status', status: 503, sessionId: null, requestId: 'req_1' },
  { kind: 'body', text: '{"error":{"code":"store_unavailable"}}' },
];

/** As a node does it: its log has it first. */
function refuseSecond(history: History): void {
  history.log.push({ node: 'a', text: '', requestId: 'req_1' });
  answerSecond(history, unavailable);
}

const notFound: Found = { status: 404, text: '{}' };
const failed: Found = { status: 200, text: JSON.stringify(responseOf('resp_1', 'failed')) };

/** So many of the spender's calls, as dear as may be, under a limit of one. */
function spend({ budgets }: Dump, ledger: Served[], calls: number): BudgetRow {
  const limit = spenderTokens * spenderNanoUsdPerToken;
  for (let call = 0; call < calls; call++)
    ledger.push({ ...first(ledger), name: '', seen: [], said: [], outputTokens: spenderTokens });
  const budget = { id: `key:key_${spender}`, limit, spent: calls * limit };
  budgets.push(budget);
  return budget;
}

/** What is done to a good history, and the laws that are broken by it. */
const breaches: [string, (history: History) => void, Law[]][] = [
  ['an acknowledged response is gone', ({ found }) => found.set('resp_1', notFound), ['C1', 'C3']],
  ['an acknowledged response is no JSON', ({ found }) => found.set('resp_1', { status: 200, text: '{' }), ['C1', 'C3']],
  ['an acknowledged response has become another', ({ found }) => found.set('resp_1', failed), ['C1']],
  ['the model saw less than the whole history', ({ ledger }) => ledger[1]?.seen.splice(0, 1), ['C1']],
  ['the model saw more than the history', ({ ledger }) => ledger[1]?.seen.push(['user', '']), ['C1']],
  ['a new id does not resolve', (history) => answerSecond(history, refusal), ['C2', 'L']],
  [
    'an end that was fetched is another afterwards',
    (history) => addReach(history, 'get', 'alpha', 200, failed.text),
    ['C1'],
  ],
  ['the store is said to be away while nothing is wrong with it', refuseSecond, ['L']],
  ['what is refused is not in the log', (history) => answerSecond(history, unavailable), ['C6', 'L']],
  [
    'an answer has no id to look for',
    ({ journal }) => {
      for (const entry of journal) if (entry.kind === 'status') entry.requestId = null;
    },
    ['C6'],
  ],
  [
    'a log names a response that is not there',
    ({ log }) => log.push({ node: 'a', text: '', responseId: 'resp_3' }),
    ['C6'],
  ],
  ['an upstream bills more than a budget, and one request', ({ dump, ledger }) => spend(dump, ledger, 3), ['C5']],
  ['a budget says less than the upstream', ({ dump, ledger }) => (spend(dump, ledger, 1).spent -= 1), ['C5']],
  [
    'a budget says less than its attempts',
    ({ dump }) => dump.budgets.push({ id: 'key:key_alpha', limit: 9, spent: 1 }),
    ['C5'],
  ],
  ['a reservation is left', ({ dump }) => dump.held.push({ what: 'reservation', budget_id: 'b', owner: 'o' }), ['C5']],
  ['a turn never ends', ({ dump }) => (first(dump.turns).status = 'in_progress'), ['C3']],
  ['a cut reply reads as complete', ({ ledger }) => (first(ledger).end = 'cut'), ['C1', 'C3', 'C4', 'L']],
  ['a call is not on record', ({ dump }) => dump.attempts.splice(0, 1), ['C4', 'C6']],
  ['a call has other tokens', ({ dump }) => (first(dump.attempts).output_tokens = 6), ['C4', 'C6']],
  ['a completed call is an estimate', ({ dump }) => (first(dump.attempts).estimated = 1), ['C4']],
  ['a call costs nothing', ({ dump }) => (first(dump.attempts).cost_nano_usd = 0), ['C4']],
  ['an attempt never ends', ({ dump }) => (first(dump.attempts).status = 'started'), ['C4']],
  ['a row has no call', ({ dump }) => dump.attempts.push({ ...first(dump.attempts), number: 2 }), ['C4', 'C6']],
  ['a turn is stored twice', ({ dump }) => dump.turns.push({ ...first(dump.turns) }), ['C4']],
  ['a turn is nobody’s', ({ dump }) => (first(dump.turns).end_user = null), ['C4']],
  ['a turn is booked on another key', ({ dump }) => (first(dump.turns).key_id = 'key_beta'), ['C4']],
  ['a turn has no spend row', ({ dump }) => dump.spendLogs.splice(0, 1), ['C6']],
  ['a child is in another session', ({ dump }) => (first(dump.turns).session_id = 'sess_2'), ['C6']],
  ['a deleted response is found', (history) => addReach(history, 'delete', 'alpha', 200, '{}'), ['C7']],
  [
    'a response that was not to be stored is found',
    ({ journal }) => {
      const entry = first(journal);
      if (entry.kind === 'sent' && entry.sent.create !== undefined) entry.sent.create.store = false;
    },
    ['C7'],
  ],
  ['text that was not to be stored is in a file', ({ leaked }) => leaked.push(`kn-${firstName}`), ['C7']],
  [
    'a stream ends without a terminal event',
    (history) => answerSecond(history, [{ kind: 'status', status: 200, sessionId: 'sess_1', requestId: 'req_1' }]),
    ['C8', 'L'],
  ],
  ['a tenant fetches what is another’s', (history) => addReach(history, 'get', 'beta', 200, '{}'), ['C9']],
  ['a tenant reads what another said', (history) => addReach(history, 'get', 'beta', 404, `kn-${firstName}`), ['C9']],
  ['the model is shown what another tenant said', ({ ledger }) => ledger.push(foreignCall(ledger)), ['C9']],
  ['a connection breaks and its node goes on', (history) => answerSecond(history, [{ kind: 'lost', why: '' }]), ['L']],
  ['a node ends by itself', ({ faults }) => faults.push('node a ended by itself'), ['L']],
];

function foreignCall(ledger: Served[]): Served {
  return { ...first(ledger), name: 'beta-00-000001' };
}

describe('the checker', () => {
  test('finds nothing where nothing is wrong', () => {
    expect(check(goodHistory())).toEqual([]);
  });

  test.each(breaches)('finds that %s', (_what, breach, laws) => {
    const history = goodHistory();
    breach(history);
    expect([...new Set(check(history).map(({ law }) => law))]).toEqual(laws);
  });

  test('lets a budget be passed by one request', () => {
    const history = goodHistory();
    spend(history.dump, history.ledger, 2);
    expect(check(history)).toEqual([]);
  });

  test('takes a turn that was cut for what it is: failed, with an estimate', () => {
    const history = goodHistory();
    answerSecond(history, [{ kind: 'lost', why: 'terminated' }]);
    history.deeds.push({ at: history.journal.length, node: 'a', what: 'ended by SIGKILL' });
    const dump: Dump = history.dump;
    for (const turn of dump.turns) if (turn.id === 'resp_2') turn.status = 'failed';
    for (const attempt of dump.attempts) {
      if (attempt.turn_id === 'resp_2') Object.assign(attempt, { status: 'crashed', estimated: 1 });
    }
    for (const call of history.ledger) if (call.name === secondName) call.end = 'left';
    expect(check(history)).toEqual([]);
  });

  test.each([undefined, 'a'])('lets a node say that the store is away when it was (node %s)', (node) => {
    const history = goodHistory();
    refuseSecond(history);
    const answered = history.journal.length;
    for (const attempt of history.dump.attempts) if (attempt.turn_id === 'resp_2') attempt.status = 'completed';
    history.disturbances.push({ node, from: 0, to: answered });
    expect(check(history)).toEqual([]);
    for (const disturbance of history.disturbances) disturbance.node = 'b';
    expect(check(history).map(({ law }) => law)).toEqual(['L']);
  });

  test('lets a node that was stopped say that a request came late, if it did nothing of it', () => {
    const late: JournalEvent[] = [
      { kind: 'status', status: 408, sessionId: null, requestId: 'req_1' },
      { kind: 'body', text: '{"error":{"code":"request_timeout"}}' },
    ];
    const stopped = (node: string | undefined, called: boolean) => {
      const history = goodHistory();
      answerSecond(history, late);
      history.disturbances.push({ node, from: 0, to: history.journal.length });
      if (!called) {
        history.ledger = history.ledger.filter(({ name }) => name !== secondName);
        history.dump.turns = history.dump.turns.filter(({ id }) => id !== 'resp_2');
        history.dump.attempts = history.dump.attempts.filter(({ turn_id }) => turn_id !== 'resp_2');
        history.dump.spendLogs = history.dump.spendLogs.filter(({ request_id }) => request_id !== 'resp_2');
      }
      return [...new Set(check(history).map(({ law }) => law))];
    };
    expect(stopped('a', false)).toEqual([]);
    expect(stopped(undefined, false)).toEqual(['L']);
    expect(stopped('b', false)).toEqual(['L']);
    expect(stopped('a', true)).toEqual(['L']);
  });

  test('tells the story of a request in the order of time', () => {
    const lines = timelineOf(goodHistory(), firstName).map((line) => line.trim().split(' ').slice(1, 3).join(' '));
    expect(lines.slice(0, 4)).toEqual(
      Array.from({ length: 3 }, () => `client ${firstName}:`).toSpliced(2, 0, 'upstream: called'),
    );
  });
});

describe('a stream', () => {
  const event = (type: string, sequence_number: number, more: object = {}) => ({
    event: type,
    data: { type, sequence_number, ...more },
  });
  const response = { id: 'resp_1', output: [{ id: 'msg_1' }] };
  const whole = () => [
    event('response.created', 0, { response }),
    event('response.in_progress', 1, { response }),
    event('response.output_item.added', 2, { output_index: 0, item: { id: 'msg_1' } }),
    event('response.output_text.delta', 3, { output_index: 0, item_id: 'msg_1', content_index: 0, delta: 'He' }),
    event('response.output_text.delta', 4, { output_index: 0, item_id: 'msg_1', content_index: 0, delta: 'y' }),
    event('response.output_text.done', 5, { output_index: 0, item_id: 'msg_1', content_index: 0, text: 'Hey' }),
    event('response.output_item.done', 6, { output_index: 0, item: { id: 'msg_1' } }),
    event('response.completed', 7, { response }),
  ];

  test('that is whole is good, and so is any beginning of one that broke', () => {
    expect(streamProblem(whole(), true)).toBeUndefined();
    for (let length = 0; length < 8; length += 1) {
      expect(streamProblem(whole().slice(0, length), false)).toBeUndefined();
      expect(streamProblem(whole().slice(0, length), true)).toBeDefined();
    }
  });

  test.each(whole().map(({ event: name }, index) => [index, name] as const))(
    'is bad where event %i, %s, is missing or doubled',
    (index) => {
      const renumbered = (events: ReturnType<typeof whole>) =>
        events.map(({ event: name, data }, at) => ({ event: name, data: { ...data, sequence_number: at } }));
      const events = whole();
      const [one] = events.slice(index);
      expect(streamProblem(renumbered(events.toSpliced(index, 1)), true)).toBeDefined();
      expect(streamProblem(events.toSpliced(index, 1), true)).toBeDefined();
      if (one !== undefined) expect(streamProblem(renumbered(events.toSpliced(index, 0, one)), true)).toBeDefined();
    },
  );
});

describe('the schedule', () => {
  test('follows from the seed alone', () => {
    expect(createSchedule('7', 40, ['a', 'b'], 'postgres')).toEqual(createSchedule('7', 40, ['a', 'b'], 'postgres'));
    expect(createSchedule('7', 40, ['a'], 'sqlite')).not.toEqual(createSchedule('8', 40, ['a'], 'sqlite'));
  });

  test.each(engineNames)(
    'aims at every crash point of %s in 20 rounds, and kills otherwise in the others',
    (engine) => {
      const rounds = createSchedule('7', 20, ['a'], engine).map(({ death }) => death);
      const aims = rounds.flatMap((death) => (death.by === 'point' ? [death.point] : []));
      expect(aims).toHaveLength(10);
      expect([...new Set(aims)].toSorted()).toEqual(crashPoints.toSorted());
    },
  );
});
