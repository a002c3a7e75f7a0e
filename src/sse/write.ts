/** The end marker of OpenAI's streams. */
export const sseDone = 'data: [DONE]\n\n';

/** A frame. An empty `event` writes none. Line ends inside `data` become further data lines, so text cannot forge a frame. */
export function sseFrame(event: string, data: string): string {
  const lines = /[\r\n]/.test(data) ? data.replace(/\r\n|\r|\n/g, '\ndata: ') : data;
  return event === '' ? 'data: ' + lines + '\n\n' : 'event: ' + event + '\ndata: ' + lines + '\n\n';
}

/** Clients ignore it; proxies and idle timers see that the stream lives. */
export const keepAliveComment = ': keep-alive\n\n';
