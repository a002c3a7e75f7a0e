import { decodeUpstreamStreamError } from '../../core/upstream-error.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Emit } from '../../core/events.ts';
import { createFrameReader } from '../../core/frame-reader.ts';
import { isJsonObject, type JsonObject } from '../../core/json-object.ts';
import { countsNothing, type Usage } from '../../core/usage.ts';
import type { DecodeOptions, StreamDecoder } from '../codec.ts';
import { createItemWriter, type ReasoningField } from './item-writer.ts';
import { mapFinishReason } from './map-finish-reason.ts';
import { mapLogprobs } from './map-logprobs.ts';
import { createOtherChoices, type OtherChoices } from './other-choices.ts';
import { readUsage } from './read-usage.ts';
import { textOf, wordPaths } from './wire.ts';

/** Reads chunks, however they came. Throws GatewayError for what it cannot read, and for errors that the upstream sends. */
export interface ReplyReader {
  chunk(chunk: JsonObject, emit: Emit): void;
  /** Of what is read no further: it may have been paid for all the same. */
  bill(chunk: JsonObject, emit: Emit): void;
  /** The upstream said that it is done. */
  complete(emit: Emit): void;
  /** The model has said why it stopped, and what that took: what follows can only be the end marker. */
  saidAll(): boolean;
}

/** What a model makes besides text and calls, and what we have no word for. */
const unreadFields = ['audio', 'images'];

const unreadable = (what: string) =>
  new GatewayError('upstream_invalid_response', `The upstream sent ${what} that cannot be read.`, { retryable: true });

const broken = () =>
  new GatewayError('upstream_stream_broken', "The upstream's reply ended before it was complete.", { retryable: true });

export function createReplyReader(options: DecodeOptions): ReplyReader {
  const writer = createItemWriter(options);
  const warned = new Set<string>();
  const others = createOtherChoices();
  let started = false;
  let finishReason: string | undefined;
  let usage: Usage | undefined;
  let serviceTier: string | undefined;

  function warnOnce(message: string, emit: Emit): void {
    if (warned.has(message)) return;
    warned.add(message);
    emit({ type: 'warning', warning: { param: 'model', message } });
  }

  function start(chunk: JsonObject, emit: Emit): void {
    if (started) return;
    started = true;
    emit({ type: 'response-start', upstreamId: textOf(chunk['id']), upstreamModel: textOf(chunk['model']) });
  }

  function readReasoning(delta: JsonObject, emit: Emit): void {
    const details = Array.isArray(delta['reasoning_details']) ? delta['reasoning_details'].filter(isJsonObject) : [];
    // vLLM and OpenRouter write the same text into both fields.
    for (const field of ['reasoning_content', 'reasoning'] satisfies ReasoningField[]) {
      const text = textOf(delta[field]);
      if (text !== undefined) return writer.reasoning(field, text, details, emit);
    }
    if (details.length === 0) return;
    const text = details.map((detail) => textOf(detail['text']) ?? textOf(detail['summary']) ?? '').join('');
    writer.reasoning(undefined, text, details, emit);
  }

  /** Mistral writes content as parts as soon as it thinks. */
  function readPart(part: unknown, emit: Emit): void {
    if (!isJsonObject(part)) throw unreadable('a part');
    const { type } = part;
    if (type === 'thinking') {
      const thinking = Array.isArray(part['thinking']) ? part['thinking'] : [];
      for (const piece of thinking) {
        const text = isJsonObject(piece) ? textOf(piece['text']) : undefined;
        if (text !== undefined) writer.reasoning('reasoning_content', text, [], emit);
      }
      return;
    }
    const text = textOf(part['text']);
    if (text !== undefined) writer.content(text, undefined, emit);
    else if (type !== 'text') warnOnce(`The upstream sent content of type ${String(type)}, which was left out.`, emit);
  }

  function readContent(content: unknown, logprobs: unknown[] | undefined, emit: Emit): void {
    if (typeof content === 'string') {
      if (content !== '' || logprobs !== undefined) writer.content(content, logprobs, emit);
    } else if (Array.isArray(content)) {
      for (const part of content) readPart(part, emit);
    } else if (content !== null && content !== undefined) {
      throw unreadable('content');
    }
  }

  function readDelta(delta: JsonObject, logprobs: unknown[] | undefined, emit: Emit): void {
    readReasoning(delta, emit);
    readContent(delta['content'], logprobs, emit);
    const refusal = textOf(delta['refusal']);
    if (refusal !== undefined) writer.refusal(refusal, emit);
    if (Array.isArray(delta['annotations'])) {
      for (const annotation of delta['annotations']) {
        if (!writer.annotation(annotation, emit)) warnOnce('An annotation without a text was left out.', emit);
      }
    }
    const calls = delta['tool_calls'] ?? [];
    if (!Array.isArray(calls)) throw unreadable('tool calls');
    for (const call of calls) {
      if (!isJsonObject(call)) throw unreadable('a tool call');
      writer.toolCall(call, emit);
    }
    if (isJsonObject(delta['function_call'])) writer.toolCall({ index: 0, function: delta['function_call'] }, emit);
    for (const field of unreadFields) {
      const value = delta[field];
      if (value === null || value === undefined || (Array.isArray(value) && value.length === 0)) continue;
      warnOnce(`The upstream sent ${field}, which was left out.`, emit);
    }
  }

  function bill(reported: Usage | undefined, emit: Emit): void {
    if (reported === undefined || (usage !== undefined && countsNothing(reported))) return;
    usage = reported;
    emit({ type: 'usage', usage });
  }

  return {
    chunk(chunk, emit) {
      let reported = reportedBy(chunk);
      try {
        const choice = firstOf(choicesOf(chunk), others);
        reported ??= readUsage(choice?.['usage']);
        // Azure begins with a chunk about its content filter, which has neither an id nor a model.
        if (choice !== undefined || reported !== undefined || textOf(chunk['id']) !== undefined) start(chunk, emit);
        serviceTier = textOf(chunk['service_tier']) ?? serviceTier;
        if (choice === undefined) return;
        const delta = choice['delta'];
        if (isJsonObject(delta)) readDelta(delta, mapLogprobs(choice['logprobs']), emit);
        else if (delta !== null && delta !== undefined) throw unreadable('a delta');
        finishReason = textOf(choice['finish_reason']) ?? finishReason;
      } finally {
        bill(reported, emit);
      }
    },
    bill: (chunk, emit) => bill(reportedBy(chunk), emit),
    complete(emit) {
      if (finishReason === undefined) throw broken();
      const finish = mapFinishReason(finishReason);
      if (finish === 'failed') {
        throw new GatewayError('upstream_error', 'The upstream gave up before its reply was complete.', {
          retryable: true,
        });
      }
      if (finish === undefined) {
        warnOnce(`The upstream stopped for a reason that is new to us: ${finishReason.slice(0, 64)}.`, emit);
      }
      writer.close(finish === undefined || finish === 'completed', emit);
      for (const other of others.all()) writer.extension('choice', JSON.stringify(other), emit);
      emit({
        type: 'response-end',
        finish: finish ?? 'completed',
        usage,
        ...(serviceTier === undefined ? {} : { serviceTier }),
      });
    },
    saidAll() {
      return finishReason !== undefined && usage !== undefined;
    },
  };
}

function reportedBy({ usage, x_groq: groq }: JsonObject): Usage | undefined {
  return readUsage(usage ?? (isJsonObject(groq) ? groq['usage'] : undefined));
}

function choicesOf(chunk: JsonObject): JsonObject[] {
  const choices = chunk['choices'] ?? [];
  if (!Array.isArray(choices)) throw unreadable('choices');
  if (!choices.every(isJsonObject)) throw unreadable('a choice');
  return choices;
}

/** The choice with index 0, which is the answer. A conversation goes on from it; the others are there to be read. */
function firstOf(choices: readonly JsonObject[], others: OtherChoices): JsonObject | undefined {
  let first: JsonObject | undefined;
  for (const choice of choices) {
    if ((choice['index'] ?? 0) !== 0) others.read(choice);
    else first ??= choice;
  }
  return first;
}

/** @see https://platform.openai.com/docs/api-reference/chat-streaming */
export function createStreamDecoder(options: DecodeOptions): StreamDecoder {
  const reader = createReplyReader(options);
  const { frames = createFrameReader(wordPaths) } = options;
  let ended = false;

  function guarded(emit: Emit, step: () => void): void {
    try {
      step();
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      ended = true;
      emit({ type: 'error', error });
    }
  }

  function readFrame(event: string, data: string, emit: Emit): void {
    if (data.trim() === '[DONE]') {
      reader.complete(emit);
      ended = true;
      return;
    }
    const chunk = frames.read(data);
    if (chunk === undefined) throw unreadable('an event');
    const failed = event === 'error' || chunk['object'] === 'error';
    if (failed || (chunk['error'] !== null && chunk['error'] !== undefined)) {
      reader.bill(chunk, emit);
      throw decodeUpstreamStreamError(chunk, data);
    }
    reader.chunk(chunk, emit);
  }

  return {
    frame(event, data, emit) {
      if (!ended) guarded(emit, () => readFrame(event, data, emit));
    },
    end(emit) {
      if (ended) return;
      guarded(emit, () => {
        if (!reader.saidAll()) throw broken();
        reader.complete(emit);
        ended = true;
      });
    },
  };
}
