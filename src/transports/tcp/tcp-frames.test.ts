import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FRAME_EMPTY, FRAME_MESSAGE, FRAME_NONE, FRAME_TOO_LONG, FrameReader } from './tcp-frames.ts';

function framed(...messages: Uint8Array[]): Uint8Array {
  return Uint8Array.from(messages.flatMap((message) => [message.length >>> 8, message.length & 255, ...message]));
}

/** Feed `stream` cut at `cuts`; returns the messages and what ended the reading. */
function readAll(reader: FrameReader, stream: Uint8Array, cuts: number[]): { messages: number[][]; ended: number } {
  const messages: number[][] = [];
  const edges = [...new Set(cuts.map((cut) => cut % (stream.length + 1)))].sort((a, b) => a - b);
  let from = 0;
  for (const to of [...edges, stream.length]) {
    reader.feed(stream.slice(from, to));
    from = to;
    for (;;) {
      const found = reader.next();
      if (found === FRAME_NONE) break;
      if (found !== FRAME_MESSAGE) return { messages, ended: found };
      messages.push([...reader.message.subarray(reader.start, reader.start + reader.length)]);
    }
  }
  return { messages, ended: FRAME_NONE };
}

const MAX_BYTES = 300;
const message = fc.uint8Array({ minLength: 1, maxLength: MAX_BYTES });

describe('FrameReader', () => {
  it('finds the same messages however the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 8 }), fc.array(fc.nat(), { maxLength: 20 }), (messages, cuts) => {
        const reader = new FrameReader(MAX_BYTES);
        const expected = { messages: messages.map((each) => [...each]), ended: FRAME_NONE };
        expect(readAll(reader, framed(...messages), cuts)).toEqual(expected);
        expect(reader.begun).toBe(false);
        expect(reader.pending).toBe(false);
      }),
    );
  });

  it('finds messages cut at every byte', () => {
    const messages = [Uint8Array.of(1, 2, 3), new Uint8Array(MAX_BYTES).fill(9), Uint8Array.of(4)];
    const stream = framed(...messages);
    const everywhere = Array.from({ length: stream.length }, (_, i) => i);
    const expected = messages.map((each) => [...each]);
    expect(readAll(new FrameReader(MAX_BYTES), stream, everywhere).messages).toEqual(expected);
    for (const cut of everywhere) {
      expect(readAll(new FrameReader(MAX_BYTES), stream, [cut]).messages).toEqual(expected);
    }
  });

  it.each([
    [0, FRAME_EMPTY],
    [MAX_BYTES + 1, FRAME_TOO_LONG],
    [65535, FRAME_TOO_LONG],
  ])('stops at a length of %i, behind the messages before it', (length, expected) => {
    const stream = Uint8Array.from([...framed(Uint8Array.of(7)), length >>> 8, length & 255, 1, 2, 3]);
    for (let cut = 0; cut <= stream.length; cut++) {
      const { messages, ended } = readAll(new FrameReader(MAX_BYTES), stream, [cut]);
      expect(messages).toEqual([[7]]);
      expect(ended).toBe(expected);
    }
  });

  it('tells a message that was begun from one that is complete', () => {
    const reader = new FrameReader(MAX_BYTES);
    reader.feed(Uint8Array.of(0));
    expect([reader.next(), reader.begun]).toEqual([FRAME_NONE, true]);
    reader.feed(Uint8Array.of(1));
    expect([reader.next(), reader.begun]).toEqual([FRAME_NONE, true]);
    reader.feed(Uint8Array.of(5));
    expect([reader.next(), reader.begun]).toEqual([FRAME_MESSAGE, false]);
  });

  it('starts afresh for the next connection', () => {
    const reader = new FrameReader(MAX_BYTES);
    reader.feed(Uint8Array.of(0, 9, 1, 2));
    reader.next();
    reader.clear();
    expect(readAll(reader, framed(Uint8Array.of(8)), []).messages).toEqual([[8]]);
  });

  it('survives any bytes, and never shows more than a query may have', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), fc.array(fc.nat(), { maxLength: 10 }), (stream, cuts) => {
        const { messages } = readAll(new FrameReader(MAX_BYTES), stream, cuts);
        for (const each of messages) expect(each.length).toBeLessThanOrEqual(MAX_BYTES);
      }),
    );
  });
});
