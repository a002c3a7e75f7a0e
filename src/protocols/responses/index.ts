import { errorBody } from '../../core/error-body.ts';
import type { ClientCodec } from '../codec.ts';
import { createStreamEncoder } from './encode-stream.ts';
import { decodeRequest } from './request.ts';
import { responseText } from './response.ts';

/** The half-codec of the OpenAI Responses API towards clients. */
export const responsesCodec = {
  protocol: 'responses',
  decodeRequest,
  createStreamEncoder,
  encodeReply({ head, envelope, output }) {
    return responseText(
      head,
      envelope,
      output.map(({ body }) => body),
    );
  },
  encodeError: errorBody,
} satisfies ClientCodec;
