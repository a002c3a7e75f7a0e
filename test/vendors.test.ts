/** Every row of the table of vendors: what it is sent, what is read of its replies, what goes back, and to where. */
import { readdirSync, readFileSync } from 'node:fs';
import { inspect } from 'node:util';
import { findProvider } from '@pydantic/genai-prices';
import { describe, expect, test } from 'vitest';
import { providerNames } from '../src/config/config.ts';
import { GatewayError } from '../src/core/errors.ts';
import type { ContextItem } from '../src/core/items.ts';
import type { TurnRequest } from '../src/core/request.ts';
import { chatCodec } from '../src/protocols/chat/index.ts';
import { createVendorProviders } from '../src/providers/openai-compatible.ts';
import { type Vendor, vendorAt, vendorNames, vendors } from '../src/providers/vendors.ts';
import { collectStream, contextOf } from './fixtures/chat/collect-reply.ts';
import { encode, type Encoded, type Given, message, output } from './fixtures/chat/encode-input.ts';
import { framesOf, shapes } from './fixtures/vendors/replies.ts';
import { fakeUpstream, type UpstreamRequest } from './support/fake-upstream.ts';
import { spawnGateway, temporaryFolder } from './support/spawn-gateway.ts';

const providers = createVendorProviders(chatCodec, {
  send: () => ({ pause() {}, resume() {}, abort() {} }),
  close: () => Promise.resolve(),
});

describe.each(vendorNames)('the row of %s', (name) => {
  const vendor: Vendor = vendors[name];

  test('says where it is from, and has prices that the price source knows', () => {
    expect(vendor.see).toMatch(/^https:\/\/\S+$/);
    expect(vendor.baseUrl).toMatch(vendor.local === true ? /^http:\/\/127\.0\.0\.1:\d+\/v1$/ : /^https:\/\/\S*[^/]$/);
    expect(vendor.keyVariable).toMatch(/^[A-Z_]+_API_KEY$/);
    expect(vendorAt(vendor.baseUrl)).toBe(vendor.local === true ? undefined : name);
    if (vendor.priceProviderId === undefined) return;
    expect(findProvider({ providerId: vendor.priceProviderId })?.id).toBe(vendor.priceProviderId);
  });

  test('has no fields that are not its vendor’s', () => {
    const known = providers[name].profileOf('*');
    const own = new Set([...Object.keys(known), 'see', 'baseUrl', 'keyVariable', 'priceProviderId', 'local', 'models']);
    expect(Object.keys(vendor).filter((field) => !own.has(field))).toEqual([]);
  });
});

test('the documents name each vendor and its variable', () => {
  const read = (file: string) => readFileSync(new URL(`../${file}`, import.meta.url), 'utf8');
  const [configuration, readme] = [read('docs/configuration.md'), read('README.md')];
  for (const name of vendorNames) {
    const { keyVariable, see, baseUrl, local }: Vendor = vendors[name];
    const variable = local === true ? keyVariable.replace(/_API_KEY$/, '_BASE_URL') : keyVariable;
    expect(configuration).toContain(`| \`${variable}\` | \`${name}\` | \`${baseUrl}\` |`);
    expect(configuration).toContain(`(${see})`);
    expect(readme).toContain(`\`${variable}\``);
  }
});

test('names and variables are each of one vendor', () => {
  const variables = vendorNames.map((name) => vendors[name].keyVariable);
  expect(new Set(variables).size).toBe(vendorNames.length);
  expect(new Set(providerNames).size).toBe(providerNames.length);
});

test('a vendor that has no prices in the source is known to have none', () => {
  const without = vendorNames.filter((name) => (vendors[name] as Vendor).priceProviderId === undefined);
  expect(without).toEqual(['nvidia', 'ollama', 'vllm', 'lmstudio', 'llama-cpp']);
});

const weather = {
  type: 'function',
  name: 'get_weather',
  description: null,
  parameters: { type: 'object', properties: { city: { type: 'string' } } },
  strict: null,
} as const;

/** Whatever a client can wish for that a chat model may be asked. */
const wishes: Partial<TurnRequest> = {
  instructions: 'Be brief.',
  stream: true,
  parallelToolCalls: false,
  maxOutputTokens: 100,
  temperature: 0.5,
  topP: 0.9,
  presencePenalty: 0.1,
  frequencyPenalty: 0.2,
  seed: 7,
  stop: ['END'],
  reasoning: { effort: 'medium', summary: null },
  verbosity: 'low',
  serviceTier: 'flex',
  user: 'u1',
  textFormat: { type: 'json_schema', name: 'a', schema: { type: 'object' }, strict: true },
};

function outcomeOf(given: Given): { refused: string } | { body: Encoded['parsed']; warnings: string[] } {
  try {
    const { parsed, warnings, inputTransformations } = encode(given);
    return {
      body: parsed,
      warnings: warnings.map((warning) => `${warning.param}: ${warning.message}`),
      ...(inputTransformations.length === 0 ? {} : { removed: inputTransformations.map(({ reason }) => reason) }),
    };
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    return { refused: `${error.param}: ${error.message}` };
  }
}

function messagesOf(given: Given): unknown {
  const outcome = outcomeOf(given);
  if ('refused' in outcome) return outcome;
  const { body, ...rest } = outcome;
  return { messages: body.messages, ...rest };
}

const goldens = new URL('fixtures/vendors/', import.meta.url).pathname;

describe.each(vendorNames)('%s', (name) => {
  const { model } = shapes[name];
  const profile = providers[name].profileOf(model);
  const tools = profile.quirks?.tools === false ? [] : [weather];
  const given = (request: Partial<TurnRequest>, context?: ContextItem[]): Given => ({
    model,
    profile,
    request,
    ...(context === undefined ? {} : { context }),
  });

  test('is asked and read as its golden says', async () => {
    const reply = collectStream(framesOf(name));
    expect(reply.end).toMatchObject({ type: 'response-end', finish: 'completed' });
    const user = (text: string): ContextItem => ({ item: message('user', text), origin: undefined });
    const said = contextOf(reply).map(({ item, origin }) => ({
      item,
      origin: origin && { ...origin, model: chatCodec.signatureScope(reply.upstreamModel ?? '', model) },
    }));
    const outputs = said.flatMap(({ item }) =>
      item.type === 'function_call' ? [{ item: output(item.call_id, '-3 °C'), origin: undefined }] : [],
    );
    const loop = [user('Oslo?'), ...said, ...outputs];
    const answer: ContextItem = { item: message('assistant', 'It is cold.'), origin: undefined };
    const closed = [...loop, answer, user('And Rome?'), user('And Bern?')];
    const own = { tools, input: [] };
    const golden = {
      everything: outcomeOf(given({ ...wishes, tools })),
      'effort none': outcomeOf(given({ reasoning: { effort: 'none', summary: null } })),
      'a JSON object': outcomeOf(given({ textFormat: { type: 'json_object' } })),
      logprobs: outcomeOf(given({ topLogprobs: 2 })),
      reply: { items: reply.items, usage: reply.usage, warnings: reply.warnings },
      'inside the tool loop': messagesOf(given(own, loop)),
      'after it': messagesOf(given(own, closed)),
      'after calls of another vendor': messagesOf(
        given(
          own,
          loop.map(({ item, origin }) => ({
            item: 'call_id' in item ? { ...item, call_id: `toolu_01${String(item.call_id)}` } : item,
            origin: origin && { ...origin, protocol: 'messages' },
          })),
        ),
      ),
    };
    const text = inspect(golden, { depth: Infinity, breakLength: 120, compact: 4 });
    await expect(`${text}\n`).toMatchFileSnapshot(`${goldens}${name}.golden`);
  });
});

test('there is no golden without a vendor', () => {
  const files = readdirSync(goldens).filter((file) => file.endsWith('.golden'));
  expect(files.toSorted()).toEqual(vendorNames.map((name) => `${name}.golden`).toSorted());
});

const answer = (request: UpstreamRequest) => {
  const [, name] = /^\/([\w-]+)\//.exec(request.path) ?? [];
  return framesOf(vendorNames.find((known) => known === name) ?? 'groq');
};

async function vendorServer() {
  return fakeUpstream((request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const frame of answer(request)) response.write(`data: ${frame}\n\n`);
    response.end();
  });
}

async function ask(url: string, model: string, fields: object = {}) {
  const response = await fetch(`${url}/v1/responses`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model, input: 'Oslo?', stream: true, ...fields }),
  });
  const text = await response.text();
  const [, last] = /event: response\.completed\ndata: (.*)\n/.exec(text) ?? [];
  expect(last, text).toBeDefined();
  return (JSON.parse(last ?? '{}') as { response: { id: string; output: { type: string; call_id: string }[] } })
    .response;
}

test('each vendor is reached at its path with its key, which is said nowhere', async () => {
  const upstream = await vendorServer();
  const models = vendorNames.map(
    (name) =>
      `  - { name: m-${name}, provider: ${name}, model: "${shapes[name].model}", base_url: "${upstream.url}/${name}/v1", api_key: secret-${name} }\n`,
  );
  const gateway = await spawnGateway({
    folder: temporaryFolder(),
    config: `models:\n${models.join('')}`,
    env: { TURNPIKE_LOG_LEVEL: 'debug' },
  });
  for (const name of vendorNames) await ask(gateway.url, `m-${name}`);
  expect(upstream.requests.map(({ path, headers, body }) => [path, headers.authorization, body.model])).toEqual(
    vendorNames.map((name) => [`/${name}/v1/chat/completions`, `Bearer secret-${name}`, shapes[name].model]),
  );
  expect(gateway.output()).not.toContain('secret-');
});

test('keys in the environment give each vendor’s models by its name', async () => {
  const upstream = await vendorServer();
  const env: Record<string, string> = {};
  for (const name of vendorNames) {
    const variable = vendors[name].keyVariable;
    env[variable.replace(/_API_KEY$/, '_BASE_URL')] = `${upstream.url}/${name}`;
    if ((vendors[name] as Vendor).local !== true) env[variable] = `key-${name}`;
  }
  const gateway = await spawnGateway({ folder: temporaryFolder(), env });
  for (const name of vendorNames) await ask(gateway.url, `${name}/${shapes[name].model}`);
  expect(upstream.requests.map(({ path, headers, body }) => [path, headers.authorization, body.model])).toEqual(
    vendorNames.map((name) => [
      `/${name}/chat/completions`,
      (vendors[name] as Vendor).local === true ? undefined : `Bearer key-${name}`,
      shapes[name].model,
    ]),
  );
});

test.each([
  ['deepseek', { reasoning_content: 'The weather is asked for.' }],
  ['mistral', { content: [{ type: 'thinking', thinking: [{ type: 'text', text: 'The weather is asked for.' }] }] }],
  [
    'openrouter',
    {
      reasoning: 'The weather is asked for.',
      reasoning_details: [
        {
          type: 'reasoning.text',
          text: 'The weather is asked for.',
          format: 'google-gemini-v1',
          index: 0,
          signature: 'c2ln',
        },
        { type: 'reasoning.encrypted', id: 'call_a', data: 'QQ==', format: 'google-gemini-v1', index: 1 },
        { type: 'reasoning.encrypted', id: 'call_b', data: 'Qg==', format: 'google-gemini-v1', index: 1 },
      ],
    },
  ],
] as const)('a chain over %s gives back what it thought, although it reports another name', async (name, sent) => {
  const upstream = await vendorServer();
  const gateway = await spawnGateway({
    folder: temporaryFolder(),
    config: `models: [{ name: m, provider: ${name}, model: "${shapes[name].model}", base_url: "${upstream.url}/${name}" }]`,
  });
  const first = await ask(gateway.url, 'm', { tools: [weather] });
  const calls = first.output.filter(({ type }) => type === 'function_call');
  await ask(gateway.url, 'm', {
    tools: [weather],
    previous_response_id: first.id,
    input: calls.map(({ call_id }) => ({ type: 'function_call_output', call_id, output: '-3 °C' })),
  });
  expect(upstream.requests[1]?.body.messages[1]).toMatchObject({ role: 'assistant', ...sent });
});

test('a chat client’s history reaches Mistral with ids that it takes, and the others as the client wrote it', async () => {
  const upstream = await vendorServer();
  const names = ['mistral', 'groq'] as const;
  const gateway = await spawnGateway({
    folder: temporaryFolder(),
    config: `models:\n${names.map((name) => `  - { name: ${name}, provider: ${name}, model: "${shapes[name].model}", base_url: "${upstream.url}/${name}" }\n`).join('')}`,
  });
  const messages = [
    { role: 'user', content: 'Oslo?' },
    {
      role: 'assistant',
      content: null,
      tool_calls: [
        { id: 'toolu_01', type: 'function', function: { name: 'get_weather', arguments: '{ "city": "Oslo" }' } },
      ],
    },
    { role: 'tool', tool_call_id: 'toolu_01', content: '-3 °C' },
  ];
  for (const model of names) {
    const response = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model, messages, stream: true }),
    });
    expect(await response.text()).toContain('data: [DONE]');
  }
  const [mistral, groq] = upstream.requests.map(({ body }) => body);
  expect(mistral.messages[1].tool_calls[0].id).toMatch(/^[a-zA-Z0-9]{9}$/);
  expect(mistral.messages[2].tool_call_id).toBe(mistral.messages[1].tool_calls[0].id);
  expect(mistral).not.toHaveProperty('stream_options');
  expect(groq.messages).toEqual(messages);
});
