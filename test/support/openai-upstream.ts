import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { fakeUpstream, type FakeUpstream, frame, sendJson, type UpstreamRequest } from './fake-upstream.ts';

// oxlint-disable-next-line no-explicit-any -- JSON of either side
type Json = any;

/** What a model of OpenAI's answers. */
export interface OpenAiAnswer {
  output: Json[];
  status?: 'completed' | 'incomplete' | 'failed';
  /** Fields of the Response object in place of its defaults. */
  fields?: object;
}

/** A 400 in OpenAI's words. */
class Refusal extends Error {
  readonly param: string | null;
  readonly code: string | null;

  constructor(message: string, param: string | null = 'input', code: string | null = null) {
    super(message);
    this.param = param;
    this.code = code;
  }
}

export interface OpenAiUpstream extends FakeUpstream {
  /** Undefined: it has answered by itself. */
  answer: (request: UpstreamRequest, response: ServerResponse) => OpenAiAnswer | undefined;
  /** What it has refused, in its own words. */
  refusals: string[];
}

const parameters = new Set(
  `background conversation context_management include input instructions max_output_tokens max_tool_calls metadata model
  moderation parallel_tool_calls personality previous_response_id prompt prompt_cache_key prompt_cache_options
  prompt_cache_retention reasoning safety_identifier service_tier store stream stream_options temperature text tool_choice
  tools top_logprobs top_p truncation user client_metadata`.split(/\s+/),
);

/** By item type: what its id begins with, and the fields that it needs. */
const itemRules: Record<string, { prefix: string; needs: string[] }> = {
  message: { prefix: 'msg', needs: ['role', 'content'] },
  reasoning: { prefix: 'rs', needs: ['id', 'summary'] },
  function_call: { prefix: 'fc', needs: ['call_id', 'name', 'arguments'] },
  function_call_output: { prefix: 'fc', needs: ['call_id', 'output'] },
  custom_tool_call: { prefix: 'ctc', needs: ['call_id', 'name', 'input'] },
  custom_tool_call_output: { prefix: 'ctc', needs: ['call_id', 'output'] },
  web_search_call: { prefix: 'ws', needs: ['id', 'status', 'action'] },
  compaction: { prefix: 'cmp', needs: ['encrypted_content'] },
  additional_tools: { prefix: 'at', needs: ['role', 'tools'] },
  compaction_trigger: { prefix: 'cmp', needs: [] },
};

const reasons = (model: string) => /^(o\d|gpt-5)/.test(model);

/** Reasoning as OpenAI seals it: for one model, and of no use to another. */
function sealed(model: string, text: string): string {
  const seal = createHash('sha256').update(`${model} ${text}`).digest('base64url');
  return `gAAAAA${Buffer.from(JSON.stringify({ model, text, seal })).toString('base64url')}`;
}

const unseal = (content: string): { text: string } =>
  JSON.parse(Buffer.from(content.slice(6), 'base64url').toString('utf8')) as { text: string };

function checkSeal(content: string, model: string): void {
  if (content === sealed(model, unseal(content).text)) return;
  throw new Refusal(
    `The encrypted content ${content.slice(0, 12)}... could not be verified.`,
    'input',
    'invalid_encrypted_content',
  );
}

/**
 * The Responses API as strict as OpenAI's own: it refuses unknown parameters and ids, calls and outputs without each other,
 * reasoning that it did not seal itself or that stands alone, and all that would need it to have stored something.
 */
export async function openAiUpstream(onCleanup?: (cleanup: () => void) => void): Promise<OpenAiUpstream> {
  const upstream = await fakeUpstream((request, response, count) => {
    if (request.path.endsWith('/input_tokens')) {
      const tokens = Math.ceil(JSON.stringify({ ...request.body, model: undefined }).length / 4);
      sendJson(response, { object: 'response.input_tokens', input_tokens: tokens });
      return;
    }
    try {
      checkRequest(request);
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal;
      const { message, param, code } = refusal;
      fake.refusals.push(message);
      sendJson(response, { error: { message, type: 'invalid_request_error', param, code } }, 400);
      return;
    }
    const answer = fake.answer(request, response);
    if (answer === undefined) return;
    const whole = responseOf(request.body, answer, count);
    if (request.body.stream !== true) {
      sendJson(response, whole);
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    for (const event of responseEvents(whole)) response.write(frame(event));
    response.end();
  }, onCleanup);
  const fake: OpenAiUpstream = { ...upstream, refusals: [], answer: openAiEcho };
  return fake;
}

export const openAiEcho: OpenAiUpstream['answer'] = ({ body }) => {
  const { model, input, context_management: managed } = body;
  if (input.at(-1).type === 'compaction_trigger') return { output: [compaction(model)] };
  const said = text(`Re: ${lastSaid(input)}`);
  const threshold = managed?.[0].compact_threshold ?? Infinity;
  return { output: JSON.stringify(input).length / 4 > threshold ? [compaction(model), said] : [said] };
};

function lastSaid(input: Json[]): string {
  const { content, output } = input.at(-1);
  const said = content ?? output;
  return typeof said === 'string' ? said : said.map((part: Json) => part.text).join('');
}

let serial = 0;
const idOf = (prefix: string) => `${prefix}_${String((serial += 1)).padStart(50, '0')}`;

export const text = (said: string, fields: object = {}): Json => ({
  id: idOf('msg'),
  type: 'message',
  status: 'completed',
  content: [{ type: 'output_text', annotations: [], logprobs: [], text: said }],
  role: 'assistant',
  ...fields,
});
export const thought = (model: string, said: string): Json => ({
  id: idOf('rs'),
  type: 'reasoning',
  encrypted_content: sealed(model, said),
  summary: [{ type: 'summary_text', text: said }],
});
/** Also what stood before it, as this vendor keeps it. */
export const compaction = (model: string, said = 'compacted'): Json => ({
  id: idOf('cmp'),
  type: 'compaction',
  encrypted_content: sealed(model, said),
});
/** What the item keeps. */
export const compacted = (content: string): string => unseal(content).text;
export const call = (name: string, argumentsText: string, call_id = idOf('call')): Json => ({
  id: idOf('fc'),
  type: 'function_call',
  status: 'completed',
  arguments: argumentsText,
  call_id,
  name,
});

export function responseOf(body: Json, { output, status = 'completed', fields }: OpenAiAnswer, count = 1): Json {
  return {
    id: `resp_${String(count).padStart(50, '0')}`,
    object: 'response',
    created_at: 1_763_800_000,
    status,
    background: false,
    billing: { payer: 'developer' },
    error: null,
    incomplete_details: status === 'incomplete' ? { reason: 'max_output_tokens' } : null,
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    model: `${body.model}-2025-08-07`,
    output,
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    previous_response_id: null,
    reasoning: { effort: body.reasoning?.effort ?? 'medium', summary: body.reasoning?.summary ?? null },
    service_tier: body.service_tier ?? 'default',
    store: body.store,
    temperature: body.temperature ?? 1,
    text: body.text ?? { format: { type: 'text' }, verbosity: 'medium' },
    tool_choice: body.tool_choice ?? 'auto',
    tools: body.tools ?? [],
    top_p: body.top_p ?? 1,
    truncation: body.truncation ?? 'disabled',
    usage: {
      input_tokens: 30,
      input_tokens_details: { cached_tokens: 10, cache_write_tokens: 4 },
      output_tokens: 9,
      output_tokens_details: { reasoning_tokens: 3 },
      total_tokens: 39,
    },
    metadata: {},
    ...fields,
  };
}

const halves = (whole: string) => [whole.slice(0, whole.length >> 1), whole.slice(whole.length >> 1)];

/** The stream that OpenAI makes of a response, padding included. */
export function responseEvents(response: Json): { type: string }[] {
  const events: Json[] = [];
  const say = (type: string, fields: object) => events.push({ type, sequence_number: events.length, ...fields });
  const begun = { ...response, status: 'in_progress', output: [], usage: null, incomplete_details: null };
  say('response.created', { response: begun });
  say('response.in_progress', { response: begun });
  response.output.forEach((item: Json, output_index: number) => {
    const at = { item_id: item.id, output_index };
    const pad = { obfuscation: 'padding' };
    const empty = { message: { content: [] }, reasoning: { summary: [] }, function_call: { arguments: '' } };
    const status = item.status === undefined ? {} : { status: 'in_progress' };
    const zero = empty[item.type as keyof typeof empty] ?? (item.input === undefined ? {} : { input: '' });
    say('response.output_item.added', { output_index, item: { ...item, ...status, ...zero } });
    if (item.type === 'message') {
      item.content.forEach((part: Json, content_index: number) => {
        const [word, field] = part.type === 'refusal' ? ['refusal', 'refusal'] : ['output_text', 'text'];
        const place = { ...at, content_index };
        const none = part.type === 'refusal' ? { refusal: '' } : { text: '', annotations: [] };
        say('response.content_part.added', { ...place, part: { ...part, ...none } });
        for (const delta of halves(part[field])) {
          say(`response.${word}.delta`, { ...place, delta, ...(word === 'refusal' ? {} : { logprobs: [] }), ...pad });
        }
        (part.annotations ?? []).forEach((annotation: Json, annotation_index: number) =>
          say('response.output_text.annotation.added', { ...place, annotation_index, annotation }),
        );
        say(`response.${word}.done`, { ...place, [field]: part[field] });
        say('response.content_part.done', { ...place, part });
      });
    } else if (item.type === 'reasoning') {
      item.summary.forEach((part: Json, summary_index: number) => {
        const place = { ...at, summary_index };
        say('response.reasoning_summary_part.added', { ...place, part: { ...part, text: '' } });
        for (const delta of halves(part.text))
          say('response.reasoning_summary_text.delta', { ...place, delta, ...pad });
        say('response.reasoning_summary_text.done', { ...place, text: part.text });
        say('response.reasoning_summary_part.done', { ...place, part });
      });
    } else if (item.type === 'function_call') {
      for (const delta of halves(item.arguments))
        say('response.function_call_arguments.delta', { ...at, delta, ...pad });
      say('response.function_call_arguments.done', { ...at, arguments: item.arguments });
    } else if (item.type === 'custom_tool_call') {
      for (const delta of halves(item.input)) say('response.custom_tool_call_input.delta', { ...at, delta, ...pad });
      say('response.custom_tool_call_input.done', { ...at, input: item.input });
    } else if (item.type === 'web_search_call') {
      for (const verb of ['in_progress', 'searching', 'completed']) say(`response.web_search_call.${verb}`, at);
    }
    say('response.output_item.done', { output_index, item });
  });
  say(`response.${response.status}`, { response });
  return events;
}

function checkRequest({ path, headers, body }: UpstreamRequest): void {
  if (path !== '/v1/responses') throw new Refusal(`Invalid URL (POST ${path})`, null);
  if (!/^Bearer \S+$/.test(headers.authorization ?? '')) throw new Refusal("You didn't provide an API key.", null);
  for (const field of Object.keys(body)) {
    if (!parameters.has(field)) throw new Refusal(`Unknown parameter: '${field}'.`, field, 'unknown_parameter');
  }
  for (const field of ['previous_response_id', 'conversation', 'prompt', 'background']) {
    if (body[field] !== undefined) throw new Refusal(`'${field}' needs what is not stored.`, field);
  }
  if (body.store !== false) throw new Refusal('This test stores nothing.', 'store');
  if (body.include?.includes('reasoning.encrypted_content') === true && !reasons(body.model)) {
    throw new Refusal('Encrypted content is not supported with this model.', 'include');
  }
  if (body.temperature !== undefined && reasons(body.model)) {
    throw new Refusal("Unsupported parameter: 'temperature' is not supported with this model.", 'temperature');
  }
  const { effort = 'medium' } = body.reasoning ?? {};
  const efforts = ['minimal', 'low', 'medium', 'high'];
  if (body.model === 'gpt-5-mini' && !efforts.includes(effort)) {
    const known = "Supported values are: 'minimal', 'low', 'medium', and 'high'.";
    const message = `Unsupported value: '${effort}' is not supported with the 'gpt-5-mini' model. ${known}`;
    throw new Refusal(message, 'reasoning.effort', 'unsupported_value');
  }
  if (!Array.isArray(body.input) || body.input.length === 0) throw new Refusal("Missing required parameter: 'input'.");
  for (const { format } of body.tools ?? []) {
    const [opened, closed] = [/\(/g, /\)/g].map((sign) => format?.definition?.match(sign)?.length ?? 0);
    if (opened !== closed) throw new Refusal('Invalid grammar.', 'tools');
  }
  checkItems(body.input, body.model);
}

function checkItems(input: Json[], model: string): void {
  const calls = new Map<string, string>();
  const ids = new Set<string>();
  input.forEach((item, at) => {
    const type: string = item.type ?? 'message';
    const rule = itemRules[type];
    if (rule === undefined) throw new Refusal(`Invalid value: '${type}'.`, `input[${at}]`, 'invalid_value');
    for (const field of rule.needs) {
      if (item[field] === undefined) throw new Refusal(`Missing required parameter: 'input[${at}].${field}'.`);
    }
    if (item.id !== undefined) {
      if (!item.id.startsWith(rule.prefix) || item.id.length > 64) {
        const message = `Invalid 'input[${at}].id': '${item.id}'. Expected an ID that begins with '${rule.prefix}'.`;
        throw new Refusal(message, `input[${at}].id`, 'invalid_value');
      }
      if (ids.has(item.id)) throw new Refusal(`Duplicate item found with id ${item.id}.`);
      ids.add(item.id);
    }
    if (type === 'message') checkMessage(item, at);
    if (type === 'compaction') checkSeal(item.encrypted_content, model);
    if (type === 'compaction_trigger' && at < input.length - 1) throw new Refusal('A compaction trigger comes last.');
    if (type === 'reasoning') {
      if (item.status !== undefined) throw new Refusal(`Unknown parameter: 'input[${at}].status'.`);
      if (typeof item.encrypted_content !== 'string') {
        throw new Refusal(
          `Item with id '${item.id}' not found. Items are not persisted when \`store\` is set to false.`,
        );
      }
      checkSeal(item.encrypted_content, model);
      const following = input[at + 1];
      const said =
        following?.role === 'assistant' || following?.type === 'reasoning' || String(following?.type).endsWith('_call');
      if (!said) {
        throw new Refusal(`Item '${item.id}' of type 'reasoning' was provided without its required following item.`);
      }
    }
    if (/^(function|custom_tool)_call$/.test(type)) {
      if (calls.has(item.call_id)) throw new Refusal(`Duplicate tool call found with call_id ${item.call_id}.`);
      calls.set(item.call_id, type);
    }
    if (type.endsWith('_call_output')) {
      const kind = type === 'function_call_output' ? 'function call output' : 'custom tool call output';
      if (`${calls.get(item.call_id)}_output` !== type) {
        throw new Refusal(`No tool call found for ${kind} with call_id ${item.call_id}.`);
      }
      calls.set(item.call_id, 'answered');
    }
  });
  if (input.at(-1).type === 'compaction_trigger') return;
  for (const [id, state] of calls) {
    if (state !== 'answered') throw new Refusal(`No tool output found for function call ${id}.`);
  }
}

function checkMessage({ role, content }: Json, at: number): void {
  if (typeof content === 'string') return;
  const allowed = role === 'assistant' ? ['output_text', 'refusal'] : ['input_text', 'input_image', 'input_file'];
  content.forEach((part: Json, index: number) => {
    if (allowed.includes(part.type)) return;
    const message = `Invalid value: '${part.type}'. Supported values are: ${allowed.join(', ')}.`;
    throw new Refusal(message, `input[${at}].content[${index}]`, 'invalid_value');
  });
}
