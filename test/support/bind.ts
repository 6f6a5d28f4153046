/** BIND 9 as an authority, a caching forwarder or a resolver that iterates: tests use it as a second implementation to compare with. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ask } from './ask.ts';
import { requireProgram } from './debian.ts';
import { freePort } from './free-port.ts';
import type { DnsServer, Zone } from './nsd.ts';
import { startProcess, temporaryFolder } from './process.ts';

export interface BindOptions {
  zones?: Zone[];
  /** Response policy zones, the first one first. */
  policyZones?: Zone[];
  /** Forward everything else to this port on 127.0.0.1; without it, recursion is off. */
  upstreamPort?: number;
  /** Iterate instead: from these root hints on (a master file), asking every authority on this port. */
  iterate?: { rootHints: string; port: number };
  /** Default true: no more in authority and additional section than there must be. */
  minimalResponses?: boolean;
  /** Zones that are forwarded there as zones of their own, so that what counts by zone tells them apart. */
  forwardZones?: readonly string[];
  /** Name and type whose answer shows that it is ready; default the first zone's SOA. */
  probeName?: string;
  core?: number;
  /** Instead of all that: views in this order, each forwarding all it does not hold. */
  views?: readonly BindView[];
  /** Further statements inside `options { }`. */
  options?: string;
}

export interface BindView {
  readonly name: string;
  /** Address match lists, e.g. `127.0.1.0/24;`. */
  readonly clients: string;
  readonly allow: string;
  /** Port on 127.0.0.1 that it forwards to. */
  readonly upstreamPort: number;
}

export async function startBind(options: BindOptions): Promise<DnsServer> {
  const folder = temporaryFolder('bind');
  const port = await freePort();
  const zones = [...(options.zones ?? []), ...(options.policyZones ?? [])];
  const config = bindConfig(folder, port, options);
  for (const zone of zones) writeFileSync(join(folder, `${zone.name}.zone`), zone.text);
  if (options.iterate) writeFileSync(join(folder, 'root.hints'), options.iterate.rootHints);
  const file = join(folder, 'named.conf');
  writeFileSync(file, config);
  const apex = zones[0]?.name;
  const running = await startProcess({
    name: 'bind',
    command: requireProgram('named'),
    args: ['-g', '-n', '1', '-c', file],
    ...(options.core === undefined ? {} : { core: options.core }),
    ready: async () => {
      const { packet } = options.probeName ? await ask(port, options.probeName) : await ask(port, apex ?? '.', 'SOA');
      return (packet.answers?.length ?? 0) > 0;
    },
  });
  return { ...running, port, config };
}

function bindConfig(folder: string, port: number, options: BindOptions): string {
  const { iterate, upstreamPort } = options;
  const views = (options.views ?? []).map(
    ({ name, clients, allow, upstreamPort: port }) =>
      `view "${name}" {
  match-clients { ${clients} };
  recursion yes;
  allow-query { ${allow} };
  allow-query-cache { ${allow} };
  forward only;
  forwarders { 127.0.0.1 port ${port}; };
};
`,
  );
  const recursion = options.views
    ? ''
    : iterate
      ? `  recursion yes;\n  port ${iterate.port};\n`
      : upstreamPort
        ? `  recursion yes;\n  forward only;\n  forwarders { 127.0.0.1 port ${upstreamPort}; };\n`
        : '  recursion no;\n';
  const hints = iterate ? 'zone "." { type hint; file "root.hints"; };\n' : '';
  const policyZones = options.policyZones ?? [];
  const policy =
    policyZones.length === 0
      ? ''
      : `  response-policy { ${policyZones.map(({ name }) => `zone "${name}";`).join(' ')} };\n`;
  const zones = [...(options.zones ?? []), ...policyZones].map(
    ({ name }) => `zone "${name}" { type primary; file "${name}.zone"; };\n`,
  );
  const forwardZones = (options.forwardZones ?? []).map(
    (zone) => `zone "${zone}" { type forward; forward only; forwarders { 127.0.0.1 port ${upstreamPort}; }; };\n`,
  );
  return `options {
  directory "${folder}";
  pid-file "${folder}/named.pid";
  session-keyfile "${folder}/session.key";
  managed-keys-directory "${folder}";
  listen-on port ${port} { 127.0.0.1; };
  listen-on-v6 { none; };
  allow-query { 127.0.0.0/8; };
  dnssec-validation no;
  minimal-responses ${options.minimalResponses === false ? 'no' : 'yes'};
${recursion}${policy}  ${options.options ?? ''}
};
controls { };
${hints}${zones.join('')}${forwardZones.join('')}${views.join('')}`;
}
