/** What this process may do in the kernel, and what it lacks for programs of its own there. */
import { readFileSync } from 'node:fs';

/** Capabilities (capabilities(7)) that the fast path needs, by number. */
const NUMBERS = { CAP_NET_ADMIN: 12, CAP_NET_RAW: 13, CAP_SYS_ADMIN: 21, CAP_BPF: 39 } as const;
export type Capability = keyof typeof NUMBERS;

/** What each is needed for. */
export const NEEDED_FOR = {
  CAP_BPF: 'loading programs and maps',
  CAP_NET_ADMIN: 'attaching a program to a network interface',
  CAP_NET_RAW: 'sockets of the family AF_XDP',
} as const;

/** Those in effect for this thread. `status`: the text of /proc/thread-self/status. */
export function hasCapability(capability: Capability, status = ownStatus()): boolean {
  const digits = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  return digits !== undefined && ((BigInt(`0x${digits}`) >> BigInt(NUMBERS[capability])) & 1n) === 1n;
}

/** Which of these are missing. CAP_SYS_ADMIN stands for CAP_BPF, as in kernels before 5.8. */
export function missingCapabilities(
  needed: readonly (keyof typeof NEEDED_FOR)[],
  status = ownStatus(),
): (keyof typeof NEEDED_FOR)[] {
  return needed.filter(
    (each) => !hasCapability(each, status) && !(each === 'CAP_BPF' && hasCapability('CAP_SYS_ADMIN', status)),
  );
}

/** Undefined where programs and maps can be loaded, else the reason why not. */
export function bpfUnavailable(): string | undefined {
  if (process.platform !== 'linux') return 'eBPF is for Linux';
  return missingText(missingCapabilities(['CAP_BPF']));
}

/** Undefined where nothing is missing. */
export function missingText(missing: readonly (keyof typeof NEEDED_FOR)[]): string | undefined {
  if (missing.length === 0) return undefined;
  return `missing ${missing.map((each) => `${each} (${NEEDED_FOR[each]})`).join(' and ')}`;
}

function ownStatus(): string {
  try {
    return readFileSync('/proc/thread-self/status', 'utf8');
  } catch {
    return '';
  }
}
