/**
 * A network of the test's own: a Linux network namespace for this process and all it starts. There IPv6 clients can have
 * as many addresses as a table needs, which the machine's loopback interface, with `::1` alone, does not offer.
 *
 * Needs root. Nothing of the machine's network is touched, and the namespace ends with the process.
 */
import { spawnSync } from 'node:child_process';
import koffi from 'koffi';
import { findProgram } from './debian.ts';

/** unshare(2), linux/sched.h. */
const CLONE_NEWNET = 0x40000000;

let entered: boolean | undefined;
const added = new Set<string>();

/**
 * From here on this process has its own loopback interface and nothing else. False where that is not allowed here: then
 * clients have 127.0.0.0/8 and `::1`. To be called before anything listens. Install packages first: there is no way out.
 */
export function enterOwnNetwork(): boolean {
  entered ??= enter();
  return entered;
}

function enter(): boolean {
  if (process.platform !== 'linux' || findProgram('ip') === undefined) return false;
  // Sockets are made in this thread, and children are forked from it: its namespace is theirs.
  if (koffi.load(null).func('int unshare(int)')(CLONE_NEWNET) !== 0) return false;
  ip(['link', 'set', 'lo', 'up']);
  return true;
}

/** Give the loopback interface an address, once. IPv4 has all of 127.0.0.0/8 anyway. */
export function ownAddress(address: string): void {
  if (!entered || !address.includes(':') || address === '::1' || added.has(address)) return;
  // Nobody else is there who could have it: no waiting for duplicate address detection.
  ip(['-6', 'address', 'add', `${address}/128`, 'dev', 'lo', 'nodad']);
  // The kernel adds the route a moment later, from a queue of its own; until then an answer to the address is lost.
  while (!ip(['-6', 'route', 'show', 'table', 'local', address]).includes('local'));
  added.add(address);
}

/** Give the loopback interface many addresses at once. */
export function ownAddresses(addresses: readonly string[]): void {
  const lines = addresses.map(
    (each) => `address add ${each}${each.includes(':') ? '/128' : '/32'} dev lo${each.includes(':') ? ' nodad' : ''}`,
  );
  ip(['-batch', '-'], `${lines.join('\n')}\n`);
  for (const address of addresses) added.add(address);
}

function ip(args: readonly string[], input = ''): string {
  const { status, stdout, stderr } = spawnSync(findProgram('ip') ?? 'ip', args, { encoding: 'utf8', input });
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr}`);
  return stdout;
}
