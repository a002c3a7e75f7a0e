import type { UpstreamCodec } from '../codec.ts';
import { decodeUpstreamError } from '../../core/upstream-error.ts';
import { createStreamDecoder } from './decode-stream.ts';
import { encodeRequest } from './request.ts';
import { decodeResponse } from './response.ts';
import { signatureScope } from './signature-scope.ts';

/** The half-codec towards upstreams that speak OpenAI's Chat Completions, in OpenAI's or anybody's dialect. */
export const chatCodec = {
  protocol: 'chat',
  encodeRequest,
  createStreamDecoder,
  decodeResponse,
  decodeError: (status, headers, body) => decodeUpstreamError(status, headers, body),
  signatureScope: (_reported, asked) => signatureScope(asked),
} as const satisfies UpstreamCodec;
