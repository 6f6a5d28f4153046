/**
 * Does somebody filter packets in this network namespace? What is taken at the interface never comes to iptables or nftables, so
 * `server.udp.io: auto` leaves such machines alone.
 */
import { readFileSync } from 'node:fs';
import { libc, SOCK_CLOEXEC, SOCK_RAW } from '../../system/libc.ts';

const AF_NETLINK = 16;
const NETLINK_NETFILTER = 12;
/** Subsystem nftables, message "get table"; its answers are "new table". */
const GET_TABLE = 0x0a01;
const NEW_TABLE = 0x0a00;
/** NLM_F_REQUEST and NLM_F_DUMP. */
const REQUEST_ALL = 0x301;
const HEADER_BYTES = 16;
const ROOM = 8192;

/** What filters, in words; undefined where nothing does, or nothing can be learnt. */
export function packetFilter(): string | undefined {
  if (legacyTables('ip') || legacyTables('ip6')) return 'iptables has tables here';
  return hasTables() ? 'nftables has tables here' : undefined;
}

function legacyTables(family: 'ip' | 'ip6'): boolean {
  try {
    return readFileSync(`/proc/net/${family}_tables_names`, 'latin1').trim() !== '';
  } catch {
    return false;
  }
}

function hasTables(): boolean {
  const c = libc();
  const fd = c.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
  if (fd < 0) return false;
  const memory = c.allocate(ROOM);
  try {
    // struct nlmsghdr: length, type, flags, sequence, port; struct nfgenmsg: all families.
    const view = new DataView(memory.bytes.buffer, memory.bytes.byteOffset);
    view.setUint32(0, HEADER_BYTES + 4, true);
    view.setUint16(4, GET_TABLE, true);
    view.setUint16(6, REQUEST_ALL, true);
    view.setUint32(8, 1, true);
    if (c.send(fd, memory.address, HEADER_BYTES + 4, 0) < 0) return false;
    // The kernel has answered by the time that send returns; the first message says enough.
    const got = c.recv(fd, memory.address, ROOM, 0);
    return got >= HEADER_BYTES && view.getUint16(4, true) === NEW_TABLE;
  } finally {
    c.close(fd);
    c.free(memory.address);
  }
}
