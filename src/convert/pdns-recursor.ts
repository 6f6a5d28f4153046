/** recursor.conf of PowerDNS Recursor, before its YAML: `key=value` lines, `+=`, include-dir, forward-zones-file. */
import { dirname, join } from 'node:path';
import { Draft, endpoint, listenOn, type Place, type Server, seconds, zoneName } from './draft.ts';
import { misread, type ReadFile } from './sources.ts';

interface Setting extends Place {
  readonly key: string;
  readonly value: string;
}

/** Its own default: networks that are private, or this machine. */
const DEFAULT_ACCESS = [
  ...['127.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '169.254.0.0/16', '192.168.0.0/16', '172.16.0.0/12'],
  ...['::1/128', 'fc00::/7', 'fe80::/10'],
];

export async function convertPdnsRecursor(file: string, read: ReadFile): Promise<Draft> {
  const settings = await readSettings(file, read);
  for (const { value } of settings.filter(({ key }) => key === 'include-dir'))
    for (const found of await read.matching(join(value, '*.conf'), dirname(file)))
      settings.push(...(await readSettings(found, read)));
  const draft = new Draft();
  const of = (key: string) => settings.findLast((setting) => setting.key === key)?.value;
  for (const setting of settings) await convertSetting(draft, setting, of, read);
  const port = Number(of('local-port') ?? 53);
  const listens = words(of('local-address') ?? '127.0.0.1');
  draft.listen.push(...listens.map((one) => listening(one, port)));
  draft.access.push(...networks(of('allow-from') ?? DEFAULT_ACCESS.join(',')));
  if (of('dnssec') === undefined) validation(draft, 'process');
  return draft;
}

async function readSettings(file: string, read: ReadFile): Promise<Setting[]> {
  const settings: Setting[] = [];
  for (const [i, raw] of (await read.text(file)).split('\n').entries()) {
    const line = raw.replace(/#.*/, '').trim();
    if (line === '') continue;
    const found = /^([a-z0-9-]+)\s*(\+?)=\s*(.*)$/i.exec(line);
    if (!found)
      throw misread(
        file,
        i + 1,
        `'${line.slice(0, 40)}' is no 'key=value' (the YAML form of newer versions is not read)`,
      );
    const [, key = '', more, value = ''] = found;
    const before = more ? settings.findLast((one) => one.key === key)?.value : undefined;
    settings.push({
      file,
      line: i + 1,
      key: key.toLowerCase(),
      value: before === undefined ? value.trim() : `${before}, ${value.trim()}`,
    });
  }
  return settings;
}

const BUILT_IN = new Set([
  ...[
    'quiet',
    'security-poll-suffix',
    'public-suffix-list-file',
    'hint-file',
    'config-dir',
    'config-name',
    'socket-dir',
    'daemon',
    'setuid',
  ],
  ...[
    'setgid',
    'include-dir',
    'local-port',
    'local-address',
    'allow-from',
    'disable-syslog',
    'loglevel',
    'log-timestamp',
    'trace',
    'chroot',
  ],
  ...[
    'pdns-distributes-queries',
    'reuseport',
    'distributor-threads',
    'root-nx-trust',
    'nothing-below-nxdomain',
    'edns-outgoing-bufsize',
  ],
  ...[
    'udp-truncation-threshold',
    'any-to-tcp',
    'max-mthreads',
    'max-recursion-depth',
    'max-qperq',
    'stack-size',
    'entropy-source',
  ],
  ...[
    'spoof-nearmiss-max',
    'server-down-max-fails',
    'server-down-throttle-time',
    'packetcache-ttl',
    'packetcache-servfail-ttl',
  ],
  ...[
    'disable-packetcache',
    'max-packetcache-entries',
    'single-socket',
    'write-pid',
    'refresh-on-ttl-perc',
    'extended-resolution-errors',
  ],
  ...[
    'latency-statistic-size',
    'stats-ringbuffer-entries',
    'log-common-errors',
    'query-local-address',
    'gettag-needs-edns-options',
  ],
]);

const WHY_NOT: Readonly<Record<string, string>> = {
  'lua-config-file':
    'trust anchors go into `dnssec.trust-anchor`, policy zones into `lists`; each policy states its ground',
  'lua-dns-script': 'plugins are written in JavaScript (docs/plugins.md)',
  'max-cache-entries': 'the cache is bounded in bytes: `cache.size`',
  webserver: '`admin.listen` has API, console and `/metrics`',
  'webserver-address': '`admin.listen`',
  'webserver-port': '`admin.listen`',
  'webserver-allow-from': '`admin.listen` stays on loopback or behind a proxy',
  'api-key': '`admin.tokens-file` has tokens with roles',
  'export-etc-hosts': 'put the records into a zone file: `zones: [{ zone, records: FILE }]`',
  'etc-hosts-file': 'put the records into a zone file: `zones: [{ zone, records: FILE }]`',
  'edns-subnet-allow-list': 'client subnets are never sent',
  'edns-subnet-whitelist': 'client subnets are never sent',
  'protobuf-server': 'the plugin dnstap does that, with pseudonyms and a stated ground',
  carbonserver: '`/metrics` (Prometheus)',
  'carbon-server': '`/metrics` (Prometheus)',
};

async function convertSetting(
  draft: Draft,
  setting: Setting,
  of: (key: string) => string | undefined,
  read: ReadFile,
): Promise<void> {
  const { key, value } = setting;
  const text = `${key}=${value}`;
  const changed = (why: string) => draft.note('changed', setting, text, why);
  draft.taken++;
  switch (key) {
    case 'forward-zones':
    case 'forward-zones-recurse':
      for (const one of value
        .split(',')
        .map((each) => each.trim())
        .filter(Boolean))
        forwardZone(draft, one, key.endsWith('recurse'));
      return;
    case 'forward-zones-file':
      for (const raw of (await read.text(value)).split('\n')) {
        const one = raw.replace(/#.*/, '').trim();
        if (one !== '') forwardZone(draft, one, false);
      }
      return;
    case 'auth-zones':
      for (const one of value.split(',')) {
        const [zone = '', file = ''] = one.trim().split('=');
        if (file !== '') draft.zones.push({ zone: zoneName(zone), records: file.trim() });
      }
      return;
    case 'dnssec':
      validation(draft, value);
      if (value === 'process' || value === 'log-fail')
        changed('every answer is validated, for whoever asks: what is bogus is SERVFAIL');
      return;
    case 'threads':
      draft.set('server', 'workers', Math.min(64, Math.max(1, Number(value))));
      return;
    case 'max-cache-ttl':
      draft.set('cache', 'max-ttl', seconds(Number(value), 604_800));
      return;
    case 'minimum-ttl-override':
      draft.set('cache', 'min-ttl', seconds(Number(value), 3600));
      return;
    case 'serve-stale-extensions':
      draft.set('cache', 'serve-stale', seconds(Number(value) * 30, 604_800));
      return;
    case 'network-timeout':
      changed('servers are waited for by their own latency; `upstream.timeout` bounds the whole');
      return;
    case 'qname-minimization':
      if (value === 'no') draft.set('resolve', 'minimise', false);
      return;
    case 'aggressive-nsec-cache-size':
      draft.set('dnssec', 'aggressive-nsec', Number(value) > 0);
      return;
    case 'dont-query':
      for (const one of words(value).filter((each) => !each.startsWith('!'))) draft.add('resolve', 'never-ask', one);
      if (of('dont-query')?.includes('!'))
        changed('networks with `!` before them are asked: leave them out of the others');
      return;
    case 'serve-rfc1918':
      if (value === 'no') draft.set('special-use', 'private-reverse', false);
      return;
    case 'server-id':
    case 'version-string': {
      const known = (draft.sections.get('server')?.['identity'] as object | undefined) ?? {};
      if (value !== '' && value !== 'disabled')
        draft.set('server', 'identity', { ...known, [key === 'server-id' ? 'id' : 'version']: value });
      return;
    }
    case 'max-tcp-clients':
    case 'max-tcp-per-client':
    case 'client-tcp-timeout': {
      const known = (draft.sections.get('server')?.['tcp'] as object | undefined) ?? {};
      const own =
        key === 'client-tcp-timeout'
          ? { 'idle-timeout': `${Math.min(300, Math.max(1, Number(value)))}s` }
          : {
              [key === 'max-tcp-clients' ? 'max-connections' : 'max-connections-per-client']: Math.min(
                100_000,
                Number(value) || 100,
              ),
            };
      draft.set('server', 'tcp', { ...known, ...own });
      return;
    }
    case 'dns64-prefix':
      draft.set('plugins', 'dns64', { prefix: value });
      return;
    case 'proxy-protocol-from':
      if (value === '') return;
      draft.taken--;
      draft.note(
        'left-out',
        setting,
        text,
        'write `server.listen: [{ address, proxy-protocol: [NETWORKS] }]`: a header is then required there',
      );
      return;
    default:
      draft.taken--;
      if (BUILT_IN.has(key))
        draft.note(
          'built-in',
          setting,
          text,
          'nothing has to be written for this, or it is part of what was taken over',
        );
      else draft.note('left-out', setting, text, WHY_NOT[key] ?? 'there is nothing like it here');
  }
}

function validation(draft: Draft, value: string): void {
  draft.set('dnssec', 'validate', value !== 'off' && value !== 'process-no-validate');
}

/** `zone=address;address:port`; with `+` before it the servers are asked with recursion, with `^` NOTIFY is taken as well. */
function forwardZone(draft: Draft, text: string, recurse: boolean): void {
  const [name = '', list = ''] = text.split('=');
  const zone = zoneName(name.replace(/^[+^]+/, '').trim());
  const servers = list
    .split(/[;,]/)
    .map((one) => one.trim())
    .filter(Boolean)
    .map(server);
  if (servers.length === 0) return;
  if (zone === '.') draft.upstream.push(...servers);
  else if (recurse || /^\^?\+/.test(name)) draft.zones.push({ zone, forward: servers });
  else draft.zones.push({ zone, stub: servers as string[] });
}

function server(text: string): Server {
  const bracketed = /^\[([^\]]+)\](?::(\d+))?$/.exec(text);
  if (bracketed) return endpoint(bracketed[1]!, bracketed[2] ? Number(bracketed[2]) : undefined);
  const [address = '', port, ...more] = text.split(':');
  if (more.length > 0) return endpoint(text, undefined);
  return endpoint(address, port ? Number(port) : undefined);
}

function listening(text: string, port: number): string {
  const made = server(text) as string;
  if (/\]:\d+$/.test(made) || /^[\d.]+:\d+$/.test(made)) return made;
  return listenOn(made.replace(/^\[|\]$/g, ''), port);
}

function networks(text: string): string[] {
  return words(text).map((one) => one.replace(/^!/, ''));
}

function words(text: string): string[] {
  return text.split(/[,\s]+/).filter(Boolean);
}
