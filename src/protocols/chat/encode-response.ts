import { isNative, isToolCall, type Item, type OutputPart, type ToolCallItem } from '../../core/items.ts';
import { isJsonObject, type JsonObject } from '../../core/json-object.ts';
import type { TurnRequest } from '../../core/request.ts';
import type { FinishedItem, ResponseState } from '../../core/response.ts';
import type { Reply } from '../codec.ts';
import { encodeUsage } from './encode-usage.ts';
import { createTextJoiner } from './join-texts.ts';
import { choiceType } from './other-choices.ts';

const serviceTiers = ['auto', 'default', 'flex', 'scale', 'priority', 'fast'] as const;

/** @see https://platform.openai.com/docs/api-reference/chat/object */
export function encodeReply({ state, output }: Reply): string {
  const logprobs = logprobsOf(output);
  return JSON.stringify({
    ...headOf(state, 'chat.completion'),
    choices: [
      {
        index: 0,
        message: messageOf(output, state.request),
        logprobs: logprobs.length === 0 ? null : { content: logprobs, refusal: null },
        finish_reason: finishReasonOf(state, output),
      },
      ...otherChoices(output),
    ],
    usage: encodeUsage(state.usage),
    ...tierOf(state),
  });
}

/** As the upstream wrote them. */
export function otherChoices(output: readonly FinishedItem[]): JsonObject[] {
  return output.flatMap(({ item }) =>
    item.type === choiceType && 'block' in item && isJsonObject(item.block) ? [item.block] : [],
  );
}

/** What every object of one answer begins with, a plain one as well as each chunk. */
export function headOf(
  { id, createdAtMs, request }: ResponseState,
  object: 'chat.completion' | 'chat.completion.chunk',
) {
  return { id, object, created: Math.floor(createdAtMs / 1000), model: request.model };
}

/** The tier that was used, where it is one that clients know. */
export function tierOf({ serviceTier }: ResponseState): object {
  const tier = serviceTiers.find((each) => each === serviceTier);
  return tier === undefined ? {} : { service_tier: tier };
}

export function finishReasonOf({ incompleteReason, request }: ResponseState, output: readonly FinishedItem[]): string {
  if (incompleteReason === 'max_output_tokens') return 'length';
  if (incompleteReason === 'content_filter') return 'content_filter';
  if (!output.some(({ item }) => isToolCall(item))) return 'stop';
  return callsFunctions(request) ? 'function_call' : 'tool_calls';
}

/** The client knows tools as they were before they had that name: as functions, of which a message calls one. */
export function callsFunctions({ places }: TurnRequest): boolean {
  return places?.['tools[0]']?.startsWith('functions[') === true;
}

function messageOf(output: readonly FinishedItem[], request: TurnRequest): object {
  const items = output.map(({ item }) => item);
  const parts = partsOf(items);
  const contents = parts.flatMap(({ owner, part }) =>
    part.type === 'output_text' ? [{ owner, text: part.text }] : [],
  );
  const refusals = parts.flatMap(({ owner, part }) => (part.type === 'refusal' ? [{ owner, text: part.refusal }] : []));
  const reasoning = joined(reasoningOf(items));
  const calls = items.filter(isToolCall);
  const older = callsFunctions(request) ? calls.slice(0, 1) : [];
  const tools = calls.slice(older.length).map(encodeCall);
  return {
    role: 'assistant',
    content: joined(contents) || null,
    refusal: joined(refusals) || null,
    ...(reasoning === '' ? {} : { reasoning_content: reasoning }),
    ...(tools.length === 0 ? {} : { tool_calls: tools }),
    ...Object.fromEntries(older.map((call) => ['function_call', { name: call.name, arguments: inputOf(call) }])),
    ...closingFields(output),
  };
}

interface OwnedText {
  owner: string;
  text: string;
}

function joined(texts: readonly OwnedText[]): string {
  const joiner = createTextJoiner();
  return texts.map(({ owner, text }) => (text === '' ? '' : joiner.before(owner) + text)).join('');
}

/** The parts of messages; `owner` is the message. */
function partsOf(items: readonly Item[]): { owner: string; part: OutputPart }[] {
  return items.flatMap((item, index) => {
    if (item.type !== 'message' || !('role' in item)) return [];
    const parts = item.content.filter((part) => part.type === 'output_text' || part.type === 'refusal');
    return parts.map((part) => ({ owner: String(index), part }));
  });
}

function reasoningOf(items: readonly Item[]): OwnedText[] {
  return items.flatMap((item, index) => {
    if (item.type !== 'reasoning' || !('summary' in item)) return [];
    return [...item.summary, ...(item.content ?? [])].map(({ text }, part) => ({ owner: `${index} ${part}`, text }));
  });
}

const inputOf = (call: ToolCallItem): string => (call.type === 'function_call' ? call.arguments : call.input);

function encodeCall(call: ToolCallItem): object {
  const { call_id: id, name } = call;
  return call.type === 'function_call'
    ? { id, type: 'function', function: { name, arguments: call.arguments } }
    : { id, type: 'custom', custom: { name, input: call.input } };
}

function logprobsOf(output: readonly FinishedItem[]): unknown[] {
  return partsOf(output.map(({ item }) => item)).flatMap(({ part }) =>
    part.type === 'output_text' ? (part.logprobs ?? []) : [],
  );
}

/**
 * What a message says beside what is written as it comes: what it thought once more, by the names of its items, so that who sends
 * the message back whole brings what the upstream signed of it; citations, each with its place in the whole content; the
 * annotations and the items that chat has no word for, such as what a tool of the upstream's own did, as the Responses API shows them; and a content that
 * can be read where nothing was said at all.
 */
export function closingFields(output: readonly FinishedItem[]): object {
  const items = output.map(({ item }) => item);
  const all = annotationsOf(items);
  const annotations = all.filter(isCitation);
  // Clients refuse a list that holds others.
  const foreign = all.filter((annotation) => !isCitation(annotation));
  const isSilent = !items.some(isToolCall) && partsOf(items).every(({ part }) => lengthOf(part) === 0);
  const others = items.filter((item) => isNative(item) || (item.type.includes(':') && item.type !== choiceType));
  const thoughts = items.flatMap(encodeThought);
  return {
    ...(isSilent ? { content: '' } : {}),
    ...(thoughts.length === 0 ? {} : { reasoning_details: thoughts }),
    ...(annotations.length === 0 ? {} : { annotations }),
    ...(foreign.length === 0 ? {} : { output_annotations: foreign }),
    ...(others.length === 0 ? {} : { output_items: others }),
  };
}

/** @see https://openrouter.ai/docs/use-cases/reasoning-tokens */
function encodeThought(item: Item): object[] {
  if (item.type !== 'reasoning' || !('summary' in item)) return [];
  const { id, summary, content = [], encrypted_content: data } = item;
  return [
    ...summary.map(({ text }) => ({ type: 'reasoning.summary', summary: text, id })),
    ...content.map(({ text }) => ({ type: 'reasoning.text', text, id })),
    ...(typeof data === 'string' ? [{ type: 'reasoning.encrypted', data, id }] : []),
  ].map((detail, index) => ({ ...detail, index }));
}

const lengthOf = (part: OutputPart): number => (part.type === 'refusal' ? part.refusal : part.text).length;

function annotationsOf(items: readonly Item[]): unknown[] {
  const joiner = createTextJoiner();
  const annotations: unknown[] = [];
  let length = 0;
  for (const { owner, part } of partsOf(items)) {
    if (part.type !== 'output_text') continue;
    if (part.text !== '') length += joiner.before(owner).length;
    annotations.push(...part.annotations.map((annotation) => nestCitation(annotation, length)));
    length += part.text.length;
  }
  return annotations;
}

const isCitation = (annotation: unknown): annotation is JsonObject =>
  isJsonObject(annotation) && annotation['type'] === 'url_citation';

/** Chat nests what items write flat. Other annotations are the upstream's own, and pass as they are. */
function nestCitation(annotation: unknown, offset: number): unknown {
  if (!isCitation(annotation)) return annotation;
  const { type, ...citation } = annotation;
  const moved = (index: unknown) => (typeof index === 'number' ? index + offset : index);
  const { start_index: start, end_index: end } = citation;
  return { type, url_citation: { ...citation, start_index: moved(start), end_index: moved(end) } };
}
