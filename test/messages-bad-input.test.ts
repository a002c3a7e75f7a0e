/** Messages requests that are wrong: each is a 400 in Anthropic's shape that names the parameter, costs nothing and reaches no upstream. */
import { describe, expect, test } from 'vitest';
import { stateRig } from './support/state-rig.ts';

const rig = stateRig();

const hello = { role: 'user', content: 'Hello.' };
const tool = { name: 'f', input_schema: { type: 'object' } };
const use = { type: 'tool_use', id: 'toolu_1', name: 'f', input: {} };
const png = { type: 'base64', media_type: 'image/png', data: 'iVBORw0KGgo=' };
const asked = (...blocks: unknown[]) => ({ messages: [{ role: 'user', content: blocks }] });
const answered = (...blocks: unknown[]) => ({ messages: [hello, { role: 'assistant', content: blocks }, hello] });
const result = (fields: object) => ({
  messages: [
    hello,
    { role: 'assistant', content: [use] },
    { role: 'user', content: [{ type: 'tool_result', ...fields }] },
  ],
});
const choose = (tool_choice: unknown) => ({ tools: [tool], tool_choice });
const first = 'messages[0].content[0]';

/** A body's fields beside a model, a limit and a message, and the parameter that is at fault in them. */
const cases: [fields: object, param: string][] = [
  [{ model: undefined }, 'model'],
  [{ model: 7 }, 'model'],
  [{ model: '' }, 'model'],
  [{ max_tokens: undefined }, 'max_tokens'],
  [{ max_tokens: null }, 'max_tokens'],
  [{ max_tokens: -1 }, 'max_tokens'],
  [{ max_tokens: 1.5 }, 'max_tokens'],
  [{ max_tokens: '9' }, 'max_tokens'],
  [{ messages: undefined }, 'messages'],
  [{ messages: 'Hello.' }, 'messages'],
  [{ messages: [] }, 'messages'],
  [{ messages: [null] }, 'messages[0]'],
  [{ messages: [hello, 'x'] }, 'messages[1]'],
  [{ messages: [{ content: 'x' }] }, 'messages[0].role'],
  [{ messages: [{ role: 'developer', content: 'x' }] }, 'messages[0].role'],
  [{ messages: [{ role: 1, content: 'x' }] }, 'messages[0].role'],
  [{ messages: [{ role: 'user' }] }, 'messages[0].content'],
  [{ messages: [{ role: 'user', content: 7 }] }, 'messages[0].content'],
  [asked('x'), first],
  [asked({}), `${first}.type`],
  [asked({ type: 7 }), `${first}.type`],
  [asked({ type: 'text' }), `${first}.text`],
  [asked({ type: 'text', text: 7 }), `${first}.text`],
  [asked({ type: 'image' }), `${first}.source`],
  [asked({ type: 'image', source: {} }), `${first}.source.type`],
  [asked({ type: 'image', source: { type: 'ftp' } }), `${first}.source.type`],
  [asked({ type: 'image', source: { type: 'base64', media_type: 'image/png' } }), `${first}.source.data`],
  [asked({ type: 'image', source: { ...png, media_type: 'image/tiff' } }), `${first}.source.media_type`],
  [asked({ type: 'image', source: { type: 'url' } }), `${first}.source.url`],
  [asked({ type: 'image', source: { type: 'url', url: 'file:///etc/passwd' } }), `${first}.source.url`],
  [asked({ type: 'image', source: { type: 'file' } }), `${first}.source.file_id`],
  [asked({ type: 'image', source: { type: 'file', file_id: 'file_none' } }), `${first}.file_id`],
  [asked({ type: 'document', source: { type: 'base64', media_type: 'a/b', data: '' } }), `${first}.source.media_type`],
  [asked({ type: 'document', source: { type: 'text', media_type: 'text/plain' } }), `${first}.source.data`],
  [asked({ type: 'document', source: { type: 'content' } }), `${first}.source.content`],
  [
    asked({ type: 'document', title: 7, source: { type: 'text', media_type: 'text/plain', data: 'x' } }),
    `${first}.title`,
  ],
  [asked({ type: 'search_result', source: 's', title: 't' }), `${first}.content`],
  [asked({ type: 'tool_result' }), `${first}.tool_use_id`],
  [answered({ type: 'thinking', thinking: 'x' }), 'messages[1].content[0].signature'],
  [answered({ type: 'redacted_thinking' }), 'messages[1].content[0].data'],
  [answered({ ...use, id: '' }), 'messages[1].content[0].id'],
  [answered({ ...use, name: undefined }), 'messages[1].content[0].name'],
  [answered({ ...use, input: '{}' }), 'messages[1].content[0].input'],
  [answered(use), 'messages'],
  [result({ tool_use_id: 'toolu_9', content: 'x' }), 'messages'],
  [result({ tool_use_id: 'toolu_1', content: 7 }), 'messages[2].content[0].content'],
  [result({ tool_use_id: 'toolu_1', is_error: 'yes' }), 'messages[2].content[0].is_error'],
  [result({ tool_use_id: 'toolu_1', content: [{ type: 'text' }] }), 'messages[2].content[0].content[0].text'],
  [{ messages: [hello, { role: 'assistant', content: [use, use] }, hello] }, 'messages'],
  [{ system: 7 }, 'system'],
  [{ system: [{ type: 'image', source: png }] }, 'system[0].type'],
  [{ system: [{ type: 'text' }] }, 'system[0].text'],
  [{ stream: 'yes' }, 'stream'],
  [{ temperature: 1.1 }, 'temperature'],
  [{ temperature: '1' }, 'temperature'],
  [{ top_p: -0.1 }, 'top_p'],
  [{ top_k: 1.5 }, 'top_k'],
  [{ stop_sequences: 'END' }, 'stop_sequences'],
  [{ stop_sequences: [''] }, 'stop_sequences[0]'],
  [{ metadata: { user_id: 7 } }, 'metadata.user_id'],
  [{ metadata: 'u' }, 'metadata'],
  [{ service_tier: 'flex' }, 'service_tier'],
  [{ thinking: true }, 'thinking'],
  [{ thinking: {} }, 'thinking.type'],
  [{ thinking: { type: 'deep' } }, 'thinking.type'],
  [{ thinking: { type: 'enabled' } }, 'thinking.budget_tokens'],
  [{ thinking: { type: 'enabled', budget_tokens: 1000 } }, 'thinking.budget_tokens'],
  [{ thinking: { type: 'adaptive', display: 'all' } }, 'thinking.display'],
  [{ output_config: { effort: 'minimal' } }, 'output_config.effort'],
  [{ output_config: 'high' }, 'output_config'],
  [{ output_config: { format: { type: 'json_object' } } }, 'output_config.format.type'],
  [{ output_config: { format: { type: 'json_schema' } } }, 'output_config.format.schema'],
  [{ output_format: { type: 'text' } }, 'output_format.type'],
  [{ tools: 'f' }, 'tools'],
  [{ tools: ['f'] }, 'tools[0]'],
  [{ tools: [{ input_schema: { type: 'object' } }] }, 'tools[0].name'],
  [{ tools: [{ name: 'f' }] }, 'tools[0].input_schema'],
  [{ tools: [{ name: 'f', input_schema: { type: 'string' } }] }, 'tools[0].input_schema.type'],
  [{ tools: [{ ...tool, strict: 'yes' }] }, 'tools[0].strict'],
  [{ tools: [{ ...tool, type: 7 }] }, 'tools[0].type'],
  [{ tools: [tool, tool] }, 'tools[1].name'],
  [{ tools: [{ type: 'mcp_toolset', mcp_server_name: 'docs' }] }, 'tools[0].mcp_server_name'],
  [{ tools: [{ type: 'web_search_20250305', name: 'web_search', allowed_domains: 'x' }] }, 'tools[0].allowed_domains'],
  [choose('auto'), 'tool_choice'],
  [choose({}), 'tool_choice.type'],
  [choose({ type: 'required' }), 'tool_choice.type'],
  [choose({ type: 'tool' }), 'tool_choice.name'],
  [choose({ type: 'tool', name: 'g' }), 'tool_choice.name'],
  [choose({ type: 'auto', disable_parallel_tool_use: 1 }), 'tool_choice.disable_parallel_tool_use'],
  [{ tool_choice: { type: 'any' } }, 'tools'],
  // What is in the provider's account, which tenants share, and what goes past the gateway's own routing.
  [{ container: 'container_1' }, 'container'],
  [{ container: { id: 'container_1', skills: [] } }, 'container'],
  [{ container: { skills: [{ type: 'custom', skill_id: 'skill_1' }] } }, 'container.skills[0].skill_id'],
  [asked({ type: 'container_upload', file_id: 'file_1' }), `${first}.file_id`],
  [asked({ type: 'odd', deep: [{ file_id: 'file_1' }] }), `${first}.deep[0].file_id`],
  [
    asked({
      type: 'document',
      source: { type: 'content', content: [{ type: 'image', source: { type: 'file', file_id: 'file_1' } }] },
    }),
    `${first}.source.content[0].source.file_id`,
  ],
  [answered({ type: 'container_upload', file_id: 'file_1' }), 'messages[1].content[0].file_id'],
  [
    answered(
      { type: 'server_tool_use', id: 'srvtoolu_1', name: 'code_execution', input: {} },
      { type: 'code_execution_tool_result', tool_use_id: 'srvtoolu_1', content: { content: [{ file_id: 'file_1' }] } },
    ),
    'messages[1].content[1].content.content[0].file_id',
  ],
  [{ thread: 'create' }, 'thread'],
  [{ thread: { type: 'fork' } }, 'thread.type'],
  [{ thread: { type: 'continue' } }, 'thread.previous_message_id'],
  [{ thread: { type: 'continue', previous_message_id: 'resp_1' } }, 'thread.previous_message_id'],
  [{ thread: { type: 'continue', previous_message_id: 'resp_1' }, system: 'x' }, 'system'],
  [{ thread: { type: 'continue', previous_message_id: 'resp_1' }, tools: [tool] }, 'tools'],
  [{ fallbacks: [{ model: 'claude-opus-5' }] }, 'fallbacks'],
  [{ fallback_credit_token: 'x' }, 'fallback_credit_token'],
  [{ workspace_id: 'wrkspc_1' }, 'workspace_id'],
  [{ user_profile_id: 'uprof_1' }, 'user_profile_id'],
  [{ diagnostics: { previous_message_id: 'msg_1' } }, 'diagnostics.previous_message_id'],
  [JSON.parse('{"__proto__":{}}'), '__proto__'],
];

/** What only Anthropic's models know, over another. */
const unknownToChat: [fields: object, param: string][] = [
  [{ tools: [{ type: 'bash_tools', name: 'bash' }] }, 'tools[0].type'],
  [{ tools: [{ type: 'computer_20251124', name: 'computer' }] }, 'tools[0].type'],
  [{ tools: [{ type: 'computer_toolset_20260801' }] }, 'tools[0].type'],
  [{ tools: [{ type: 'web_fetch_20250910', name: 'web_fetch' }] }, 'tools[0].type'],
  [{ tools: [{ type: 'code_execution_20250825', name: 'code_execution' }] }, 'tools[0].type'],
  [
    {
      tools: [{ type: 'mcp_toolset', mcp_server_name: 'd' }],
      mcp_servers: [{ type: 'url', name: 'd', url: 'https://d.example' }],
    },
    'tools[0].type',
  ],
  [asked({ type: 'document', source: { type: 'url', url: 'https://d.example/a.pdf' } }), `${first}.file_url`],
];

async function expectRefused(body: object, path: string): Promise<{ message: string; details: { param: string } }> {
  const before = rig.query('SELECT (SELECT count(*) FROM attempts) AS attempts, (SELECT count(*) FROM turns) AS turns');
  const { status, headers, text } = await rig.client.request('POST', path, body);
  expect(status, text).toBe(400);
  const { error, ...rest } = JSON.parse(text);
  expect(rest).toEqual({ type: 'error', request_id: headers.get('request-id') });
  expect(Object.keys(error)).toEqual(['type', 'message', 'details']);
  expect(error.type).toBe('invalid_request_error');
  expect(error.message.length).toBeLessThan(2000);
  expect([rig.messages.requests, rig.chat.requests]).toEqual([[], []]);
  expect(
    rig.query('SELECT (SELECT count(*) FROM attempts) AS attempts, (SELECT count(*) FROM turns) AS turns'),
  ).toEqual(before);
  return error;
}

const good = { model: 'claude', max_tokens: 10, messages: [hello] };
const titled = (given: [object, string][]) =>
  given.map(([fields, param]): [string, object, string] => [JSON.stringify(fields), fields, param]);

describe.each(['/v1/messages', '/v1/messages/count_tokens'])('%s', (path) => {
  const isCount = path.endsWith('count_tokens');
  const own = isCount ? cases.filter(([, param]) => param !== 'max_tokens') : cases;

  test.each(titled(own))('%s', async (_title, fields, param) => {
    const error = await expectRefused({ ...good, ...fields }, path);
    expect(error.details.param).toBe(param);
    expect(error.message).toContain(param);
  });

  test.each(titled(unknownToChat))('over a chat model: %s', async (_title, fields, param) => {
    const error = await expectRefused({ ...good, model: 'qwen', ...fields }, path);
    expect(error.details.param).toBe(param);
  });

  test('what is no object', async () => {
    await expectRefused([], path);
  });
});

test('what looks wrong and is not', async () => {
  const nulls = [
    'system',
    'tools',
    'tool_choice',
    'thinking',
    'output_config',
    'output_format',
    'stop_sequences',
    'metadata',
    'container',
    'mcp_servers',
    'cache_control',
  ];
  const odd = {
    ...good,
    ...Object.fromEntries(nulls.map((name) => [name, null])),
    messages: [
      { role: 'user', content: [{ type: 'text', text: 'a', cache_control: null, citations: null }] },
      {
        role: 'assistant',
        content: [
          { type: 'text', text: 'b' },
          { type: 'odd', field: 1 },
        ],
      },
      { role: 'user', content: 'c' },
    ],
  };
  const { status, text } = await rig.client.request('POST', '/v1/messages', odd);
  expect(status, text).toBe(200);
});
