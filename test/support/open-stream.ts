import { expect } from 'vitest';

/** A reader that takes a stream piece by piece. */
export async function openStream(url: string, path: string, body?: object, headers: Record<string, string> = {}) {
  const leave = new AbortController();
  const response = await fetch(`${url}${path}`, {
    signal: leave.signal,
    ...(body !== undefined && {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    }),
  });
  expect(response.status).toBe(200);
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  return {
    /** Reads on until this text has come. @returns everything so far. */
    async until(part: string): Promise<string> {
      while (!text.includes(part)) {
        const { done, value } = (await reader?.read()) ?? { done: true };
        if (done) throw new Error(`the stream ended before ${part}:\n${text}`);
        text += value;
      }
      return text;
    },
    /** Everything, when it has ended. */
    async rest(): Promise<string> {
      for (;;) {
        const { done, value } = (await reader?.read()) ?? { done: true };
        if (done) return text;
        text += value;
      }
    },
    leave: () => leave.abort(),
  };
}

export const done = 'data: [DONE]\n\n';
/** The events of a stream with numbers above `after`, as text, with the end marker. */
export const suffix = (stream: string, after: number): string => {
  const frames = stream.split('\n\n').filter((text) => text.startsWith('event:'));
  return [...frames.slice(after + 1), done.trimEnd()].map((text) => `${text}\n\n`).join('');
};
