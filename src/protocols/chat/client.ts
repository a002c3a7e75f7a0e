import { errorBody } from '../../core/error-body.ts';
import type { ClientCodec } from '../codec.ts';
import { decodeRequest } from './decode-request.ts';
import { encodeReply } from './encode-response.ts';
import { createStreamEncoder } from './encode-stream.ts';
import { paramName } from './param-name.ts';
import { chatVerbatim } from './verbatim.ts';

/** The half-codec towards clients that speak OpenAI's Chat Completions. */
export const chatClientCodec = {
  protocol: 'chat',
  decodeRequest,
  createStreamEncoder,
  encodeReply,
  encodeError: errorBody,
  paramName,
  verbatim: chatVerbatim,
} satisfies ClientCodec;
