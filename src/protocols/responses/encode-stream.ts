import type { PartKind } from '../../core/events.ts';
import type { JsonObject } from '../../core/json-object.ts';
import type { OpenItem, OpenPart, ResponseState, ResponseStatus } from '../../core/response.ts';
import type { StreamEncoder } from '../codec.ts';
import { responseText } from './response.ts';

/** What of one part's (or call's) events never changes: a delta is these around its number and its text. */
interface Fragments {
  /** Up to the sequence number. */
  deltaStart: string;
  /** From there to the delta's text. */
  deltaMiddle: string;
  /** From there to the end of the event, where the delta has no logprobs of its own. */
  deltaEnd: string;
  /** `,"item_id":…,"output_index":…,"content_index":…`: where in the response the part stands. */
  place: string;
  annotations: number;
}

/** The words of one kind of part. */
interface PartWords {
  /** `response.X.delta` and `response.X.done` carry the text. */
  text: string;
  /** `X.added` and `X.done` carry the part. */
  part: 'response.content_part' | 'response.reasoning_summary_part';
  index: 'content_index' | 'summary_index';
  /** The field of the `done` event that holds the text. */
  field: 'text' | 'refusal';
  zero: string;
}

const partWords: Record<PartKind, PartWords> = {
  output_text: {
    text: 'response.output_text',
    part: 'response.content_part',
    index: 'content_index',
    field: 'text',
    zero: '{"type":"output_text","annotations":[],"logprobs":[],"text":""}',
  },
  refusal: {
    text: 'response.refusal',
    part: 'response.content_part',
    index: 'content_index',
    field: 'refusal',
    zero: '{"type":"refusal","refusal":""}',
  },
  summary_text: {
    text: 'response.reasoning_summary_text',
    part: 'response.reasoning_summary_part',
    index: 'summary_index',
    field: 'text',
    zero: '{"type":"summary_text","text":""}',
  },
  reasoning_text: {
    text: 'response.reasoning_text',
    part: 'response.content_part',
    index: 'content_index',
    field: 'text',
    zero: '{"type":"reasoning_text","text":""}',
  },
};

/** `undefined`: the union of events has no end for it. A reader sees the stream close. */
const terminalEvents: Record<ResponseStatus, string | undefined> = {
  queued: undefined,
  in_progress: undefined,
  completed: 'response.completed',
  incomplete: 'response.incomplete',
  failed: 'response.failed',
  cancelled: undefined,
};

/**
 * Writes the whole ceremony of the Responses API's stream, for one response.
 * @see https://platform.openai.com/docs/api-reference/responses-streaming
 */
export function createStreamEncoder(written = 0): StreamEncoder {
  let sequence = written;
  /** By item, then by part; a call has one entry. */
  const open: Fragments[][] = [];

  /** @param rest the fields after the sequence number, each with the comma before it. */
  function event(type: string, rest: string): string {
    return `event: ${type}\ndata: {"type":"${type}","sequence_number":${sequence++}${rest}}\n\n`;
  }

  function fragmentsAt(item: OpenItem, part: number): Fragments {
    const fragments = open[item.index]?.[part];
    if (fragments === undefined) throw new Error(`part ${part} of item ${item.index} was never started`);
    return fragments;
  }

  return {
    begin({ head, envelope }) {
      const rest = `,"response":${responseText(head, envelope, [])}`;
      const created = sequence === 0 ? event('response.created', rest) : '';
      return created + event('response.in_progress', rest);
    },

    queued({ head, envelope }) {
      const rest = `,"response":${responseText(head, envelope, [])}`;
      return event('response.created', rest) + event('response.queued', rest);
    },

    itemStart(item) {
      const word = callWords[item.kind];
      open[item.index] = word === undefined ? [] : [fragmentsOf(`response.${word}`, itemPlace(item), '')];
      const zero = zeroItem(item);
      return zero === undefined ? '' : event('response.output_item.added', itemFields(item, zero));
    },

    partStart(item, part) {
      const { kind } = partAt(item, part);
      const words = partWords[kind];
      const place = `${itemPlace(item)},"${words.index}":${indexOfPart(item, part, words)}`;
      (open[item.index] ??= [])[part] = fragmentsOf(words.text, place, kind === 'output_text' ? ',"logprobs":[]' : '');
      return event(`${words.part}.added`, `${place},"part":${words.zero}`);
    },

    delta(item, part, delta, logprobs) {
      if (item.kind === 'extension' || item.kind === 'native') return '';
      const isCall = callWords[item.kind] !== undefined;
      const { deltaStart, deltaMiddle, deltaEnd } = fragmentsAt(item, isCall ? 0 : part);
      const end = logprobs === undefined ? deltaEnd : `,"logprobs":${JSON.stringify(logprobs)}}\n\n`;
      return deltaStart + sequence++ + deltaMiddle + JSON.stringify(delta) + end;
    },

    annotation(item, part, annotation) {
      const fragments = fragmentsAt(item, part);
      const index = `,"annotation_index":${fragments.annotations++}`;
      const rest = `${fragments.place}${index},"annotation":${JSON.stringify(annotation)}`;
      return event('response.output_text.annotation.added', rest);
    },

    partEnd(item, part) {
      const ended = partAt(item, part);
      const { text, part: partEvent, field } = partWords[ended.kind];
      const { place } = fragmentsAt(item, part);
      const json = JSON.stringify(ended.text);
      const logprobs = ended.kind === 'output_text' ? `,"logprobs":${JSON.stringify(ended.logprobs)}` : '';
      return (
        event(`${text}.done`, `${place},"${field}":${json}${logprobs}`) +
        event(`${partEvent}.done`, `${place},"part":${partBody(ended, json)}`)
      );
    },

    itemEvent: (item, name, fields) => event(`response.${name}`, itemPlace(item) + membersOf(fields)),

    responseEvent: (name, fields) => event(`response.${name}`, membersOf(fields)),

    itemEnd(item, { item: finished, body }) {
      open[item.index] = [];
      let before = '';
      if (finished.type === 'function_call') {
        const rest = `${itemPlace(item)},"arguments":${JSON.stringify(finished.arguments)}`;
        before = event('response.function_call_arguments.done', rest);
      } else if (finished.type === 'custom_tool_call') {
        const rest = `${itemPlace(item)},"input":${JSON.stringify(finished.input)}`;
        before = event('response.custom_tool_call_input.done', rest);
      } else if (item.kind === 'extension') {
        // Its type is known only now, and a reader must see an item added before it is done.
        const zero = `{"id":${JSON.stringify(item.id)},"type":${JSON.stringify(finished.type)},"status":"in_progress"}`;
        before = event('response.output_item.added', itemFields(item, zero));
      }
      return before + event('response.output_item.done', itemFields(item, body));
    },

    end({ state, head, envelope, output }) {
      const type = terminalEvents[state.status];
      if (type === undefined) return '';
      const bodies = output.map(({ body }) => body);
      const failure = state.status === 'failed' ? event('error', errorFields(state)) : '';
      return `${failure}${event(type, `,"response":${responseText(head, envelope, bodies)}`)}data: [DONE]\n\n`;
    },
  };
}

/** The word of a call's delta events; undefined for what is no call. */
const callWords: Record<OpenItem['kind'], 'function_call_arguments' | 'custom_tool_call_input' | undefined> = {
  message: undefined,
  reasoning: undefined,
  function_call: 'function_call_arguments',
  custom_tool_call: 'custom_tool_call_input',
  extension: undefined,
  native: undefined,
};

function fragmentsOf(word: string, place: string, beforeEnd: string): Fragments {
  const type = `${word}.delta`;
  return {
    deltaStart: `event: ${type}\ndata: {"type":"${type}","sequence_number":`,
    deltaMiddle: `${place},"delta":`,
    deltaEnd: `${beforeEnd}}\n\n`,
    place,
    annotations: 0,
  };
}

function itemFields(item: OpenItem, body: string): string {
  return `,"output_index":${item.index},"item":${body}`;
}

function itemPlace(item: OpenItem): string {
  return `,"item_id":${JSON.stringify(item.id)},"output_index":${item.index}`;
}

function partAt(item: OpenItem, part: number): OpenPart {
  const found = item.parts[part];
  if (found === undefined) throw new Error(`item ${item.index} has no part ${part}`);
  return found;
}

/** Summaries and content are two lists of a reasoning item, each with its own count. */
function indexOfPart(item: OpenItem, part: number, words: PartWords): number {
  let index = 0;
  for (const { kind } of item.parts.slice(0, part)) if (partWords[kind].index === words.index) index++;
  return index;
}

function partBody({ kind, annotations, logprobs }: OpenPart, text: string): string {
  if (kind === 'refusal') return `{"type":"refusal","refusal":${text}}`;
  if (kind !== 'output_text') return `{"type":"${kind}","text":${text}}`;
  const lists = `"annotations":${JSON.stringify(annotations)},"logprobs":${JSON.stringify(logprobs)}`;
  return `{"type":"output_text",${lists},"text":${text}}`;
}

/** Each with the comma before it. */
function membersOf(fields: JsonObject): string {
  const members = JSON.stringify(fields).slice(1, -1);
  return members === '' ? '' : `,${members}`;
}

/** The item before anything is in it; undefined: nothing is known of it yet but its id. */
function zeroItem({ id, kind, native, callId, name, fields = {} }: OpenItem): string | undefined {
  const start = `{"id":${JSON.stringify(id)},"type":"${kind}","status":"in_progress"`;
  const call = `"call_id":${JSON.stringify(callId)}`;
  const end = `${membersOf(fields)}}`;
  switch (kind) {
    case 'message':
      return `${start},"content":[],"role":"assistant"${end}`;
    case 'reasoning':
      return `${start},"summary":[]${end}`;
    case 'function_call':
      return `${start},"arguments":"",${call},"name":${JSON.stringify(name)}${end}`;
    case 'custom_tool_call':
      return `${start},${call},"input":"","name":${JSON.stringify(name)}${end}`;
    case 'native':
      return native === undefined ? undefined : JSON.stringify(native);
    case 'extension':
      return undefined;
  }
}

/** OpenAI's readers want the fields flat, Open Responses' want them nested: both are there. */
function errorFields({ error }: ResponseState): string {
  const code = error?.code ?? 'server_error';
  const message = error?.message ?? 'The response failed.';
  const type = errorTypes.get(code) ?? 'server_error';
  const flat = { code, message, param: null };
  return `,${JSON.stringify({ ...flat, error: { type, ...flat } }).slice(1, -1)}`;
}

const errorTypes: ReadonlyMap<string, string> = new Map([
  ['rate_limit_exceeded', 'rate_limit_error'],
  ['invalid_prompt', 'invalid_request_error'],
]);
