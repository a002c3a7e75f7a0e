import { hash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { GatewayError } from '../../src/core/errors.ts';
import { responseText } from '../../src/protocols/responses/response.ts';
import { keepAliveComment } from '../../src/sse/write.ts';
import type { StoredResponse } from '../../src/store/store.ts';
import type { TurnLimits } from '../../src/turn/turn.ts';
import { checkClientStream } from './check-client-stream.ts';
import type { Told } from './model-client.ts';
import { type AttemptRow, gaveKeyUp, type ModelDatabase, type TurnRow } from './model-database.ts';
import type { UpstreamCallRecord } from './model-upstream.ts';
import type { TurnRecord } from './turn-record.ts';
import type { World } from './world.ts';

/**
 * Watches a run from outside and holds the gateway to its promises: what a client was told is in the database before it is
 * told, what an upstream was asked is the conversation, what was called is accounted for, and nothing is left behind.
 */
export interface Judge {
  readonly offences: string[];
  readonly counts: Record<string, number>;
  accuse(offence: string): void;
  count(what: string, times?: number): void;
  canContinue(parent: TurnRecord | undefined, tenant: string): boolean;
  started(turn: TurnRecord): void;
  called(call: UpstreamCallRecord): void;
  touched(call: UpstreamCallRecord): void;
  told(turn: TurnRecord, told: Told): void;
  heard(turn: TurnRecord): void;
  settled(turn: TurnRecord): void;
  readBack(turn: TurnRecord, found: StoredResponse | undefined): void;
  /** When everything has happened. */
  atRest(turns: readonly TurnRecord[]): void;
}

interface ToldResponse {
  id: string;
  error: { message: string } | null;
  usage: { input_tokens: number } | null;
  output: object[];
}

type Message = { role: string; content: Record<string, unknown>[] };

const notStored = 'The response could not be stored.';

/** Comments, then one event. */
const endOfError = /^(?:: [^\n]+\n\n)+event: error\ndata: [^\n]+\n\ndata: \[DONE\]\n\n$/;

const codeOfStatus: Record<number, string> = {
  400: 'upstream_rejected',
  401: 'upstream_auth',
  429: 'upstream_rate_limited',
  500: 'upstream_error',
  529: 'upstream_overloaded',
};

export function createJudge(world: World, database: ModelDatabase, limits: TurnLimits): Judge {
  const offences: string[] = [];
  const counts: Record<string, number> = {};
  const byTag = new Map<string, TurnRecord>();

  const accuse = (offence: string) => {
    world.trace(() => `OFFENCE ${offence}`);
    offences.push(offence);
  };
  const count = (what: string, times = 1) => {
    counts[what] = (counts[what] ?? 0) + times;
  };
  const rowOf = ({ tag }: TurnRecord): TurnRow | undefined => {
    for (const row of database.turns.values()) if (row.intent.endUser === tag) return row;
    return undefined;
  };
  const hasEndedWell = (row: TurnRow | undefined) => row?.status === 'completed' || row?.status === 'incomplete';

  function canContinue(parent: TurnRecord | undefined, tenant: string): boolean {
    if (parent === undefined) return true;
    const row = rowOf(parent);
    return row?.tenant === tenant && row.intent.store && !row.deleted && hasEndedWell(row);
  }

  /** What the model is to see: what was said from the first ancestor on, as each side said it. */
  function conversationOf(turn: TurnRecord, model: string): Message[] {
    const messages: Message[] = [];
    const say = (role: string, content: Record<string, unknown>[]) => {
      const last = messages.at(-1);
      if (content.length === 0) return;
      if (last?.role === role) last.content.push(...content);
      else messages.push({ role, content: [...content] });
    };
    const path: TurnRecord[] = [];
    for (let at: TurnRecord | undefined = turn; at !== undefined; at = at.parent) path.unshift(at);
    for (const each of path) {
      say('user', each.said);
      const call = each.calls.at(-1);
      if (each !== turn && call !== undefined) say('assistant', replayOf(call, model));
    }
    return messages;
  }

  function checkCall(turn: TurnRecord, call: UpstreamCallRecord): void {
    const { tag, sink, calls, parent, tenant } = turn;
    const row = rowOf(turn);
    const attempt = row?.attempts.at(-1);
    if (sink.shown) accuse(`${tag}: another attempt was made after an item had been shown`);
    if (sink.closed) accuse(`${tag}: an upstream was called for a client that had gone`);
    if (calls.slice(0, -1).some(({ whole, state }) => whole || state === 'open')) {
      accuse(`${tag}: another attempt was made though the one before had not failed`);
    }
    if (row === undefined || attempt === undefined) {
      accuse(`${tag}: an upstream was called before the intent was stored`);
      return;
    }
    if (row.attempts.length !== calls.length || attempt.start.requestHash !== hash('sha256', call.request.body)) {
      accuse(`${tag}: call ${calls.length} has no attempt of its own`);
    }
    if (row.status !== 'in_progress' && row.epoch === 0) accuse(`${tag}: an upstream was called after the end`);
    if (turn.key !== undefined && !gaveKeyUp(row) && !othersOf(turn).every(gaveKeyUp))
      accuse(`${tag}: an upstream was called twice under one key`);
    if (parent === undefined) return;
    const above = rowOf(parent);
    if (above?.tenant !== tenant || !above.intent.store || !hasEndedWell(above)) {
      accuse(`${tag}: went on from ${parent.tag}, which can't be continued`);
    }
    if (row.intent.sessionId !== above?.intent.sessionId) accuse(`${tag}: left the session of ${parent.tag}`);
  }

  function called(call: UpstreamCallRecord): void {
    const turn = byTag.get(call.tag);
    if (turn === undefined) {
      accuse(`a call of nobody: ${call.tag}`);
      return;
    }
    turn.calls.push(call);
    if (turn.calls.length > 1) count('retry');
    checkCall(turn, call);
    const expected = conversationOf(turn, call.body.model);
    if (expected.length > 1) count('continued');
    if (!isDeepStrictEqual(call.body.messages, expected)) {
      accuse(
        `${call.tag}: the model did not see the conversation:\n${JSON.stringify(call.body.messages)}\n${JSON.stringify(expected)}`,
      );
    }
  }

  const textOf = ({ head, intent, output }: TurnRow) =>
    responseText(
      head,
      intent.envelope,
      output.map(({ body }) => body),
    );

  /** Turns that were begun under the key of this one, itself left out. */
  const othersOf = (turn: TurnRecord): TurnRow[] =>
    Array.from(database.turns.values()).filter(
      ({ tenant, intent }) =>
        tenant === turn.tenant && intent.idempotency?.keyHash === turn.key && intent.endUser !== turn.tag,
    );

  /** Answered with the response of the turn that holds its key. */
  function toldAgain(turn: TurnRecord, { status, text }: Told): void {
    const { tag, key, request, calls } = turn;
    count('told again');
    const { id, error } = JSON.parse(text) as ToldResponse;
    const row = othersOf(turn).find(({ intent }) => intent.id === id);
    if (key === undefined || row === undefined) {
      accuse(`${tag}: was given the response of nobody with its key`);
      return;
    }
    if (row.intent.idempotency?.bodyHash !== request) accuse(`${tag}: was given the response to another request`);
    if (calls.length > 0 || rowOf(turn) !== undefined) accuse(`${tag}: was answered by another turn, and ran itself`);
    const isLost = status === 'failed' && error?.message === notStored;
    if (!isLost && !row.deleted && turn.stored && textOf(row) !== text)
      accuse(`${tag}: was given something else than what is stored`);
  }

  /** @returns whether the error is one that only comes where another turn holds the key. */
  function rejectedByHolder(turn: TurnRecord, error: GatewayError): boolean {
    const { tag, key, request, calls } = turn;
    if (key === undefined || calls.length > 0 || rowOf(turn) !== undefined) return false;
    const others = othersOf(turn);
    const isOther = ({ intent }: TurnRow) => intent.idempotency?.bodyHash !== request;
    if (others.length === 0) return false;
    if (error.code === 'idempotency_key_mismatch') {
      if (!others.some(isOther)) accuse(`${tag}: its key was said to be another request's`);
      return true;
    }
    if (others.every(isOther)) return false;
    if (error.code === 'store_unavailable') {
      // The end of the other one could not be stored.
      const holders = others.flatMap(({ intent, epoch }) => ({ epoch, record: byTag.get(intent.endUser ?? '') }));
      return holders.some(({ epoch, record }) => epoch > 0 || (record?.storeFaults ?? 0) > 0);
    }
    if (error.code === 'idempotency_result_not_kept' && turn.stored && !others.some(({ deleted }) => deleted))
      accuse(`${tag}: an answer that is kept was said not to be`);
    if (error.code === 'idempotency_result_not_kept') return true;
    if (error.code === 'previous_response_not_found') return false;
    // What a swept turn has come to is no answer: its key is free. Nor may it be waited for without an end.
    const endedSo = others.some(
      ({ epoch, attempts }) => epoch === 0 && attempts.some(({ end }) => end?.error?.code === error.code),
    );
    // An end that could not be stored is one of a failure in the end, whatever its attempts came to.
    const endedUnstored =
      error.code === 'internal_error' &&
      others.some(({ epoch, status, intent }) => {
        return epoch === 0 && status === 'failed' && (byTag.get(intent.endUser ?? '')?.storeFaults ?? 0) > 0;
      });
    if (!endedSo && !endedUnstored && !error.message.includes('has not ended in time'))
      accuse(`${tag}: was told ${error.code}, with which no turn under its key has ended`);
    return true;
  }

  function told(turn: TurnRecord, { status, text }: Told): void {
    const { tag, sink, calls } = turn;
    if (isReplay(turn)) {
      toldAgain(turn, { status, text });
      return;
    }
    const row = rowOf(turn);
    const response = JSON.parse(text) as ToldResponse;
    count(`told ${status}`);
    if (sink.stream.startsWith(keepAliveComment)) count('run again in a stream that had begun');
    if (row?.intent.id !== response.id || sink.id !== response.id) accuse(`${tag}: told of another response`);
    if (sink.headers?.['x-turnpike-session-id'] !== row?.intent.sessionId) accuse(`${tag}: told another session`);
    if (sink.headers?.['content-type']?.startsWith('text/event-stream') === true) {
      for (const offence of checkClientStream(sink.stream)) accuse(`${tag}: ${offence}`);
    }
    if (row === undefined) return;
    if (status === 'failed' && response.error?.message === notStored) {
      count(row.epoch > 0 ? 'fenced' : 'lost');
      expectStoreFault(turn, row);
      return;
    }
    if (row.status !== status) accuse(`${tag}: told ${status} while the database says ${row.status}`);
    const stored = textOf(row);
    if (turn.stored && !row.deleted && stored !== text) accuse(`${tag}: told something else than what is stored`);
    if (!turn.stored && (row.head !== '' || row.output.length > 0 || row.intent.input.length > 0)) {
      accuse(`${tag}: kept content that was not to be stored`);
    }
    const call = calls.at(-1);
    if (status === 'failed') {
      if (call?.whole === true) accuse(`${tag}: a whole reply was told as failed`);
    } else if (call?.whole !== true) {
      accuse(`${tag}: told ${status} though the reply never was complete`);
    } else {
      const isCut = call.stopReason === 'max_tokens' || call.stopReason === 'refusal';
      if (status !== (isCut ? 'incomplete' : 'completed')) accuse(`${tag}: ${call.stopReason} was told as ${status}`);
      if (response.usage?.input_tokens !== call.inputTokens + 5)
        accuse(`${tag}: told another usage than the provider's`);
      const seen = wordsOf(response.output);
      if (seen !== wordsOf(call.blocks)) accuse(`${tag}: told other words than the upstream's: ${seen}`);
    }
  }

  function expectStoreFault(turn: TurnRecord, row: TurnRow | undefined): void {
    if (row !== undefined && row.epoch > 0) return;
    if (turn.storeFaults === 0) accuse(`${turn.tag}: the store was blamed for nothing`);
    if (turn.commitAtMs !== undefined && world.nowMs() - turn.commitAtMs < limits.commitMs) {
      accuse(`${turn.tag}: the commit was given up early`);
    }
  }

  function rejected(turn: TurnRecord, error: unknown): void {
    const { tag, sink, parent, calls } = turn;
    const row = rowOf(turn);
    if (sink.headers !== undefined && !sink.gone && !sink.ended) accuse(`${tag}: an error cut the stream`);
    if (!(error instanceof GatewayError)) {
      accuse(`${tag}: rejected with ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      return;
    }
    count(`rejected ${error.code}`);
    if (rejectedByHolder(turn, error)) return;
    const call = calls.at(-1);
    switch (error.code) {
      case 'store_unavailable':
        expectStoreFault(turn, row);
        return;
      case 'previous_response_not_found':
        if (turn.couldContinue && parent?.deletion === 'none') accuse(`${tag}: ${parent.tag} was not found`);
        return;
      case 'tool_output_missing':
        if (parent === undefined || turn.knewOutput) accuse(`${tag}: the outputs were there`);
        return;
      default:
    }
    if (call === undefined || call.whole) accuse(`${tag}: rejected with ${error.code}, though nothing had failed`);
    const isOfStatus = call?.fate === 'refused' && call.state === 'ended';
    if (isOfStatus && error.code !== codeOfStatus[call.status]) accuse(`${tag}: ${call.status} became ${error.code}`);
    const code = call?.fate === 'unsendable' ? 'internal_error' : 'upstream_';
    if (!error.code.startsWith(code)) accuse(`${tag}: an upstream's failure became ${error.code}`);
    const paid = row?.attempts.some(({ usage }) => usage.inputTokens + usage.outputTokens > 0) === true;
    if (row?.epoch === 0 && error.spent !== paid)
      accuse(`${tag}: ${error.code} ${paid ? 'hides' : 'claims'} that it cost something`);
    if (row?.status !== 'failed') accuse(`${tag}: told an error while the database says ${row?.status}`);
  }

  /** A stream that had its headers while it waited for another turn, and has come to no response. */
  function toldInStream(turn: TurnRecord, error: GatewayError): void {
    const { tag, sink } = turn;
    count('told an error in a stream');
    if (!sink.ended || !endOfError.test(sink.stream))
      accuse(`${tag}: a stream of an error has other events, or no end`);
    rejected(turn, error);
  }

  function settled(turn: TurnRecord): void {
    const { tag, sink, error, toldError, calls } = turn;
    if (error !== undefined) rejected(turn, error);
    else if (sink.gone) count('left');
    else if (toldError !== undefined) toldInStream(turn, toldError);
    else if (!sink.ended || sink.told === undefined) accuse(`${tag}: settled without an end`);
    if (sink.silenceMs > 2 * limits.keepAliveMs) accuse(`${tag}: said nothing for ${sink.silenceMs} ms`);
    for (const call of calls) {
      if (call.state === 'open' && !call.whole) accuse(`${tag}: settled while an upstream was being heard`);
      if (call.state === 'open' && call.paused) accuse(`${tag}: an upstream was left paused`);
    }
  }

  function checkAttempt(
    turn: TurnRecord,
    row: TurnRow,
    attempt: AttemptRow,
    call: UpstreamCallRecord | undefined,
  ): void {
    const { tag } = turn;
    const { status, usage, start } = attempt;
    const name = `${tag}: attempt ${start.number} (${status})`;
    const isCrashed = status === 'crashed';
    if (isCrashed) {
      if (row.epoch === 0) accuse(`${name}: nobody swept it`);
      if (turn.state === 'settled' && turn.node.alive) accuse(`${name}: its node lived, and never said what it cost`);
      if (!usage.estimated || usage.inputTokens !== start.estimatedInputTokens) accuse(`${name}: is not estimated`);
      return;
    }
    if (status === 'started') {
      // Its beginning was never confirmed, and its node died before it could say so.
      if (turn.node.alive || call !== undefined) accuse(`${name}: never ended`);
      return;
    }
    if (call === undefined) {
      if (usage.inputTokens + usage.outputTokens > 0) accuse(`${name}: is billed, though nothing was sent`);
      return;
    }
    if ((status === 'completed') !== call.whole) accuse(`${name}: the reply was ${call.whole ? 'whole' : 'not whole'}`);
    if (call.whole) {
      const isExact = usage.inputTokens === call.inputTokens + 5 && usage.outputTokens === call.outputTokens;
      if (!isExact || usage.estimated) accuse(`${name}: not the provider's figures: ${JSON.stringify(usage)}`);
    } else if (call.begun) {
      count('billed cut stream');
      if (usage.inputTokens !== call.inputTokens + 5) accuse(`${name}: the usage of a cut stream is lost`);
      if (!usage.estimated) accuse(`${name}: an estimate passes for the provider's figures`);
    } else if (status === 'failed' && isUnbilled(call)) {
      if (usage.inputTokens + usage.outputTokens > 0) accuse(`${name}: a refused request is billed`);
    } else if (status === 'cancelled' || call.fate === 'broken' || call.fate === 'timeout' || call.fate === 'stalled') {
      if (usage.inputTokens !== start.estimatedInputTokens)
        accuse(`${name}: a request that may have run is not estimated`);
    }
  }

  function checkRow(turn: TurnRecord, row: TurnRow): void {
    const { tag, calls, sink } = turn;
    const name = `${tag} at rest`;
    if (row.status === 'in_progress') accuse(`${name}: never ended`);
    if (calls.length > row.attempts.length) accuse(`${name}: ${calls.length} calls, ${row.attempts.length} attempts`);
    row.attempts.forEach((attempt, index) => checkAttempt(turn, row, attempt, calls[index]));
    const status = sink.told?.status;
    if (status === 'completed' || status === 'incomplete') {
      if (row.status !== status) accuse(`${name}: was told ${status}, is ${row.status}`);
      if (turn.stored && row.deleted !== (turn.deletion === 'done') && turn.deletion === 'none') {
        accuse(`${name}: is gone, though nobody deleted it`);
      }
    }
    if (turn.state === 'settled' && row.epoch === 0 && sink.gone && row.status === 'completed')
      count('left, completed');
    if (row.status === 'cancelled') {
      count('cancelled');
      if (!sink.gone) accuse(`${name}: is cancelled, though its client stayed`);
    }
  }

  return {
    offences,
    counts,
    accuse,
    count,
    canContinue,
    started: (turn) => byTag.set(turn.tag, turn),
    called,
    touched(call) {
      if (byTag.get(call.tag)?.state === 'settled') accuse(`${call.tag}: touched an upstream after it had settled`);
    },
    told,
    heard({ tag, sink, calls }) {
      const call = calls.at(-1);
      if (call?.state !== 'open' || call.whole) return;
      if (sink.gone) accuse(`${tag}: an upstream talks on to a client that has gone`);
      else if (call.paused) accuse(`${tag}: an upstream waits for a client that waits for it`);
    },
    settled,
    readBack({ tag, sink, stored, deletion }, found) {
      if (deletion !== 'none') return;
      const status = sink.told?.status;
      const mayDiffer = status === 'failed' && sink.told?.text.includes(notStored) === true;
      if (mayDiffer) return;
      if (!stored) {
        if (found !== undefined) accuse(`${tag}: resolves, though it was not to be stored`);
        return;
      }
      count('read back');
      const text =
        found &&
        responseText(
          found.head,
          found.envelope,
          found.output.map(({ body }) => body),
        );
      if (text !== sink.told?.text) accuse(`${tag}: reads differently from what was told`);
    },
    atRest(turns) {
      for (const turn of turns) {
        const row = rowOf(turn);
        if (turn.state === 'running') accuse(`${turn.tag}: never settled`);
        if (row !== undefined) checkRow(turn, row);
        else if (turn.calls.length > 0) accuse(`${turn.tag}: was sent and left no row`);
        if (row === undefined || turn.key === undefined || gaveKeyUp(row)) continue;
        if (!othersOf(turn).every(gaveKeyUp)) accuse(`${turn.tag}: two turns hold one key`);
        if (othersOf(turn).length > 0) count('run again');
      }
      const left = world.intervals().length;
      if (left > 0) accuse(`${left} intervals were left running`);
    },
  };
}

/** It was answered with what another turn under the same key has come to, or was to be. */
export function isReplay({ sink }: TurnRecord): boolean {
  return sink.headers?.['x-turnpike-idempotent-replay'] === 'true';
}

/** What of a reply goes back to the model with the next turn. */
function replayOf({ blocks, stopReason, body }: UpstreamCallRecord, model: string): Record<string, unknown>[] {
  // Anthropic's rule: a conversation goes on from a refusal only without the refused output.
  if (stopReason === 'refusal') return [];
  return blocks
    .filter(({ type }) => type !== 'thinking' || body.model === model)
    .map(({ input, ...block }) =>
      input === undefined ? block : { ...block, input: JSON.parse(input as string) as unknown },
    );
}

/** An upstream that answered with an error before it began, or was never reached, bills nothing. */
function isUnbilled({ fate, state }: UpstreamCallRecord): boolean {
  return state === 'ended' && (fate === 'refused' || fate === 'unreachable' || fate === 'unsendable');
}

/** The texts and calls of a reply, whichever protocol they are in. */
function wordsOf(blocks: object[]): string {
  const words = blocks.flatMap((block) => {
    const {
      type,
      text,
      thinking,
      id,
      call_id,
      input,
      content,
      summary,
      arguments: json,
    } = block as Record<string, unknown>;
    if (type === 'text') return [String(text)];
    if (type === 'thinking') return [String(thinking)];
    if (type === 'tool_use') return [`${String(id)} ${input as string}`];
    if (type === 'function_call') return [`${String(call_id)} ${String(json)}`];
    const parts = (type === 'reasoning' ? summary : content) as { text?: string }[];
    return parts.flatMap((part) => part.text ?? []);
  });
  return JSON.stringify(words);
}
