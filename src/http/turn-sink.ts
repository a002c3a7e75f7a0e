import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { crashPoint } from '../crash-point.ts';
import type { TurnSink } from '../turn/turn.ts';
import { createStall } from './stall.ts';

/** The HTTP side of an answer. */
export function createTurnSink(response: ServerResponse): TurnSink {
  return new ResponseSink(response);
}

/** A class for the sake of its accessor, as the assembler is. */
class ResponseSink implements TurnSink {
  onClose = nothing;
  onDrain = nothing;
  private readonly response: ServerResponse;
  private readonly stall = createStall(() => this.response.destroy());
  /** Of a stream whose headers have left: the connection, which is this response's own until it ends. */
  private line: Socket | undefined;

  constructor(response: ServerResponse) {
    this.response = response;
    response.on('drain', this.drained);
    response.on('close', () => {
      this.stall.end();
      this.line?.off('drain', this.drained);
      this.onClose();
      crashPoint('stream-ended');
    });
  }

  get closed(): boolean {
    return this.response.destroyed || this.response.writableEnded;
  }

  start(headers: Record<string, string>): void {
    if (!this.closed) this.response.writeHead(200, headers);
  }

  write(text: string): boolean {
    if (this.closed || text === '' || this.writeChunk(text)) return true;
    this.stall.begin();
    return false;
  }

  end(text: string): void {
    if (!this.closed) this.response.end(text);
  }

  /**
   * Node writes a chunk in four pieces, and looks after each; half of what a small chunk costs. Behind the headers one
   * piece does.
   */
  private writeChunk(text: string): boolean {
    const { line, response } = this;
    if (line !== undefined) {
      const bytes = Buffer.byteLength(text);
      // ASCII, which is the same in both and copied as it is in the one.
      const encoding = bytes === text.length ? 'latin1' : 'utf8';
      return line.write(`${bytes.toString(16)}\r\n${text}\r\n`, encoding);
    }
    const hasRoom = response.write(text);
    // Node tells a client of HTTP/1.0 the end by closing; a response that waits for the one before it has no line yet.
    if (response.chunkedEncoding && response.socket !== null) {
      this.line = response.socket;
      this.line.on('drain', this.drained);
    }
    return hasRoom;
  }

  private readonly drained = () => {
    this.stall.end();
    this.onDrain();
  };
}

const nothing = (): void => {};
