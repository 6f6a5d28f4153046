/** `axfr://host:port/zone?key=NAME` of the configuration. */
import { NameError, textToName } from '../../../wire/name.ts';
import type { Primary } from './connection.ts';

export interface TransferUrl {
  readonly primary: Primary;
  readonly zone: string;
  /** Name of the TSIG key. */
  readonly key?: string;
}

const DNS_PORT = 53;

/** Throws TypeError, whose message says what is wrong. `ixfr://` means the same: changes are asked for wherever possible. */
export function parseTransferUrl(text: string): TransferUrl {
  const match = /^[ai]xfr:\/\/(?:\[([0-9a-f:.]+)\]|([^[\]:/?#@]+))(?::(\d{1,5}))?\/([^/?#]+)(?:\?key=([^&#]+))?$/i.exec(
    text,
  );
  if (!match) throw new TypeError('is not of the form axfr://host:port/zone?key=NAME');
  const [, bracketed, plain, digits, zone = '', key] = match;
  const port = digits === undefined ? DNS_PORT : Number(digits);
  if (port < 1 || port > 65535) throw new TypeError(`port ${port} is not in 1–65535`);
  try {
    textToName(zone);
  } catch (error) {
    if (error instanceof NameError) throw new TypeError(`the zone ${error.message}`);
    throw error;
  }
  const primary = { host: bracketed ?? plain ?? '', port };
  return key === undefined ? { primary, zone } : { primary, zone, key: key.toLowerCase().replace(/\.$/, '') };
}
