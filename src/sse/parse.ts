import { GatewayError } from '../core/errors.ts';
import { createPieces, type Pieces } from '../core/pieces.ts';

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
 * Bytes in, split anywhere, frames out. `event` is '' where the frame has none; the lines of `data` are joined by \n. `text` is
 * the frame as `sseFrame` would write it, where it came so behind another of the same event: it can go on as it is.
 * Bytes are decoded a run of whole lines at a time: a line end is never part of another character, so the result does
 * not depend on where the chunks were cut.
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
 */
export function createSseParser(
  onFrame: (event: string, data: string, text: string | undefined) => void,
  { maxFrameBytes }: SseLimits = { maxFrameBytes: 32 * 1024 * 1024 },
): SseParser {
  let unfinishedLine: Pieces | undefined;
  let unfinishedBytes = 0;
  let atStart = true;
  let endedWithCarriageReturn = false;
  let event = '';
  let data = '';
  let hasData = false;
  /** Most frames are the event of the one before and one line of data: what such a frame begins with, and its event. */
  let usualLead = 'data: ';
  let usualEvent = '';

  function refuseAbove(size: number): void {
    if (size <= maxFrameBytes) return;
    throw new GatewayError('upstream_invalid_response', 'The upstream sent an event that is too large.', {
      cause: new Error(`one SSE frame is larger than ${maxFrameBytes} bytes`),
    });
  }

  function keep(rest: Buffer): void {
    unfinishedLine ??= createPieces();
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
    if (!complete) return;
    if (name !== usualEvent) {
      usualEvent = name;
      usualLead = name === '' ? 'data: ' : `event: ${name}\ndata: `;
    }
    onFrame(name, text, undefined);
  }

  /** Reads a frame that begins here as most do. @returns where it ends, -1 where it is another. */
  function usualFrame(lines: string, start: number): number {
    const from = start + usualLead.length;
    if (hasData || event !== '' || lines.slice(start, from) !== usualLead) return -1;
    const end = lines.indexOf('\n', from);
    if (lines.charCodeAt(end + 1) !== lineFeed) return -1;
    refuseAbove(end - from);
    onFrame(usualEvent, lines.slice(from, end), lines.slice(start, end + 2));
    return end + 2;
  }

  /** Where the value of `field` starts in the line, -1 where the line is another field's. */
  function valueStart(lines: string, field: string, start: number, end: number): number {
    const after = start + field.length;
    if (after > end || !lines.startsWith(field, start)) return -1;
    if (after === end) return end;
    if (lines.charCodeAt(after) !== colon) return -1;
    return lines.charCodeAt(after + 1) === space ? after + 2 : after + 1;
  }

  function field(lines: string, start: number, end: number): void {
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

  /** @returns where the line ends. */
  function line(lines: string, start: number): number {
    const end = lines.indexOf('\n', start);
    if (end === start) dispatch();
    else field(lines, start, end);
    return end + 1;
  }

  /** @param bytes that end where a line does. */
  function wholeLines(bytes: Buffer): void {
    let lines = bytes.toString('utf8');
    if (atStart) {
      atStart = false;
      if (lines.charCodeAt(0) === 0xfeff) lines = lines.slice(1);
    }
    if (lines.includes('\r')) lines = lines.replace(/\r\n?/g, '\n');
    for (let start = 0; start < lines.length;) {
      const end = usualFrame(lines, start);
      start = end === -1 ? line(lines, start) : end;
    }
  }

  return {
    push(chunk) {
      let bytes = chunk;
      if (endedWithCarriageReturn && bytes.length > 0) {
        endedWithCarriageReturn = false;
        if (bytes[0] === lineFeed) bytes = bytes.subarray(1);
      }
      const cut = endOfLines(bytes);
      if (cut > 0) {
        endedWithCarriageReturn = bytes[cut - 1] === carriageReturn && cut === bytes.length;
        let ready = cut === bytes.length ? bytes : bytes.subarray(0, cut);
        if (unfinishedLine !== undefined) {
          unfinishedLine.push(ready);
          ready = unfinishedLine.whole();
          unfinishedLine = undefined;
          unfinishedBytes = 0;
        }
        wholeLines(ready);
      }
      if (cut < bytes.length) keep(bytes.subarray(cut));
    },
    end() {
      unfinishedLine = undefined;
      unfinishedBytes = 0;
      event = '';
      data = '';
      hasData = false;
    },
  };
}

/** Where the last whole line of the bytes ends; 0: there is none. */
function endOfLines(bytes: Buffer): number {
  if (bytes.at(-1) === lineFeed) return bytes.length;
  const lastFeed = bytes.lastIndexOf(lineFeed) + 1;
  return lastFeed + bytes.subarray(lastFeed).lastIndexOf(carriageReturn) + 1;
}
