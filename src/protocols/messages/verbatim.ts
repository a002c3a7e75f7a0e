import { createFrameReader, type FrameReader } from '../../core/frame-reader.ts';
import { replaceMembers, sliceJson } from '../../core/json-slice.ts';
import type { DecodeOptions, FrameForwarder, Reply, VerbatimLane } from '../codec.ts';
import { fitsByValue } from './by-value.ts';
import { takesThinking } from './request-thinking.ts';
import { wordPaths } from './wire.ts';

/** The same message under the client's names: of all that the upstream says these two are ours. */
function renamed(message: string, { state: { id, request } }: Reply): string {
  const names = [
    ['id', JSON.stringify(id)],
    ['model', JSON.stringify(request.model)],
  ] as const;
  return replaceMembers(message, new Map(names));
}

const frameOf = (event: string, data: string): string => {
  const lines = data.includes('\n') ? data.replaceAll('\n', '\ndata: ') : data;
  return event === '' ? `data: ${lines}\n\n` : `event: ${event}\ndata: ${lines}\n\n`;
};

/**
 * Frames go on as they come: `message_start` under our names, all others byte for byte. What stands before the first content
 * block waits for it, and what tells that the message is complete waits for the record.
 */
function createForwarder(reply: Reply, { frames = createFrameReader(wordPaths) }: DecodeOptions): FrameForwarder {
  let held = '';
  let state: 'waiting' | 'open' | 'ended' = 'waiting';
  return {
    frame(event, data, text = frameOf(event, data)) {
      if (data === '') return '';
      const kind = kindOf(event, data, frames);
      if (state === 'waiting' && kind === 'content_block_start') {
        state = 'open';
        const before = held;
        held = '';
        return before + text;
      }
      // The reply's failure is told in our own words.
      if (kind === 'error') return '';
      if (kind === 'message_delta' || kind === 'message_stop') {
        if (state === 'open') state = 'ended';
        held += text;
        return '';
      }
      const frame = kind === 'message_start' ? frameOf(event, withMessage(data, reply)) : text;
      if (state === 'open') return frame;
      held += frame;
      return '';
    },
    rest() {
      const rest = held;
      held = '';
      return rest;
    },
  };
}

/** Without reading the frame where its `event:` says it. */
function kindOf(event: string, data: string, frames: FrameReader): string {
  if (event !== '' && event !== 'message') return event;
  const type = frames.read(data)?.['type'];
  return typeof type === 'string' ? type : '';
}

function withMessage(data: string, reply: Reply): string {
  const message = sliceJson(data, ['message']);
  return message === undefined ? data : replaceMembers(data, new Map([['message', renamed(message, reply)]]));
}

/** The Messages API in and out. Of the request only the model is another, and a thread is none. */
export const messagesVerbatim = {
  patchRequest(body, model, request, { reasoning, byValueOnly }) {
    if (!takesThinking(request.wire?.['thinking'], reasoning)) return undefined;
    if (byValueOnly === true && !fitsByValue(request)) return undefined;
    // The state of a thread is ours to hold.
    return replaceMembers(
      body,
      new Map([
        ['model', JSON.stringify(model)],
        ['thread', 'null'],
      ]),
    );
  },
  wordPaths,
  createForwarder,
  patchReply: (body, reply) => renamed(body, reply),
} satisfies VerbatimLane;
