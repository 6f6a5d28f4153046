/** One DNS question over UDP, with the ecosystem's codec: is the server there, and what does it say? */
import { createSocket } from 'node:dgram';
import { type DecodedPacket, decode, encode, type RecordType } from 'dns-packet';

/** What came back: the decoded message and its bytes. */
export interface Reply {
  packet: DecodedPacket;
  bytes: Buffer;
}

/** Ask `127.0.0.1:port`. Rejects after `timeoutMs` without an answer. */
export function ask(port: number, name: string, type: RecordType = 'A', timeoutMs = 500): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    const id = Math.floor(Math.random() * 65536);
    const timer = setTimeout(() => finish(new Error(`no answer from port ${port} for ${name} ${type}`)), timeoutMs);
    function finish(error: Error | undefined, bytes?: Buffer): void {
      clearTimeout(timer);
      socket.close();
      if (bytes) resolve({ packet: decode(bytes), bytes });
      else reject(error);
    }
    socket.once('error', finish);
    socket.on('message', (bytes) => {
      if (bytes.length >= 12 && bytes.readUInt16BE(0) === id) finish(undefined, bytes);
    });
    // Connected, so that a port where nobody listens is refused at once instead of timing out.
    socket.connect(port, '127.0.0.1', () => {
      socket.send(encode({ type: 'query', id, flags: 0x0100, questions: [{ name, type }] }), (error) => {
        if (error) finish(error);
      });
    });
  });
}

/** True when the server answers `name` with NOERROR and at least one record. */
export async function answers(port: number, name: string): Promise<boolean> {
  const { packet } = await ask(port, name);
  const rcode = (packet.flags ?? 0) & 15;
  return rcode === 0 && (packet.answers?.length ?? 0) > 0;
}
