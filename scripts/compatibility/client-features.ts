import type { Feature, Group } from './features.ts';

/** What clients of the other protocols ask for, each in its own words. */

type Body = Record<string, unknown>;
type Row = [label: string, body: Body, around?: Body];

const rows = (all: readonly Row[]): Feature[] =>
  all.map(([label, body, around]) => ({ label, body, ...(around === undefined ? {} : { around }) }));

const user = (content: unknown) => ({ role: 'user', content });
const assistant = (said: Body) => ({ role: 'assistant', ...said });
const greeting = user('Hello.');
const next = user('Go on.');
/** Messages between a greeting and what is asked last. */
const between = (label: string, ...messages: Body[]): Row => [
  label,
  { messages: [greeting, ...messages, next] },
  { messages: [greeting, next] },
];
const part = (label: string, ...content: Body[]): Row => [label, { messages: [user(content)] }];

const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const closed = { ...parameters, additionalProperties: false };
const png = 'iVBORw0KGgo=';
const pdf = 'JVBERi0xLjQK';

const weather = { type: 'function', function: { name: 'get_weather', parameters } };
const chatCall = { id: 'call_1', type: 'function', function: { name: 'get_weather', arguments: '{"city":"Paris"}' } };
const schemaOf = (schema: Body, strict: boolean) => ({
  type: 'json_schema',
  json_schema: { name: 'place', schema, strict },
});

const chatParameters: Row[] = [
  ['`stream`', { stream: true }],
  ['`stream_options.include_usage`', { stream_options: { include_usage: true } }, { stream: true }],
  ['`store: false`', { store: false }],
  ['`metadata`', { metadata: { ticket: '17' } }],
  ['`max_tokens`', { max_tokens: 1000 }],
  ['`max_completion_tokens`', { max_completion_tokens: 1000 }],
  ['`temperature`', { temperature: 0.5 }],
  ['`temperature` above 1', { temperature: 1.5 }],
  ['`top_p`', { top_p: 0.5 }],
  ['`presence_penalty`', { presence_penalty: 0.5 }],
  ['`frequency_penalty`', { frequency_penalty: 0.5 }],
  ['`stop`', { stop: ['END'] }],
  ['`seed`', { seed: 7 }],
  ['`n`', { n: 2 }],
  ['`logprobs`', { logprobs: true }],
  ['`top_logprobs`', { top_logprobs: 2 }, { logprobs: true }],
  ['`logit_bias`', { logit_bias: { '50256': -100 } }],
  ['`prediction`', { prediction: { type: 'content', content: 'Hello.' } }],
  ['`modalities: audio`', { modalities: ['text', 'audio'], audio: { voice: 'alloy', format: 'wav' } }],
  ...(['none', 'low', 'high', 'max'] as const).map((effort): Row => [
    `\`reasoning_effort: ${effort}\``,
    { reasoning_effort: effort },
  ]),
  ['`verbosity`', { verbosity: 'low' }],
  ['`response_format: json_object`', { response_format: { type: 'json_object' } }],
  ['`response_format: json_schema`, closed objects', { response_format: schemaOf(closed, true) }],
  ['`response_format: json_schema`, open objects', { response_format: schemaOf(parameters, false) }],
  ['`user`', { user: 'u' }],
  ['`safety_identifier`', { safety_identifier: 's' }],
  ['`prompt_cache_key`', { prompt_cache_key: 'k' }],
  ['`service_tier: flex`', { service_tier: 'flex' }],
  ['`web_search_options`', { web_search_options: { search_context_size: 'low' } }],
  ['a parameter that is not known', { shoe_size: 43 }],
];

const older = { name: 'get_weather', parameters };
const custom = { type: 'custom', custom: { name: 'note' } };
const grammar = { type: 'grammar', grammar: { syntax: 'regex', definition: 'a+' } };
const chatTools: Row[] = [
  ['`function`', { tools: [weather] }],
  ['`function`, `strict`', { tools: [{ type: 'function', function: { ...older, parameters: closed, strict: true } }] }],
  ['`custom`', { tools: [custom] }],
  ['`custom` with a grammar', { tools: [{ type: 'custom', custom: { name: 'note', format: grammar } }] }],
  ['`functions`', { functions: [older] }],
  ['`function_call` of one', { function_call: { name: 'get_weather' } }, { functions: [older] }],
  ['`tool_choice: none`', { tool_choice: 'none' }, { tools: [weather] }],
  ['`tool_choice: required`', { tool_choice: 'required' }, { tools: [weather] }],
  [
    '`tool_choice` of a function',
    { tool_choice: { type: 'function', function: { name: 'get_weather' } } },
    { tools: [weather] },
  ],
  ['`parallel_tool_calls: false`', { parallel_tool_calls: false }, { tools: [weather] }],
];

const chatMessages: Row[] = [
  between('`system`', { role: 'system', content: 'Be brief.' }),
  between('`developer`', { role: 'developer', content: 'Be brief.' }),
  between('`user` with a `name`', { ...user('Again.'), name: 'ann' }),
  between('`assistant`', assistant({ content: 'Hello.' })),
  between('`assistant`, `refusal`', assistant({ refusal: 'No.' })),
  between('`assistant`, `reasoning_content`', assistant({ content: 'Hello.', reasoning_content: 'Hm.' })),
  between('`tool_calls`, `tool`', assistant({ content: null, tool_calls: [chatCall] }), {
    role: 'tool',
    tool_call_id: 'call_1',
    content: '18 °C',
  }),
  between('`function_call`, `function`', assistant({ content: null, function_call: chatCall.function }), {
    role: 'function',
    name: 'get_weather',
    content: '18 °C',
  }),
  part('`text`', { type: 'text', text: 'See.' }),
  part('`image_url`, data URL', { type: 'image_url', image_url: { url: `data:image/png;base64,${png}` } }),
  part('`image_url`, web URL', { type: 'image_url', image_url: { url: 'https://files.example/a.png' } }),
  part('`image_url`, `detail`', {
    type: 'image_url',
    image_url: { url: `data:image/png;base64,${png}`, detail: 'high' },
  }),
  part('`input_audio`', { type: 'input_audio', input_audio: { data: 'AA==', format: 'wav' } }),
  part('`file`, data', {
    type: 'file',
    file: { filename: 'a.pdf', file_data: `data:application/pdf;base64,${pdf}` },
  }),
  part('`file`, `file_id`', { type: 'file', file: { file_id: 'file-pdf' } }),
];

const getWeather = { name: 'get_weather', input_schema: parameters };
const mark = { cache_control: { type: 'ephemeral' } };
const server = { type: 'url', name: 'docs', url: 'https://mcp.example/' };

const messagesParameters: Row[] = [
  ['`system`', { system: 'Be brief.' }],
  ['`system`, `cache_control`', { system: [{ type: 'text', text: 'Be brief.', ...mark }] }],
  ['`stream`', { stream: true }],
  ['`stop_sequences`', { stop_sequences: ['END'] }],
  ['`temperature`', { temperature: 0.5 }],
  ['`top_p`', { top_p: 0.5 }],
  ['`top_k`', { top_k: 40 }],
  ['`thinking: disabled`', { thinking: { type: 'disabled' } }],
  ['`thinking: adaptive`', { thinking: { type: 'adaptive' } }],
  ['`thinking: enabled`', { thinking: { type: 'enabled', budget_tokens: 4096 } }, { max_tokens: 8192 }],
  ...(['low', 'high', 'max'] as const).map((effort): Row => [
    `\`output_config.effort: ${effort}\``,
    { output_config: { effort } },
  ]),
  ['`output_config.format`, closed objects', { output_config: { format: { type: 'json_schema', schema: closed } } }],
  ['`output_config.format`, open objects', { output_config: { format: { type: 'json_schema', schema: parameters } } }],
  ['`metadata.user_id`', { metadata: { user_id: 'u' } }],
  ['`service_tier: auto`', { service_tier: 'auto' }],
  ['`service_tier: standard_only`', { service_tier: 'standard_only' }],
  ['`cache_control`', mark],
  ['`context_management`', { context_management: { edits: [{ type: 'clear_tool_uses_20250919' }] } }],
  ['a container of the account', { container: 'container_1' }],
  ['a parameter that is not known', { shoe_size: 43 }],
];

const typed = (type: string, name: string, fields: Body = {}): Row => [
  `\`${type}\``,
  { tools: [{ type, name, ...fields }] },
];
const messagesTools: Row[] = [
  ['a tool of the client’s', { tools: [getWeather] }],
  ['a tool of the client’s, `strict`', { tools: [{ ...getWeather, input_schema: closed, strict: true }] }],
  ['a tool of the client’s, `input_examples`', { tools: [{ ...getWeather, input_examples: [{ city: 'Paris' }] }] }],
  ['a tool of the client’s, `cache_control`', { tools: [{ ...getWeather, ...mark }] }],
  typed('bash_20250124', 'bash'),
  typed('text_editor_20250728', 'str_replace_based_edit_tool', { max_characters: 10_000 }),
  typed('memory_20250818', 'memory'),
  typed('computer_20251124', 'computer', { display_width_px: 800, display_height_px: 600 }),
  typed('web_search_20250305', 'web_search'),
  typed('web_fetch_20250910', 'web_fetch'),
  typed('code_execution_20250825', 'code_execution'),
  typed('tool_search_tool_regex_20251119', 'tool_search_tool_regex'),
  ['`mcp_toolset`', { mcp_servers: [server], tools: [{ type: 'mcp_toolset', mcp_server_name: 'docs' }] }],
  ['`tool_choice: none`', { tool_choice: { type: 'none' } }, { tools: [getWeather] }],
  ['`tool_choice: any`', { tool_choice: { type: 'any' } }, { tools: [getWeather] }],
  ['`tool_choice: tool`', { tool_choice: { type: 'tool', name: 'get_weather' } }, { tools: [getWeather] }],
  [
    '`disable_parallel_tool_use`',
    { tool_choice: { type: 'auto', disable_parallel_tool_use: true } },
    { tools: [getWeather] },
  ],
];

const use = { type: 'tool_use', id: 'toolu_1', name: 'get_weather', input: { city: 'Paris' } };
const result = { type: 'tool_result', tool_use_id: 'toolu_1', content: '18 °C' };
const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: png } };
const answered = (label: string, more: Body): Row => [
  label,
  { messages: [greeting, assistant({ content: [use] }), user([{ ...result, ...more }])] },
];
const document = (label: string, source: Body, more: Body = {}): Row =>
  part(label, { type: 'document', source, ...more }, { type: 'text', text: 'See.' });

const searchResult = {
  type: 'search_result',
  source: 'https://a.example/',
  title: 'A',
  content: [{ type: 'text', text: 'A text.' }],
  citations: { enabled: true },
};
const found = { type: 'web_search_result', url: 'https://a.example/', title: 'A', encrypted_content: 'c2Vl' };
const cited = { type: 'web_search_result_location', cited_text: 'Hello.', encrypted_index: 'aW5kZXg=' };

const messagesBlocks: Row[] = [
  part('`text`', { type: 'text', text: 'See.' }),
  part('`text`, `cache_control`', { type: 'text', text: 'See.', ...mark }),
  part('`image`, `base64`', image),
  part('`image`, `url`', { type: 'image', source: { type: 'url', url: 'https://files.example/a.png' } }),
  part('`image`, `file`', { type: 'image', source: { type: 'file', file_id: 'file-png' } }),
  document('`document`, `base64`', { type: 'base64', media_type: 'application/pdf', data: pdf }),
  document('`document`, `text`', { type: 'text', media_type: 'text/plain', data: 'A text.' }),
  document('`document`, `url`', { type: 'url', url: 'https://files.example/a.pdf' }),
  document(
    '`document`, `citations`',
    { type: 'text', media_type: 'text/plain', data: 'A text.' },
    { citations: { enabled: true } },
  ),
  between('`system` in the conversation', { role: 'system', content: 'Be brief.' }),
  between('`assistant`', assistant({ content: 'Hello.' })),
  between(
    '`thinking`',
    assistant({
      content: [
        { type: 'thinking', thinking: 'Hm.', signature: 'c2ln' },
        { type: 'text', text: 'Hello.' },
      ],
    }),
  ),
  between(
    '`redacted_thinking`',
    assistant({
      content: [
        { type: 'redacted_thinking', data: 'c2ln' },
        { type: 'text', text: 'Hello.' },
      ],
    }),
  ),
  document('`document`, `content`', { type: 'content', content: [{ type: 'text', text: 'A text.' }] }),
  document('`document`, `file`', { type: 'file', file_id: 'file-pdf' }),
  part('`search_result`', searchResult),
  part('`container_upload`', { type: 'container_upload', file_id: 'file-pdf' }),
  between(
    '`text`, `citations`',
    assistant({
      content: [{ type: 'text', text: 'Hello.', citations: [{ ...cited, title: 'A', url: 'https://a.example/' }] }],
    }),
  ),
  between(
    '`server_tool_use`, `web_search_tool_result`',
    assistant({
      content: [
        { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: { query: 'a' } },
        { type: 'web_search_tool_result', tool_use_id: 'srvtoolu_1', content: [found] },
        { type: 'text', text: 'Hello.' },
      ],
    }),
  ),
  between(
    '`server_tool_use`, `bash_code_execution_tool_result`',
    assistant({
      content: [
        { type: 'server_tool_use', id: 'srvtoolu_2', name: 'bash_code_execution', input: { command: 'ls' } },
        {
          type: 'bash_code_execution_tool_result',
          tool_use_id: 'srvtoolu_2',
          content: { type: 'bash_code_execution_result', stdout: 'a', stderr: '', return_code: 0, content: [] },
        },
        { type: 'text', text: 'Hello.' },
      ],
    }),
  ),
  between(
    '`server_tool_use`, `web_fetch_tool_result`',
    assistant({
      content: [
        { type: 'server_tool_use', id: 'srvtoolu_3', name: 'web_fetch', input: { url: 'https://a.example/' } },
        {
          type: 'web_fetch_tool_result',
          tool_use_id: 'srvtoolu_3',
          content: { type: 'web_fetch_tool_result_error', error_code: 'unavailable' },
        },
        { type: 'text', text: 'Hello.' },
      ],
    }),
  ),
  between(
    '`mcp_tool_use`, `mcp_tool_result`',
    assistant({
      content: [
        { type: 'mcp_tool_use', id: 'mcptoolu_1', name: 'echo', server_name: 'docs', input: {} },
        { type: 'mcp_tool_result', tool_use_id: 'mcptoolu_1', is_error: false, content: [{ type: 'text', text: 'a' }] },
        { type: 'text', text: 'Hello.' },
      ],
    }),
  ),
  between('`compaction`', assistant({ content: [{ type: 'compaction', content: 'They said hello.' }] })),
  answered('`tool_use`, `tool_result`', {}),
  answered('`tool_result`, `cache_control`', mark),
  answered('`tool_result` with a `search_result`', { content: [searchResult] }),
  answered('`tool_result` with a `document`', {
    content: [{ type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'A text.' } }],
  }),
  answered('`tool_result` with a `tool_reference`', {
    content: [{ type: 'tool_reference', tool_name: 'get_weather' }],
  }),
  answered('`tool_result`, `is_error`', { is_error: true }),
  answered('`tool_result` with an image', { content: [image] }),
];

export const clientGroups: Group[] = [
  { title: 'Chat clients: parameters', client: 'chat', features: rows(chatParameters) },
  { title: 'Chat clients: tools', client: 'chat', features: rows(chatTools) },
  { title: 'Chat clients: messages and their parts', client: 'chat', features: rows(chatMessages) },
  { title: 'Messages clients: parameters', client: 'messages', features: rows(messagesParameters) },
  { title: 'Messages clients: tools', client: 'messages', features: rows(messagesTools) },
  { title: 'Messages clients: blocks', client: 'messages', features: rows(messagesBlocks) },
];
