import { decodeUpstreamError } from '../../core/upstream-error.ts';
import type { UpstreamCodec } from '../codec.ts';
import { createStreamDecoder } from './decode-stream.ts';
import { encodeRequest } from './request.ts';
import { decodeResponse } from './response.ts';

/** The half-codec towards language models of the AI SDK's specification, version 4. */
export const aiSdkCodec = {
  protocol: 'ai-sdk',
  encodeRequest,
  createStreamDecoder,
  decodeResponse,
  decodeError: (status, headers, body) => decodeUpstreamError(status, headers, body),
  signatureScope: (_reported, asked) => asked,
} as const satisfies UpstreamCodec;
