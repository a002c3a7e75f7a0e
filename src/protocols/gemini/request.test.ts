import { describe, expect, test } from 'vitest';
import { call, encode, type Given, message, output } from '../../../test/fixtures/gemini/encode-input.ts';
import { geminiRefusal } from '../../../test/support/gemini-upstream.ts';
import { GatewayError } from '../../core/errors.ts';
import type { FunctionTool } from '../../core/request.ts';
import { readableSchema } from './request-schema.ts';

const third = 'gemini-3.1-pro';
const second = 'gemini-2.5-flash';
const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const tool = (name: string, fields: object = {}) => ({ type: 'function', name, parameters, ...fields });

/** What is sent beside the contents, which Google takes. */
function sent(body: object, model = third, given: Given = {}) {
  const encoded = encode({ body, model, ...given });
  expect(geminiRefusal(encoded.body, model)).toBeUndefined();
  const { contents: _, ...fields } = encoded.parsed;
  return { fields, warned: encoded.warned };
}

function refusal(body: object, model = third): string {
  try {
    encode({ body, model });
    return 'accepted';
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    return `${error.code} ${String(error.param)}`;
  }
}

test('Gemma 3 is told by the user what it is to be like', () => {
  const given = {
    body: { instructions: 'Be brief.' },
    items: [message('system', 'In French.'), message('user', 'Hi.')],
  };
  const { parsed, warned } = encode({ ...given, model: 'gemma-3-27b-it' });
  expect(parsed).not.toHaveProperty('systemInstruction');
  expect(parsed.contents).toEqual([
    { role: 'user', parts: ['Be brief.', 'In French.', 'Hi.'].map((text) => ({ text })) },
  ]);
  expect(warned).toEqual(['instructions']);
  expect(encode({ ...given, model: 'gemini-2.5-flash' }).parsed).toHaveProperty('systemInstruction');
});

test('parameters are Google’s', () => {
  const request = { stop: ['a', 'b'], topK: 7, seed: 3, presencePenalty: 0.5, frequencyPenalty: -1 };
  const body = { temperature: 1.5, top_p: 0.5, max_output_tokens: 100, top_logprobs: 2, service_tier: 'default' };
  expect(sent(body, third, { request })).toEqual({
    fields: {
      generationConfig: {
        maxOutputTokens: 100,
        temperature: 1.5,
        topP: 0.5,
        topK: 7,
        seed: 3,
        presencePenalty: 0.5,
        frequencyPenalty: -1,
        stopSequences: ['a', 'b'],
        responseLogprobs: true,
        logprobs: 2,
      },
      serviceTier: 'standard',
    },
    warned: [],
  });
  expect(sent({}).fields).toEqual({});
});

test.each<[object, string[], string?]>([
  [{ text: { verbosity: 'low' } }, ['text.verbosity']],
  [{ prompt_cache_key: 'k' }, ['prompt_cache_key']],
  [{ user: 'u', safety_identifier: 's' }, ['user', 'safety_identifier']],
  [{ service_tier: 'scale' }, ['service_tier']],
  [{ include: ['file_search_call.results'] }, ['include']],
  [{ shoe_size: 43 }, ['shoe_size']],
  [{ max_output_tokens: 1_000_000 }, ['max_output_tokens']],
  [{ presence_penalty: 1, frequency_penalty: 1 }, ['presence_penalty', 'frequency_penalty'], second],
  [{ parallel_tool_calls: false, tools: [tool('f')] }, ['parallel_tool_calls']],
  [{ max_tool_calls: 2 }, ['max_tool_calls']],
])('%j is warned of', (body, params, model) => {
  expect(sent(body, model).warned).toEqual(params);
});

test('more texts to stop at than Google takes are refused', () => {
  const stop = Array.from({ length: 6 }, String);
  expect(() => encode({ request: { stop } })).toThrow(expect.objectContaining({ param: 'stop' }));
});

describe('thinking', () => {
  test.each<[string, string, object, boolean]>([
    [third, 'none', { thinkingLevel: 'low' }, true],
    [third, 'minimal', { thinkingLevel: 'low' }, true],
    [third, 'medium', { thinkingLevel: 'medium' }, false],
    [third, 'max', { thinkingLevel: 'high' }, true],
    ['gemini-3-pro-preview', 'medium', { thinkingLevel: 'high' }, true],
    ['gemini-3-flash', 'minimal', { thinkingLevel: 'minimal' }, false],
    ['gemini-4-hydrogen', 'xhigh', { thinkingLevel: 'xhigh' }, false],
    [second, 'none', { thinkingBudget: 0 }, false],
    [second, 'low', { thinkingBudget: 1024 }, false],
    [second, 'max', { thinkingBudget: 24_576 }, false],
    ['gemini-2.5-pro', 'none', { thinkingBudget: 128 }, true],
  ])('%s with effort %s', (model, effort, thinkingConfig, isWarned) => {
    const { fields, warned } = sent({ reasoning: { effort } }, model);
    expect(fields['generationConfig']).toEqual({ thinkingConfig });
    expect(warned).toEqual(isWarned ? ['reasoning.effort'] : []);
  });

  test('a summary asks for thoughts', () => {
    const { fields, warned } = sent({ reasoning: { summary: 'detailed' } });
    expect(fields['generationConfig']).toEqual({ thinkingConfig: { includeThoughts: true } });
    expect(warned).toEqual(['reasoning.summary']);
  });

  test('of a model that does not reason nothing is asked', () => {
    expect(sent({ reasoning: { effort: 'low' } }, 'gemini-2.0-flash')).toEqual({
      fields: {},
      warned: ['reasoning.effort'],
    });
  });
});

describe('tools', () => {
  const configOf = (body: object, model?: string) => sent(body, model).fields['toolConfig']?.functionCallingConfig;
  const named = { type: 'function', name: 'b' };
  const tools = [tool('a'), tool('b')];

  test.each<[unknown, object | undefined]>([
    ['auto', undefined],
    ['none', { mode: 'NONE' }],
    ['required', { mode: 'ANY' }],
    [named, { mode: 'ANY', allowedFunctionNames: ['b'] }],
    [
      { type: 'allowed_tools', mode: 'auto', tools: [named] },
      { mode: 'VALIDATED', allowedFunctionNames: ['b'] },
    ],
    [
      { type: 'allowed_tools', mode: 'required', tools: [named] },
      { mode: 'ANY', allowedFunctionNames: ['b'] },
    ],
  ])('the choice %j', (tool_choice, config) => {
    expect(configOf({ tools, tool_choice })).toEqual(config);
  });

  test('all are declared, whatever is allowed', () => {
    const declared = (tool_choice: unknown) => sent({ tools, tool_choice }).fields['tools'];
    expect(declared({ type: 'allowed_tools', mode: 'auto', tools: [named] })).toEqual(declared('auto'));
    expect(declared('auto')[0].functionDeclarations[0]).toEqual({ name: 'a', parametersJsonSchema: parameters });
  });

  test('strict ones are held to their schema', () => {
    expect(configOf({ tools: [tool('a', { strict: true })] })).toEqual({ mode: 'VALIDATED' });
    const patterned = { ...parameters, properties: { city: { type: 'string', pattern: '^P' } } };
    expect(sent({ tools: [tool('a', { strict: true, parameters: patterned })] }).warned).toEqual(['tools[0].strict']);
  });

  test('Google’s own go beside functions from the third generation on', () => {
    const mixed = { tools: [tool('a'), { type: 'web_search' }] };
    expect(sent(mixed)).toMatchObject({
      fields: {
        tools: [{ googleSearch: {} }, { urlContext: {} }, { functionDeclarations: [{ name: 'a' }] }],
        toolConfig: { functionCallingConfig: { mode: 'VALIDATED' }, includeServerSideToolInvocations: true },
      },
      warned: [],
    });
    expect(sent(mixed, second)).toMatchObject({
      fields: { tools: [{ functionDeclarations: [{ name: 'a' }] }] },
      warned: ['tools[1]'],
    });
    const code = { type: 'code_interpreter', container: { type: 'auto' } };
    expect(sent({ tools: [code, { type: 'web_search' }] }, second).fields['tools']).toEqual([
      { codeExecution: {} },
      { googleSearch: {} },
      { urlContext: {} },
    ]);
    const preview = { tools: [{ type: 'web_search_preview' }] };
    expect(sent(preview).fields['tools']).toEqual([{ googleSearch: {} }]);
    expect(refusal({ tools: [tool('a'), code] }, second)).toBe('unsupported_value tools[1].type');
  });

  test.each<[object, string]>([
    [{ tools: [{ type: 'web_search' }], tool_choice: { type: 'web_search' } }, 'unsupported_value tool_choice'],
    [{ tools: [{ type: 'web_search' }], tool_choice: 'required' }, 'unsupported_value tool_choice'],
    [{ tool_choice: 'required' }, 'invalid_value tool_choice'],
    [
      { tools: [{ type: 'web_search', filters: { allowed_domains: ['a.example'] } }] },
      'unsupported_value tools[0].filters',
    ],
    [{ tools: [{ type: 'code_interpreter', container: 'cntr_1' }] }, 'unsupported_value tools[0].container'],
  ])('%j is refused', (body, expected) => {
    expect(refusal(body)).toBe(expected);
  });

  test('those of an ancestor are declared for its calls, and may not be called', () => {
    const inherited: FunctionTool = { type: 'function', name: 'f', description: null, parameters, strict: null };
    const { parsed } = encode({ items: [message('user', 'a'), call('1'), output('1')], inheritedTools: [inherited] });
    expect(parsed['toolConfig']).toEqual({ functionCallingConfig: { mode: 'NONE' } });
    expect(parsed['tools'][0].functionDeclarations[0].name).toBe('f');
  });
});

describe('formats', () => {
  const format = { type: 'json_schema', name: 'n', schema: parameters };

  test('are fields of Google’s', () => {
    expect(sent({ text: { format } })).toEqual({
      fields: { generationConfig: { responseMimeType: 'application/json', responseJsonSchema: parameters } },
      warned: [],
    });
    expect(sent({ text: { format }, tools: [tool('f')] }).fields['generationConfig']).toBeDefined();
  });

  test.each<[object, string]>([
    [{ text: { format }, tools: [tool('f')] }, second],
    [{ text: { format: { type: 'json_object' } }, tools: [tool('f')] }, second],
    [{ text: { format }, tools: [tool('f')], tool_choice: 'required' }, third],
    [{ text: { format } }, 'gemma-4-27b-it'],
  ])('%j of %s are asked for in the instructions', (body, model) => {
    const { fields, warned } = sent(body, model);
    expect(fields['generationConfig']).toBeUndefined();
    expect(fields['systemInstruction'].parts[0].text).toContain('JSON');
    expect(warned).toEqual(['text.format']);
  });

  test('what Google does not hold the model to is said', () => {
    const schema = { ...parameters, not: { minProperties: 1 } };
    expect(sent({ text: { format: { ...format, schema } } }).warned).toEqual(['text.format.schema']);
  });

  test('a constant is an enum of one', () => {
    const schema = {
      anyOf: [{ const: 'a' }, { const: 1 }, { const: true }],
      title: 't',
      $defs: { x: { pattern: 'p' } },
    };
    expect(readableSchema(schema)).toEqual({
      schema: { anyOf: [{ enum: ['a'] }, { enum: [1] }, { const: true }], title: 't', $defs: { x: { pattern: 'p' } } },
      unread: ['const', 'pattern'],
    });
  });

  test('a reference stands alone, or in a choice of one', () => {
    const $ref = '#/$defs/city';
    const $defs = { city: { type: 'string' }, both: { $ref, anyOf: [{}] } };
    const properties = { a: { $ref }, b: { $ref, description: 'Where.', default: null }, $ref: { type: 'string' } };
    expect(readableSchema({ type: 'object', properties, $defs })).toEqual({
      schema: {
        type: 'object',
        properties: { ...properties, b: { anyOf: [{ $ref }], description: 'Where.', default: null } },
        $defs,
      },
      unread: [],
    });
    const referring = { $ref: '#/$defs/in', $defs: { in: parameters } };
    expect(readableSchema(referring).schema).toEqual(referring);
    const [{ functionDeclarations }] = sent({ tools: [tool('a', { parameters: referring })] }).fields['tools'];
    expect(functionDeclarations[0].parametersJsonSchema).toEqual({
      anyOf: [{ $ref: '#/$defs/in' }],
      $defs: { in: parameters },
      type: 'object',
    });
  });

  test('a sum of one is a choice of one, of several it is none', () => {
    const city = { description: 'Where.', allOf: [{ $ref: '#/$defs/city' }] };
    const several = { allOf: [{ minimum: 1 }, { maximum: 2 }] };
    expect(readableSchema({ properties: { city, several } })).toEqual({
      schema: { properties: { city: { description: 'Where.', anyOf: city.allOf }, several } },
      unread: ['allOf'],
    });
  });

  test('a property that is called as a word of schemas is a property', () => {
    const properties = { const: { type: 'string' }, pattern: { type: 'string' } };
    expect(readableSchema({ type: 'object', properties })).toEqual({
      schema: { type: 'object', properties },
      unread: [],
    });
  });
});

describe('images and files', () => {
  const partsOf = (part: object) => {
    const { parsed } = encode({ items: [message('user', part as never)] });
    return parsed.contents[0]?.parts;
  };

  test.each<[object, object[]]>([
    [
      { type: 'input_image', image_url: 'data:image/jpg;base64,AA==' },
      [{ inlineData: { mimeType: 'image/jpeg', data: 'AA==' } }],
    ],
    [
      { type: 'input_image', image_url: 'https://i.example/a.PNG?x=1' },
      [{ fileData: { mimeType: 'image/png', fileUri: 'https://i.example/a.PNG?x=1' } }],
    ],
    [{ type: 'input_image', image_url: 'https://i.example/a' }, [{ fileData: { fileUri: 'https://i.example/a' } }]],
    [
      { type: 'input_file', filename: 'a.txt', file_data: 'data:text/plain,h%C3%A9' },
      [{ text: 'a.txt' }, { inlineData: { mimeType: 'text/plain', data: 'aMOp' } }],
    ],
    [
      { type: 'input_file', file_data: 'data:audio/wav;base64,AA==' },
      [{ inlineData: { mimeType: 'audio/wav', data: 'AA==' } }],
    ],
  ])('%j', (part, parts) => {
    expect(partsOf(part)).toEqual(parts);
  });

  // Files of the provider's account are every tenant's who shares it.
  test.each<[object, string]>([
    [{ type: 'input_file', file_url: 'https://generativelanguage.googleapis.com/v1beta/files/x' }, 'file_url'],
    [{ type: 'input_image', image_url: 'https://a.generativelanguage.googleapis.com/files/x' }, 'image_url'],
    [{ type: 'input_file', file_url: 'gs://bucket/a.pdf' }, 'file_url'],
    [{ type: 'input_image', image_url: 'data:image/gif;base64,AA==' }, 'image_url'],
    [{ type: 'input_file', filename: 'a.zip', file_data: 'data:application/zip;base64,AA==' }, 'file_data'],
  ])('%j is refused', (part, field) => {
    expect(() => encode({ items: [message('user', part as never)] })).toThrow(
      expect.objectContaining({ param: `input[0].content[0].${field}` }),
    );
  });
});
