import { errorBody } from '../../core/error-body.ts';
import { GatewayError } from '../../core/errors.ts';
import { decodeUpstreamError } from '../../core/upstream-error.ts';
import type { ClientCodec, StreamDecoder, UpstreamCodec } from '../codec.ts';
import { decodeRequest, encodeRequest } from './request.ts';
import { decodeResponse, encodeReply } from './response.ts';

/**
 * OpenAI's embeddings, towards clients and upstreams. They are turns like others, but for what is said in them: one request,
 * one item that is the upstream's reply, and nothing of either that is kept.
 */
export const embeddingsClientCodec = {
  protocol: 'embeddings',
  decodeRequest,
  createStreamEncoder() {
    throw new Error('embeddings are not streamed');
  },
  encodeReply,
  encodeError: errorBody,
} satisfies ClientCodec;

export const embeddingsCodec = {
  protocol: 'embeddings',
  encodeRequest,
  createStreamDecoder,
  decodeResponse,
  decodeError: (status, headers, body) => decodeUpstreamError(status, headers, body),
  signatureScope: (upstreamModel) => upstreamModel,
} as const satisfies UpstreamCodec;

/** Nobody asks for a stream, so that one is no answer. */
function createStreamDecoder(): StreamDecoder {
  let ended = false;
  return {
    frame() {},
    end(emit) {
      if (ended) return;
      ended = true;
      const message = 'The upstream sent a stream in place of embeddings.';
      emit({ type: 'error', error: new GatewayError('upstream_invalid_response', message) });
    },
  };
}
