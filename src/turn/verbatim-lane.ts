import { createFrameReader } from '../core/frame-reader.ts';
import type { EncodedRequest, ModelProfile, UpstreamCodec, VerbatimLane } from '../protocols/codec.ts';
import type { History } from './resolve-history.ts';
import type { TurnCall } from './turn.ts';

interface VerbatimRequest {
  lane: VerbatimLane;
  encoded: EncodedRequest;
}

/**
 * The request in the client's own words, where the upstream speaks them too and the conversation is what the client sent, no
 * more and no less. Undefined: it goes through the neutral model.
 */
export function verbatimRequest(
  { request, client, bodyText }: Pick<TurnCall, 'request' | 'client' | 'bodyText'>,
  history: History,
  codec: UpstreamCodec,
  model: string,
  profile: ModelProfile,
): VerbatimRequest | undefined {
  const { verbatim: lane, protocol } = client;
  if (lane === undefined || bodyText === undefined || protocol !== codec.protocol) return undefined;
  if (request.previousResponseId !== undefined || request.conversationId !== undefined) return undefined;
  if (isRewritten(history)) return undefined;
  const body = lane.patchRequest(bodyText, model, request, profile);
  if (body === undefined) return undefined;
  return {
    lane,
    encoded: {
      body,
      warnings: [],
      inputTransformations: [],
      decode: { tools: new Map(), frames: createFrameReader(lane.wordPaths) },
    },
  };
}

/** Something of what the client sent was resolved, opened, renamed, left out or added. */
function isRewritten({ context, shown, files, report, compaction, lead, truncation, opened }: History): boolean {
  if (files.size > 0 || opened || report.warnings.length > 0 || report.inputTransformations.length > 0) return true;
  if (compaction !== undefined || lead !== undefined || truncation !== undefined) return true;
  if (context.some(({ withheld }) => withheld !== undefined)) return true;
  return context.length !== shown.length || context.some((entry, at) => entry !== shown[at]);
}
