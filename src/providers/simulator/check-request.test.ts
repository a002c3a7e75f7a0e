import { describe, expect, test } from 'vitest';
import { checkRequest, refusals } from './check-request.ts';
import type { RefusalNumber } from './check-request.ts';
import { createSigner } from './signature.ts';

const signer = createSigner('key');
const signature = signer.sign('m', 'Hm.', '');

type Body = Record<string, unknown>;

interface Sent {
  path?: string;
  headers?: Record<string, string>;
  /** Instead of a body made of `fields`. */
  raw?: string;
  fields?: Body;
}

const check = ({ path = '/v1/messages', headers = {}, raw, fields = {} }: Sent) =>
  checkRequest(
    {
      path,
      headers: { 'x-api-key': 'k', 'anthropic-version': '2023-06-01', ...headers },
      body: raw ?? JSON.stringify({ model: 'm', max_tokens: 2048, messages: [user('Hello')], ...fields }),
    },
    signer,
  );

const user = (...content: (string | Body)[]) => ({ role: 'user', content: content.map(text) });
const assistant = (...content: (string | Body)[]) => ({ role: 'assistant', content: content.map(text) });
const system = (content: unknown) => ({ role: 'system', content });
const text = (content: string | Body): Body =>
  typeof content === 'string' ? { type: 'text', text: content } : content;
const call = (id: string): Body => ({ type: 'tool_use', id, name: 'add', input: {} });
const result = (id: string, more: Body = {}): Body => ({ type: 'tool_result', tool_use_id: id, content: '1', ...more });
const thought = { type: 'thinking', thinking: 'Hm.', signature };
const schema = { type: 'object', properties: {} };
const add = { name: 'add', input_schema: schema };
const cached = { cache_control: { type: 'ephemeral' } };
const cachedLong = { cache_control: { type: 'ephemeral', ttl: '1h' } };
const breakpoints = (count: number) => Array.from({ length: count }, () => ({ type: 'text', text: 'x', ...cached }));
const image = (data: string) => ({ type: 'image', source: { type: 'base64', media_type: 'image/png', data } });
const search = { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: {} };
const searchResult = { type: 'web_search_tool_result', tool_use_id: 'srvtoolu_1', content: [] };
const budget = { thinking: { type: 'enabled', budget_tokens: 1024 } };
const adaptive = { thinking: { type: 'adaptive' } };
const closed = { type: 'object', properties: { a: { type: 'string' } }, required: ['a'], additionalProperties: false };
const open = { ...closed, properties: { a: { type: 'array', items: { type: 'object', properties: {} } } } };
const bounded = { ...closed, properties: { a: { anyOf: [{ type: 'integer', minimum: 0 }, { type: 'null' }] } } };
const withTools = (...messages: Body[]) => ({ fields: { tools: [add], messages } });
const sending = (...messages: Body[]) => ({ fields: { messages } });

const compactBeta = { 'anthropic-beta': 'compact-2026-09-04' };
const compacted = { type: 'compaction', content: 'All.', signature: signer.sign('m', 'All.', '') };
const compacting = (fields: Body): Sent => ({
  headers: compactBeta,
  fields: { compaction: { type: 'summarize' }, ...fields },
});
const goingOn = (...messages: Body[]): Sent => ({ headers: compactBeta, fields: { messages } });

/** For each rule: requests that break it, with the message they get, and requests that just keep it. */
const cases: Record<RefusalNumber, { refused: [Sent, string][]; accepted: Sent[] }> = {
  R1: { refused: [[{ path: '/v1/complete' }, 'Not found']], accepted: [{ path: '/v1/messages?beta=true' }] },
  R2: {
    refused: [[{ headers: { 'x-api-key': '' } }, 'x-api-key header is required']],
    accepted: [{ headers: { 'x-api-key': '', authorization: 'Bearer t' } }],
  },
  R3: {
    refused: [[{ headers: { 'anthropic-version': '' } }, 'anthropic-version: header is required']],
    accepted: [{ headers: { 'anthropic-version': '2023-01-01' } }],
  },
  R4: {
    refused: [[{ raw: `"${'x'.repeat(32 * 1024 * 1024)}"` }, 'Request exceeds the maximum size']],
    accepted: [{ raw: `{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"Hi"}]}${' '.repeat(1024)}` }],
  },
  R5: {
    refused: [
      [{ raw: '{"model":' }, 'The request body is not valid JSON'],
      [{ raw: '' }, 'The request body is not valid JSON'],
    ],
    accepted: [{ raw: ' {"model":"m","max_tokens":1,"messages":[{"role":"user","content":"Hi"}]} ' }],
  },
  R6: {
    refused: [
      [sending(user('a\ud800b')), 'The request body is not valid JSON: no low surrogate in string: line 1 column'],
      [sending(user('a\udc00')), 'no low surrogate in string'],
      [{ raw: '{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"\ud83d"}]}' }, 'no low surrogate'],
    ],
    accepted: [
      sending(user('\u{1f600}')),
      sending(user(String.raw`\ud800`)),
      { raw: String.raw`{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"\ud83d\ude00"}]}` },
    ],
  },
  R7: {
    refused: [
      [{ fields: { max_tokens: undefined } }, 'max_tokens: Field required'],
      [{ fields: { model: undefined } }, 'model: Field required'],
      [{ fields: { messages: undefined } }, 'messages: Field required'],
      [sending({ role: 'user' }), 'messages.0.content: Field required'],
      [sending({ content: 'Hi' }), 'messages.0.role: Field required'],
      [sending(user({ type: 'text' })), 'messages.0.content.0.text.text: Field required'],
      [sending(user({ text: 'Hi' })), 'messages.0.content.0.type: Field required'],
      [
        sending(user('Hi'), assistant({ type: 'thinking', thinking: 'Hm.' })),
        'messages.1.content.0.thinking.signature: Field required',
      ],
      [{ fields: { tools: [{ name: 'add' }] } }, 'tools.0.custom.input_schema: Field required'],
      [{ fields: { thinking: { type: 'enabled' } } }, 'thinking.enabled.budget_tokens: Field required'],
    ],
    accepted: [{ fields: { system: undefined } }],
  },
  R8: {
    refused: [
      [{ raw: '[]' }, 'Input should be an object'],
      [{ fields: { max_tokens: null } }, 'max_tokens: Input should be a valid integer'],
      [{ fields: { max_tokens: 1.5 } }, 'max_tokens: Input should be a valid integer'],
      [{ fields: { messages: 'Hi' } }, 'messages: Input should be a valid list'],
      [{ fields: { stream: 'yes' } }, 'stream: Input should be a valid boolean'],
      [{ fields: { tools: null } }, 'tools: Input should be a valid list'],
      [
        withTools(user('1+1'), assistant({ ...call('a'), input: '{}' }), user(result('a'))),
        'messages.1.content.0.tool_use.input: Input should be a valid dictionary',
      ],
    ],
    accepted: [{ fields: { cache_control: null, service_tier: 'auto', output_config: { effort: null } } }],
  },
  R9: {
    refused: [
      [{ fields: { frequency_penalty: 0 } }, 'frequency_penalty: Extra inputs are not permitted'],
      [{ fields: { betas: [] } }, 'betas: Extra inputs are not permitted'],
      [sending({ ...user('Hi'), name: 'Ada' }), 'messages.0.name: Extra inputs are not permitted'],
      [
        sending(user({ type: 'text', text: 'Hi', id: '1' })),
        'messages.0.content.0.text.id: Extra inputs are not permitted',
      ],
      [
        sending(user('Hi'), assistant({ ...thought, ...cached })),
        'messages.1.content.0.thinking.cache_control: Extra inputs are not permitted',
      ],
      [
        { fields: { system: [{ type: 'text', text: 'x', cache_control: { type: 'ephemeral', scope: 'global' } }] } },
        'system.0.text.cache_control.ephemeral.scope: Extra inputs are not permitted',
      ],
      [
        { fields: { tools: [{ ...add, parameters: {} }] } },
        'tools.0.custom.parameters: Extra inputs are not permitted',
      ],
      [
        { fields: { tools: [add], tool_choice: { type: 'none', disable_parallel_tool_use: true } } },
        'tool_choice.none.disable_parallel_tool_use: Extra inputs are not permitted',
      ],
      [{ fields: { metadata: { trace: '1' } } }, 'metadata.trace: Extra inputs are not permitted'],
    ],
    accepted: [
      {
        fields: {
          context_management: { edits: [{ type: 'clear_thinking_20251015', keep: 'all' }] },
          speed: 'fast',
          inference_geo: 'us',
          temperature: 0.5,
          top_k: 3,
        },
      },
    ],
  },
  R10: {
    refused: [
      [
        sending(user({ type: 'input_text', text: 'Hi' })),
        "messages.0.content.0: Input tag 'input_text' found using 'type' does not match any of the expected tags: 'text', 'image'",
      ],
      [sending(user({ type: '__proto__' })), "Input tag '__proto__' found using 'type'"],
      [
        sending({ role: 'tool', content: 'Hi' }),
        'messages: Unexpected role "tool". Allowed roles are "user" or "assistant"',
      ],
      [{ fields: { tools: [{ type: 'function', function: {} }] } }, "tools.0: Input tag 'function' found using 'type'"],
      [{ fields: { thinking: { type: 'auto' } } }, "thinking: Input tag 'auto' found using 'type'"],
    ],
    accepted: [
      {
        fields: {
          tools: [
            { ...add, type: 'custom' },
            { type: 'web_search_20260318', name: 'web_search' },
          ],
        },
      },
      { fields: { tools: [{ ...add, type: null }] } },
    ],
  },
  R11: {
    refused: [
      [
        { fields: { output_config: { effort: 'minimal' } } },
        "output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'",
      ],
      [{ fields: { service_tier: 'flex' } }, "service_tier: Input should be 'auto' or 'standard_only'"],
      [
        sending(user({ type: 'image', source: { type: 'base64', media_type: 'image/bmp', data: 'AAAA' } })),
        "messages.0.content.0.image.source.base64.media_type: Input should be 'image/jpeg', 'image/png', 'image/gif' or 'image/webp'",
      ],
    ],
    accepted: [{ fields: { output_config: { effort: 'xhigh' } } }],
  },
  R12: {
    refused: [
      [{ fields: { max_tokens: -1 } }, 'max_tokens: Input should be greater than or equal to 0'],
      [{ fields: { temperature: 1.5 } }, 'temperature: Input should be less than or equal to 1'],
      [
        { fields: { thinking: { type: 'enabled', budget_tokens: 1023 } } },
        'thinking.enabled.budget_tokens: Input should be greater than or equal to 1024',
      ],
    ],
    accepted: [{ fields: { max_tokens: 0, temperature: 1 } }],
  },
  R13: {
    refused: [
      [
        withTools(user('1+1'), assistant(call('a b')), user(result('a b'))),
        "messages.1.content.0.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'",
      ],
      [
        { fields: { tools: [{ ...add, name: 'x'.repeat(129) }] } },
        "tools.0.custom.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'",
      ],
      [
        sending(user('Hi'), assistant({ ...search, id: 'toolu_1' })),
        "messages.1.content.0.server_tool_use.id: String should match pattern '^srvtoolu_[a-zA-Z0-9_]+$'",
      ],
      [
        { fields: { metadata: { user_id: 'x'.repeat(257) } } },
        'metadata.user_id: String should have at most 256 characters',
      ],
    ],
    accepted: [{ fields: { tools: [{ ...add, name: 'x'.repeat(128) }], metadata: { user_id: 'x'.repeat(256) } } }],
  },
  R14: {
    refused: [
      [
        { fields: { max_tokens: 64_001 } },
        'max_tokens: 64001 > 64000, which is the maximum allowed number of output tokens for m',
      ],
    ],
    accepted: [{ fields: { max_tokens: 64_000 } }],
  },
  R15: { refused: [[sending(), 'messages: at least one message is required']], accepted: [sending(user('Hi'))] },
  R16: {
    refused: [
      [sending(system('Be brief.'), user('Hi')), "messages.0: role 'system' must follow a 'user' message"],
      [
        sending(user('Hi'), assistant('Hello'), system('Be brief.')),
        "messages.2: role 'system' must follow a 'user' message",
      ],
      [
        sending(user('Hi'), system('Be brief.'), user('Hi')),
        "messages.1: role 'system' must precede an 'assistant' message or end the array",
      ],
      [
        sending(user('Hi'), system('Be brief.'), system('Be kind.')),
        "messages.1: role 'system' must precede an 'assistant' message or end the array",
      ],
    ],
    accepted: [
      sending(user('Hi'), system('Be brief.')),
      sending(user('Hi'), system([text('Be brief.')]), assistant('Hello'), user('Hi')),
      { fields: { messages: [user('Hi'), assistant(search), system('Be brief.')] } },
    ],
  },
  R17: {
    refused: [
      [sending({ role: 'user', content: '' }), 'messages.0: user messages must have non-empty content'],
      [sending(user(), assistant('Hi')), 'messages.0: user messages must have non-empty content'],
      [
        sending(user('Hi'), assistant(), user('Hi')),
        'messages.1: all messages must have non-empty content except for the optional final assistant message',
      ],
      [sending(user('Hi'), system(undefined)), 'messages.1: all messages must have non-empty content'],
    ],
    accepted: [
      sending(user('Hi'), assistant()),
      sending(user('Hi'), { role: 'system', output_config: { effort: 'low' } }),
    ],
  },
  R18: {
    refused: [
      [sending(user('')), 'messages: text content blocks must be non-empty'],
      [sending(user(' \n')), 'messages: text content blocks must contain non-whitespace text'],
      [sending({ role: 'user', content: ' ' }), 'messages: text content blocks must contain non-whitespace text'],
      [{ fields: { system: [text('')] } }, 'system: text content blocks must be non-empty'],
      [
        withTools(user('1+1'), assistant(call('a')), user(result('a', { content: [text('')] }))),
        'messages: text content blocks must be non-empty',
      ],
    ],
    accepted: [sending(user(' . ')), withTools(user('1+1'), assistant(call('a')), user(result('a', { content: '' })))],
  },
  R19: {
    refused: [
      [
        sending(user('Hi'), assistant('Hello ')),
        'messages: final assistant content cannot end with trailing whitespace',
      ],
    ],
    accepted: [sending(user('Hi'), assistant('Hello')), sending(user('Hi'), assistant('Hello '), user('Hi '))],
  },
  R20: {
    refused: [
      [withTools(user(call('a'))), 'messages.0.content.0: `tool_use` blocks can only be in `assistant` messages'],
      [
        withTools(user('1+1'), assistant(result('a'))),
        'messages.1.content.0: `tool_result` blocks can only be in `user` messages',
      ],
      [sending(user(thought)), 'messages.0.content.0: `thinking` blocks can only be in `assistant` messages'],
      [
        sending(user('Hi'), assistant(image('AAAA'))),
        'messages.1.content.0: `image` blocks can only be in `user` messages',
      ],
      [
        sending(user({ type: 'tool_removal', tool: {} })),
        'messages.0.content.0: `tool_removal` blocks can only be in `system` messages',
      ],
    ],
    accepted: [sending(user(image('AAAA')), assistant(thought, 'Hello'))],
  },
  R21: {
    refused: [
      [
        withTools(user('1+1'), assistant(call('a'), call('a')), user(result('a'))),
        'messages.1.content.1: `tool_use` ids must be unique',
      ],
      [
        withTools(user('1+1'), assistant(call('a')), user(result('a')), assistant(call('a')), user(result('a'))),
        'messages.3.content.0: `tool_use` ids must be unique',
      ],
    ],
    accepted: [withTools(user('1+1'), assistant(call('a'), call('b')), user(result('b'), result('a')))],
  },
  R22: {
    refused: [
      [
        withTools(user(result('a'))),
        'messages.0.content.0: unexpected `tool_use_id` found in `tool_result` blocks: a. Each `tool_result` block must have a corresponding `tool_use` block in the previous message.',
      ],
      [
        withTools(user('1+1'), assistant(call('a')), user(result('a')), assistant('2'), user(result('a'))),
        'messages.4.content.0: unexpected `tool_use_id`',
      ],
    ],
    accepted: [withTools(user('1+1'), assistant(call('a')), user(result('a')), assistant('2'), user('And 2+2?'))],
  },
  R23: {
    refused: [
      [
        withTools(user('1+1'), assistant(call('a')), user(result('a'), result('a'))),
        'messages.2.content.1: each tool_use must have a single result. Found multiple `tool_result` blocks with id: a',
      ],
    ],
    accepted: [withTools(user('1+1'), assistant(call('a')), user(result('a')))],
  },
  R24: {
    refused: [
      [
        withTools(user('1+1'), assistant('Hm.', call('toolu_x')), user('Well?')),
        'messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_x. Each `tool_use` block must have a corresponding `tool_result` block in the next message.',
      ],
      [withTools(user('1+1'), assistant(call('a'), call('b')), user(result('a'))), 'immediately after: b. '],
      [
        withTools(user('1+1'), assistant(call('a'))),
        'messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: a.',
      ],
    ],
    accepted: [
      withTools(user('1+1'), assistant(call('a')), assistant(call('b')), user(result('a')), user(result('b'))),
    ],
  },
  R25: {
    refused: [
      [
        withTools(user('1+1'), assistant(call('a')), user('Here:', result('a'))),
        'messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: a.',
      ],
    ],
    accepted: [withTools(user('1+1'), assistant(call('a')), user(result('a'), 'Go on.'))],
  },
  R26: {
    refused: [
      [
        sending(user('Hi'), assistant(searchResult)),
        'messages.1.content.0: unexpected `tool_use_id` found in `web_search_tool_result` blocks: srvtoolu_1. Each `web_search_tool_result` block must have a corresponding `server_tool_use` block before it.',
      ],
      [
        sending(user('Hi'), assistant({ type: 'mcp_tool_result', tool_use_id: 'mcptoolu_1' })),
        'corresponding `mcp_tool_use` block before it.',
      ],
    ],
    accepted: [sending(user('Hi'), assistant(search, searchResult, 'Found.'))],
  },
  R27: {
    refused: [
      [
        sending(user('Hi'), assistant({ ...thought, thinking: 'Hm!' }, 'Hello')),
        'messages.1.content.0: Invalid `signature` in `thinking` block',
      ],
      [
        sending(user('Hi'), assistant({ ...thought, signature: createSigner('other').sign('m', 'Hm.', '') })),
        'Invalid `signature`',
      ],
      [sending(user('Hi'), assistant({ ...thought, signature: signer.sign('m2', 'Hm.', '') })), 'Invalid `signature`'],
      [sending(user('Hi'), assistant({ ...thought, signature: `${signature} ` })), 'Invalid `signature`'],
      [sending(user('Hi'), assistant({ ...thought, signature: '' })), 'Invalid `signature`'],
    ],
    accepted: [
      sending(user('Hi'), assistant(thought, 'Hello')),
      sending(
        user('Hi'),
        assistant({ type: 'thinking', thinking: '', signature: signer.sign('m', '', 'Hm.') }, 'Hello'),
      ),
    ],
  },
  R28: {
    refused: [
      [
        sending(user('Hi'), assistant({ type: 'redacted_thinking', data: 'AAAA' }, 'Hello')),
        'messages.1.content.0: Invalid `data` in `redacted_thinking` block',
      ],
    ],
    accepted: [
      sending(user('Hi'), assistant({ type: 'redacted_thinking', data: signer.sign('m', '', 'Hm.') }, 'Hello')),
    ],
  },
  R29: {
    refused: [
      [
        { fields: { ...withTools(user('1+1'), assistant(call('a')), user(result('a'))).fields, ...budget } },
        'messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`. When `thinking` is enabled, a final `assistant` message must start with a thinking block',
      ],
      [
        { fields: { ...sending(user('Hi'), assistant('Hello')).fields, ...budget } },
        'messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `text`.',
      ],
    ],
    accepted: [
      { fields: { ...withTools(user('1+1'), assistant(thought, call('a')), user(result('a'))).fields, ...budget } },
      {
        fields: {
          ...withTools(user('1+1'), assistant(call('a')), user(result('a')), assistant('2'), user('Hm')).fields,
          ...budget,
        },
      },
      { fields: { ...withTools(user('1+1'), assistant(call('a')), user(result('a'))).fields, ...adaptive } },
    ],
  },
  R30: {
    refused: [
      [{ fields: { max_tokens: 1024, ...budget } }, '`max_tokens` must be greater than `thinking.budget_tokens`.'],
    ],
    accepted: [{ fields: { max_tokens: 1025, ...budget } }],
  },
  R31: {
    refused: [
      [
        { fields: { tools: [add], tool_choice: { type: 'any' }, ...adaptive } },
        'Thinking may not be enabled when tool_choice forces tool use.',
      ],
      [
        { fields: { tools: [add], tool_choice: { type: 'tool', name: 'add' }, ...budget } },
        'Thinking may not be enabled when tool_choice forces tool use.',
      ],
    ],
    accepted: [
      { fields: { tools: [add], tool_choice: { type: 'any' }, thinking: { type: 'disabled' } } },
      { fields: { tools: [add], tool_choice: { type: 'auto' }, ...adaptive } },
    ],
  },
  R32: {
    refused: [
      [{ fields: { temperature: 0.5, ...adaptive } }, '`temperature` may only be set to 1 when thinking is enabled.'],
      [{ fields: { top_k: 1, ...budget } }, '`top_k` must be unset when thinking is enabled.'],
      [
        { fields: { top_p: 0.9, ...adaptive } },
        '`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled.',
      ],
    ],
    accepted: [
      { fields: { temperature: 1, ...adaptive } },
      { fields: { top_p: 0.95, ...adaptive } },
      { fields: { temperature: 0.5 } },
    ],
  },
  R33: {
    refused: [
      [
        { fields: { temperature: 1, top_p: 1 } },
        '`temperature` and `top_p` cannot both be specified for this model. Please use only one.',
      ],
    ],
    accepted: [{ fields: { top_p: 0.1 } }],
  },
  R34: {
    refused: [[{ fields: { tools: [add, add] } }, 'tools: Tool names must be unique.']],
    accepted: [{ fields: { tools: [add, { ...add, name: 'Add' }] } }],
  },
  R35: {
    refused: [
      [{ fields: { tools: [{ ...add, input_schema: {} }] } }, 'tools.0.custom.input_schema.type: Field required'],
      [
        { fields: { tools: [add, { name: 'b', input_schema: { type: 'string' } }] } },
        "tools.1.custom.input_schema.type: Input should be 'object'",
      ],
    ],
    accepted: [{ fields: { tools: [{ ...add, input_schema: { type: 'object' } }] } }],
  },
  R36: {
    refused: [
      [
        { fields: { tools: [{ ...add, input_schema: { type: 'object', anyOf: [{}] } }] } },
        'tools.0.custom.input_schema: input_schema does not support oneOf, allOf, or anyOf at the top level',
      ],
    ],
    accepted: [
      { fields: { tools: [{ ...add, input_schema: { type: 'object', properties: { a: { anyOf: [{}] } } } }] } },
    ],
  },
  R37: {
    refused: [
      [
        { fields: { output_config: { format: { type: 'json_schema', schema } } } },
        "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false",
      ],
      [
        { fields: { output_config: { format: { type: 'json_schema', schema: open } } } },
        "output_config.format.schema: For 'object' type",
      ],
      [{ fields: { tools: [{ ...add, strict: true }] } }, "tools.0.custom: For 'object' type"],
    ],
    accepted: [
      {
        fields: {
          output_config: { format: { type: 'json_schema', schema: closed } },
          tools: [
            { ...add, strict: false },
            { name: 'b', input_schema: closed, strict: true },
          ],
        },
      },
    ],
  },
  R38: {
    refused: [
      [
        { fields: { tool_choice: { type: 'auto' } } },
        'tool_choice: tool_choice may only be specified while providing tools.',
      ],
      [
        { fields: { tools: [], tool_choice: { type: 'any' } } },
        'tool_choice may only be specified while providing tools.',
      ],
    ],
    accepted: [{ fields: { tool_choice: { type: 'none' } } }],
  },
  R39: {
    refused: [
      [
        { fields: { tools: [add], tool_choice: { type: 'tool', name: 'sub' } } },
        "Tool 'sub' not found in provided tools",
      ],
    ],
    accepted: [{ fields: { tools: [add], tool_choice: { type: 'tool', name: 'add' } } }],
  },
  R40: {
    refused: [
      [
        sending(user('1+1'), assistant(call('a')), user(result('a'))),
        'Requests which include `tool_use` or `tool_result` blocks must define tools',
      ],
    ],
    accepted: [
      {
        fields: {
          ...withTools(user('1+1'), assistant(call('a')), user(result('a'))).fields,
          tool_choice: { type: 'none' },
        },
      },
    ],
  },
  R41: {
    refused: [
      [
        {
          fields: {
            system: breakpoints(3),
            tools: [{ ...add, ...cached }],
            messages: [user({ type: 'text', text: 'x', ...cached })],
          },
        },
        'A maximum of 4 blocks with cache_control may be provided. Found 5.',
      ],
      [withTools(user('1+1'), assistant(call('a')), user(result('a', { content: breakpoints(5) }))), 'Found 5.'],
      [{ fields: { system: breakpoints(4), ...cached } }, 'Found 5.'],
    ],
    accepted: [{ fields: { system: breakpoints(4) } }, { fields: { system: breakpoints(3), ...cached } }],
  },
  R42: {
    refused: [
      [
        { fields: { system: [{ type: 'text', text: 'x', ...cachedLong }], tools: [{ ...add, ...cached }] } },
        "system.0.cache_control.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block.",
      ],
    ],
    accepted: [{ fields: { system: [{ type: 'text', text: 'x', ...cached }], tools: [{ ...add, ...cachedLong }] } }],
  },
  R43: {
    refused: [
      [{ fields: { stop_sequences: ['END', '\n'] } }, 'stop_sequences: each stop sequence must contain non-whitespace'],
    ],
    accepted: [{ fields: { stop_sequences: ['\n-'] } }],
  },
  R44: {
    refused: [
      [
        withTools(user('1+1'), assistant(call('a')), user(result('a', { is_error: true, content: [image('AAAA')] }))),
        'messages.2.content.0.tool_result: all content must be type "text" if "is_error" is true',
      ],
    ],
    accepted: [withTools(user('1+1'), assistant(call('a')), user(result('a', { content: [image('AAAA')] })))],
  },
  R45: {
    refused: [
      [
        sending(user(image('data:image/png;base64,AAAA'))),
        'messages.0.content.0.image.source.base64.data: Invalid base64 data',
      ],
      [sending(user(image('AAA'))), 'Invalid base64 data'],
      [sending(user(image('AA=A'))), 'Invalid base64 data'],
      [sending(user(image(''))), 'Invalid base64 data'],
    ],
    accepted: [sending(user(image('AAA=')), user(image('AA==')))],
  },
  R46: {
    refused: [[sending(user('x'.repeat(800_000))), 'prompt is too long: 200007 tokens > 200000 maximum']],
    accepted: [sending(user('x'.repeat(799_900)))],
  },
  R47: {
    refused: [
      [{ fields: { compaction: { type: 'summarize' } } }, 'compaction: Extra inputs are not permitted'],
      [sending(assistant(compacted)), "messages.0.content.0: Input tag 'compaction' found using 'type' does not match"],
    ],
    accepted: [
      { headers: compactBeta, fields: { compaction: { type: 'summarize' } } },
      sending(user('Hi'), assistant({ type: 'compaction', content: 'From an edit.' }), user('Hi')),
    ],
  },
  R48: {
    refused: [
      [compacting({ stop_sequences: ['x'] }), 'compaction: cannot be combined with stop_sequences'],
      [compacting({ context_management: { edits: [] } }), 'compaction: cannot be combined with context_management'],
      [compacting({ output_format: { type: 'json_schema', schema: closed } }), 'with output_config.format'],
      [compacting({ tools: [add], tool_choice: { type: 'any' } }), 'with tool_choice'],
    ],
    accepted: [compacting({ tools: [add], tool_choice: { type: 'none' } })],
  },
  R49: {
    refused: [
      [
        goingOn(assistant({ ...compacted, content: 'Another.' }), user('Hi')),
        'messages.0.content.0: Invalid `signature` in `compaction` block',
      ],
      [
        goingOn(user('Hi'), assistant(compacted), user('Hi')),
        'messages.1.content.0: the `compaction` block must be the first block of the conversation',
      ],
      [goingOn(assistant(compacted, compacted), user('Hi')), 'holds more than one `compaction` block'],
    ],
    accepted: [goingOn(assistant(compacted), user('Hi')), goingOn(assistant(compacted, 'Hello'), user('Hi'))],
  },
  R50: {
    refused: [
      [
        { fields: { output_config: { format: { type: 'json_schema', schema: bounded } } } },
        "output_config.format.schema: For 'integer' type, property 'minimum' is not supported",
      ],
      [
        { fields: { tools: [{ name: 'b', input_schema: bounded, strict: true }] } },
        "tools.0.custom: For 'integer' type",
      ],
    ],
    accepted: [{ fields: { tools: [{ name: 'b', input_schema: bounded }] } }],
  },
};

const numbers: RefusalNumber[] = Object.keys(refusals).filter((number): number is RefusalNumber => number in cases);

test('the rules are numbered in order', () => {
  expect(numbers).toEqual(Object.keys(refusals).map((_, place) => `R${place + 1}`));
});

describe.each(numbers.map((number) => ({ number, rule: refusals[number].rule })))(
  '$number: $rule',
  ({ number, rule }) => {
    const { refused, accepted } = cases[number];

    test.each(refused.map(([sent, message]) => ({ sent, message })))('is refused: $message', ({ sent, message }) => {
      const { refused: refusal } = check(sent);
      expect(refusal, rule).toMatchObject({ number, message: expect.stringContaining(message) });
    });

    test('what just keeps it is accepted', () => {
      expect(accepted.length).toBeGreaterThan(0);
      for (const sent of accepted) expect(check(sent).refused).toBeUndefined();
    });
  },
);

test('errors other than of the request itself have statuses of their own', () => {
  expect(check({ path: '/' }).refused).toMatchObject({ status: 404, type: 'not_found_error' });
  expect(check({ headers: { 'x-api-key': '' } }).refused).toMatchObject({ status: 401, type: 'authentication_error' });
  expect(check({ fields: { model: 1 } }).refused).toMatchObject({ status: 400, type: 'invalid_request_error' });
});

test('what a coding agent sends is accepted', () => {
  const sent = check({
    path: '/v1/messages?beta=true',
    fields: {
      model: 'claude-opus-5',
      stream: true,
      max_tokens: 32_000,
      system: [
        { type: 'text', text: 'x-billing-header: version=1;' },
        { type: 'text', text: 'You are an agent.', ...cached },
        { type: 'text', text: '\nYou help with software.', ...cached },
      ],
      messages: [
        user('<system-reminder>\nToday is Monday.\n</system-reminder>\n', 'Read it.'),
        system('Agent types: any.'),
        assistant(
          { type: 'thinking', thinking: '', signature: signer.sign('claude-opus-5', '', 'I read it.') },
          { ...call('toolu_01'), input: { path: 'a.txt' }, caller: { type: 'direct' } },
        ),
        user({ ...result('toolu_01'), is_error: false, ...cached }, 'Go on.'),
      ],
      tools: [
        {
          ...add,
          description: 'Adds.',
          input_schema: { $schema: 'https://json-schema.org/draft/2020-12/schema', ...closed },
        },
      ],
      metadata: { user_id: '{"device_id":"0","account_uuid":"","session_id":"1"}' },
      thinking: { type: 'adaptive', display: 'summarized' },
      context_management: { edits: [{ type: 'clear_thinking_20251015', keep: 'all' }] },
      output_config: { effort: 'high', format: { type: 'json_schema', schema: closed } },
    },
  });
  expect(sent.refused).toBeUndefined();
});
