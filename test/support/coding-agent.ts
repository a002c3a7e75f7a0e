import type { Client } from './client.ts';
import { type FakeModel, fakeMessagesModel, type MessagesAnswer } from './fake-models.ts';

/**
 * A long conversation of a coding agent, of the shape of captured ones: the same instructions and two dozen tools with every
 * request, the whole history each time, and in each round some thinking, a sentence, a call, and what the tool gave.
 */
export interface Round {
  thinking: string;
  signature: string;
  text: string;
  calls: { tool: string; input: Record<string, string>; result: string }[];
}

/** The same every time. */
function createRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const words =
  'const let return export function async await value index items result error store turn context hash parent client request if else for of new Map Set throw type interface string number undefined true false null import from test expect'.split(
    ' ',
  );

const textOf = (random: (below: number) => number, length: number): string => {
  let text = '';
  while (text.length < length) {
    text += `${words[random(words.length)]}${random(3) === 0 ? String(random(10_000)) : ''}${random(9) === 0 ? ';\n  ' : ' '}`;
  }
  return text.slice(0, length);
};

const between = (random: (below: number) => number, least: number, most: number) => least + random(most - least);

/** Of characters, least and most. Files of 100 to 500 lines are read, two at once at times; commands and edits are short. */
type Call = [tool: string, input: [number, number], result: [number, number]];
const read: Call = ['Read', [60, 90], [4_000, 20_000]];
const script: readonly Call[][] = [
  [read, read],
  [['Bash', [80, 300], [300, 6_000]]],
  [['Grep', [60, 120], [500, 4_000]]],
  [['Edit', [600, 2_500], [500, 1_200]]],
  [read],
  [['Write', [2_000, 6_000], [100, 200]]],
];

export function createRounds(count: number): Round[] {
  const random = createRandom(4711);
  return Array.from({ length: count }, (_, n) => {
    const thinking = textOf(random, between(random, 300, 1_200));
    return {
      thinking,
      signature: Buffer.from(textOf(random, 300 + Math.floor(thinking.length / 2))).toString('base64'),
      text: textOf(random, between(random, 60, 400)),
      calls: (script[n % script.length] ?? []).map(([tool, input, result]) => ({
        tool,
        input: { file_path: `/home/user/project/src/file-${n}.ts`, content: textOf(random, between(random, ...input)) },
        result: `Result ${n}\n${textOf(random, between(random, ...result))}`,
      })),
    };
  });
}

export const instructions = textOf(createRandom(1), 14_000);
const schema = { type: 'object', properties: { file_path: { type: 'string' }, content: { type: 'string' } } };
const toolNames = ['Read', 'Bash', 'Grep', 'Edit', 'Write', ...Array.from({ length: 20 }, (_, n) => `Tool${n}`)];
const describe = (n: number) => textOf(createRandom(n + 2), 2_400);

/** A model that goes on with the script, wherever in it the request stands. */
export function fakeCodingModel(
  rounds: readonly Round[],
  onCleanup?: (cleanup: () => void) => void,
): Promise<FakeModel<MessagesAnswer>> {
  return fakeMessagesModel(onCleanup).then((model) => {
    model.answer = ({ body }) => {
      const asked = body.messages.filter(({ role }: { role: string }) => role === 'assistant').length;
      const round = rounds[asked];
      if (round === undefined) return { blocks: [{ type: 'text', text: 'Done.' }] };
      const { thinking, signature, text, calls } = round;
      const id = (at: number) => `toolu_${String(asked).padStart(20, '0')}${at}`;
      return {
        blocks: [
          { type: 'thinking', thinking, signature },
          { type: 'text', text },
          ...calls.map(({ tool: name, input }, at) => ({ type: 'tool_use', id: id(at), name, input })),
        ],
        stopReason: 'tool_use',
      };
    };
    return model;
  });
}

export interface PlayedAgent {
  turns: number;
  sessions: number;
  /** What the client said for the first time and what it was told, as JSON; its instructions and tools once. */
  newBytes: number;
  /** All that it sent. */
  sentBytes: number;
}

/** @param ask sends one request with the whole history. @returns what was told, as the client sends it back, and the session. */
async function play(
  rounds: readonly Round[],
  fixed: unknown,
  begin: unknown[],
  ask: (history: unknown[]) => Promise<{ told: unknown[]; session: string; sentBytes: number }>,
  resultsOf: (round: Round, told: readonly unknown[]) => unknown[],
): Promise<PlayedAgent> {
  const sizeOf = (value: unknown) => Buffer.byteLength(JSON.stringify(value));
  const history: unknown[] = [...begin];
  const sessions = new Set<string>();
  let newBytes = sizeOf(fixed) + sizeOf(begin);
  let sent = 0;
  for (const round of rounds) {
    const { told, session, sentBytes } = await ask(history);
    sessions.add(session);
    const next = [...told, ...resultsOf(round, told)];
    newBytes += sizeOf(next);
    sent += sentBytes;
    history.push(...next);
  }
  return { turns: rounds.length, sessions: sessions.size, newBytes, sentBytes: sent };
}

/** As Codex asks: nothing is stored, and reasoning comes along sealed. */
export function playCodex(client: Client, rounds: readonly Round[], session: string): Promise<PlayedAgent> {
  const codexTools = toolNames.map((name, n) => ({
    type: 'function',
    name,
    description: describe(n),
    strict: false,
    parameters: schema,
  }));
  const message = (id: string, role: string, text: string) => ({
    type: 'message',
    id,
    role,
    content: [{ type: 'input_text', text }],
  });
  return play(
    rounds,
    codexTools,
    [message('msg_a', 'developer', instructions), message('msg_b', 'user', 'Mend it.')],
    async (input) => {
      const body = {
        model: 'm',
        input,
        tools: codexTools,
        tool_choice: 'auto',
        parallel_tool_calls: true,
        reasoning: { effort: 'low', summary: 'auto' },
        store: false,
        include: ['reasoning.encrypted_content'],
        prompt_cache_key: session,
      };
      const answer = await client.create(body, { 'session-id': session, 'thread-id': session });
      if (answer.status !== 200) throw new Error(answer.text);
      const sentBytes = Buffer.byteLength(JSON.stringify(body));
      return { told: answer.body.output, session: String(answer.headers.get('x-turnpike-session-id')), sentBytes };
    },
    ({ calls }, told) =>
      calls.map(({ result }, at) => {
        const { call_id: callId } = told.at(at - calls.length) as { call_id: string };
        return { type: 'function_call_output', id: `fco_${callId}`, call_id: callId, output: result };
      }),
  );
}

/** As Claude Code asks: the newest block is marked for the cache, and the mark moves on. */
export function playClaudeCode(client: Client, rounds: readonly Round[], session: string): Promise<PlayedAgent> {
  const claudeTools = toolNames.map((name, n) => ({ name, description: describe(n), input_schema: schema }));
  const mark = { cache_control: { type: 'ephemeral' } };
  const system = [
    { type: 'text', text: 'x-anthropic-billing-header: cc_version=2.1.197.8f3; cc_entrypoint=sdk-cli;' },
    { type: 'text', text: instructions, ...mark },
  ];
  const said = (text: string) => ({ type: 'text', text });
  type Message = { role: string; content: object[] | string };
  return play(
    rounds,
    [system, claudeTools],
    [
      { role: 'user', content: [said('<system-reminder>\nToday is a day.\n</system-reminder>'), said('Mend it.')] },
      { role: 'system', content: 'Available agent types for the Agent tool:\n- claude: Catch-all for any task.' },
    ],
    async (history) => {
      const messages = history.map((value, n) => {
        const { role, content } = value as Message;
        if (n < history.length - 1 || typeof content === 'string') return { role, content };
        return {
          role,
          content: content.map((block, at) => (at === content.length - 1 ? { ...block, ...mark } : block)),
        };
      });
      const body = {
        model: 'm',
        messages,
        system,
        tools: claudeTools,
        metadata: { user_id: JSON.stringify({ device_id: 'd', account_uuid: '', session_id: session }) },
        max_tokens: 32_000,
        thinking: { type: 'adaptive' },
      };
      const answer = await client.request('POST', '/v1/messages?beta=true', body, {
        'x-claude-code-session-id': session,
        'anthropic-version': '2023-06-01',
      });
      if (answer.status !== 200) throw new Error(answer.text);
      const sentBytes = Buffer.byteLength(JSON.stringify(body));
      const told = [{ role: 'assistant', content: answer.body.content }];
      return { told, session: String(answer.headers.get('x-turnpike-session-id')), sentBytes };
    },
    ({ calls }, told) => {
      const { content } = told[0] as { content: { id: string }[] };
      const results = calls.map(({ result }, at) => {
        const id = content.at(at - calls.length)?.id;
        return { type: 'tool_result', tool_use_id: id, content: result, is_error: false };
      });
      return [{ role: 'user', content: results }];
    },
  );
}
