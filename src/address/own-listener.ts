/** Would a query come back to the server that sends it? */
import { addressWords, type Endpoint, isLoopback, isWildcard } from './address.ts';

/** True when a query sent to `target` would come back to this very server. */
export function isOwnListener(target: Endpoint, listen: readonly Endpoint[]): boolean {
  return listen.some(({ address, port }) => {
    if (port !== target.port) return false;
    if (address === target.address) return true;
    const words = addressWords(target.address);
    // A wildcard socket is reached over loopback; which other addresses are this machine's is not known here.
    return isWildcard(addressWords(address)) && (isLoopback(words) || isWildcard(words));
  });
}
