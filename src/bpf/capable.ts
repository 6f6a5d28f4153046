/** What a process may do in the kernel with programs of its own, and what it lacks. */
import { type Capability, hasCapability } from '../system/capabilities.ts';

/** What each is needed for. */
const NEEDED_FOR = {
  CAP_BPF: 'loading programs and maps',
  CAP_NET_ADMIN: 'attaching a program to a network interface',
  CAP_NET_RAW: 'sockets of the family AF_XDP',
} as const;

/** All that the fast path needs. */
export const FAST_PATH_CAPABILITIES = ['CAP_BPF', 'CAP_NET_ADMIN', 'CAP_NET_RAW'] as const;

/** Which of these are missing, in words; undefined where none is. CAP_SYS_ADMIN stands for CAP_BPF, as before Linux 5.8. */
export function missingCapabilities(needed: readonly (keyof typeof NEEDED_FOR)[], status?: string): string | undefined {
  const has = (each: Capability) => hasCapability(each, status);
  const missing = needed.filter((each) => !has(each) && !(each === 'CAP_BPF' && has('CAP_SYS_ADMIN')));
  if (missing.length === 0) return undefined;
  return `missing ${missing.map((each) => `${each} (${NEEDED_FOR[each]})`).join(', ')}`;
}

/** Undefined where programs and maps can be loaded, else the reason why not. */
export function bpfUnavailable(): string | undefined {
  if (process.platform !== 'linux') return 'eBPF is for Linux';
  return missingCapabilities(['CAP_BPF']);
}
