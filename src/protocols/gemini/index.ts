import type { UpstreamCodec } from '../codec.ts';
import { decodeError } from './decode-error.ts';
import { createStreamDecoder } from './decode-stream.ts';
import { encodeRequest } from './request.ts';
import { decodeResponse } from './response.ts';
import { signatureScope } from './signature-scope.ts';

/** The half-codec towards upstreams that speak Gemini's `generateContent`: Google's own, and Vertex AI. The model is in the address. */
export const geminiCodec = {
  protocol: 'gemini',
  encodeRequest,
  createStreamDecoder,
  decodeResponse,
  decodeError,
  signatureScope,
} as const satisfies UpstreamCodec;
