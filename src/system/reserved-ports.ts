/**
 * Ports that no query leaves from, because they are somebody else's on this machine: those of our own configuration, those
 * that the operator reserved (`net.ipv4.ip_local_reserved_ports`), and those of the services that the system knows by name
 * (`/etc/services`), which may be started after us.
 */
import { readFileSync } from 'node:fs';

const RESERVED = '/proc/sys/net/ipv4/ip_local_reserved_ports';
const SERVICES = '/etc/services';

/** 1 for each such port. `own`: ports of our own listeners. A file that is missing reserves nothing. */
export function reservedPorts(own: Iterable<number>, reserved = RESERVED, services = SERVICES): Uint8Array {
  const ports = new Uint8Array(65536);
  for (const port of own) ports[port] = 1;
  // E.g. `8080,9000-9100`.
  for (const range of read(reserved).split(',')) {
    const [, first, last] = /^\s*(\d+)(?:-(\d+))?\s*$/.exec(range) ?? [];
    if (first !== undefined) ports.fill(1, Number(first), Number(last ?? first) + 1);
  }
  // E.g. `mdns 5353/udp # Multicast DNS`.
  for (const [, port] of read(services).matchAll(/^[^\s#]\S*\s+(\d+)\/udp\b/gm)) {
    if (Number(port) < 65536) ports[Number(port)] = 1;
  }
  return ports;
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
