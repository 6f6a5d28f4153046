/**
 * Frame Streams, the transport of dnstap (https://farsightsec.github.io/fstrm/): frames of any bytes, each with its length
 * ahead; a length of 0 announces a control frame.
 *
 *     unidirectional, into a file:   START · data … · STOP
 *     bidirectional, over a socket:  READY →  ← ACCEPT  START → data … → STOP →  ← FINISH
 */
export const CONTROL = { ACCEPT: 1, START: 2, STOP: 3, READY: 4, FINISH: 5 } as const;
const FIELD_CONTENT_TYPE = 1;
/** What dnstap's frames hold. */
export const DNSTAP_CONTENT = 'protobuf:dnstap.Dnstap';
/** Longest control frame that is read: a reader has no reason to send more. */
const MAX_CONTROL_BYTES = 512;

/** A control frame, with the content type where it carries one. */
export function controlFrame(type: number, contentType?: string): Buffer {
  const content = Buffer.from(contentType ?? '', 'latin1');
  const fields = contentType === undefined ? 0 : 8 + content.length;
  const frame = Buffer.alloc(12 + fields);
  frame.writeUInt32BE(4 + fields, 4);
  frame.writeUInt32BE(type, 8);
  if (contentType === undefined) return frame;
  frame.writeUInt32BE(FIELD_CONTENT_TYPE, 12);
  frame.writeUInt32BE(content.length, 16);
  content.copy(frame, 20);
  return frame;
}

/** Cuts control frames out of what the other side sends; it sends nothing else. */
export class ControlFrames {
  #bytes = Buffer.alloc(0);

  /** The frames that are complete now: their type and content types. Throws where it is no Frame Streams. */
  take(chunk: Buffer): { readonly type: number; readonly contentTypes: readonly string[] }[] {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    const frames: { type: number; contentTypes: string[] }[] = [];
    while (this.#bytes.length >= 8) {
      const length = this.#bytes.readUInt32BE(4);
      if (this.#bytes.readUInt32BE(0) !== 0 || length < 4 || length > MAX_CONTROL_BYTES)
        throw new Error('the reader does not speak Frame Streams');
      if (this.#bytes.length < 8 + length) break;
      frames.push(readControl(this.#bytes.subarray(8, 8 + length)));
      this.#bytes = this.#bytes.subarray(8 + length);
    }
    return frames;
  }
}

function readControl(frame: Buffer): { type: number; contentTypes: string[] } {
  const contentTypes: string[] = [];
  for (let at = 4; at + 8 <= frame.length; ) {
    const field = frame.readUInt32BE(at);
    const length = frame.readUInt32BE(at + 4);
    if (field === FIELD_CONTENT_TYPE) contentTypes.push(frame.toString('latin1', at + 8, at + 8 + length));
    at += 8 + length;
  }
  return { type: frame.readUInt32BE(0), contentTypes };
}
