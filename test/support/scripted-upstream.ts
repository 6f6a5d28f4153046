/**
 * An upstream that does what a test tells it, for what no real server does: forged, broken and late answers. Where a
 * real server can play the part, tests use nsd and unbound instead.
 */
import { createSocket, type Socket } from 'node:dgram';
import { createServer } from 'node:net';
import { type Answer, decode, encode, type OptAnswer, type Packet, type RecordType } from 'dns-packet';
import { freePort } from './free-port.ts';

/** EDNS option of DNS cookies. */
const COOKIE = 10;

/** A query as it arrived. */
export interface UpstreamQuery {
  readonly bytes: Buffer;
  readonly transport: 'udp' | 'tcp';
  /** Lower case. */
  readonly name: string;
  /** As spelled on the wire. */
  readonly spelling: string;
  readonly type: string;
  readonly rd: boolean;
  readonly ad: boolean;
  readonly cd: boolean;
  readonly dnssecOk: boolean;
  /** Size announced in the OPT record; 0 where there is none. */
  readonly udpSize: number;
  /** Codes of the EDNS options. */
  readonly options: readonly number[];
  /** Data of the COOKIE option (RFC 7873), where there is one. */
  readonly cookie: Buffer | undefined;
  readonly port: number;
  /** Send bytes back. Over UDP from the socket that was asked, or from another port or address than that. */
  send(bytes: Uint8Array, from?: 'other-port' | 'other-address'): void;
}

/** Called for each query; it answers through `query.send`, now or later, or not at all. */
export type Script = (query: UpstreamQuery) => void;

export interface ScriptedUpstream {
  readonly port: number;
  /** Queries that came, those of probes for the root's name servers left out. */
  readonly queries: UpstreamQuery[];
  /** Probes that came. They are answered whatever the script does, as any resolver answers them from memory. */
  probes: number;
  /** Hears nothing and answers nothing, not even probes. */
  down: boolean;
  /** What it does from now on. */
  script: Script;
  close(): Promise<void>;
}

/** Start it on 127.0.0.1 over UDP and TCP; 127.0.0.2 on the same port is its other address. */
export async function startScriptedUpstream(script: Script, port?: number): Promise<ScriptedUpstream> {
  const at = port ?? (await freePort());
  const main = await bound(at, '127.0.0.1');
  const otherPort = await bound(0, '127.0.0.1');
  const otherAddress = await bound(at, '127.0.0.2');
  const upstream: ScriptedUpstream = {
    port: at,
    queries: [],
    probes: 0,
    down: false,
    script,
    close: async () => {
      for (const socket of [main, otherPort, otherAddress]) socket.close();
      for (const connection of connections) connection.destroy();
      await new Promise<void>((resolve) => tcp.close(() => resolve()));
    },
  };
  const handle = (bytes: Buffer, transport: 'udp' | 'tcp', from: number, send: UpstreamQuery['send']): void => {
    if (upstream.down) return;
    const query = readQuery(bytes, transport, from, send);
    if (query.type === 'NS' && query.name === '.') {
      upstream.probes++;
      honest()(query);
      return;
    }
    upstream.queries.push(query);
    upstream.script(query);
  };
  main.on('message', (bytes, remote) =>
    handle(bytes, 'udp', remote.port, (reply, from) => {
      const socket = from === 'other-port' ? otherPort : from === 'other-address' ? otherAddress : main;
      socket.send(reply, remote.port, remote.address, () => {});
    }),
  );
  const connections = new Set<import('node:net').Socket>();
  const tcp = createServer((connection) => {
    connections.add(connection);
    connection.on('close', () => connections.delete(connection));
    connection.on('error', () => {});
    let pending: Buffer = Buffer.alloc(0);
    connection.on('data', (chunk: Buffer) => {
      pending = Buffer.concat([pending, chunk]);
      while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
        const end = 2 + pending.readUInt16BE(0);
        const message = pending.subarray(2, end);
        pending = pending.subarray(end);
        handle(message, 'tcp', connection.remotePort ?? 0, (reply) =>
          connection.write(Buffer.concat([Buffer.from([reply.length >> 8, reply.length & 255]), reply])),
        );
      }
    });
  });
  await new Promise<void>((resolve, reject) => {
    tcp.once('error', reject);
    tcp.listen(at, '127.0.0.1', resolve);
  });
  return upstream;
}

/** What `answerTo` puts into the answer. */
export interface ScriptedAnswer {
  answers?: Answer[];
  authorities?: Answer[];
  /** 0–15. */
  rcode?: number;
  tc?: boolean;
  ad?: boolean;
  /** Default true: an OPT record, where the query had one. */
  edns?: boolean;
  /** Data of a COOKIE option in it. */
  cookie?: Uint8Array;
  id?: number;
  /** Name in the question; default: as it came. */
  name?: string;
}

/** A proper answer, but for what `answer` says. */
export function answerTo(query: UpstreamQuery, answer: ScriptedAnswer = {}): Buffer {
  const { answers = [], authorities = [], rcode = 0, tc = false, ad = false, edns = true } = answer;
  const options = answer.cookie === undefined ? [] : [{ code: COOKIE, data: Buffer.from(answer.cookie) }];
  const opt = { type: 'OPT', name: '.', udpPayloadSize: 1232, flags: query.dnssecOk ? 0x8000 : 0, options };
  const bytes = encode({
    type: 'response',
    id: answer.id ?? query.bytes.readUInt16BE(0),
    flags: 0x0180 | rcode | (tc ? 0x0200 : 0) | (ad ? 0x0020 : 0) | (query.cd ? 0x0010 : 0),
    questions: [{ name: answer.name ?? query.spelling, type: query.type as RecordType }],
    answers,
    authorities,
    ...(edns && query.udpSize > 0 && { additionals: [opt as unknown as Answer] }),
  } as Packet);
  return bytes;
}

/** An A record of the query's own name. */
export function addressRecord(query: UpstreamQuery, address: string, ttl = 300): Answer {
  return { type: 'A', name: query.spelling, ttl, data: address };
}

/** Answers A with `address` and everything else with NODATA, as an honest resolver would. */
export function honest(address = '192.0.2.7', ttl = 300): Script {
  return (query) => {
    const answers = query.type === 'A' ? [addressRecord(query, address, ttl)] : [];
    query.send(answerTo(query, { answers, ...(answers.length === 0 && { authorities: [soa(ttl)] }) }));
  };
}

/** SOA of zone `test`, for negative answers. */
export function soa(minimum: number): Answer {
  const data = { mname: 'ns.test', rname: 'root.test', serial: 1, refresh: 3600, retry: 600, expire: 86400, minimum };
  return { type: 'SOA', name: 'test', ttl: minimum, data };
}

function readQuery(bytes: Buffer, transport: 'udp' | 'tcp', port: number, send: UpstreamQuery['send']): UpstreamQuery {
  const packet = decode(bytes);
  const flags = bytes.readUInt16BE(2);
  const question = packet.questions?.[0];
  const opt = packet.additionals?.find((record): record is OptAnswer => record.type === 'OPT');
  const options = (opt?.options ?? []) as unknown as { code: number; data: Buffer }[];
  return {
    bytes,
    transport,
    name: (question?.name ?? '').toLowerCase(),
    spelling: question?.name ?? '',
    type: question?.type ?? '',
    rd: (flags & 0x0100) !== 0,
    ad: (flags & 0x0020) !== 0,
    cd: (flags & 0x0010) !== 0,
    dnssecOk: ((opt?.flags ?? 0) & 0x8000) !== 0,
    udpSize: opt?.udpPayloadSize ?? 0,
    options: options.map(({ code }) => code),
    cookie: options.find(({ code }) => code === COOKIE)?.data,
    port,
    send,
  };
}

function bound(port: number, address: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    socket.once('error', reject);
    socket.bind(port, address, () => resolve(socket));
  });
}
