import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GatewayError } from '../core/errors.ts';
import { createSseParser } from './parse.ts';
import { sseFrame } from './write.ts';

type Frame = [event: string, data: string];

function framesOf(chunks: Buffer[]): Frame[] {
  const frames: Frame[] = [];
  const parser = createSseParser((event, data, text) => {
    frames.push([event, data]);
    if (text !== undefined) expect(text).toBe(sseFrame(event, data));
  });
  for (const chunk of chunks) parser.push(chunk);
  parser.end();
  return frames;
}

/** The standard's algorithm, word for word, over the whole text. */
function reference(bytes: Buffer): Frame[] {
  const text = new TextDecoder('utf-8').decode(bytes);
  const lines = text.split(/\r\n|\r|\n/).slice(0, -1);
  const frames: Frame[] = [];
  let event = '';
  let data = '';
  for (const line of lines) {
    if (line === '') {
      if (data !== '') frames.push([event, data.slice(0, -1)]);
      event = '';
      data = '';
      continue;
    }
    if (line.startsWith(':')) continue;
    const at = line.indexOf(':');
    const field = at === -1 ? line : line.slice(0, at);
    const value = at === -1 ? '' : line.slice(at + 1).replace(/^ /, '');
    if (field === 'event') event = value;
    if (field === 'data') data += value + '\n';
  }
  return frames;
}

const piece = fc.oneof(
  fc.constantFrom(
    'data',
    'event',
    'id',
    'retry',
    ':',
    ': ',
    ' ',
    '\n',
    '\r',
    '\r\n',
    '\n\n',
    '\r\n\r\n',
    '\r\r',
    '\ufeff',
  ),
  // The same event again, as most write it and otherwise.
  fc
    .constantFrom('', 'data:y\n\n', 'data: y\n', 'id: 1\ndata: y\n\n', 'data: y\ndata: z\n\n')
    .map((more) => `event: ping\ndata: x\n\nevent: ping\n${more}`),
  fc.constantFrom('data: {"a":1}\n\n', 'event: ping\ndata: x\n\n', 'data: é€😀\n\n', ':comment\n', 'datax: 1\n', 'dat'),
  fc.string({ unit: 'grapheme', maxLength: 6 }),
);
const stream = fc.oneof(
  fc.array(piece, { maxLength: 30 }).map((pieces) => Buffer.from(pieces.join(''))),
  fc
    .tuple(fc.uint8Array({ maxLength: 20 }), fc.array(piece, { maxLength: 8 }))
    .map(([junk, pieces]) =>
      Buffer.concat([Buffer.from('data: '), junk, Buffer.from(pieces.join('')), junk, Buffer.from('\n\n')]),
    ),
);

function cutAt(bytes: Buffer, cuts: number[]): Buffer[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  return places.slice(1).map((end, i) => bytes.subarray(places[i], end));
}

describe('createSseParser', () => {
  test('gives the frames of the standard, however the bytes are cut', () => {
    fc.assert(
      fc.property(stream, fc.array(fc.nat(), { maxLength: 12 }), (bytes, cuts) => {
        const wanted = reference(bytes);
        expect(framesOf([bytes])).toEqual(wanted);
        expect(framesOf(cutAt(bytes, cuts))).toEqual(wanted);
        expect(framesOf(Array.from(bytes, (byte) => Buffer.from([byte])))).toEqual(wanted);
      }),
      { numRuns: 500 },
    );
  });

  test.each<[name: string, text: string, frames: Frame[]]>([
    ['no space after the colon', 'data:{"a":1}\n\n', [['', '{"a":1}']]],
    ['one space only is taken away', 'data:  x\n\n', [['', ' x']]],
    ['several data lines', 'data: a\ndata:\ndata: b\n\n', [['', 'a\n\nb']]],
    ['event after data', 'data: a\nevent: e\n\n', [['e', 'a']]],
    ['an event does not outlive its frame', 'event: e\n\ndata: a\n\n', [['', 'a']]],
    [
      'carriage returns only',
      'event: e\rdata: a\r\rdata: b\r\r',
      [
        ['e', 'a'],
        ['', 'b'],
      ],
    ],
    ['CRLF', 'event: e\r\ndata: a\r\n\r\n', [['e', 'a']]],
    ['comments, ids, retries and unknown fields', ': hi\nid: 7\nretry: 0\ndatax: 1\ndata: a\n\n', [['', 'a']]],
    ['a field without a colon', 'data\n\n', [['', '']]],
    ['a byte order mark', '\ufeffdata: a\n\n', [['', 'a']]],
    ['a frame without its blank line is dropped', 'data: a\n\ndata: b\n', [['', 'a']]],
    ['a line without its end is dropped', 'data: a\n\ndata: [DO', [['', 'a']]],
  ])('%s', (_name, text, frames) => {
    expect(framesOf([Buffer.from(text)])).toEqual(frames);
  });

  test('tells the text of frames that came as they would be written, from the second of an event on', () => {
    const texts: (string | undefined)[] = [];
    const parser = createSseParser((_event, _data, text) => texts.push(text));
    const [ping, plain] = ['event: ping\ndata: a\n\n', 'data: a\n\n'];
    const others = [
      ': hi\n' + ping,
      'event: ping\ndata:a\n\n',
      'data: a\nevent: ping\n\n',
      'event: ping\ndata: a\ndata: b\n\n',
    ];
    for (const frame of [plain, ping, ping, ...others, ping, plain, plain]) parser.push(Buffer.from(frame));
    parser.push(Buffer.from('data: a\r\n\r\n'));
    expect(texts).toEqual([
      plain,
      undefined,
      ping,
      ping,
      undefined,
      undefined,
      undefined,
      ping,
      undefined,
      plain,
      plain,
    ]);
  });

  test('end forgets what was begun', () => {
    const frames: string[] = [];
    const parser = createSseParser((_event, data) => frames.push(data));
    parser.push(Buffer.from('data: half\ndata: ha'));
    parser.end();
    parser.push(Buffer.from('\n\n'));
    expect(frames).toEqual([]);
  });

  test.each([
    ['one line in one chunk', [`data: ${'x'.repeat(200)}\n`]],
    ['a whole frame', [`data: ${'x'.repeat(200)}\n\n`]],
    ['one line in many chunks', Array.from({ length: 20 }, () => 'x'.repeat(10))],
    ['many data lines', Array.from({ length: 20 }, () => 'data: xxxxxxxxx\n')],
  ])('a frame above the limit is refused: %s', (_name, chunks) => {
    const parser = createSseParser(() => undefined, { maxFrameBytes: 100 });
    expect(() => {
      for (const chunk of chunks) parser.push(Buffer.from(chunk));
    }).toThrow(GatewayError);
  });

  test('the limit is on one frame, not on the stream', () => {
    let frames = 0;
    const parser = createSseParser(() => (frames += 1), { maxFrameBytes: 100 });
    for (let i = 0; i < 50; i += 1) parser.push(Buffer.from('data: 0123456789\n\n'));
    expect(frames).toBe(50);
  });
});
