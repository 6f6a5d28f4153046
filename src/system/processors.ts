import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** Processors that the machine may ever have, plugged in or not: the kernel keeps a value for each in its maps per processor. */
export function possibleProcessors(): number {
  try {
    const text = readFileSync('/sys/devices/system/cpu/possible', 'latin1').trim();
    const last = Math.max(...text.split(',').map((range) => Number(range.split('-').at(-1))));
    if (Number.isInteger(last) && last >= 0) return last + 1;
  } catch {
    // A container without /sys.
  }
  return availableParallelism();
}
