/** What a network interface is, asked of the kernel by ioctl(2), as this thread's network namespace knows it. */
import { AF_INET, libc, type NativeMemory, putPointer, SOCK_CLOEXEC, SOCK_DGRAM } from '../../system/libc.ts';

export interface InterfaceFacts {
  readonly name: string;
  readonly index: number;
  readonly mac: Uint8Array;
  /** Bytes that a packet may have. */
  readonly mtu: number;
  /** It is switched on, and there is somebody at the other end. */
  readonly up: boolean;
  readonly loopback: boolean;
  /** Receive queues in use. */
  readonly queues: number;
  /** The interface is a VLAN of another. */
  readonly vlan?: { readonly id: number; readonly lower: string };
}

const SIOCGIFFLAGS = 0x8913;
const SIOCGIFMTU = 0x8921;
const SIOCGIFHWADDR = 0x8927;
const SIOCETHTOOL = 0x8946;
const SIOCGIFVLAN = 0x8982;
const ETHTOOL_GCHANNELS = 0x3c;
const GET_VLAN_REALDEV_NAME = 8;
const GET_VLAN_VID = 9;
const IFF_UP = 1;
const IFF_LOOPBACK = 8;
const IFF_RUNNING = 0x40;
const NAME_BYTES = 16;
const REQUEST_BYTES = 64;

/** Undefined where there is no such interface. */
export function interfaceFacts(name: string): InterfaceFacts | undefined {
  const c = libc();
  const index = c.interfaceIndex(name);
  if (index === 0) return undefined;
  const fd = c.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return undefined;
  const channels = c.allocate(64);
  try {
    const ask = (request: number): DataView | undefined => {
      const bytes = namedRequest(name);
      return c.ioctl(fd, request, bytes) < 0 ? undefined : new DataView(bytes.buffer, NAME_BYTES);
    };
    const flags = ask(SIOCGIFFLAGS)?.getUint16(0, true);
    const mtu = ask(SIOCGIFMTU)?.getInt32(0, true);
    const hardware = ask(SIOCGIFHWADDR);
    // It has gone meanwhile.
    if (flags === undefined || mtu === undefined || hardware === undefined) return undefined;
    const vlan = vlanOf(fd, name);
    return {
      name,
      index,
      mac: new Uint8Array(hardware.buffer.slice(NAME_BYTES + 2, NAME_BYTES + 8)),
      mtu,
      up: (flags & IFF_UP) !== 0 && (flags & IFF_RUNNING) !== 0,
      loopback: (flags & IFF_LOOPBACK) !== 0,
      queues: queuesOf(fd, name, channels),
      ...(vlan && { vlan }),
    };
  } finally {
    c.close(fd);
    c.free(channels.address);
  }
}

/** struct ethtool_channels: command, four maxima, then receive, send, other and combined channels. One where the driver does not say. */
function queuesOf(fd: number, name: string, channels: NativeMemory): number {
  channels.words[0] = ETHTOOL_GCHANNELS;
  const bytes = namedRequest(name);
  putPointer(new Int32Array(bytes.buffer), NAME_BYTES / 4, channels.address);
  if (libc().ioctl(fd, SIOCETHTOOL, bytes) < 0) return 1;
  return Math.max(1, channels.words[5]! + channels.words[8]!);
}

/** struct vlan_ioctl_args: command, name, then a name or a number. */
function vlanOf(fd: number, name: string): InterfaceFacts['vlan'] {
  const ask = (command: number): Uint8Array | undefined => {
    const bytes = new Uint8Array(REQUEST_BYTES);
    new DataView(bytes.buffer).setInt32(0, command, true);
    bytes.set(Buffer.from(name.slice(0, NAME_BYTES - 1)), 4);
    return libc().ioctl(fd, SIOCGIFVLAN, bytes) < 0 ? undefined : bytes;
  };
  const lower = ask(GET_VLAN_REALDEV_NAME);
  const id = ask(GET_VLAN_VID);
  if (lower === undefined || id === undefined) return undefined;
  const end = lower.indexOf(0, 28);
  return { lower: Buffer.from(lower.subarray(28, end)).toString(), id: new DataView(id.buffer).getInt32(28, true) };
}

function namedRequest(name: string): Uint8Array {
  const bytes = new Uint8Array(REQUEST_BYTES);
  bytes.set(Buffer.from(name.slice(0, NAME_BYTES - 1)));
  return bytes;
}
