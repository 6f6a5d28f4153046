/** What an operator does with ethtool and bpftool, for tests where they are not installed. */
import { readdirSync, readFileSync } from 'node:fs';
import { Bpf } from '../../src/bpf/bpf.ts';
import { AF_INET, libc, putPointer, SOCK_DGRAM } from '../../src/system/libc.ts';

const SIOCETHTOOL = 0x8946;
const ETHTOOL_GCHANNELS = 0x3c;
const ETHTOOL_SCHANNELS = 0x3d;

/** `ethtool -L NAME rx COUNT tx COUNT` in the namespace that this thread is in. Returns 0, or the error. */
export function setQueues(name: string, count: number): number {
  const c = libc();
  const fd = c.socket(AF_INET, SOCK_DGRAM, 0);
  const channels = c.allocate(64);
  const request = new Uint8Array(64);
  request.set(Buffer.from(name));
  putPointer(new Int32Array(request.buffer), 4, channels.address);
  try {
    channels.words[0] = ETHTOOL_GCHANNELS;
    if (c.ioctl(fd, SIOCETHTOOL, request) < 0) return c.errno();
    channels.words[0] = ETHTOOL_SCHANNELS;
    channels.words[5] = count;
    channels.words[6] = count;
    return c.ioctl(fd, SIOCETHTOOL, request) < 0 ? c.errno() : 0;
  } finally {
    c.close(fd);
    c.free(channels.address);
  }
}

/** `bpftool link detach` for every link that the process has. Returns how many. */
export function takeProgramsOff(pid: number): number {
  const bpf = new Bpf();
  let taken = 0;
  for (const fd of readdirSync(`/proc/${pid}/fdinfo`)) {
    const id = /^link_id:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8'))?.[1];
    if (id === undefined) continue;
    const link = bpf.openLink(Number(id));
    bpf.detach(link);
    bpf.close(link);
    taken++;
  }
  bpf.end();
  return taken;
}
