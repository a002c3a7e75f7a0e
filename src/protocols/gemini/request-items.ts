import { pendingOutput } from '../../core/async-calls.ts';
import { wrapCustomInput } from '../../core/custom-input.ts';
import { GatewayError } from '../../core/errors.ts';
import {
  type ExtensionItem,
  isNative,
  isToolCall,
  isToolOutput,
  type MessageItem,
  type NativeItem,
  type Origin,
  type ToolCallItem,
  type ToolOutputItem,
} from '../../core/items.ts';
import { isJsonObject, parseJsonObject } from '../../core/json-object.ts';
import { arrayElements, objectMembers, sliceJson } from '../../core/json-slice.ts';
import { itemPath, type ToolOffer } from '../../core/offer-tools.ts';
import type { Report } from '../../core/report.ts';
import { leaveOut } from '../../core/unsent-item.ts';
import type { EncodeInput } from '../codec.ts';
import { encodePart, partPath, textPart, textParts } from './request-parts.ts';
import { takesBack } from './signature-scope.ts';
import { foreignSignature, wrappedArgumentsField } from './wire.ts';

export interface Content {
  role: 'user' | 'model';
  parts: string[];
}

interface Call {
  id: string | undefined;
  name: string;
  /** Its result, and what of it has to stand beside it. */
  response: string[];
  beside: string[];
}

/** What the model said in one go, the results of its calls, and what others said after it. */
interface Round {
  model: string[];
  /** Of the parts above: the signatures that they bear. */
  signatures: Set<string>;
  /** The signature that belongs to the next call. */
  pending: string | undefined;
  calls: Map<string, Call>;
  rest: string[];
}

const newRound = (): Round => ({ model: [], signatures: new Set(), pending: undefined, calls: new Map(), rest: [] });

/**
 * The context as contents: what the model says in one go is one, and so is what users say in between. Google wants the
 * results of all calls directly behind them, in one content: a result that comes late is moved up to its call.
 * @param first where the context begins that is no instruction.
 * @throws GatewayError 400 for what this wire cannot carry and what the conversation cannot do without.
 * @see https://ai.google.dev/gemini-api/docs/function-calling
 */
export function encodeItems(input: EncodeInput, first: number, offer: ToolOffer, report: Report): Content[] {
  const { context, request, model, profile } = input;
  const signed = profile.gemini?.thirdGeneration !== false;
  let round = newRound();
  const rounds = [round];
  const roundOfCall = new Map<string, Round>();

  /** The round in which the model goes on. */
  function modelRound(): Round {
    const isOver =
      round.rest.length > 0 || Array.from(round.calls.values()).some(({ response }) => response.length > 0);
    if (isOver) rounds.push((round = newRound()));
    return round;
  }

  /** The JSON of the parts that the same model said. */
  function sourceOf(origin: Origin | undefined): string | undefined {
    if (origin?.protocol !== 'gemini' || origin.source === '' || !takesBack(origin.model, model)) return undefined;
    return origin.source;
  }

  /** Parts as they came. One that holds nothing but a signature was told apart from the part that it belongs to. */
  function addSource(source: string): void {
    const target = modelRound();
    for (const part of arrayElements(`[${source}]`) ?? []) {
      const value = parseJsonObject(part);
      const signature = value?.['thoughtSignature'];
      if (typeof signature === 'string') {
        const { text, thoughtSignature: _, ...rest } = value ?? {};
        const isAlone = Object.keys(rest).length === 0 && (text === undefined || text === '');
        if (isAlone && text === undefined) {
          target.pending = signature;
          continue;
        }
        if (isAlone && target.signatures.has(signature)) continue;
        target.signatures.add(signature);
      }
      target.model.push(part);
    }
  }

  function addCall(item: ToolCallItem, origin: Origin | undefined): void {
    const target = modelRound();
    if (item.status === 'incomplete') {
      target.pending = undefined;
      report.warn('input', `Call ${item.call_id} was cut off; it was left out.`);
      return;
    }
    const { part, id, name } = callPart(item, origin, sourceOf(origin), target.pending, offer, report);
    target.pending = undefined;
    const isFirst = target.calls.size === 0;
    target.calls.set(item.call_id, { id, name, response: [], beside: [] });
    roundOfCall.set(item.call_id, target);
    // Of calls that were made at once only the first is signed.
    target.model.push(isFirst && signed ? signedPart(part) : part);
  }

  function addOutput(item: ToolOutputItem, path: string): void {
    const owner = roundOfCall.get(item.call_id);
    const called = owner?.calls.get(item.call_id);
    if (owner === undefined || called === undefined) throw new Error(`an output without its call: ${item.call_id}`);
    if (owner !== round || round.rest.length > 0) {
      report.warn('input', 'Tool outputs were moved up to directly after their calls, as the upstream demands.');
    }
    const { response, beside } = outputParts(item, called, path, signed, report);
    called.response = [response];
    called.beside = beside;
  }

  function addMessage(item: MessageItem, origin: Origin | undefined, path: string): void {
    if (item.role === 'assistant') {
      if (typeof item.phase === 'string')
        report.warn('input', 'The upstream knows no phase of messages; it was left out.');
      const source = sourceOf(origin);
      if (source !== undefined) return addSource(source);
      const parts = assistantParts(item, report);
      if (parts.length > 0) modelRound().model.push(...parts);
      return;
    }
    const parts = item.content.flatMap((part, at) => encodePart(part, partPath(path, 'content', at), report));
    if (item.role === 'user') round.rest.push(...parts);
    else if (parts.length > 0) round.rest.push(taggedPart(item, report));
  }

  for (const [at, { item, origin, withheld = 'model_mismatch' }] of context.entries()) {
    if (at < first) continue;
    const path = itemPath(context, request, at);
    const source = sourceOf(origin);
    if (isToolCall(item)) addCall(item, origin);
    else if (isToolOutput(item)) addOutput(item, path);
    else if (item.type === 'message') addMessage(item, origin, path);
    else if (item.type === 'reasoning') {
      if (source === undefined) report.removed(item.id, withheld);
      else if (item.status === 'incomplete') report.removed(item.id, 'turn_boundary');
      else addSource(source);
    } else if (item.status === 'incomplete') {
      report.warn('input', `An item of type ${item.type} was cut off; it was left out.`);
    } else {
      const parts = source ?? foreignParts(item, origin, path, report);
      if (parts !== undefined) addSource(parts);
    }
  }
  return contentsOf(rounds, report);
}

function assistantParts({ content }: MessageItem, report: Report): string[] {
  return content.flatMap((part) => {
    if (part.type === 'input_text' || part.type === 'output_text') return textParts(part.text);
    if (part.type === 'refusal') report.warn('input', 'A refusal of the assistant was left out.');
    else
      throw new GatewayError('unsupported_value', 'The upstream takes texts of the assistant only.', {
        param: 'input',
      });
    return [];
  });
}

function taggedPart({ content, role }: MessageItem, report: Report): string {
  const texts = content.map((part) => {
    if (part.type === 'input_text' || part.type === 'output_text') return part.text;
    throw new GatewayError('unsupported_value', `The upstream takes ${role} messages of text only.`, {
      param: 'input',
    });
  });
  report.warn('input', `A ${role} message inside the conversation was sent as user text in <system> tags.`);
  return textPart(`<system>${texts.join('\n')}</system>`);
}

/** What this wire has no word of its own for. Undefined: nothing is sent. */
function foreignParts(
  item: ExtensionItem | NativeItem,
  origin: Origin | undefined,
  path: string,
  report: Report,
): string | undefined {
  if (isNative(item)) {
    // What was told beside the answer is not the model's to read again.
    if (origin?.protocol !== 'gemini' || origin.source !== '') leaveOut(item, path, report);
    return undefined;
  }
  // A stateless client gives back what it was given.
  if (origin === undefined && item.type.startsWith('gemini:') && isJsonObject(item.block))
    return JSON.stringify(item.block);
  report.warn('input', `Items of type ${item.type} mean nothing to the upstream and were left out.`);
  return undefined;
}

interface EncodedCall {
  part: string;
  id: string | undefined;
  name: string;
}

/** @param pending the signature that came before the call. */
function callPart(
  item: ToolCallItem,
  origin: Origin | undefined,
  source: string | undefined,
  pending: string | undefined,
  offer: ToolOffer,
  report: Report,
): EncodedCall {
  const members = source === undefined ? undefined : objectMembers(source);
  if (source !== undefined && members !== undefined) {
    const value: unknown = JSON.parse(members.get('functionCall') ?? '{}');
    const { id, name } = isJsonObject(value) ? value : {};
    const part = pending === undefined || members.has('thoughtSignature') ? source : withSignature(source, pending);
    return { part, id: typeof id === 'string' ? id : undefined, name: String(name) };
  }
  // An id is sent where a model of Google's gave it; calls without one are told apart by their order.
  const given = origin?.protocol === 'gemini' ? (origin.upstreamCallId ?? item.call_id) : '';
  const id = given === '' ? undefined : given;
  const name = offer.nameOfCall(item.name, item.namespace);
  const spoken = id === undefined ? '' : `"id":${JSON.stringify(id)},`;
  const part = `{"functionCall":{${spoken}"name":${JSON.stringify(name)},"args":${argsOf(item, report)}}}`;
  return { part: pending === undefined ? part : withSignature(part, pending), id, name };
}

const withSignature = (part: string, signature: string): string =>
  `${part.slice(0, -1)},"thoughtSignature":${JSON.stringify(signature)}}`;

function signedPart(part: string): string {
  return sliceJson(part, ['thoughtSignature']) === undefined ? withSignature(part, foreignSignature) : part;
}

/** A call's arguments as the JSON object that this wire demands, spliced where the model's text is one. */
function argsOf(item: ToolCallItem, report: Report): string {
  if (item.type === 'custom_tool_call') return wrapCustomInput(item.input);
  if (item.arguments === '') return '{}';
  if (parseJsonObject(item.arguments) !== undefined) return item.arguments;
  report.warn(
    'input',
    `The arguments of call ${item.call_id} are no JSON object; they were sent as the text they are.`,
  );
  return `{"${wrappedArgumentsField}":${JSON.stringify(item.arguments)}}`;
}

function responsePart(
  { id, name }: Pick<Call, 'id' | 'name'>,
  response: string,
  parts: readonly string[] = [],
): string {
  const spoken = id === undefined ? '' : `"id":${JSON.stringify(id)},`;
  const media = parts.length === 0 ? '' : `,"parts":[${parts.join(',')}]`;
  return `{"functionResponse":{${spoken}"name":${JSON.stringify(name)},"response":${response}${media}}}`;
}

/** Words that mean something at the top of a response, or anywhere in it. */
const reserved = /"(?:output|error|\$ref)"\s*:/;

/**
 * Numbers are doubles to Google: with so many digits one may be read as another, an id as nobody's.
 * @see https://ai.google.dev/api/caching#FunctionResponse
 */
const rounded = /\d[\d.]{15}/;

/** The object that a text is, as it is; else an object that holds the text. */
function responseOf(text: string): string {
  const isObject = text.trimStart().startsWith('{') && !reserved.test(text) && !rounded.test(text);
  return isObject && parseJsonObject(text) !== undefined ? text : `{"output":${JSON.stringify(text)}}`;
}

const inResponse = /^\{"inlineData":\{"mimeType":"(?:image\/(?:png|jpeg|webp)|application\/pdf|text\/plain)"/;

/**
 * Images and files go into the result where the model takes them there, else behind the results.
 * @see https://ai.google.dev/gemini-api/docs/function-calling#multimodal
 */
function outputParts(
  { output, call_id: callId }: ToolOutputItem,
  call: Call,
  path: string,
  takesMedia: boolean,
  report: Report,
): { response: string; beside: string[] } {
  if (typeof output === 'string') return { response: responsePart(call, responseOf(output)), beside: [] };
  const parts = output.flatMap((part, at) => encodePart(part, partPath(path, 'output', at), report));
  const texts: string[] = [];
  const media: string[] = [];
  const beside: string[] = [];
  for (const part of parts) {
    const text = part.startsWith('{"text":') ? parseJsonObject(part)?.['text'] : undefined;
    if (typeof text === 'string') texts.push(text);
    else (takesMedia && inResponse.test(part) ? media : beside).push(part);
  }
  if (beside.length > 0) {
    report.warn('input', 'Images and files of a tool output were moved behind the results.');
    texts.push('(Its images and files come behind the results.)');
    beside.unshift(textPart(`From the output of tool call ${callId}:`));
  }
  const text = texts.join('\n');
  return {
    response: responsePart(call, texts.length === 1 ? responseOf(text) : JSON.stringify({ output: text }), media),
    beside,
  };
}

function contentsOf(rounds: readonly Round[], report: Report): Content[] {
  const contents: Content[] = [];
  const push = (role: Content['role'], parts: readonly string[]): void => {
    const last = contents.at(-1);
    if (parts.length === 0) return;
    if (last?.role === role) last.parts.push(...parts);
    else contents.push({ role, parts: [...parts] });
  };
  for (const { model, calls, rest } of rounds) {
    const made = [...calls.values()];
    push('model', model);
    const pending = JSON.stringify({ output: pendingOutput });
    push(
      'user',
      made.flatMap((call) => (call.response.length === 0 ? [responsePart(call, pending)] : call.response)),
    );
    push(
      'user',
      made.flatMap(({ beside }) => beside),
    );
    push('user', rest);
  }
  if (contents.length === 0) {
    throw new GatewayError('invalid_value', 'The input holds nothing that can be sent to the model.', {
      param: 'input',
    });
  }
  if (contents[0]?.role !== 'user') {
    report.warn('input', 'The conversation does not begin with a user message; one that says "." was put before it.');
    contents.unshift({ role: 'user', parts: [textPart('.')] });
  }
  return contents;
}

export function printContents(contents: readonly Content[]): string {
  return `[${contents.map(({ role, parts }) => `{"role":"${role}","parts":[${parts.join(',')}]}`).join(',')}]`;
}
