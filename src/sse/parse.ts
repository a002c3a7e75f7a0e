import { GatewayError } from '../core/errors.ts';

export interface SseParser {
  /** @throws GatewayError upstream_invalid_response when one frame outgrows the limit; the parser is of no use then. */
  push(chunk: Buffer): void;
  /** Drops a frame whose blank line never came, as the standard says. */
  end(): void;
}

interface SseLimits {
  maxFrameBytes: number;
}

const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const colon = 0x3a;
const space = 0x20;

/**
 * Bytes in, split anywhere, frames out. `event` is '' where the frame has none; the lines of `data` are joined by \n.
 * Bytes are decoded a run of whole lines at a time: a line end is never part of another character, so the result does
 * not depend on where the chunks were cut.
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
 */
export function createSseParser(
  onFrame: (event: string, data: string) => void,
  { maxFrameBytes }: SseLimits = { maxFrameBytes: 32 * 1024 * 1024 },
): SseParser {
  let unfinishedLine: Buffer[] = [];
  let unfinishedBytes = 0;
  let atStart = true;
  let endedWithCarriageReturn = false;
  let event = '';
  let data = '';
  let hasData = false;

  function refuseAbove(size: number): void {
    if (size <= maxFrameBytes) return;
    throw new GatewayError('upstream_invalid_response', 'The upstream sent an event that is too large.', {
      cause: new Error(`one SSE frame is larger than ${maxFrameBytes} bytes`),
    });
  }

  function keep(rest: Buffer): void {
    if (rest.length === 0) return;
    unfinishedLine.push(rest);
    unfinishedBytes += rest.length;
    refuseAbove(unfinishedBytes);
  }

  function dispatch(): void {
    const name = event;
    const text = data;
    const complete = hasData;
    event = '';
    data = '';
    hasData = false;
    if (complete) onFrame(name, text);
  }

  /** Where the value of `field` starts in the line, -1 where the line is another field's. */
  function valueStart(lines: string, field: string, start: number, end: number): number {
    const after = start + field.length;
    if (after > end || !lines.startsWith(field, start)) return -1;
    if (after === end) return end;
    if (lines.charCodeAt(after) !== colon) return -1;
    return lines.charCodeAt(after + 1) === space ? after + 2 : after + 1;
  }

  function line(lines: string, start: number, end: number): void {
    const ofData = valueStart(lines, 'data', start, end);
    if (ofData !== -1) {
      const value = lines.slice(ofData, end);
      data = hasData ? data + '\n' + value : value;
      hasData = true;
      refuseAbove(data.length);
      return;
    }
    const ofEvent = valueStart(lines, 'event', start, end);
    if (ofEvent !== -1) event = lines.slice(ofEvent, end);
  }

  function wholeLines(bytes: Buffer): void {
    let lines = bytes.toString('utf8');
    if (atStart) {
      atStart = false;
      if (lines.charCodeAt(0) === 0xfeff) lines = lines.slice(1);
    }
    if (lines.includes('\r')) lines = lines.replace(/\r\n?/g, '\n');
    let start = 0;
    for (let end = lines.indexOf('\n'); end !== -1; end = lines.indexOf('\n', start)) {
      if (end === start) dispatch();
      else line(lines, start, end);
      start = end + 1;
    }
  }

  return {
    push(chunk) {
      let bytes = chunk;
      if (endedWithCarriageReturn && bytes.length > 0) {
        endedWithCarriageReturn = false;
        if (bytes[0] === lineFeed) bytes = bytes.subarray(1);
      }
      const lastFeed = bytes.lastIndexOf(lineFeed) + 1;
      const cut = lastFeed + bytes.subarray(lastFeed).lastIndexOf(carriageReturn) + 1;
      if (cut === 0) {
        keep(bytes);
        return;
      }
      endedWithCarriageReturn = bytes[cut - 1] === carriageReturn && cut === bytes.length;
      const rest = bytes.subarray(cut);
      let ready = bytes.subarray(0, cut);
      if (unfinishedLine.length > 0) {
        unfinishedLine.push(ready);
        ready = Buffer.concat(unfinishedLine);
        unfinishedLine = [];
        unfinishedBytes = 0;
      }
      wholeLines(ready);
      keep(rest);
    },
    end() {
      unfinishedLine = [];
      unfinishedBytes = 0;
      event = '';
      data = '';
      hasData = false;
    },
  };
}
