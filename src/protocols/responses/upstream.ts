import type { UpstreamCodec } from '../codec.ts';
import { decodeError } from './decode-error.ts';
import { decodeResponse } from './decode-response.ts';
import { createStreamDecoder } from './decode-stream.ts';
import { encodeRequest } from './encode-request.ts';
import { signatureScope } from './signature-scope.ts';

/** The half-codec towards upstreams that speak the OpenAI Responses API. */
export const responsesUpstreamCodec = {
  protocol: 'responses',
  encodeRequest,
  createStreamDecoder,
  decodeResponse: (body, _options, emit) => decodeResponse(body, emit),
  decodeError,
  signatureScope: (_reported, asked) => signatureScope(asked),
} as const satisfies UpstreamCodec;
