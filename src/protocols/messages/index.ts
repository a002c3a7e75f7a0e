import type { UpstreamCodec } from '../codec.ts';
import { decodeError } from './decode-error.ts';
import { createStreamDecoder } from './decode-stream.ts';
import { encodeRequest } from './request.ts';
import { decodeResponse } from './response.ts';
import { signatureScope } from './signature-scope.ts';

/** Anthropic's Messages API, as an upstream. Pure. */
export const messagesCodec = {
  protocol: 'messages',
  encodeRequest,
  createStreamDecoder,
  decodeResponse,
  decodeError,
  signatureScope,
} as const satisfies UpstreamCodec;
