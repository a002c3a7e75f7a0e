/** One event of a Responses stream, as a client reads it. */
export interface ClientEvent {
  event: string;
  // oxlint-disable-next-line no-explicit-any -- a test reads whatever was sent
  data: any;
}

/** Parses a whole event stream; the closing `data: [DONE]` is checked and left out. */
export function parseEvents(text: string): ClientEvent[] {
  const end = 'data: [DONE]\n\n';
  if (!text.endsWith(end)) throw new Error(`the stream did not end with [DONE]:\n${text.slice(-400)}`);
  return parseFrames(text.slice(0, -end.length));
}

/** Every frame of a stream has a name and one line of data; comments are left out. */
export function parseFrames(text: string): ClientEvent[] {
  const frames = text.split('\n\n').filter((frame) => frame !== '' && !frame.startsWith(':'));
  return frames.map((frame) => {
    const match = /^event: ([^\n]+)\ndata: ([^\n]+)$/.exec(frame);
    if (match?.[2] === undefined) throw new Error(`not a frame: ${frame}`);
    return { event: match[1] ?? '', data: JSON.parse(match[2]) as unknown };
  });
}
