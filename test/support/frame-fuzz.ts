/**
 * Mutilated frames through reader and writer, in memory with walls: whatever a frame claims, nothing outside it is believed and
 * nothing outside the answer's chunk is written. A quick part runs with the tests, a million and more with `npm run soak`.
 */
import { CHUNK_BYTES, HEADROOM_BYTES, PAYLOAD_AT } from '../../src/transports/xdp/frame.ts';
import { FRAME_OK, FrameReader } from '../../src/transports/xdp/frame-reader.ts';
import { FrameWriter } from '../../src/transports/xdp/frame-writer.ts';
import { Query } from '../../src/wire/query.ts';
import { frame, mutilated, sum } from './frames.ts';

const WALL = 0xa5;
const CHUNKS = 4;
const FRAME_CHUNK = 1;
const ANSWER_CHUNK = 2;

/** Returns how many frames were taken for sound. Throws where one of the rules is broken, with the frame. */
export function fuzzFrames(count: number, seed: number): number {
  const random = generator(seed);
  const memory = new Uint8Array(CHUNKS * CHUNK_BYTES);
  const reader = new FrameReader();
  const writer = new FrameWriter(1);
  const query = new Query();
  const payload = Uint8Array.from({ length: 29 }, (_, i) => i);
  const sound = [4, 6].flatMap((family) =>
    [undefined, 7].flatMap((vlan) =>
      (['whole', 'none', 'partial'] as const).map((checksum) =>
        frame({
          ...(family === 4 ? { from: '192.0.2.9', to: '192.0.2.53' } : { from: '2001:db8::9', to: '2001:db8::53' }),
          payload,
          checksum,
          ...(vlan !== undefined && { vlan }),
        }),
      ),
    ),
  );
  let taken = 0;
  for (let i = 0; i < count; i++) {
    const bytes = mutilated(sound[random(sound.length)]!, random);
    memory.fill(WALL);
    const at = FRAME_CHUNK * CHUNK_BYTES + HEADROOM_BYTES;
    memory.set(bytes, at);
    const fail = (what: string) => {
      throw new Error(`${what} (frame ${i}, seed ${seed}): ${Buffer.from(bytes).toString('hex')}`);
    };
    if (reader.read(memory, at, bytes.length) !== FRAME_OK) continue;
    taken++;
    if (reader.payload < at + 42 || reader.payload + reader.payloadBytes > at + bytes.length)
      fail('reads beyond the frame');
    reader.describe(memory, query, true);
    const length = random(1233);
    const answer = ANSWER_CHUNK * CHUNK_BYTES + PAYLOAD_AT;
    for (let b = 0; b < length; b++) memory[answer + b] = b;
    writer.write(reader, memory, memory, answer, length);
    const end = writer.frame + writer.frameBytes;
    if (writer.frame < ANSWER_CHUNK * CHUNK_BYTES || end > (ANSWER_CHUNK + 1) * CHUNK_BYTES) fail('leaves its chunk');
    for (let b = 0; b < memory.length; b++) {
      const inside = (b >= at && b < at + bytes.length) || (b >= writer.frame && b < end);
      if (!inside && memory[b] !== WALL) fail(`writes at ${b}`);
    }
    const written = memory.subarray(writer.frame, end);
    const network = writer.frameBytes - length - 8 - (reader.family === 4 ? 20 : 40);
    if (reader.family === 4 && sum(written.subarray(network, network + 20)) !== 0xffff) fail('header checksum');
    const udp = written.subarray(written.length - length - 8);
    const addresses = written.subarray(network + (reader.family === 4 ? 12 : 8), written.length - udp.length);
    const pseudo = Buffer.concat([addresses, Buffer.from([0, 17, udp.length >>> 8, udp.length & 255]), udp]);
    if (sum(pseudo) !== 0xffff) fail('checksum');
    if (reader.read(memory, writer.frame, writer.frameBytes) !== FRAME_OK && addressIsFine(query))
      fail('answer unreadable');
  }
  return taken;
}

/** The address asked may be one that never asks, since nobody looked whether it is ours. */
function addressIsFine({ local }: Query): boolean {
  return local[0] === 2 && local[4] !== 0 && local[4] !== 127 && local[4]! < 224;
}

/** xorshift32. */
function generator(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}
