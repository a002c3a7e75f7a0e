/**
 * The real gateway, killed with SIGKILL again and again under load: what a client was told has happened has happened, what
 * it was told has begun has ended, and every upstream call is on record once.
 */
import type { ServerResponse } from 'node:http';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type SQLOutputValue } from 'node:sqlite';
import { setImmediate as nextTick } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import {
  type Block,
  type FakeUpstream,
  fakeUpstream,
  frame,
  messageEvents,
  sendJson,
  type UpstreamRequest,
} from './support/fake-upstream.ts';
import { spawnGateway, type SpawnedGateway, temporaryFolder } from './support/spawn-gateway.ts';

const seed = Number(process.env['TURNPIKE_CRASH_SEED'] ?? 26167);
const kills = 12;
const loops = 8;

/** Numbers in [0, 1) that follow from the seed (mulberry32). */
function seeded(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const random = seeded(seed);
const below = (limit: number) => Math.floor(random() * limit);

const tool = {
  type: 'function',
  name: 'get_weather',
  description: 'Get the current weather',
  parameters: { type: 'object', properties: { location: { type: 'string' } }, required: ['location'] },
};

interface Response {
  id: string;
  status: string;
  output: { type: string; call_id?: string; content?: { text: string }[] }[];
}

/** A turn that its client was told has completed. */
interface Turn {
  canary: string;
  model: string;
  parent: Turn | undefined;
  response: Response;
  /** What the turn added to the upstream's messages: a user's, in Anthropic's words. */
  input: object;
}

interface Ledger {
  /** Requests with this canary, each with the messages that it held. */
  requests: unknown[][];
  blocks: Block[];
}

test(
  `what a client was told survives ${kills} SIGKILLs (TURNPIKE_CRASH_SEED=${seed})`,
  { timeout: 300_000 },
  async () => {
    const folder = temporaryFolder();
    onTestFinished(() => rmSync(folder, { recursive: true, maxRetries: 10 }));
    const ledger = new Map<string, Ledger>();
    const acknowledged: Turn[] = [];
    /** Ids of stored turns that were seen in `response.created`, and whose end nobody has read. */
    const begun = new Set<string>();
    const sent = new Set<string>();
    let gateway: SpawnedGateway;
    let running = false;
    let ticksToKill = 0;
    let onKill = () => {};

    /** Something has just happened, here or at the upstream: the moment to kill may be a few turns of the loop away. */
    function tick(): void {
      if (!running || --ticksToKill > 0) return;
      running = false;
      const hops = below(12);
      void (async () => {
        for (let hop = 0; hop < hops; hop += 1) await nextTick();
        await gateway.kill('SIGKILL');
        onKill();
      })();
    }

    const upstream = await fakeUpstream((request, response) => serve(request, response));

    async function serve({ body }: UpstreamRequest, response: ServerResponse): Promise<void> {
      const canary: string = body.metadata.user_id;
      const answersOutput = body.messages.at(-1).content.at(-1).type === 'tool_result';
      const blocks: Block[] = [
        { type: 'thinking', thinking: `I think of ${canary}.`, signature: `signed-${canary}` },
        { type: 'text', text: `Re ${canary}` },
      ];
      const calls = !answersOutput && body.tool_choice?.type !== 'none';
      if (calls) blocks.push({ type: 'tool_use', id: `toolu_${canary}`, name: tool.name, input: { location: canary } });
      const entry = ledger.get(canary) ?? { requests: [], blocks };
      entry.requests.push(body.messages);
      ledger.set(canary, entry);
      tick();
      const stopReason = calls ? 'tool_use' : 'end_turn';
      if (body.stream !== true) {
        const usage = { input_tokens: 10, output_tokens: 5 };
        const message = { id: canary, type: 'message', role: 'assistant', model: 'claude-haiku-4-5', usage };
        sendJson(response, { ...message, content: blocks, stop_reason: stopReason, stop_sequence: null });
        tick();
        return;
      }
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const event of messageEvents(blocks, { stopReason, model: 'claude-haiku-4-5' })) {
        response.write(frame(event));
        await nextTick();
        tick();
      }
      response.end();
    }

    const start = () => spawnGateway({ config: configOf(upstream), folder });

    /** Undefined: the gateway died before the turn's end was read. */
    async function send(canary: string, body: { store: boolean }, stream: boolean): Promise<Response | undefined> {
      sent.add(canary);
      let text = '';
      let status = 0;
      let broken = false;
      try {
        const response = await fetch(`${gateway.url}/v1/responses`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ ...body, user: canary, stream }),
        });
        ({ status } = response);
        if (response.body === null) return undefined;
        for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
          text += piece;
          tick();
        }
      } catch (error) {
        if (running && gateway.process.exitCode === null && gateway.process.signalCode === null) throw error;
        broken = true;
      }
      if (status !== 0 && status !== 200) throw new Error(`${canary}: ${status} ${text}`);
      if (!stream) return broken ? undefined : (JSON.parse(text) as Response);
      const events = text
        .split('\n\n')
        .slice(0, -1)
        .filter((part) => part.startsWith('event: '))
        .map((part) => JSON.parse(part.slice(part.indexOf('\ndata: ') + 7)) as { type: string; response?: Response });
      const end = events.find(({ type }) => /^response\.(completed|incomplete|failed)$/.test(type))?.response;
      const created = events[0]?.response?.id;
      if (body.store && end === undefined && created !== undefined) begun.add(created);
      return end;
    }

    const openCall = ({ response }: Turn) => response.output.find(({ type }) => type === 'function_call')?.call_id;

    /** Goes on from `parent`: with its tool's output where it made a call, else with a question. */
    async function takeTurn(
      canary: string,
      model: string,
      parent: Turn | undefined,
      options: { stream: boolean; store?: boolean; question?: string },
    ): Promise<Turn | undefined> {
      const callId = parent === undefined ? undefined : openCall(parent);
      const text = options.question ?? `What is the weather in ${canary}?`;
      const output = `sunny, says ${canary}`;
      const body = {
        model,
        previous_response_id: parent?.response.id ?? null,
        input: callId === undefined ? text : [{ type: 'function_call_output', call_id: callId, output }],
        store: options.store ?? true,
        reasoning: { effort: 'low', summary: 'auto' },
        ...(options.question === undefined ? { tools: [tool] } : {}),
      };
      const response = await send(canary, body, options.stream);
      if (response === undefined) return undefined;
      expect(response.status).toBe('completed');
      const content =
        callId === undefined ? { type: 'text', text } : { type: 'tool_result', tool_use_id: callId, content: output };
      const turn: Turn = { canary, model, parent, response, input: { role: 'user', content: [content] } };
      if (model === 'claude') expectWholeHistory(turn);
      return turn;
    }

    /** The upstream was sent what it was sent for the parent, what it answered then, and what is new: nothing else. */
    function expectWholeHistory({ canary, parent, input }: Turn): void {
      const before = parent === undefined ? undefined : ledger.get(parent.canary);
      const history =
        before === undefined ? [] : [...(before.requests[0] ?? []), { role: 'assistant', content: before.blocks }];
      expect(ledger.get(canary)?.requests, canary).toEqual([[...history, input]]);
    }

    /** What each loop goes on from: the last turn whose end it has read. */
    const tips: (Turn | undefined)[] = Array.from({ length: loops }, () => undefined);
    let made = 0;

    async function loop(index: number): Promise<void> {
      const model = index % 2 === 0 ? 'claude' : 'simulator';
      for (;;) {
        if (!running) return;
        const canary = `c${index}-${++made}`;
        const store = below(10) > 0;
        const turn = await takeTurn(canary, model, tips[index], { stream: below(4) > 0, store });
        if (turn === undefined || !store) continue;
        acknowledged.push(turn);
        tips[index] = below(6) === 0 ? undefined : turn;
      }
    }

    const get = async (id: string) => {
      const response = await fetch(`${gateway.url}/v1/responses/${id}`);
      return { status: response.status, body: (await response.json()) as Response };
    };

    async function expectWhole(turn: Turn): Promise<void> {
      const found = await get(turn.response.id);
      expect(found, turn.canary).toEqual({ status: 200, body: turn.response });
    }

    async function expectContinuable(turn: Turn): Promise<void> {
      const question = 'What did I say first?';
      const child = await takeTurn(`v-${turn.canary}`, turn.model, turn, { stream: below(2) > 0, question });
      if (child === undefined) throw new Error(`the gateway died while ${turn.canary} was continued`);
      if (turn.model === 'claude') return;
      let first = turn;
      while (first.parent !== undefined) first = first.parent;
      const said = child.response.output.at(-1)?.content?.[0]?.text;
      expect(said).toContain(openCall(turn) === undefined ? first.canary : `sunny, says v-${turn.canary}`);
    }

    function query(sql: string): Record<string, SQLOutputValue>[] {
      const database = new DatabaseSync(join(folder, 'turnpike.db'), { readOnly: true });
      const rows = database.prepare(sql).all();
      database.close();
      return rows;
    }

    gateway = await start();
    for (let kill = 0; kill < kills; kill += 1) {
      const from = acknowledged.length;
      const killed = new Promise<void>((resolve) => {
        onKill = resolve;
      });
      ticksToKill = 20 + below(1000);
      running = true;
      await Promise.all([killed, ...tips.map((_, index) => loop(index))]);

      gateway = await start();
      expect(query('PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }]);
      const fresh = acknowledged.slice(from);
      await Promise.all(fresh.map(expectWhole));
      await Promise.all(fresh.map(expectContinuable));
      for (const id of begun) {
        const { status, body } = await get(id);
        expect([status, body.status]).toEqual([200, expect.stringMatching(/^(completed|failed)$/)]);
      }
    }

    await Promise.all(acknowledged.map(expectWhole));
    expect(await gateway.kill('SIGTERM')).toBe(0);
    expect(query('PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }]);
    const attempts = query(
      'SELECT t.end_user AS canary, a.status, a.estimated, a.cost_nano_usd AS cost, t.status AS turn, t.stored FROM attempts a JOIN turns t ON t.id = a.turn_id',
    );
    const canaries = attempts.map(({ canary }) => String(canary));
    expect(new Set(canaries).size).toBe(canaries.length);
    const onRecord = new Set(canaries);
    // Each call once, and each on record; a turn may be on record whose call was never made.
    expect([...ledger].filter(([canary, { requests }]) => !onRecord.has(canary) || requests.length !== 1)).toEqual([]);
    expect(canaries.filter((canary) => !sent.has(canary))).toEqual([]);
    const completed = new Set(attempts.filter(({ status }) => status === 'completed').map(({ canary }) => canary));
    expect(acknowledged.filter(({ canary }) => !completed.has(canary))).toEqual([]);
    for (const row of attempts) {
      expect([row['status'], row['turn'], row['estimated'], Number(row['cost']) > 0], JSON.stringify(row)).toEqual(
        row['status'] === 'completed' ? ['completed', 'completed', 0, true] : ['crashed', 'failed', 1, true],
      );
    }
    // It was a test at all: turns ended, and turns were cut.
    expect(acknowledged.length).toBeGreaterThan(kills);
    expect(attempts.length - completed.size).toBeGreaterThan(kills);
  },
);

function configOf({ url }: FakeUpstream): string {
  return `
models:
  - { name: claude, provider: anthropic, model: claude-haiku-4-5, base_url: "${url}", api_key: k }
  - { name: simulator, provider: simulator, model: simulator }
routing: { retries: 0 }
`;
}
