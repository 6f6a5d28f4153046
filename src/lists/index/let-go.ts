/**
 * Memory of the compiler thread goes back to the system when it is no longer used, not when the collector finds out. There
 * its collections are to be few: V8 has helper threads mark along with it, and these do not step back for packets as the
 * compiler does (background.ts): 1.2 s of CPU in one collection were seen, spent waiting for a thread that waited.
 */
import { MessageChannel } from 'node:worker_threads';

/** What is sent to nobody is gone. */
const { port1: nobody, port2 } = new MessageChannel();
port2.close();
nobody.unref();

/** Give the memory of `array` back, and with it that of all views over the same buffer: they are empty from now on. */
export function letGo(array: Int32Array<ArrayBuffer>): void {
  nobody.postMessage(undefined, [array.buffer]);
}
