import { errorFields } from '../../core/error-body.ts';
import { isJsonObject, type JsonObject } from '../../core/json-object.ts';
import type { OpenItem, ResponseState } from '../../core/response.ts';
import type { StreamEncoder } from '../codec.ts';
import { callsFunctions, closingFields, finishReasonOf, headOf, otherChoices, tierOf } from './encode-response.ts';
import { encodeUsage } from './encode-usage.ts';
import { createTextJoiner } from './join-texts.ts';

/** What of all chunks of one answer never changes. */
interface Fragments {
  /** Up to the delta. */
  start: string;
  /** From its log probabilities on, where it is not the last. */
  end: string;
}

/** Where a call stands in the message. */
interface CallPlace {
  /** Up to the delta's text. */
  start: string;
  end: string;
}

const errorTypes: ReadonlyMap<string, string> = new Map([
  ['rate_limit_exceeded', 'rate_limit_error'],
  ['invalid_prompt', 'invalid_request_error'],
]);

/**
 * Writes one answer as chunks. Nothing is written before the first item, since until then another attempt can be made.
 * @see https://platform.openai.com/docs/api-reference/chat-streaming
 */
export function createStreamEncoder(): StreamEncoder {
  let state: ResponseState | undefined;
  let fragments: Fragments | undefined;
  let opened = false;
  let calls = 0;
  const places: CallPlace[] = [];
  const joiners = { content: createTextJoiner(), refusal: createTextJoiner(), reasoning_content: createTextJoiner() };

  function chunk(delta: string, logprobs = 'null'): string {
    if (fragments === undefined) throw new Error('the stream has not begun');
    return `${fragments.start}${delta},"logprobs":${logprobs}${fragments.end}`;
  }

  function open(): string {
    if (opened) return '';
    opened = true;
    return chunk('{"role":"assistant","content":null,"refusal":null}');
  }

  /** @param owner text of one owner stands together. */
  function textChunk(field: keyof typeof joiners, owner: string, delta: string, logprobs?: string): string {
    return chunk(`{"${field}":${JSON.stringify(joiners[field].before(owner) + delta)}}`, logprobs);
  }

  function startCall(item: OpenItem): string {
    const { index, kind, callId, name } = item;
    if (calls === 0 && state !== undefined && callsFunctions(state.request)) {
      places[index] = { start: '{"function_call":{"arguments":', end: '}}' };
      return chunk(`{"function_call":{"name":${JSON.stringify(name)},"arguments":""}}`);
    }
    const [type, field] = kind === 'function_call' ? ['function', 'arguments'] : ['custom', 'input'];
    places[index] = { start: `{"tool_calls":[{"index":${calls},"${type}":{"${field}":`, end: '}}]}' };
    const id = JSON.stringify(callId);
    const spec = `"${type}":{"name":${JSON.stringify(name)},"${field}":""}`;
    return chunk(`{"tool_calls":[{"index":${calls},"id":${id},"type":"${type}",${spec}}]}`);
  }

  return {
    queued: () => '',

    begin(reply) {
      state = reply.state;
      const head = JSON.stringify(headOf(state, 'chat.completion.chunk')).slice(0, -1);
      const usage = state.request.usageInStream === true ? ',"usage":null' : '';
      fragments = {
        start: `data: ${head},"choices":[{"index":0,"delta":`,
        end: `,"finish_reason":null}]${usage}}\n\n`,
      };
      return '';
    },

    itemStart(item) {
      const role = open();
      if (item.kind !== 'function_call' && item.kind !== 'custom_tool_call') return role;
      const call = startCall(item);
      calls += 1;
      return role + call;
    },

    partStart: () => '',

    delta(item, part, delta, logprobs) {
      if (item.kind === 'extension' || item.kind === 'native') return '';
      if (item.kind === 'reasoning') return textChunk('reasoning_content', `${item.index} ${part}`, delta);
      if (item.kind !== 'message') {
        const place = places[item.index];
        if (place === undefined) throw new Error(`call ${item.index} was never started`);
        return chunk(place.start + JSON.stringify(delta) + place.end);
      }
      if (item.parts[part]?.kind === 'refusal') return textChunk('refusal', String(item.index), delta);
      const told = logprobs === undefined ? undefined : JSON.stringify({ content: logprobs, refusal: null });
      return textChunk('content', String(item.index), delta, told);
    },

    // Citations are told together, at the end: readers that do not gather lists would keep the last one only.
    annotation: () => '',
    partEnd: () => '',
    itemEvent: () => '',
    responseEvent: () => '',
    itemEnd: () => '',

    end({ state: ended, output }) {
      if (ended.status === 'failed') return errorFrame(ended);
      if (ended.status !== 'completed' && ended.status !== 'incomplete') return '';
      const role = open();
      const closing = JSON.stringify(closingFields(output));
      const head = { ...headOf(ended, 'chat.completion.chunk'), ...tierOf(ended) };
      const isTold = ended.request.usageInStream === true;
      const finish = { index: 0, delta: {}, logprobs: null, finish_reason: finishReasonOf(ended, output) };
      const last = { ...head, choices: [finish], ...(isTold ? { usage: null } : {}) };
      const usage = isTold ? frame({ ...head, choices: [], usage: encodeUsage(ended.usage) }) : '';
      const others = otherChoices(output).map((choice) => frame({ ...head, choices: [chunkOf(choice)] }));
      return `${role}${closing === '{}' ? '' : chunk(closing)}${frame(last)}${others.join('')}${usage}data: [DONE]\n\n`;
    },

    error: (error) => frame({ error: errorFields(error) }),
  };
}

/** A whole choice as one chunk of it. */
function chunkOf({ message, ...choice }: JsonObject): object {
  if (!isJsonObject(message) || !Array.isArray(message['tool_calls'])) return { ...choice, delta: message };
  const calls: unknown[] = message['tool_calls'];
  const numbered = calls.map((call, index) => (isJsonObject(call) ? { index, ...call } : call));
  return { ...choice, delta: { ...message, tool_calls: numbered } };
}

function frame(object: object): string {
  return `data: ${JSON.stringify(object)}\n\n`;
}

/** Nothing follows it: an end marker would read as one of a whole answer. */
function errorFrame({ error }: ResponseState): string {
  const code = error?.code ?? 'server_error';
  const message = error?.message ?? 'The response failed.';
  return frame({ error: { message, type: errorTypes.get(code) ?? 'server_error', param: null, code } });
}
