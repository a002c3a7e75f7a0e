import type { GatewayError } from '../../core/errors.ts';
import type { ReasoningItem } from '../../core/items.ts';
import { parseJsonObject } from '../../core/json-object.ts';
import { objectMembers, printMembers } from '../../core/json-slice.ts';
import type { TurnRequest } from '../../core/request.ts';
import type { FinishedItem, OpenItem } from '../../core/response.ts';
import { noUsage, type Usage } from '../../core/usage.ts';
import type { Reply, StreamEncoder } from '../codec.ts';
import { blocksOf, extraFields, hasInput, ownBlocks, showsThinking, textBlock } from './encode-blocks.ts';
import { encodeError, storedError } from './encode-error.ts';
import { messageHead, shownRefusal } from './encode-response.ts';
import { stopOf } from './encode-stop.ts';
import { deltaUsageOf, usageOf } from './encode-usage.ts';
import { paramName } from './param-name.ts';

type OpenBlock = 'text' | 'thinking' | 'call';

const deltaEnd = '}}\n\n';

/**
 * Writes one response as the Messages API's stream. It begins with the first block or with the end, not sooner: until then
 * another attempt may be made. Blocks come one after another here: an item that begins while one before it is being written is
 * written whole, in its place.
 * @see https://platform.claude.com/docs/en/build-with-claude/streaming
 */
export function createStreamEncoder(): StreamEncoder {
  let reply: Reply | undefined;
  let usage: Usage = noUsage;
  let started = false;
  let blocks = 0;
  let open: OpenBlock | undefined;
  /** The first item that is not written to its end, and whether it is written as it comes. */
  let next = 0;
  let isLive = false;
  /** Items that have ended before one that stands before them. */
  const early = new Map<number, FinishedItem>();
  /** A delta's event up to its text, for the block that is open. */
  let deltaStart = '';

  function event(type: string, rest: string): string {
    return `event: ${type}\ndata: {"type":"${type}"${rest}}\n\n`;
  }

  function begin(): string {
    if (started || reply === undefined) return '';
    started = true;
    const rest = `"stop_reason":null,"stop_sequence":null,"stop_details":null,"container":null`;
    return event('message_start', `,"message":${messageHead(reply)}],${rest},"usage":${usageOf(reply.state, usage)}}`);
  }

  /** @param delta the type of the block's deltas, and their field. */
  function startBlock(kind: OpenBlock, json: string, [delta, field]: [string, string]): string {
    open = kind;
    const index = `,"index":${blocks}`;
    const type = 'content_block_delta';
    deltaStart = `event: ${type}\ndata: {"type":"${type}"${index},"delta":{"type":"${delta}","${field}":`;
    return event('content_block_start', `${index},"content_block":${json}`);
  }

  function delta(json: string): string {
    return event('content_block_delta', `,"index":${blocks},"delta":${json}`);
  }

  function stopBlock(): string {
    if (open === undefined) return '';
    open = undefined;
    return event('content_block_stop', `,"index":${blocks++}`);
  }

  /** A block that is known whole. */
  function wholeBlock(json: string): string {
    const block = parseJsonObject(json);
    if (block?.['type'] === 'thinking') {
      const { thinking, signature } = block;
      const start = startBlock('thinking', emptyThinking, thinkingDelta);
      const thought =
        typeof thinking === 'string' && thinking !== '' ? deltaStart + JSON.stringify(thinking) + deltaEnd : '';
      return start + thought + signatureOf(signature) + stopBlock();
    }
    const members = objectMembers(json) ?? new Map<string, string>();
    if (block?.['type'] === 'text') {
      // Clients show what deltas say of a text.
      const text = members.get('text') ?? '""';
      const start = startBlock('text', printMembers(members.set('text', '""')), textDelta);
      return start + (text === '""' ? '' : deltaStart + text + deltaEnd) + stopBlock();
    }
    if (!hasInput(block)) {
      const start = startBlock('text', json, textDelta);
      return start + stopBlock();
    }
    const input = members.get('input') ?? '{}';
    members.set('input', '{}');
    const start = startBlock('call', printMembers(members), inputDelta);
    return start + deltaStart + JSON.stringify(input) + deltaEnd + stopBlock();
  }

  const signatureOf = (signature: unknown): string =>
    typeof signature === 'string' && signature !== ''
      ? delta(`{"type":"signature_delta","signature":${JSON.stringify(signature)}}`)
      : '';

  const isWritten = ({ index }: OpenItem): boolean => isLive && index === next;

  const wholeItem = (finished: FinishedItem): string =>
    blocksOf(finished, reply !== undefined && showsThinking(reply.state))
      .map(wholeBlock)
      .join('');

  const isHidden = ({ kind }: OpenItem): boolean =>
    kind === 'reasoning' && (reply === undefined || !showsThinking(reply.state));

  return {
    queued: () => '',

    begin(given) {
      reply = given;
      return '';
    },

    usage(known) {
      usage = known;
      return '';
    },

    itemStart(item) {
      if (item.index === next) isLive = true;
      if (isHidden(item)) return '';
      const start = begin();
      if (item.kind !== 'function_call' || !isWritten(item)) return start;
      const names = `"id":${JSON.stringify(item.callId)},"name":${JSON.stringify(item.name)}`;
      return (
        start + startBlock('call', `{"type":"tool_use",${names},"input":{}${extraFields(item.block)}}`, inputDelta)
      );
    },

    partStart: () => '',

    delta(item, part, text) {
      // Upstreams tell of tokens that add no text: they begin no block.
      if (!isWritten(item) || text === '') return '';
      if (item.kind === 'function_call') return deltaStart + JSON.stringify(text) + deltaEnd;
      const kind = item.parts[part]?.kind;
      // A refusal is told of at the end, when it is known whose words it is in.
      if (kind === undefined || kind === 'refusal' || isHidden(item)) return '';
      let start = '';
      if (kind === 'output_text') {
        if (open === undefined) start = startBlock('text', '{"type":"text","text":"","citations":null}', textDelta);
        return start + deltaStart + JSON.stringify(text) + deltaEnd;
      }
      if (open === undefined) start = startBlock('thinking', emptyThinking, thinkingDelta);
      const isNext = part > 0 && item.parts[part]?.text.length === text.length;
      return start + deltaStart + JSON.stringify(isNext ? `\n\n${text}` : text) + deltaEnd;
    },

    annotation(item, _part, _annotation, source) {
      if (!isWritten(item) || open !== 'text' || source === undefined) return '';
      return delta(`{"type":"citations_delta","citation":${JSON.stringify(source)}}`);
    },

    partEnd: (item) => (isWritten(item) && open === 'text' ? stopBlock() : ''),

    itemEvent: () => '',
    responseEvent: () => '',

    itemEnd(item, finished) {
      if (item.index !== next) {
        early.set(item.index, finished);
        return '';
      }
      let text = isLive ? endLive(item, finished) : wholeItem(finished);
      isLive = false;
      for (next += 1; ; next += 1) {
        const ended = early.get(next);
        if (ended === undefined) return text;
        early.delete(next);
        text += wholeItem(ended);
      }
    },

    end(given, error) {
      reply ??= given;
      const { state, output } = given;
      if (state.status === 'failed') {
        const known = state.error ?? { code: 'server_error', message: 'The response failed.' };
        return errorEvent(error === undefined ? storedError(known) : encodeError(named(error, state.request)));
      }
      if (state.status !== 'completed' && state.status !== 'incomplete') return '';
      const start = begin();
      const closed = stopBlock();
      // Of a reply that was paused and never gone on with.
      const rest = output.slice(closed === '' ? next : next + 1).map(wholeItem);
      const refusal = shownRefusal(given);
      const said = refusal === undefined ? '' : wholeBlock(textBlock(refusal));
      const stop = `,"delta":{${stopOf(state, output)},"container":null},"usage":${deltaUsageOf(state.usage)}`;
      return start + closed + rest.join('') + said + event('message_delta', stop) + event('message_stop', '');
    },

    error: (error) => errorEvent(encodeError(error)),
  };

  function endLive(item: OpenItem, finished: FinishedItem): string {
    if (isHidden(item)) return '';
    if (item.kind === 'reasoning' && open === 'thinking') return endThinking(finished) + stopBlock();
    if (item.kind === 'message' || open !== undefined) return stopBlock();
    return wholeItem(finished);
  }

  function endThinking(finished: FinishedItem): string {
    const own = ownBlocks(finished)?.[0];
    const { encrypted_content: envelope } = finished.item as ReasoningItem;
    return signatureOf(own === undefined ? envelope : parseJsonObject(own)?.['signature']);
  }
}

function errorEvent(json: string): string {
  return `event: error\ndata: ${json}\n\n`;
}

function named(error: GatewayError, request: TurnRequest): GatewayError {
  return error.param === null ? error : error.of(paramName(error.param, request));
}

const emptyThinking = '{"type":"thinking","thinking":"","signature":""}';
const textDelta: [string, string] = ['text_delta', 'text'];
const thinkingDelta: [string, string] = ['thinking_delta', 'thinking'];
const inputDelta: [string, string] = ['input_json_delta', 'partial_json'];
