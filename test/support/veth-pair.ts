/**
 * Two network namespaces joined by a pair of virtual Ethernet interfaces: a server's and a client's side, with addresses of their
 * own. Nothing of the machine's network is touched, and whatever is left is swept away at the end of the process.
 *
 *     namespace SERVER  eth0  10.99.0.1, .2, .3, fd00:99::1  ─── veth ───  10.99.0.129, fd00:99::81  eth0  namespace CLIENT
 */
import { spawnSync } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { closeSync, openSync } from 'node:fs';
import { request } from 'node:http';
import { Socket as TcpSocket } from 'node:net';
import koffi from 'koffi';
import { addressWords } from '../../src/address/address.ts';
import { bpfUnavailable } from '../../src/bpf/capable.ts';
import { AF_INET, AF_INET6, libc, nativeUnavailable, SOCK_DGRAM, SOCK_STREAM } from '../../src/system/libc.ts';
import { encodeSockaddr } from '../../src/transports/sockets.ts';
import { findProgram } from './debian.ts';

const CLONE_NEWNET = 0x40000000;

export const SERVER_V4 = ['10.99.0.1', '10.99.0.2', '10.99.0.3'] as const;
export const SERVER_V6 = 'fd00:99::1';
export const CLIENT_V4 = '10.99.0.129';
export const CLIENT_V6 = 'fd00:99::81';

/** Undefined where namespaces and programs in the kernel can be had, else the reason why a test is skipped. */
export function fastPathUnavailable(): string | undefined {
  const reason = nativeUnavailable() ?? bpfUnavailable();
  if (reason !== undefined) return reason;
  if (findProgram('ip') === undefined) return "there is no 'ip' (iproute2)";
  const name = `sek-try-${process.pid}`;
  const made = spawnSync('ip', ['netns', 'add', name], { encoding: 'utf8' });
  if (made.status !== 0) return `no network namespace can be made: ${made.stderr.trim()}`;
  const veth = spawnSync('ip', ['-n', name, 'link', 'add', 'name', 'one', 'type', 'veth', 'peer', 'name', 'two'], {
    encoding: 'utf8',
  });
  spawnSync('ip', ['netns', 'delete', name]);
  return veth.status === 0 ? undefined : `no virtual Ethernet can be made: ${veth.stderr.trim()}`;
}

export interface VethPair {
  /** Names for `ip netns exec`. */
  readonly server: string;
  readonly client: string;
  /** `ip` in one of them; throws what it says where it fails. */
  ip(side: 'server' | 'client', command: string): string;
  /** Run `action` with this thread inside; what it opens stays there. */
  inside<Result>(side: 'server' | 'client', action: () => Result): Result;
  remove(): void;
}

/** A connected UDP or TCP descriptor of a side, blocking until then. */
export function descriptorIn(pair: VethPair, side: 'server' | 'client', open: () => number): number {
  const fd = pair.inside(side, open);
  if (fd < 0) throw new Error(`no socket in the namespace of the ${side}: error ${koffi.errno()}`);
  return fd;
}

/** A UDP socket on the client's side, bound to an address there. */
export function clientSocket(pair: VethPair, address: string, port = 0): Socket {
  const v6 = address.includes(':');
  const c = libc();
  const fd = descriptorIn(pair, 'client', () => {
    const made = c.socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);
    const name = encodeSockaddr(addressWords(address), port);
    return c.bind(made, name, name.length) < 0 ? -1 : made;
  });
  const socket = createSocket(v6 ? 'udp6' : 'udp4');
  socket.bind({ fd, exclusive: true });
  return socket;
}

/** The body of what an HTTP server on the server's loopback answers. */
export function getInside(pair: VethPair, port: number, path: string, token: string): Promise<string> {
  const c = libc();
  const fd = descriptorIn(pair, 'server', () => {
    const made = c.socket(AF_INET, SOCK_STREAM, 0);
    const name = encodeSockaddr(addressWords('127.0.0.1'), port);
    return c.connect(made, name, name.length) < 0 ? -1 : made;
  });
  const headers = { authorization: `Bearer ${token}`, connection: 'close' };
  return new Promise((resolve, reject) => {
    const asked = request({ path, headers, createConnection: () => new TcpSocket({ fd }) }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => resolve(body));
    });
    asked.on('error', reject).end();
  });
}

let made = 0;

/** `queues`: of each side. */
export function makeVethPair(queues = 1): VethPair {
  const base = `sek-${process.pid}-${made++}`;
  const names = { server: `${base}-s`, client: `${base}-c` } as const;
  for (const name of Object.values(names)) run(['netns', 'add', name]);
  const remove = () => {
    for (const name of Object.values(names)) spawnSync('ip', ['netns', 'delete', name]);
    process.removeListener('exit', remove);
  };
  process.once('exit', remove);
  const count = ['numrxqueues', String(queues), 'numtxqueues', String(queues)];
  run(
    [
      '-n',
      names.server,
      'link',
      'add',
      'name',
      'eth0',
      ...count,
      'type',
      'veth',
      'peer',
      'name',
      'eth0',
      ...count,
    ].concat(['netns', names.client]),
  );
  const ip = (side: 'server' | 'client', command: string) => run(['-n', names[side], ...command.split(' ')]);
  for (const side of ['server', 'client'] as const) {
    ip(side, 'link set lo up');
    const addresses = side === 'server' ? [...SERVER_V4, SERVER_V6] : [CLIENT_V4, CLIENT_V6];
    for (const each of addresses) {
      const v6 = each.includes(':');
      ip(side, `address add ${each}/${v6 ? '64' : '24'} dev eth0${v6 ? ' nodad' : ''}`);
    }
    ip(side, 'link set eth0 up');
  }
  const setns = koffi.load(null).func('int setns(int, int)');
  return {
    ...names,
    ip,
    inside: (side, action) => {
      const own = openSync('/proc/thread-self/ns/net', 'r');
      const other = openSync(`/var/run/netns/${names[side]}`, 'r');
      try {
        if (setns(other, CLONE_NEWNET) !== 0) throw new Error(`setns: error ${koffi.errno()}`);
        try {
          return action();
        } finally {
          if (setns(own, CLONE_NEWNET) !== 0) process.abort();
        }
      } finally {
        closeSync(own);
        closeSync(other);
      }
    },
    remove,
  };
}

function run(args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync('ip', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr}`);
  return stdout;
}
