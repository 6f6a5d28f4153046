/** A DNS client for tests: every bit of the query can be said, every byte of the reply is there, over UDP and TCP. */
import { createSocket } from 'node:dgram';
import { createConnection, isIPv6, type Socket } from 'node:net';
import { type Answer, decode, encode, type OptAnswer, type RecordType } from 'dns-packet';

/** Most bytes of a UDP reply. */
const MAX_DATAGRAM = 65_535;
const FLAG = { qr: 0x8000, aa: 0x0400, tc: 0x0200, rd: 0x0100, ra: 0x0080, ad: 0x0020, cd: 0x0010 } as const;
const EDNS_DO = 0x8000;
const OPTION_EXTENDED_ERROR = 15;

/** A query; what is left out is what an ordinary stub would send. */
export interface Ask {
  name: string;
  /** A known type's name, or `UNKNOWN_65`. */
  type?: string;
  class?: 'IN' | 'CH';
  id?: number;
  /** Default true. */
  rd?: boolean;
  ad?: boolean;
  cd?: boolean;
  /** The DO bit; brings an OPT record. */
  dnssecOk?: boolean;
  /** Size announced in an OPT record; without it, and without what else needs one, there is none. */
  udpSize?: number;
  ednsVersion?: number;
  options?: { code: number; data: Buffer }[];
}

/** A reply, taken apart. */
export interface Reply {
  readonly bytes: Buffer;
  readonly id: number;
  readonly qr: boolean;
  readonly opcode: number;
  readonly aa: boolean;
  readonly tc: boolean;
  readonly rd: boolean;
  readonly ra: boolean;
  readonly ad: boolean;
  readonly cd: boolean;
  /** With the upper bits of the OPT record. */
  readonly rcode: number;
  /** As spelled on the wire; undefined where the reply has no question. */
  readonly name: string | undefined;
  readonly answers: readonly Answer[];
  readonly authorities: readonly Answer[];
  readonly opt: OptAnswer | undefined;
  /** Info codes of extended errors (RFC 8914). */
  readonly extendedErrors: readonly number[];
}

export interface Where {
  port: number;
  /** Default 127.0.0.1. */
  host?: string;
  /** Local address that is asked from. */
  from?: string;
  /** Default 3 s. */
  timeoutMs?: number;
}

let lastId = 0;

export function queryBytes(ask: Ask): Buffer {
  const { options = [], udpSize, ednsVersion = 0, dnssecOk = false } = ask;
  const edns = udpSize !== undefined || options.length > 0 || dnssecOk || ednsVersion > 0;
  lastId = (lastId + 1) & 0xffff;
  const bits = { rd: ask.rd ?? true, ad: ask.ad ?? false, cd: ask.cd ?? false };
  const opt = {
    type: 'OPT',
    name: '.',
    udpPayloadSize: udpSize ?? 1232,
    extendedRcode: 0,
    ednsVersion,
    flags: dnssecOk ? EDNS_DO : 0,
    flag_do: dnssecOk,
    options,
  };
  return encode({
    type: 'query',
    id: ask.id ?? lastId,
    flags: (bits.rd ? FLAG.rd : 0) | (bits.ad ? FLAG.ad : 0) | (bits.cd ? FLAG.cd : 0),
    questions: [{ name: ask.name, type: (ask.type ?? 'A') as RecordType, class: ask.class ?? 'IN' }],
    ...(edns && { additionals: [opt as unknown as Answer] }),
  });
}

/** Throws where the bytes are no DNS message. */
export function readReply(bytes: Buffer): Reply {
  const packet = decode(bytes);
  const flags = bytes.readUInt16BE(2);
  const opt = packet.additionals?.find((record): record is OptAnswer => record.type === 'OPT');
  const options = (opt?.options ?? []) as unknown as { code: number; data: Buffer }[];
  return {
    bytes,
    id: bytes.readUInt16BE(0),
    qr: (flags & FLAG.qr) !== 0,
    opcode: (flags >> 11) & 15,
    aa: (flags & FLAG.aa) !== 0,
    tc: (flags & FLAG.tc) !== 0,
    rd: (flags & FLAG.rd) !== 0,
    ra: (flags & FLAG.ra) !== 0,
    ad: (flags & FLAG.ad) !== 0,
    cd: (flags & FLAG.cd) !== 0,
    rcode: (flags & 15) | ((opt?.extendedRcode ?? 0) << 4),
    name: packet.questions?.[0]?.name,
    answers: packet.answers ?? [],
    authorities: packet.authorities ?? [],
    opt,
    extendedErrors: options
      .filter(({ code }) => code === OPTION_EXTENDED_ERROR)
      .map(({ data }) => data.readUInt16BE(0)),
  };
}

/** How long an answer is waited for that has to come: longer than a busy machine ever needs. */
const PATIENT_MS = 30_000;

/** Send bytes over UDP from a new socket; resolves with the first datagram that comes back, undefined where none does. */
export function exchangeDatagram(message: Uint8Array, where: Where): Promise<Buffer | undefined> {
  const { port, host = '127.0.0.1', from, timeoutMs = 3_000 } = where;
  return new Promise((resolve, reject) => {
    const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
    const timer = setTimeout(() => finish(undefined), timeoutMs);
    function finish(bytes: Buffer | undefined, error?: Error): void {
      clearTimeout(timer);
      socket.close();
      if (error) reject(error);
      else resolve(bytes);
    }
    socket.once('error', (error) => finish(undefined, error));
    socket.once('message', (bytes) => finish(bytes));
    // Connected: the kernel then drops whatever does not come from the very address and port that was asked.
    const send = (): void => socket.connect(port, host, () => socket.send(message));
    if (from === undefined) send();
    else socket.bind({ address: from }, send);
  });
}

/** Ask over UDP. Rejects where no reply comes, or one that is not to this query. */
export async function askUdp(ask: Ask, where: Where): Promise<Reply> {
  const message = queryBytes(ask);
  return replyTo(message, ask, await exchangeDatagram(message, { timeoutMs: PATIENT_MS, ...where }));
}

/** Ask over TCP, on a connection of its own. */
export async function askTcp(ask: Ask, where: Where): Promise<Reply> {
  const connection = await TcpConnection.open(where);
  try {
    const message = queryBytes(ask);
    connection.send(message);
    return replyTo(message, ask, await connection.next(where.timeoutMs ?? PATIENT_MS));
  } finally {
    connection.close();
  }
}

function replyTo(message: Buffer, ask: Ask, bytes: Buffer | undefined): Reply {
  if (bytes === undefined) throw new Error(`no reply for ${ask.name} ${ask.type ?? 'A'}`);
  const reply = readReply(bytes);
  if (!reply.qr || reply.id !== message.readUInt16BE(0)) throw new Error('what came is no reply to this query');
  return reply;
}

/** A TCP connection with DNS framing (RFC 1035 §4.2.2). */
export class TcpConnection {
  readonly #socket: Socket;
  #pending: Buffer = Buffer.alloc(0);
  readonly #messages: Buffer[] = [];
  readonly #waiting: (() => void)[] = [];
  /** The other side has ended the connection, or it broke. */
  ended = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', () => {});
    for (const event of ['end', 'close'])
      socket.on(event, () => {
        this.ended = true;
        this.#wake();
      });
  }

  /** Rejects where nobody accepts it. */
  static open({ port, host = '127.0.0.1', from, timeoutMs = PATIENT_MS }: Where): Promise<TcpConnection> {
    return new Promise((resolve, reject) => {
      const socket = createConnection({ port, host, ...(from !== undefined && { localAddress: from }) });
      const timer = setTimeout(() => socket.destroy(new Error(`no connection to ${host}:${port}`)), timeoutMs);
      socket.once('error', reject);
      socket.once('close', () => clearTimeout(timer));
      socket.once('connect', () => {
        clearTimeout(timer);
        socket.off('error', reject);
        resolve(new TcpConnection(socket));
      });
    });
  }

  /** All of them in one segment, as far as the kernel can. */
  send(...messages: Uint8Array[]): void {
    this.#socket.write(Buffer.concat(messages.flatMap((message) => [lengthOf(message), message])));
  }

  /** Bytes without framing of ours. */
  sendRaw(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** The next message; undefined where none comes in time or the connection has ended. */
  async next(timeoutMs = PATIENT_MS): Promise<Buffer | undefined> {
    if (this.#messages.length === 0 && !this.ended) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, timeoutMs);
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    return this.#messages.shift();
  }

  /** Messages that have come and were not taken. */
  get unread(): number {
    return this.#messages.length;
  }

  /** Read nothing any more. */
  pause(): void {
    this.#socket.pause();
  }

  /** Say that nothing more will be sent, and go on reading. */
  end(): void {
    this.#socket.end();
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    while (this.#pending.length >= 2) {
      const end = 2 + this.#pending.readUInt16BE(0);
      if (this.#pending.length < end) return;
      this.#messages.push(this.#pending.subarray(2, end));
      this.#pending = this.#pending.subarray(end);
      this.#wake();
    }
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

function lengthOf(message: Uint8Array): Buffer {
  if (message.length > MAX_DATAGRAM) throw new RangeError(`a message of ${message.length} bytes has no frame`);
  return Buffer.from([message.length >> 8, message.length & 255]);
}

/** The data of the records of one type, as text, sorted. */
export function dataOf(records: readonly Answer[], type: string): string[] {
  return records
    .filter((record) => record.type === type)
    .map((record) => String((record as { data: unknown }).data))
    .sort();
}
