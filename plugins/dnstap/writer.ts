/** From records in rings to frames in a sink. */
import type { Clock } from '../../src/contract/plugin.ts';
import { CLIENT_QUERY, CLIENT_RESPONSE, FrameEncoder, questionOnly, withoutOptions } from './message.ts';
import { Pseudonyms } from './pseudonyms.ts';
import { RingReader, type TapRecord } from './ring.ts';
import type { Sink } from './sink.ts';
import type { WriterSetup } from './writer-thread.ts';

export class TapWriter {
  readonly #rings: readonly RingReader[];
  readonly #encoder: FrameEncoder;
  readonly #sink: Sink;
  readonly #clock: Clock;
  readonly #queries: boolean;
  readonly #responses: boolean;
  #pseudonyms: Pseudonyms | undefined;

  constructor(setup: Omit<WriterSetup, 'socket' | 'file' | 'fileBytes'>, sink: Sink, clock: Clock) {
    this.#rings = setup.rings.map((memory) => new RingReader(memory));
    this.#encoder = new FrameEncoder(setup.identity, setup.version);
    this.#sink = sink;
    this.#clock = clock;
    this.#queries = setup.messages.includes('client-query');
    this.#responses = setup.messages.includes('client-response');
    if (setup.key) this.changeKey(setup.key);
  }

  /** From now on pseudonyms are those of another key. */
  changeKey(key: Uint8Array): void {
    this.#pseudonyms = new Pseudonyms(key);
  }

  /** Write everything that lies in the rings. */
  pass(): void {
    const frames: Buffer[] = [];
    // All threads share the origin of the monotonic clock; the wall clock may step between two passes.
    const toWallMs = this.#clock.wallMs() - this.#clock.nowMs();
    for (const ring of this.#rings) ring.drain((record) => this.#frames(record, toWallMs, frames));
    if (frames.length > 0) this.#sink.write(frames);
  }

  #frames(record: TapRecord, toWallMs: number, frames: Buffer[]): void {
    const { ipv6, tcp } = record;
    const common = {
      ipv6,
      tcp,
      address: this.#pseudonyms?.of(addressBytes(record)),
      queryMs: record.receivedMs + toWallMs,
      responseMs: record.sentMs + toWallMs,
    };
    if (this.#queries)
      frames.push(this.#encoder.frame({ ...common, type: CLIENT_QUERY, message: questionOnly(record.question) }));
    if (this.#responses && record.reply.length > 0)
      frames.push(this.#encoder.frame({ ...common, type: CLIENT_RESPONSE, message: withoutOptions(record.reply) }));
  }
}

function addressBytes({ client, ipv6 }: TapRecord): Uint8Array {
  const view = new DataView(new ArrayBuffer(16));
  client.forEach((word, i) => {
    view.setInt32(i * 4, word);
  });
  return new Uint8Array(view.buffer, ipv6 ? 0 : 12);
}
