/** One entry of `server.listen`: an address, what is spoken there, and whose word counts for who the client is. */
import type { Endpoint } from './address.ts';

/** A certificate chain and its private key, PEM files by absolute path. */
export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
}

export interface ListenEntry extends Endpoint {
  /** Absent: UDP and TCP. */
  readonly transport?: 'tls' | 'https';
  /** The first is shown to whoever names none of the others' names (RFC 6066 §3). Present with `transport`. */
  readonly certificates?: readonly CertificateFiles[];
  /** Path of the URI template (RFC 8484 §4.1); present with `https`. */
  readonly path?: string;
  /**
   * Networks of the proxies that say who asks (PROXY protocol v2). Nobody else is heard here, and nothing without the header.
   * Absent: clients speak for themselves.
   */
  readonly proxies?: readonly string[];
}

/** UDP is taken there too. */
export function takesDatagrams({ transport }: ListenEntry): boolean {
  return transport === undefined;
}

/** What is spoken there, as in metrics. */
export function spokenAt({ transport }: ListenEntry): ('udp' | 'tcp' | 'tls' | 'https')[] {
  return transport === undefined ? ['udp', 'tcp'] : [transport];
}
