/** Chat requests that are wrong: each is a 400 in OpenAI's shape that names the parameter, costs nothing and reaches no upstream. */
import { expect, test } from 'vitest';
import { stateRig } from './support/state-rig.ts';

const rig = stateRig();

const hello = { role: 'user', content: 'Hello.' };
const spec = { name: 'f', parameters: { type: 'object', properties: {} } };
const tools = [{ type: 'function', function: spec }];
const call = { id: 'call_1', type: 'function', function: { name: 'f', arguments: '{}' } };
const asked = (...parts: unknown[]) => ({ messages: [{ role: 'user', content: parts }] });
const answered = (fields: object) => ({ messages: [hello, { role: 'assistant', ...fields }, hello] });
const choose = (tool_choice: unknown) => ({ tools, tool_choice });
const schema = (json_schema: unknown) => ({ response_format: { type: 'json_schema', json_schema } });
const png = 'data:image/png;base64,iVBORw0KGgo=';

/** A body's fields beside a model and a message, and the parameter that is at fault in them. */
const cases: [fields: object, param: string, code?: string][] = [
  [{ model: undefined }, 'model', 'missing_required_parameter'],
  [{ model: null }, 'model', 'invalid_type'],
  [{ model: 7 }, 'model', 'invalid_type'],
  [{ model: '' }, 'model', 'invalid_value'],
  [{ '': 'file-abc123' }, '""', 'unsupported_parameter'],
  [{ messages: undefined }, 'messages', 'missing_required_parameter'],
  [{ messages: 'Hello.' }, 'messages', 'invalid_type'],
  [{ messages: {} }, 'messages', 'invalid_type'],
  [{ messages: [] }, 'messages', 'invalid_value'],
  [{ messages: [null] }, 'messages[0]', 'invalid_type'],
  [{ messages: [hello, 'x'] }, 'messages[1]', 'invalid_type'],
  [{ messages: [{ content: 'x' }] }, 'messages[0].role', 'missing_required_parameter'],
  [{ messages: [{ role: 'robot', content: 'x' }] }, 'messages[0].role', 'invalid_value'],
  [{ messages: [{ role: 1, content: 'x' }] }, 'messages[0].role', 'invalid_type'],
  [{ messages: [{ role: 'user' }] }, 'messages[0].content', 'missing_required_parameter'],
  [{ messages: [{ role: 'user', content: null }] }, 'messages[0].content', 'invalid_type'],
  [{ messages: [{ role: 'user', content: 7 }] }, 'messages[0].content', 'invalid_type'],
  [{ messages: [{ role: 'user', content: 'x', name: 7 }] }, 'messages[0].name', 'invalid_type'],
  [{ messages: [{ role: 'system', content: {} }] }, 'messages[0].content', 'invalid_type'],
  [asked('x'), 'messages[0].content[0]', 'invalid_type'],
  [asked({}), 'messages[0].content[0].type', 'missing_required_parameter'],
  [asked({ type: 'video' }), 'messages[0].content[0].type', 'invalid_value'],
  [asked({ type: 'text' }), 'messages[0].content[0].text', 'missing_required_parameter'],
  [asked({ type: 'text', text: 7 }), 'messages[0].content[0].text', 'invalid_type'],
  [asked({ type: 'image_url' }), 'messages[0].content[0].image_url', 'missing_required_parameter'],
  [asked({ type: 'image_url', image_url: png }), 'messages[0].content[0].image_url', 'invalid_type'],
  [asked({ type: 'image_url', image_url: {} }), 'messages[0].content[0].image_url.url'],
  [asked({ type: 'image_url', image_url: { url: 'file:///etc/passwd' } }), 'messages[0].content[0].image_url.url'],
  [
    asked({ type: 'image_url', image_url: { url: png, detail: 'huge' } }),
    'messages[0].content[0].image_url.detail',
    'invalid_value',
  ],
  [asked({ type: 'file' }), 'messages[0].content[0].file', 'missing_required_parameter'],
  [asked({ type: 'file', file: {} }), 'messages[0].content[0].file.file_data', 'missing_required_parameter'],
  [asked({ type: 'file', file: { file_data: 'a', file_id: 'b' } }), 'messages[0].content[0].file.file_id'],
  [asked({ type: 'file', file: { file_id: 'file_unknown' } }), 'messages[0].content[0].file.file_id'],
  [asked({ type: 'input_audio' }), 'messages[0].content[0].input_audio', 'missing_required_parameter'],
  [
    asked({ type: 'input_audio', input_audio: { data: 'a', format: 'ogg' } }),
    'messages[0].content[0].input_audio.format',
  ],
  [asked({ type: 'input_audio', input_audio: { data: 'a', format: 'wav' } }), 'messages'],
  [
    { messages: [{ role: 'system', content: [{ type: 'image_url', image_url: { url: png } }] }] },
    'messages[0].content[0].type',
  ],
  [answered({}), 'messages[1].content', 'invalid_type'],
  [answered({ content: null }), 'messages[1].content', 'invalid_type'],
  [answered({ content: [{ type: 'image_url', image_url: { url: png } }] }), 'messages[1].content[0].type'],
  [answered({ content: 'x', refusal: 7 }), 'messages[1].refusal', 'invalid_type'],
  [answered({ content: 'x', tool_calls: 'x' }), 'messages[1].tool_calls', 'invalid_type'],
  [answered({ tool_calls: ['x'] }), 'messages[1].tool_calls[0]', 'invalid_type'],
  [answered({ tool_calls: [{ ...call, type: 'shell' }] }), 'messages[1].tool_calls[0].type', 'invalid_value'],
  [
    answered({ tool_calls: [{ ...call, id: undefined }] }),
    'messages[1].tool_calls[0].id',
    'missing_required_parameter',
  ],
  [answered({ tool_calls: [{ ...call, id: '' }] }), 'messages[1].tool_calls[0].id', 'invalid_value'],
  [answered({ tool_calls: [{ id: 'a', type: 'function' }] }), 'messages[1].tool_calls[0].function'],
  [
    answered({ tool_calls: [{ ...call, function: { name: 'f', arguments: {} } }] }),
    'messages[1].tool_calls[0].function.arguments',
    'invalid_type',
  ],
  [
    answered({ tool_calls: [{ id: 'a', type: 'custom', custom: { name: 'f' } }] }),
    'messages[1].tool_calls[0].custom.input',
  ],
  [answered({ function_call: { name: 'f' } }), 'messages[1].function_call.arguments', 'missing_required_parameter'],
  [answered({ content: 'x', audio: { id: 'audio_1' } }), 'messages[1].audio', 'unsupported_parameter'],
  [answered({ tool_calls: [call] }), 'messages'],
  [{ messages: [hello, { role: 'tool', content: 'x' }] }, 'messages[1].tool_call_id', 'missing_required_parameter'],
  [{ messages: [hello, { role: 'tool', tool_call_id: 'call_9', content: 'x' }] }, 'messages'],
  [
    { messages: [hello, { role: 'tool', tool_call_id: 'call_9' }] },
    'messages[1].content',
    'missing_required_parameter',
  ],
  [{ messages: [hello, { role: 'function', name: 'f', content: 'x' }] }, 'messages[1].name', 'invalid_value'],
  [{ messages: [hello, { role: 'function', content: 'x' }] }, 'messages[1].name', 'missing_required_parameter'],
  [{ store: 'yes' }, 'store', 'invalid_type'],
  [{ stream: 1 }, 'stream', 'invalid_type'],
  [{ stream_options: { include_usage: true } }, 'stream_options', 'invalid_value'],
  [{ stream: true, stream_options: { include_usage: 'x' } }, 'stream_options.include_usage', 'invalid_type'],
  [{ parallel_tool_calls: 'no' }, 'parallel_tool_calls', 'invalid_type'],
  [{ max_tokens: 0 }, 'max_tokens', 'integer_out_of_range'],
  [{ max_tokens: 1.5 }, 'max_tokens', 'invalid_type'],
  [{ max_completion_tokens: -1 }, 'max_completion_tokens', 'integer_out_of_range'],
  [{ max_tokens: 5, max_completion_tokens: 6 }, 'max_tokens', 'invalid_value'],
  [{ temperature: 2.1 }, 'temperature', 'decimal_out_of_range'],
  [{ temperature: 'hot' }, 'temperature', 'invalid_type'],
  [{ top_p: -0.1 }, 'top_p', 'decimal_out_of_range'],
  [{ presence_penalty: 3 }, 'presence_penalty', 'decimal_out_of_range'],
  [{ frequency_penalty: 'x' }, 'frequency_penalty', 'invalid_type'],
  [{ n: 0 }, 'n', 'integer_out_of_range'],
  [{ n: 129 }, 'n', 'integer_out_of_range'],
  [{ n: 2 }, 'n', 'unsupported_parameter'],
  [{ modalities: ['video'] }, 'modalities[0]', 'invalid_value'],
  [{ modalities: ['text', 'audio'] }, 'modalities', 'unsupported_parameter'],
  [{ audio: { voice: 'a', format: 'wav' } }, 'audio', 'unsupported_parameter'],
  [{ seed: 1.5 }, 'seed', 'invalid_type'],
  [{ logprobs: 3 }, 'logprobs', 'invalid_type'],
  [{ top_logprobs: 3 }, 'top_logprobs', 'invalid_value'],
  [{ logprobs: true, top_logprobs: 21 }, 'top_logprobs', 'integer_out_of_range'],
  [{ logprobs: true }, 'logprobs', 'unsupported_parameter'],
  [{ reasoning_effort: 'extreme' }, 'reasoning_effort', 'invalid_value'],
  [{ verbosity: 'loud' }, 'verbosity', 'invalid_value'],
  [{ response_format: 'json' }, 'response_format', 'invalid_type'],
  [{ response_format: { type: 'xml' } }, 'response_format.type', 'invalid_value'],
  [schema(undefined), 'response_format.json_schema', 'missing_required_parameter'],
  [schema({}), 'response_format.json_schema.name', 'missing_required_parameter'],
  [schema({ name: 'a b' }), 'response_format.json_schema.name', 'invalid_value'],
  [schema({ name: 'a', schema: [] }), 'response_format.json_schema.schema', 'invalid_type'],
  [schema({ name: 'a', strict: 'x' }), 'response_format.json_schema.strict', 'invalid_type'],
  [{ stop: 7 }, 'stop', 'invalid_type'],
  [{ stop: '' }, 'stop', 'invalid_value'],
  [{ stop: ['a', 7] }, 'stop[1]', 'invalid_type'],
  [{ stop: ['a', 'b', 'c', 'd', 'e'] }, 'stop', 'array_above_max_length'],
  [{ user: 7 }, 'user', 'invalid_type'],
  [{ safety_identifier: 'x'.repeat(129) }, 'safety_identifier', 'string_above_max_length'],
  [{ prompt_cache_key: 7 }, 'prompt_cache_key', 'invalid_type'],
  [{ service_tier: 7 }, 'service_tier', 'invalid_type'],
  [{ metadata: 'x' }, 'metadata', 'invalid_type'],
  [{ metadata: { a: 7 } }, 'metadata.a', 'invalid_type'],
  [{ logit_bias: [] }, 'logit_bias', 'invalid_type'],
  [{ logit_bias: { '1': 'x' } }, 'logit_bias.1', 'invalid_type'],
  [{ prediction: { type: 'x' } }, 'prediction.type', 'invalid_value'],
  [{ web_search_options: { search_context_size: 'huge' } }, 'web_search_options.search_context_size', 'invalid_value'],
  [{ web_search_options: { user_location: { type: 'x' } } }, 'web_search_options.user_location.type', 'invalid_value'],
  [{ tools: {} }, 'tools', 'invalid_type'],
  [{ tools: ['x'] }, 'tools[0]', 'invalid_type'],
  [{ tools: [{}] }, 'tools[0].type', 'missing_required_parameter'],
  [{ tools: [{ type: 'web_search' }] }, 'tools[0].type', 'invalid_value'],
  [{ tools: [{ type: 'function' }] }, 'tools[0].function', 'missing_required_parameter'],
  [{ tools: [{ type: 'function', name: 'f' }] }, 'tools[0].function', 'missing_required_parameter'],
  [{ tools: [{ type: 'function', function: {} }] }, 'tools[0].function.name', 'missing_required_parameter'],
  [{ tools: [{ type: 'function', function: { name: 'a b' } }] }, 'tools[0].function.name', 'invalid_value'],
  [{ tools: [{ type: 'function', function: { ...spec, parameters: 'x' } }] }, 'tools[0].function.parameters'],
  [{ tools: [...tools, ...tools] }, 'tools[1].function.name', 'invalid_value'],
  [{ tools: [{ type: 'custom', custom: { name: 'f', format: { type: 'x' } } }] }, 'tools[0].custom.format.type'],
  [
    { tools: [{ type: 'custom', custom: { name: 'f', format: { type: 'grammar' } } }] },
    'tools[0].custom.format.grammar',
  ],
  [{ tools, functions: [spec] }, 'functions', 'invalid_value'],
  [{ functions: [{ name: 7 }] }, 'functions[0].name', 'invalid_type'],
  [{ functions: [spec], function_call: { name: 'g' } }, 'function_call', 'invalid_value'],
  [{ functions: [spec], function_call: 'required' }, 'function_call', 'invalid_value'],
  [{ tool_choice: 'required' }, 'tool_choice', 'invalid_value'],
  [choose('any'), 'tool_choice', 'invalid_value'],
  [choose(7), 'tool_choice', 'invalid_type'],
  [choose({}), 'tool_choice.type', 'missing_required_parameter'],
  [choose({ type: 'x' }), 'tool_choice.type', 'invalid_value'],
  [choose({ type: 'function' }), 'tool_choice.function', 'missing_required_parameter'],
  [choose({ type: 'function', function: { name: 'g' } }), 'tool_choice', 'invalid_value'],
  [choose({ type: 'custom', custom: { name: 'f' } }), 'tool_choice', 'invalid_value'],
  [choose({ type: 'allowed_tools' }), 'tool_choice.allowed_tools', 'missing_required_parameter'],
  [choose({ type: 'allowed_tools', allowed_tools: { mode: 'auto', tools: [] } }), 'tool_choice.allowed_tools.tools'],
  [{ vector_store_ids: ['vs_1'] }, 'vector_store_ids', 'unsupported_parameter'],
];

const rows = () =>
  rig.query('SELECT (SELECT count(*) FROM attempts) AS attempts, (SELECT count(*) FROM turns) AS turns');

test.each(cases)('%j: %s', async (fields, param, code) => {
  const body = { model: 'claude', messages: [hello], ...fields };
  for (const path of ['/v1/chat/completions', '/chat/completions']) {
    // oxlint-disable-next-line no-await-in-loop -- one gateway
    const { status, body: answer, text } = await rig.client.request('POST', path, body);
    expect(status, text).toBe(400);
    expect(Object.keys(answer.error)).toEqual(['message', 'type', 'param', 'code']);
    expect(answer.error).toMatchObject({
      type: 'invalid_request_error',
      param,
      ...(code === undefined ? {} : { code }),
    });
    expect(answer.error.message).not.toMatch(/'input['[.]|text\.format|max_output_tokens/);
  }
  expect(rig.messages.requests).toEqual([]);
  expect(rows()).toEqual([{ attempts: 0, turns: 0 }]);
});

test('an unknown model is a 404', async () => {
  const { status, body } = await rig.client.request('POST', '/v1/chat/completions', { model: 'x', messages: [hello] });
  expect([status, body.error.code, body.error.param]).toEqual([404, 'model_not_found', 'model']);
});

test('another method is a 405, a body of another kind a 415', async () => {
  expect((await rig.client.request('GET', '/v1/chat/completions')).status).toBe(405);
  const reply = await fetch(`${rig.gateway.url}/v1/chat/completions`, { method: 'POST', body: 'x' });
  expect(reply.status).toBe(415);
});
