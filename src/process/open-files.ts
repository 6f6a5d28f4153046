/** How many descriptors this process may have open, and how many of them may be sockets that upstreams are asked from. */
import { readFileSync } from 'node:fs';
import type { Config } from '../config/config.ts';

/** Source ports of all workers together: a quarter of the range, so that other programs still find ports of their own. */
const MOST_SOURCE_PORTS = 16384;
/** Fewer than these are worth a warning. */
const ENOUGH_SOURCE_PORTS = 8192;
/** Descriptors kept for files, the admin API and what a reload holds twice, besides the connections of clients. */
const KEPT = 1024;
/** What is assumed where the system does not say. */
const UNKNOWN_LIMIT = 4096;

/** Limit of open files of this process (Node.js raises the soft one to the hard one at the start). */
export function openFileLimit(limits = readLimits()): number {
  const [, soft] = /^Max open files\s+(\d+|unlimited)/m.exec(limits) ?? [];
  if (soft === undefined) return UNKNOWN_LIMIT;
  return soft === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number(soft);
}

/** A descriptor with this number or above is given back at once: the lowest free number is what a new one gets. */
export function lastDescriptor(connections: number, limit = openFileLimit()): number {
  return Math.max(64, limit - Math.min(KEPT + connections, Math.floor(limit / 2)));
}

/** Source ports of each worker: what is configured, or as many as there is room for. */
export function sourcePortsOf(
  configured: number | 'auto',
  workers: number,
  connections: number,
  limit = openFileLimit(),
): number {
  const room = Math.max(16, Math.floor((lastDescriptor(connections, limit) - 64) / workers));
  const wished = configured === 'auto' ? Math.floor(MOST_SOURCE_PORTS / workers) : configured;
  return Math.max(1, Math.min(wished, room));
}

/** What to tell the operator where the limit of open files leaves few source ports and more were wished for. */
export function scarceSourcePorts(
  { server, upstream }: Pick<Config, 'server' | 'upstream'>,
  limit = openFileLimit(),
): { ports: number; limit: number } | undefined {
  const { sourcePorts } = upstream;
  const { workers, tcp } = server;
  const ports = sourcePortsOf(sourcePorts, workers, tcp.maxConnections, limit) * workers;
  const enough = sourcePorts === 'auto' ? ENOUGH_SOURCE_PORTS : sourcePorts * workers;
  return ports < enough ? { ports, limit } : undefined;
}

function readLimits(): string {
  try {
    return readFileSync('/proc/self/limits', 'utf8');
  } catch {
    return '';
  }
}
