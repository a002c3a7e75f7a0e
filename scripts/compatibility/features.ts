import { nativeToolTypes, type NativeToolType } from '../../src/core/request.ts';
import type { ClientProtocol } from '../../src/core/items.ts';
import { type includables, type InputItemType, serviceTiers } from '../../src/protocols/responses/wire.ts';

/** What a request asks for beside a model and a greeting; what is shared with a row of no feature says nothing. */
export interface Feature {
  label: string;
  body: Record<string, unknown>;
  /** What the request needs around the feature; taken out of what is shown. */
  around?: Record<string, unknown>;
}

export interface Group {
  title: string;
  /** Whose words the features are in. */
  client: Exclude<ClientProtocol, 'embeddings'>;
  features: Feature[];
}

const greeting = { role: 'user', content: 'Hello.' };
const next = { role: 'user', content: 'Go on.' };
const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const closed = { ...parameters, additionalProperties: false };
const bounded = { ...closed, properties: { city: { type: 'string', minLength: 1 } } };
const weather = { type: 'function', name: 'get_weather', parameters };
const png = 'data:image/png;base64,iVBORw0KGgo=';
const pdf = 'data:application/pdf;base64,JVBERi0xLjQK';

const parametersOf: [label: string, body: Record<string, unknown>, around?: Record<string, unknown>][] = [
  ['`instructions`', { instructions: 'Be brief.' }],
  ['`stream`', { stream: true }],
  ['`stream_options.include_obfuscation: false`', { stream_options: { include_obfuscation: false } }, { stream: true }],
  ['`stream_options.include_obfuscation: true`', { stream_options: { include_obfuscation: true } }, { stream: true }],
  ['`store: false`', { store: false }],
  ['`background`', { background: true }],
  ['`metadata`', { metadata: { ticket: '17' } }],
  ['`max_output_tokens`', { max_output_tokens: 1000 }],
  ['`max_output_tokens` beyond the model', { max_output_tokens: 1_000_000 }],
  ['`max_tool_calls`', { max_tool_calls: 3 }, { tools: [{ type: 'web_search' }] }],
  ['`parallel_tool_calls: false`', { parallel_tool_calls: false }, { tools: [weather] }],
  ['`temperature`', { temperature: 0.5 }],
  ['`temperature` above 1', { temperature: 1.5 }],
  ['`top_p`', { top_p: 0.5 }],
  ['`temperature` and `top_p`', { temperature: 0.5, top_p: 0.5 }],
  ['`top_logprobs`', { top_logprobs: 2 }],
  ['`presence_penalty`', { presence_penalty: 0.5 }],
  ['`frequency_penalty`', { frequency_penalty: 0.5 }],
  ...(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'] as const).map(
    (effort): [string, Record<string, unknown>] => [`\`reasoning.effort: ${effort}\``, { reasoning: { effort } }],
  ),
  ['`reasoning.summary`', { reasoning: { summary: 'auto' } }],
  ['`reasoning.context`', { reasoning: { context: 'all_turns' } }],
  ['`truncation: auto`', { truncation: 'auto' }],
  ['`context_management`', { context_management: [{ type: 'compaction' }] }],
  ...serviceTiers.map((tier): [string, Record<string, unknown>] => [
    `\`service_tier: ${tier}\``,
    { service_tier: tier },
  ]),
  ['`user`', { user: 'u' }],
  ['`safety_identifier`', { safety_identifier: 's' }],
  ['`user` and `safety_identifier`', { user: 'u', safety_identifier: 's' }],
  ['`prompt_cache_key`', { prompt_cache_key: 'k' }],
  ['`prompt_cache_options.mode`', { prompt_cache_options: { mode: 'explicit' } }],
  ['`prompt_cache_options.ttl: 30m`', { prompt_cache_options: { ttl: '30m' } }],
  ['`prompt_cache_options.ttl: 12h`', { prompt_cache_options: { ttl: '12h' } }],
  ['`prompt_cache_options.prewarm`', { prompt_cache_options: { prewarm: true } }],
  ['`prompt_cache_retention: in_memory`', { prompt_cache_retention: 'in_memory' }],
  ['`prompt_cache_retention: 24h`', { prompt_cache_retention: '24h' }],
  ['`prompt`', { prompt: { id: 'pmpt_1' } }],
  ['`generate: false` over HTTP', { generate: false }],
  ['`moderation`', { moderation: { model: 'm' } }],
  ['a parameter that is not known', { shoe_size: 43 }],
];

const formats: [label: string, text: Record<string, unknown>][] = [
  ['`text.format: text`', { format: { type: 'text' } }],
  ['`text.format: json_object`', { format: { type: 'json_object' } }],
  [
    '`text.format: json_schema`, closed objects',
    { format: { type: 'json_schema', name: 'place', strict: true, schema: closed } },
  ],
  ['`text.format: json_schema`, open objects', { format: { type: 'json_schema', name: 'place', schema: parameters } }],
  [
    '`text.format: json_schema`, with bounds',
    { format: { type: 'json_schema', name: 'place', strict: true, schema: bounded } },
  ],
  ['`text.verbosity`', { verbosity: 'low' }],
];

const includes: Record<(typeof includables)[number], true> = {
  'file_search_call.results': true,
  'web_search_call.results': true,
  'web_search_call.action.sources': true,
  'message.input_image.image_url': true,
  'computer_call_output.output.image_url': true,
  'code_interpreter_call.outputs': true,
  'reasoning.encrypted_content': true,
  'message.output_text.logprobs': true,
};

/** What a tool needs beside its type. */
const nativeTools: Record<NativeToolType, Record<string, unknown>> = {
  web_search: {},
  web_search_2025_08_26: {},
  web_search_preview: {},
  web_search_preview_2025_03_11: {},
  file_search: { vector_store_ids: ['vs_1'] },
  computer: {},
  computer_use: {},
  computer_use_preview: { display_height: 600, display_width: 800, environment: 'linux' },
  code_interpreter: { container: { type: 'auto' } },
  image_generation: {},
  mcp: { server_label: 'docs', server_url: 'https://mcp.example/', require_approval: 'never' },
  local_shell: {},
  shell: {},
  apply_patch: {},
  tool_search: {},
  programmatic_tool_calling: {},
};

const tools: [label: string, tool: Record<string, unknown>][] = [
  ['`function`', weather],
  ['`function` without parameters', { type: 'function', name: 'now' }],
  ['`function`, `strict`, closed objects', { ...weather, parameters: closed, strict: true }],
  ['`function`, `strict`, open objects', { ...weather, strict: true }],
  ['`function`, `strict`, with bounds', { ...weather, parameters: bounded, strict: true }],
  ['`function`, `async`', { ...weather, async: true }],
  ['`function`, `defer_loading`', { ...weather, defer_loading: true }],
  ['`function`, `output_schema`', { ...weather, output_schema: { type: 'object' } }],
  ['`function`, `allowed_callers: programmatic`', { ...weather, allowed_callers: ['programmatic'] }],
  ['`custom`', { type: 'custom', name: 'note' }],
  [
    '`custom` with a grammar',
    { type: 'custom', name: 'note', format: { type: 'grammar', syntax: 'regex', definition: 'a+' } },
  ],
  ['`namespace`', { type: 'namespace', name: 'crm', tools: [weather] }],
  ...nativeToolTypes.map((type): [string, Record<string, unknown>] => [`\`${type}\``, { type, ...nativeTools[type] }]),
  ['`code_interpreter` in a container of the account', { type: 'code_interpreter', container: 'cntr_1' }],
  ['`mcp` with approval', { type: 'mcp', server_label: 'docs', server_url: 'https://mcp.example/' }],
  ['`mcp` with a connector', { type: 'mcp', server_label: 'mail', connector_id: 'connector_gmail' }],
  ['`tool_search` of the client’s', { type: 'tool_search', execution: 'client' }],
];

const choices: [label: string, choice: unknown, offered?: unknown[]][] = [
  ['`auto`', 'auto'],
  ['`none`', 'none'],
  ['`required`', 'required'],
  ['a `function`', { type: 'function', name: 'get_weather' }],
  ['a `custom` tool', { type: 'custom', name: 'note' }, [{ type: 'custom', name: 'note' }]],
  [
    '`allowed_tools`',
    { type: 'allowed_tools', mode: 'auto', tools: [{ type: 'function', name: 'get_weather' }] },
    [weather, { type: 'function', name: 'now' }],
  ],
  ['`web_search`', { type: 'web_search' }, [{ type: 'web_search' }]],
  ['`code_interpreter`', { type: 'code_interpreter' }, [{ type: 'code_interpreter', container: { type: 'auto' } }]],
  [
    '`mcp`',
    { type: 'mcp', server_label: 'docs' },
    [{ type: 'mcp', server_label: 'docs', server_url: 'https://mcp.example/', require_approval: 'never' }],
  ],
  ['`apply_patch`', { type: 'apply_patch' }, [{ type: 'apply_patch' }]],
  ['`shell`', { type: 'shell' }, [{ type: 'shell' }]],
];

const call = { type: 'function_call', call_id: 'call_1', name: 'get_weather', arguments: '{"city":"Paris"}' };
const output = { type: 'function_call_output', call_id: 'call_1', output: '18 °C' };
const customCall = { type: 'custom_tool_call', call_id: 'call_1', name: 'note', input: 'x' };
const customOutput = { type: 'custom_tool_call_output', call_id: 'call_1', output: 'done' };
const localShellAction = { type: 'exec', command: ['ls'], env: {} };
const shell = [
  { type: 'shell_call', call_id: 'call_1', action: { commands: ['ls'] } },
  {
    type: 'shell_call_output',
    call_id: 'call_1',
    output: [{ stdout: 'a', stderr: '', outcome: { type: 'exit', exit_code: 0 } }],
  },
];
const patch = [
  { type: 'apply_patch_call', call_id: 'call_1', operation: { type: 'delete_file', path: 'a' }, status: 'completed' },
  { type: 'apply_patch_call_output', call_id: 'call_1', status: 'completed', output: '' },
];
const computer = [
  { type: 'computer_call', call_id: 'call_1', actions: [{ type: 'wait' }], pending_safety_checks: [] },
  { type: 'computer_call_output', call_id: 'call_1', output: { type: 'computer_screenshot', image_url: png } },
];
const localShell = [
  { type: 'local_shell_call', call_id: 'call_1', action: localShellAction },
  { type: 'local_shell_call_output', call_id: 'call_1', output: 'a' },
];
const approval = [
  { type: 'mcp_approval_request', id: 'mcpr_1', server_label: 'docs', name: 'read', arguments: '{}' },
  { type: 'mcp_approval_response', approval_request_id: 'mcpr_1', approve: true },
];
const search = [
  { type: 'tool_search_call', call_id: 'call_1', execution: 'client', arguments: {}, status: 'completed' },
  { type: 'tool_search_output', call_id: 'call_1', execution: 'client', tools: [weather], status: 'completed' },
];
const program = [
  { type: 'program', call_id: 'call_1', code: 'x', fingerprint: 'f' },
  { type: 'program_output', call_id: 'call_1', result: '1', status: 'completed' },
];

/** Every type of item, with what it cannot be without. A reference is resolved before any codec, and has no row. */
const items: Record<Exclude<InputItemType, 'item_reference' | 'message'>, unknown[]> = {
  reasoning: [{ type: 'reasoning', id: 'rs_1', summary: [{ type: 'summary_text', text: 'Hm.' }] }],
  function_call: [call, output],
  function_call_output: [call, output],
  custom_tool_call: [customCall, customOutput],
  custom_tool_call_output: [customCall, customOutput],
  file_search_call: [{ type: 'file_search_call', queries: ['x'], status: 'completed' }],
  web_search_call: [{ type: 'web_search_call', status: 'completed', action: { type: 'search', query: 'x' } }],
  computer_call: computer,
  computer_call_output: computer,
  tool_search_call: search,
  tool_search_output: search,
  additional_tools: [{ type: 'additional_tools', role: 'developer', tools: [weather] }],
  configuration_update: [{ type: 'configuration_update', reasoning: { effort: 'low' } }],
  compaction: [{ type: 'compaction', encrypted_content: 'of another installation' }],
  image_generation_call: [{ type: 'image_generation_call', status: 'completed', result: 'iVBORw0KGgo=' }],
  code_interpreter_call: [{ type: 'code_interpreter_call', container_id: 'cntr_1', code: 'x', status: 'completed' }],
  local_shell_call: localShell,
  local_shell_call_output: localShell,
  shell_call: shell,
  shell_call_output: shell,
  apply_patch_call: patch,
  apply_patch_call_output: patch,
  mcp_list_tools: [{ type: 'mcp_list_tools', server_label: 'docs', tools: [] }],
  mcp_approval_request: approval,
  mcp_approval_response: approval,
  mcp_call: [{ type: 'mcp_call', server_label: 'docs', name: 'read', arguments: '{}', status: 'completed' }],
  program,
  program_output: program,
};

const messages: [label: string, message: object][] = [
  ['`message` of the user', { role: 'user', content: 'Again.' }],
  ['`message` of the assistant', { role: 'assistant', content: 'Hello.' }],
  ['`message` of the system', { role: 'system', content: 'Be brief.' }],
  ['`message` of the developer', { role: 'developer', content: 'Be brief.' }],
];

const foreign = { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'of another installation' };

/** Items with the same rows are one row: a call and its output are judged together. */
function itemFeatures(): Feature[] {
  const byInput = new Map<unknown[], string[]>();
  for (const [type, input] of Object.entries(items)) byInput.set(input, [...(byInput.get(input) ?? []), `\`${type}\``]);
  const rows: [string, unknown[]][] = [
    ...messages.map(([label, message]): [string, unknown[]] => [label, [message]]),
    ['`function_call`, `function_call_output`', [call, output]],
    ['`custom_tool_call`, `custom_tool_call_output`', [customCall, customOutput]],
    ...[...byInput].flatMap(([input, types]): [string, unknown[]][] =>
      types.some((type) => /^`(function|custom_tool)_call/.test(type)) ? [] : [[types.join(', '), input]],
    ),
    ['`reasoning` that another installation sealed', [foreign]],
  ];
  return rows.map(([label, input]) => ({
    label,
    body: { input: [greeting, ...input, next] },
    around: { input: [greeting, next] },
  }));
}

const userParts: [label: string, part: Record<string, unknown>][] = [
  ['`input_text`', { type: 'input_text', text: 'See.' }],
  ['`input_image`, data URL', { type: 'input_image', image_url: png }],
  ['`input_image`, web URL', { type: 'input_image', image_url: 'https://files.example/a.png' }],
  ['`input_image`, `detail`', { type: 'input_image', image_url: png, detail: 'high' }],
  ['`input_image`, `file_id`', { type: 'input_image', file_id: 'file-png' }],
  ['`input_file`, PDF data', { type: 'input_file', filename: 'a.pdf', file_data: pdf }],
  ['`input_file`, text data', { type: 'input_file', filename: 'a.txt', file_data: 'data:text/plain;base64,aGk=' }],
  [
    '`input_file`, other data',
    { type: 'input_file', filename: 'a.zip', file_data: 'data:application/zip;base64,UEs=' },
  ],
  ['`input_file`, web URL', { type: 'input_file', file_url: 'https://files.example/a.pdf' }],
  ['`input_file`, `file_id`', { type: 'input_file', file_id: 'file-pdf' }],
  ['`input_audio`', { type: 'input_audio', input_audio: { data: 'AA==', format: 'wav' } }],
  ['half a character', { type: 'input_text', text: '\ud83d' }],
];
const assistantParts: [label: string, part: Record<string, unknown>][] = [
  ['`output_text`', { type: 'output_text', text: 'Hello.' }],
  [
    '`output_text` with citations',
    {
      type: 'output_text',
      text: 'Hello.',
      annotations: [{ type: 'url_citation', url: 'https://a.example', title: 'A', start_index: 0, end_index: 5 }],
    },
  ],
  ['`refusal`', { type: 'refusal', refusal: 'No.' }],
];
const outputParts: typeof userParts = userParts.slice(0, 3).concat(userParts.slice(5, 9));

function partFeatures(): Feature[] {
  const around = { input: [greeting, next] };
  return [
    ...userParts.map(([label, part]) => ({
      label: `user: ${label}`,
      body: { input: [{ role: 'user', content: [part] }, next] },
      around,
    })),
    ...assistantParts.map(([label, part]) => ({
      label: `assistant: ${label}`,
      body: { input: [greeting, { role: 'assistant', content: [part] }, next] },
      around,
    })),
    ...outputParts.map(([label, part]) => ({
      label: `tool output: ${label}`,
      body: { input: [greeting, call, { ...output, output: [part] }, next] },
      around: { input: [greeting, call, output, next] },
    })),
  ];
}

export const responsesGroups: Group[] = [
  {
    title: 'Parameters',
    client: 'responses',
    features: parametersOf.map(([label, body, around]) => ({
      label,
      body,
      ...(around === undefined ? {} : { around }),
    })),
  },
  {
    title: 'What the answer is to be like',
    client: 'responses',
    features: [
      ...formats.map(([label, text]) => ({ label, body: { text } })),
      ...Object.keys(includes).map((include) => ({ label: `\`include: ${include}\``, body: { include: [include] } })),
    ],
  },
  { title: 'Tools', client: 'responses', features: tools.map(([label, tool]) => ({ label, body: { tools: [tool] } })) },
  {
    title: 'Tool choice',
    client: 'responses',
    features: choices.map(([label, tool_choice, offered = [weather]]) => ({
      label,
      body: { tool_choice },
      around: { tools: offered },
    })),
  },
  { title: 'Items of the input', client: 'responses', features: itemFeatures() },
  { title: 'Parts of a content', client: 'responses', features: partFeatures() },
];
