import { setImmediate } from 'node:timers/promises';
import { createRandom } from '../simulation/random.ts';
import { type FakeUpstream, fakeUpstream, sendJson } from './fake-upstream.ts';
import { piecesOf, type Recording, streamOf } from './recordings.ts';

export interface ReplayingUpstream extends FakeUpstream {
  /** What is answered to the next requests; the last of them to all that come after. */
  replay(recordings: readonly [Recording, ...Recording[]]): void;
}

/** Providers that answer with recordings, byte for byte; streams come in pieces that follow from the number of the request. */
export async function replayingUpstream(onCleanup: (cleanup: () => void) => void): Promise<ReplayingUpstream> {
  let replayed: readonly Recording[] = [];
  let answered = 0;
  const upstream = await fakeUpstream(async ({ path, body }, response, count) => {
    const recording = replayed[answered] ?? replayed.at(-1);
    if (recording === undefined) throw new Error('nothing to replay');
    // As OpenAI does of models that it serves in Responses only.
    if (path.endsWith('/chat/completions') && recording.kind === 'responses') {
      const message = 'This model is only supported in v1/responses and not in v1/chat/completions.';
      return sendJson(response, { error: { message, type: 'invalid_request_error', param: 'model', code: null } }, 404);
    }
    answered += 1;
    const isStreamed = body.stream === true || /:streamGenerateContent|\/converse-stream$/.test(path);
    if (!isStreamed) {
      response.writeHead(200, { 'content-type': 'application/json' }).end(recording.body);
      return;
    }
    const type = recording.kind === 'converse' ? 'application/vnd.amazon.eventstream' : 'text/event-stream';
    response.writeHead(200, { 'content-type': type });
    for (const piece of piecesOf(streamOf(recording), createRandom(count))) {
      response.write(piece);
      // oxlint-disable-next-line no-await-in-loop -- so that each leaves by itself
      await setImmediate();
    }
    response.end();
  }, onCleanup);
  return {
    ...upstream,
    replay(recordings) {
      replayed = recordings;
      answered = 0;
    },
  };
}
