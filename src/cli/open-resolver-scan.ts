/** `sekisho open-resolver-scan RANGE`: which addresses of the operator's own answer DNS to whoever asks. */

import { AddressError, addressText, type Prefix, parsePrefix, prefixContains } from '../address/address.ts';
import type { Args } from '../commands/command.ts';
import { usageError } from '../commands/errors.ts';
import type { Terminal } from '../commands/terminal.ts';
import type { Config } from '../config/config.ts';
import { counted } from '../errors/counted.ts';
import { type OpenResolver, scanForResolvers } from './resolver-scan.ts';

const MAX_ADDRESSES = 65_536;
const DEFAULT_RATE = 50;
const DNS_PORT = 53;

export async function openResolverScan(args: Args, terminal: Terminal): Promise<number> {
  const range = rangeOf(args.positionals[0] ?? '');
  const rate = Number(args.options['rate'] ?? DEFAULT_RATE);
  const { access, listen } = ((await args.configuration()) as Config).server;
  // The operator's own networks, and nobody else's.
  if (!access.map(parsePrefix).some((own) => own.bits <= range.bits && prefixContains(own, range.words))) {
    const message = `${args.positionals[0]} is not inside server.access: only the operator's own ranges are scanned`;
    throw usageError(message);
  }
  const addresses = addressesOf(range);
  const found = await scanForResolvers({ addresses, port: DNS_PORT, rate, skip: listen.map(({ address }) => address) });
  terminal.out(
    args.json ? `${JSON.stringify({ scanned: addresses.length, found }, null, 2)}\n` : report(addresses, found),
  );
  return 0;
}

function rangeOf(text: string): Prefix {
  let range: Prefix;
  try {
    range = parsePrefix(text);
  } catch (error) {
    if (!(error instanceof AddressError)) throw error;
    throw usageError(error.message, { cause: error });
  }
  if (2 ** (128 - range.bits) > MAX_ADDRESSES)
    throw usageError(`${text} has more than ${MAX_ADDRESSES} addresses: scan it in parts`);
  return range;
}

function addressesOf({ words, bits }: Prefix): string[] {
  return Array.from({ length: 2 ** (128 - bits) }, (_, i) => {
    const address = words.slice();
    // At most 16 bits of host: they never leave the last word.
    address[3] = address[3]! | i;
    return addressText(address);
  });
}

function report(addresses: readonly string[], found: readonly OpenResolver[]): string {
  const lines = found.map(({ address, rcode, recursion, bytes }) => {
    const what = recursion ? 'OPEN RESOLVER' : 'answers';
    return `${address}  ${what}  ${rcode}  ${counted(bytes, 'byte')}\n`;
  });
  const open = found.filter(({ recursion }) => recursion).length;
  return `${lines.join('')}${counted(addresses.length, 'address', 'addresses')} asked, ${found.length} answered, ${open} of them recursively\n`;
}
