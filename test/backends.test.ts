/** What works over which backend, through a spawned gateway; `docs/compatibility.md` has all of it, as the codecs say. */
import { describe, expect, test } from 'vitest';
import { anthropic, type Backend, gemini, openAi, openAiCompatible, simulator } from './clients/weather-model.ts';
import { fakeUpstream } from './support/fake-upstream.ts';
import { spawnGateway, temporaryFolder } from './support/spawn-gateway.ts';

/** Params that are warned of, none where all is carried; or the param that is refused. */
type Outcome = string[] | { refused: string };

interface Row {
  label: string;
  body: object;
  /** The simulator's too: it speaks the same protocol. */
  anthropic: Outcome;
  /** Undefined: all is carried. */
  openAi?: Outcome;
  openAiCompatible: Outcome;
  /** Gemini's; undefined: all is carried. */
  gemini?: Outcome;
}

const carried: Outcome = [];
const png = 'data:image/png;base64,iVBORw0KGgo=';
const user = (...content: object[]) => ({ input: [{ role: 'user', content }] });
const pictured = { type: 'input_image', image_url: png };

const plainTool = { type: 'function', name: 'a', parameters: { type: 'object', properties: {} } };

const rows: Row[] = [
  {
    label: 'JSON schema output',
    body: {
      text: { format: { type: 'json_schema', name: 'a', schema: { type: 'object', properties: { a: {} } } } },
    },
    anthropic: ['text.format.schema'],
    openAiCompatible: carried,
  },
  {
    label: '`strict` tools',
    body: {
      tools: ['a', 'b'].map((name) => ({
        type: 'function',
        name,
        strict: true,
        parameters: { type: 'object', properties: { a: {} }, ...(name === 'a' ? { additionalProperties: false } : {}) },
      })),
    },
    anthropic: ['tools[1].strict'],
    openAiCompatible: carried,
  },
  {
    label: 'JSON object output',
    body: { text: { format: { type: 'json_object' } } },
    anthropic: ['text.format'],
    openAiCompatible: carried,
  },
  {
    label: 'system messages inside a conversation',
    body: {
      input: [
        { role: 'user', content: 'Hello.' },
        { role: 'assistant', content: 'Hello.' },
        { role: 'system', content: 'Go on in French.' },
      ],
    },
    anthropic: ['input'],
    openAiCompatible: carried,
    gemini: ['input'],
  },
  {
    label: 'custom tools',
    body: { tools: [{ type: 'custom', name: 'x', format: { type: 'grammar', syntax: 'regex', definition: 'a+' } }] },
    anthropic: ['tools[0].format'],
    openAiCompatible: ['tools[0].format'],
    gemini: ['tools[0].format'],
  },
  {
    label: '`web_search`',
    body: { tools: [{ type: 'web_search' }] },
    anthropic: carried,
    openAiCompatible: ['tools[0]'],
  },
  {
    label: '`code_interpreter` with `container: auto`',
    body: { tools: [{ type: 'code_interpreter', container: { type: 'auto' } }] },
    anthropic: carried,
    openAiCompatible: { refused: 'tools[0].type' },
  },
  {
    label: 'MCP, file search, image generation, computer use',
    body: { tools: [{ type: 'image_generation' }] },
    anthropic: { refused: 'tools[0].type' },
    openAiCompatible: { refused: 'tools[0].type' },
    gemini: { refused: 'tools[0].type' },
  },
  {
    label: "namespaces, `defer_loading`, `tool_search` of the server's",
    body: {
      tools: [
        { type: 'namespace', name: 'crm', tools: [{ ...plainTool, defer_loading: true }] },
        { type: 'tool_search' },
      ],
    },
    anthropic: ['tools[0].tools[0].defer_loading'],
    openAiCompatible: ['tools[0].tools[0].defer_loading'],
    gemini: ['tools[0].tools[0].defer_loading'],
  },
  {
    label: "`shell`, `local_shell`, `apply_patch`, `tool_search` of the client's",
    body: { tools: [{ type: 'local_shell' }, { type: 'apply_patch' }] },
    anthropic: carried,
    openAiCompatible: carried,
  },
  {
    label: '`async` tools',
    body: { tools: [{ ...plainTool, async: true }] },
    anthropic: carried,
    openAiCompatible: carried,
  },
  {
    label: '`max_tool_calls`',
    body: { max_tool_calls: 3, tools: [{ type: 'web_search' }] },
    anthropic: ['max_tool_calls'],
    openAiCompatible: ['max_tool_calls', 'tools[0]'],
    gemini: ['max_tool_calls'],
  },
  {
    label: 'files',
    body: user({ type: 'input_file', file_url: 'https://files.example/a.pdf' }),
    anthropic: carried,
    openAiCompatible: { refused: 'input[0].content[0].file_url' },
  },
  {
    label: 'images and files in tool outputs',
    body: {
      input: [
        { role: 'user', content: 'Look.' },
        { type: 'function_call', call_id: 'call_1', name: 'look', arguments: '{}' },
        { type: 'function_call_output', call_id: 'call_1', output: [pictured, { type: 'input_text', text: 'There.' }] },
      ],
    },
    anthropic: carried,
    openAiCompatible: ['input'],
  },
  {
    label: '`reasoning.effort`',
    body: { reasoning: { effort: 'low' } },
    anthropic: carried,
    openAiCompatible: ['reasoning.effort'],
  },
  {
    label: 'reasoning shown',
    body: { reasoning: { summary: 'auto' } },
    anthropic: carried,
    openAiCompatible: ['reasoning.summary'],
  },
  {
    label: '`temperature` and `top_p` together',
    body: { temperature: 0.5, top_p: 0.5 },
    anthropic: ['top_p'],
    openAiCompatible: carried,
  },
  {
    label: 'log probabilities',
    body: { top_logprobs: 2 },
    anthropic: { refused: 'top_logprobs' },
    openAiCompatible: carried,
  },
  {
    label: '`text.verbosity`',
    body: { text: { verbosity: 'low' } },
    anthropic: ['text.verbosity'],
    openAiCompatible: ['text.verbosity'],
    gemini: ['text.verbosity'],
  },
  { label: '`service_tier`', body: { service_tier: 'flex' }, anthropic: ['service_tier'], openAiCompatible: carried },
  {
    label: '`user`, `safety_identifier`',
    body: { user: 'u' },
    anthropic: carried,
    openAiCompatible: carried,
    gemini: ['user'],
  },
  {
    label: '`presence_penalty`, `frequency_penalty`',
    body: { presence_penalty: 0.5, frequency_penalty: 0.5 },
    anthropic: ['presence_penalty', 'frequency_penalty'],
    openAi: ['presence_penalty', 'frequency_penalty'],
    openAiCompatible: carried,
  },
  {
    label: '`reasoning.encrypted_content`',
    body: { include: ['reasoning.encrypted_content'] },
    anthropic: carried,
    openAiCompatible: carried,
  },
  {
    label: '`prompt_cache_key`',
    body: {
      prompt_cache_key: 'key',
    },
    anthropic: ['prompt_cache_key'],
    openAiCompatible: ['prompt_cache_key'],
    gemini: ['prompt_cache_key'],
  },
];

const everywhere: Record<string, object> = {
  images: user({ type: 'input_text', text: 'See.' }, pictured, {
    type: 'input_image',
    image_url: 'https://i.example/a.png',
  }),
  'a PDF by data': user({
    type: 'input_file',
    filename: 'a.pdf',
    file_data: 'data:application/pdf;base64,JVBERi0xLjQK',
  }),
  'allowed tools': {
    tools: ['a', 'b'].map((name) => ({ type: 'function', name, parameters: { type: 'object', properties: {} } })),
    tool_choice: { type: 'allowed_tools', mode: 'auto', tools: [{ type: 'function', name: 'b' }] },
  },
  'metadata and instructions': { metadata: { ticket: '17' }, instructions: 'Be brief.', store: false },
};

const nowhere: Record<string, object> = {
  prompt: { prompt: { id: 'pmpt_1' } },
  'input[0].content[0].file_id': user({ type: 'input_file', file_id: 'file_1' }),
};

async function start(backend: Backend) {
  const upstream = await fakeUpstream(backend.answer);
  const config = `models: [{ name: m, ${backend.entry(upstream.url)} }]`;
  const gateway = await spawnGateway({ folder: temporaryFolder(), config });
  return async (body: object): Promise<Outcome> => {
    const response = await fetch(`${gateway.url}/v1/responses`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'm', input: 'Hello.', ...body }),
    });
    const answer = (await response.json()) as { status?: string; error: { param: string } | null };
    if (response.status === 400) return { refused: answer.error?.param ?? '' };
    expect(response.status, JSON.stringify(answer)).toBe(200);
    const warnings = JSON.parse(response.headers.get('x-turnpike-warnings') ?? '[]') as { param: string }[];
    return [...new Set(warnings.map(({ param }) => param))];
  };
}

const sorted = (outcome: Outcome) => (Array.isArray(outcome) ? outcome.toSorted() : outcome);

describe.each([
  { backend: anthropic, expected: (row: Row) => row.anthropic },
  { backend: simulator, expected: (row: Row) => row.anthropic },
  { backend: openAi, expected: (row: Row) => row.openAi ?? carried },
  { backend: openAiCompatible, expected: (row: Row) => row.openAiCompatible },
  { backend: gemini, expected: (row: Row) => row.gemini ?? carried },
])('over $backend.name', ({ backend, expected }) => {
  test('each row of the table', async () => {
    const send = await start(backend);
    const seen = [];
    for (const { label, body } of rows) seen.push({ label, outcome: sorted(await send(body)) });
    expect(seen).toEqual(rows.map((row) => ({ label: row.label, outcome: sorted(expected(row)) })));
  });

  test('what every backend has, and what none has yet', async () => {
    const send = await start(backend);
    for (const [what, body] of Object.entries(everywhere)) expect(await send(body), what).toEqual(carried);
    for (const [param, body] of Object.entries(nowhere)) expect(await send(body)).toEqual({ refused: param });
  });
});
