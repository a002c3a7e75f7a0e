import { GatewayError } from '../../core/errors.ts';
import type { Emit } from '../../core/events.ts';
import { isJsonObject, type JsonObject } from '../../core/json-object.ts';
import { arrayElements, compactJson, sliceJson } from '../../core/json-slice.ts';
import type { Usage } from '../../core/usage.ts';
import type { DecodeOptions } from '../codec.ts';
import { decodeErrorChunk } from './decode-error.ts';
import type { Grounding } from './grounding.ts';
import { createItemWriter } from './item-writer.ts';
import { mapFinishReason } from './map-finish-reason.ts';
import { mapLogprobs } from './map-logprobs.ts';
import { readUsage } from './read-usage.ts';
import { stringOf } from './wire.ts';

/** Reads chunks, of which a plain reply is one. Throws GatewayError for what it cannot read, and for errors that Google sends. */
export interface ReplyReader {
  /** @param data the chunk's JSON, of which `chunk` is the value. */
  chunk(chunk: JsonObject, data: string, emit: Emit): void;
  /** Of what is read no further: it may have been paid for all the same. */
  bill(chunk: JsonObject, emit: Emit): void;
  /** The upstream has closed. */
  complete(emit: Emit): void;
  /** The model has said why it stopped. */
  saidWhy(): boolean;
}

const unreadable = (what: string) =>
  new GatewayError('upstream_invalid_response', `The upstream sent ${what} that cannot be read.`, { retryable: true });

/** Google's word for the tier that OpenAI's API calls default; its others are spelled alike. */
const serviceTierOf = (tier: string): string => (tier.toLowerCase() === 'standard' ? 'default' : tier.toLowerCase());

export function createReplyReader(options: DecodeOptions): ReplyReader {
  const writer = createItemWriter(options);
  let started = false;
  let finishReason: string | undefined;
  let usage: Usage | undefined;
  let serviceTier: string | undefined;
  const grounding: Grounding = { grounding: undefined, citations: undefined, pages: undefined };

  function start(chunk: JsonObject, emit: Emit): void {
    if (started) return;
    started = true;
    const { responseId, modelVersion } = chunk;
    emit({ type: 'response-start', upstreamId: stringOf(responseId), upstreamModel: stringOf(modelVersion) });
  }

  function readParts(candidate: JsonObject, place: number, data: string, emit: Emit): void {
    const { content, logprobsResult } = candidate;
    if (content === undefined || content === null) return;
    if (!isJsonObject(content)) throw unreadable('content');
    const parts = content['parts'] ?? [];
    if (!Array.isArray(parts)) throw unreadable('parts');
    let raws: string[] | undefined;
    const rawPart = (at: number): string => {
      raws ??= arrayElements(sliceJson(data, ['candidates', place, 'content', 'parts']) ?? '') ?? [];
      return compactJson(raws[at] ?? '');
    };
    // They are told for the chunk as a whole.
    let logprobs = mapLogprobs(logprobsResult);
    for (const [at, part] of parts.entries()) {
      if (!isJsonObject(part)) throw unreadable('a part');
      const isText = typeof part['text'] === 'string' && part['text'] !== '' && part['thought'] !== true;
      writer.part(part, () => rawPart(at), isText ? logprobs : undefined, emit);
      if (isText) logprobs = undefined;
    }
  }

  function readChunk(chunk: JsonObject, data: string, emit: Emit): void {
    if (chunk['error'] !== undefined) throw decodeErrorChunk(chunk, data);
    const candidates = chunk['candidates'] ?? [];
    if (!Array.isArray(candidates)) throw unreadable('candidates');
    // A response has one answer.
    const place = candidates.findIndex((each: unknown) => isJsonObject(each) && (each['index'] ?? 0) === 0);
    const candidate: unknown = candidates[place];
    if (!isJsonObject(candidate)) {
      if (candidates.length > 0) throw unreadable('a candidate');
      refuseBlocked(chunk['promptFeedback'], data);
    }
    start(chunk, emit);
    if (!isJsonObject(candidate)) return;
    readParts(candidate, place, data, emit);
    finishReason = stringOf(candidate['finishReason']) ?? finishReason;
    grounding.grounding = candidate['groundingMetadata'] ?? grounding.grounding;
    grounding.pages = candidate['urlContextMetadata'] ?? grounding.pages;
    grounding.citations = candidate['citationMetadata'] ?? grounding.citations;
  }

  function bill({ usageMetadata }: JsonObject, emit: Emit): void {
    const reported = readUsage(usageMetadata);
    if (isJsonObject(usageMetadata)) serviceTier = stringOf(usageMetadata['serviceTier']) ?? serviceTier;
    if (reported === undefined) return;
    usage = reported;
    emit({ type: 'usage', usage });
  }

  return {
    chunk(chunk, data, emit) {
      try {
        readChunk(chunk, data, emit);
      } finally {
        bill(chunk, emit);
      }
    },
    bill,
    complete(emit) {
      if (finishReason === undefined) {
        const message = "The upstream's reply ended before it was complete.";
        throw new GatewayError('upstream_stream_broken', message, { retryable: true });
      }
      const finish = mapFinishReason(finishReason);
      if (finish === 'failed') {
        const message = `The model gave up before its answer was complete (${finishReason}).`;
        throw new GatewayError('upstream_error', message, { retryable: true });
      }
      if (finish === undefined) {
        const message = `The upstream stopped for a reason that is new to us: ${finishReason.slice(0, 64)}.`;
        emit({ type: 'warning', warning: { param: 'model', message } });
      }
      writer.close(finish === undefined || finish === 'completed', grounding, emit);
      const tier = serviceTier === undefined ? {} : { serviceTier: serviceTierOf(serviceTier) };
      emit({ type: 'response-end', finish: finish ?? 'completed', usage, ...tier });
    },
    saidWhy() {
      return finishReason !== undefined;
    },
  };
}

/** @see https://ai.google.dev/api/generate-content#PromptFeedback */
function refuseBlocked(feedback: unknown, data: string): void {
  const reason = isJsonObject(feedback) ? stringOf(feedback['blockReason']) : undefined;
  if (reason === undefined) return;
  const message = `The upstream's filter refused the input (${reason.slice(0, 64)}).`;
  throw new GatewayError('upstream_rejected', message, { param: 'input', cause: new Error(data.slice(0, 2048)) });
}
