/** What `sekisho check` tells of the addresses that take queries, and of their certificates. */
import { endpointText } from '../address/address.ts';
import type { ListenEntry } from '../address/listen-entry.ts';
import { isProblem, readCertificate } from '../certificates/certificate.ts';

const SPOKEN = { dns: 'UDP and TCP', tls: 'TLS', https: 'HTTPS' } as const;

/** Name and text of each line. The certificates were read without a problem before. */
export async function listenFacts(listen: readonly ListenEntry[]): Promise<(readonly [string, string])[]> {
  const lines: (readonly [string, string])[] = [];
  const plain = listen.filter(({ transport, proxies }) => transport === undefined && proxies === undefined);
  if (plain.length > 0) lines.push(['listen', `${plain.map(endpointText).join(', ')} (${SPOKEN.dns})`]);
  for (const entry of listen) {
    if (plain.includes(entry)) continue;
    const { transport = 'dns', path, proxies, certificates = [] } = entry;
    const spoken = [SPOKEN[transport], ...(proxies ? [`PROXY protocol of ${proxies.join(', ')} required`] : [])].join(
      '; ',
    );
    lines.push(['listen', `${endpointText(entry)}${path ?? ''} (${spoken})`]);
    for (const files of certificates) {
      const found = await readCertificate(files, Date.now());
      if (isProblem(found)) continue;
      const stands = [...found.names, ...found.addresses].join(', ') || 'no name';
      const end = new Date(found.endsMs).toISOString().slice(0, 10);
      lines.push(['', `certificate ${files.certificate}: ${stands}; ends on ${end}`]);
    }
  }
  return lines;
}
