/** Capabilities of the calling thread, capset(2): each thread has its own, and new ones begin with those of who starts them. */
import { readFileSync } from 'node:fs';
import { libc, nativeUnavailable } from './libc.ts';

/** Number of each, capabilities(7). */
export const CAPABILITIES = { CAP_NET_ADMIN: 12, CAP_NET_RAW: 13, CAP_SYS_ADMIN: 21, CAP_BPF: 39 } as const;
export type Capability = keyof typeof CAPABILITIES;

const VERSION_3 = 0x2008_0522;
const EFFECTIVE = 0;
const PERMITTED = 1;

/** Those in effect for this thread. `status`: the text of /proc/thread-self/status. */
export function hasCapability(capability: Capability, status = ownStatus()): boolean {
  const digits = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  return digits !== undefined && ((BigInt(`0x${digits}`) >> BigInt(CAPABILITIES[capability])) & 1n) === 1n;
}

/** Give these up, for this thread and those that it starts from now on; for good. False where the kernel does not let it. */
export function dropCapabilities(capabilities: readonly Capability[]): boolean {
  return change(capabilities, [EFFECTIVE, PERMITTED], false);
}

/** Put these out of effect in this thread, or back into it. False where it does not have them. */
export function setInEffect(capabilities: readonly Capability[], effective: boolean): boolean {
  return change(capabilities, [EFFECTIVE], effective);
}

function change(capabilities: readonly Capability[], sets: readonly number[], on: boolean): boolean {
  if (nativeUnavailable() !== undefined) return false;
  const c = libc();
  const header = new Uint8Array(new Uint32Array([VERSION_3, 0]).buffer);
  // struct __user_cap_data_struct, twice: effective, permitted, inheritable of the lower 32, then of the upper.
  const words = new Uint32Array(6);
  const data = new Uint8Array(words.buffer);
  if (c.capget(header, data) < 0) return false;
  for (const capability of capabilities) {
    const number = CAPABILITIES[capability];
    for (const set of sets) {
      const at = (number >>> 5) * 3 + set;
      const bit = 1 << (number & 31);
      words[at] = on ? words[at]! | bit : words[at]! & ~bit;
    }
  }
  return c.capset(header, data) >= 0;
}

function ownStatus(): string {
  try {
    return readFileSync('/proc/thread-self/status', 'utf8');
  } catch {
    return '';
  }
}
