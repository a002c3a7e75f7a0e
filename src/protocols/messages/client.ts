import type { ClientCodec } from '../codec.ts';
import { decodeRequest } from './decode-request.ts';
import { encodeError } from './encode-error.ts';
import { encodeReply } from './encode-response.ts';
import { createStreamEncoder } from './encode-stream.ts';
import { paramName } from './param-name.ts';
import { unsaid } from './unsaid.ts';
import { messagesVerbatim } from './verbatim.ts';

/** The half-codec of Anthropic's Messages API towards clients. Pure. */
export const messagesClientCodec = {
  protocol: 'messages',
  decodeRequest,
  createStreamEncoder,
  encodeReply,
  encodeError,
  paramName,
  unsaid,
  keepAlive: 'event: ping\ndata: {"type":"ping"}\n\n',
  verbatim: messagesVerbatim,
} as const satisfies ClientCodec;
