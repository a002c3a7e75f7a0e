import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { type FakeModel, fakeMessagesModel, type MessagesAnswer } from './fake-models.ts';
import { frame, messageEvents, type UpstreamRequest } from './fake-upstream.ts';

export interface SlowModel {
  url: string;
  requests: UpstreamRequest[];
  /** For another way to answer. */
  model: FakeModel<MessagesAnswer>;
  calls: SlowCall[];
  /** The n-th request, from 0, once it has come. */
  call(n: number): Promise<SlowCall>;
}

/** A model that answers each request when it is told to. */
export async function slowModel(): Promise<SlowModel> {
  const model = await fakeMessagesModel();
  const calls: SlowCall[] = [];
  const arrivals: (() => void)[] = [];
  model.answer = (_, response) => {
    calls.push(slowCall(response));
    for (const tell of arrivals.splice(0)) tell();
    return undefined;
  };
  return {
    url: model.url,
    requests: model.requests,
    model,
    calls,
    async call(n: number): Promise<SlowCall> {
      while (calls[n] === undefined) await new Promise<void>((resolve) => arrivals.push(resolve));
      return calls[n];
    },
  };
}

export interface SlowCall {
  /** Begins the answer, if it has not begun, and says this much of it. */
  say(text: string): void;
  end(): void;
  /** Resolves when the gateway has hung up. */
  hungUp: Promise<unknown>;
}

function slowCall(response: ServerResponse): SlowCall {
  const all = messageEvents([{ type: 'text', text: '' }]);
  const from = all.findIndex(({ type }) => type === 'content_block_stop');
  let begun = false;
  const begin = () => {
    if (begun) return;
    begun = true;
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const event of all.slice(0, from)) if (event.type !== 'content_block_delta') response.write(frame(event));
  };
  return {
    say(text) {
      begin();
      const delta = { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } };
      response.write(frame(delta));
    },
    end() {
      begin();
      for (const event of all.slice(from)) response.write(frame(event));
      response.end();
    },
    hungUp: once(response, 'close'),
  };
}
