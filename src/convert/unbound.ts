/** unbound.conf(5): sections with `key: value` lines, includes, comments. */
import { dirname } from 'node:path';
import { Draft, endpoint, listenOn, mebibytes, type Place, type Server, seconds, sizeText, zoneName } from './draft.ts';
import { misread, type ReadFile } from './sources.ts';

interface Directive extends Place {
  readonly section: number;
  readonly key: string;
  readonly value: string;
}

interface Section extends Place {
  readonly name: string;
  readonly directives: Directive[];
}

const MAX_DEPTH = 16;
/** `key:`, and words, quoted or not, up to the next key of the line. */
const KEY_AND_VALUE =
  /([a-z0-9-]+):(?:\s+((?:"[^"]*"|(?![a-z0-9-]+:(?:\s|$))\S+)(?:\s+(?:"[^"]*"|(?![a-z0-9-]+:(?:\s|$))\S+))*))?(?=\s|$)/gi;

export async function convertUnbound(file: string, read: ReadFile): Promise<Draft> {
  const sections: Section[] = [];
  await readInto(sections, file, read, 0);
  const draft = new Draft();
  const server = sections.filter(({ name }) => name === 'server').flatMap(({ directives }) => directives);
  convertServer(draft, server);
  for (const section of sections) {
    if (section.name === 'server') continue;
    if (section.name === 'forward-zone') forwardZone(draft, section);
    else if (section.name === 'stub-zone') stubZone(draft, section);
    else draft.note('left-out', section, `${section.name}:`, SECTIONS[section.name] ?? 'there is no such section here');
  }
  return draft;
}

const SECTIONS: Readonly<Record<string, string>> = {
  'remote-control': '`sekisho` talks to the admin API (section `admin`), with roles and an audit log',
  'auth-zone': '`zones: [{ zone, records: FILE }]` reads a zone file; zone transfers are made for `lists` alone',
  rpz: '`lists` with `category: policy, format: rpz` takes policy zones; each has to state its ground',
  view: '`views` has its own way of saying who sees what',
  dnstap: 'the plugin dnstap does that, with pseudonyms and a stated ground',
  cachedb: 'the cache lies in memory alone',
  dnscrypt: 'DNSCrypt is not spoken; `transport: tls` and `https` are',
  python: 'plugins are written in JavaScript (docs/plugins.md)',
  dynlib: 'plugins are written in JavaScript (docs/plugins.md)',
};

async function readInto(sections: Section[], file: string, read: ReadFile, depth: number): Promise<void> {
  if (depth > MAX_DEPTH) throw misread(file, 0, 'includes itself, or too many files');
  const lines = (await read.text(file)).split('\n');
  for (const [i, raw] of lines.entries()) {
    const line = withoutComment(raw);
    if (line === '') continue;
    const place = { file, line: i + 1 };
    for (const [, key, value] of line.matchAll(KEY_AND_VALUE)) {
      const text = (value ?? '').trim();
      if (key === 'include' || key === 'include-toplevel') {
        for (const found of await read.matching(unquoted(text), dirname(file)))
          await readInto(sections, found, read, depth + 1);
      } else if (text === '') sections.push({ ...place, name: key!.toLowerCase(), directives: [] });
      else {
        const section = sections.at(-1);
        if (section === undefined) throw misread(file, i + 1, `'${key}' stands before any section`);
        section.directives.push({ ...place, section: sections.length - 1, key: key!.toLowerCase(), value: text });
      }
    }
    if (!/^\s*[a-z0-9-]+:/i.test(line)) throw misread(file, i + 1, `'${line.slice(0, 40)}' is no 'key: value'`);
  }
}

/** A `#` outside of quotes begins a comment; inside of an address it stands before a TLS name. */
function withoutComment(raw: string): string {
  let quoted = false;
  for (let i = 0; i < raw.length; i++) {
    if (raw[i] === '"') quoted = !quoted;
    if (raw[i] === '#' && !quoted && (i === 0 || /\s/.test(raw[i - 1]!))) return raw.slice(0, i).trim();
  }
  return raw.trim();
}

function unquoted(text: string): string {
  return text.replace(/^(["'])(.*)\1$/, '$2');
}

const isYes = (value: string) => value === 'yes';

type Take = (
  draft: Draft,
  value: string,
  directive: Directive,
  all: readonly Directive[],
) => string | undefined | false;

/** Returns false where it cannot be taken, with what was noted; a text: it was taken with another meaning. */
const SERVER: Readonly<Record<string, Take>> = {
  interface: (draft, value, _, all) => {
    const [address = '', port] = value.split('@');
    const number = Number(port ?? last(all, 'port') ?? 53);
    const tls = last(all, 'tls-port') ?? '853';
    const [key, certificate] = [last(all, 'tls-service-key'), last(all, 'tls-service-pem')];
    if (String(number) === tls && key && certificate)
      draft.listen.push({ address: listenOn(address, number), transport: 'tls', certificate, key });
    else draft.listen.push(listenOn(address, number));
    return /^[0-9a-f:.]+$/i.test(address) ? undefined : 'names a network interface: write its addresses';
  },
  port: () => undefined,
  'tls-port': () => undefined,
  'tls-service-key': () => undefined,
  'tls-service-pem': () => undefined,
  'access-control': (draft, value) => {
    const [network = '', action = ''] = value.split(/\s+/);
    if (action.startsWith('allow')) {
      draft.access.push(network);
      return action === 'allow' ? undefined : `counts as 'allow'`;
    }
    // Nobody is let in unless told.
    return undefined;
  },
  'num-threads': (draft, value) => {
    draft.set('server', 'workers', Math.min(64, Math.max(1, Number(value))));
    return undefined;
  },
  'so-rcvbuf': (draft, value) => {
    const size = sizeText(value);
    if (size === undefined || Number(value) === 0) return undefined;
    draft.set('server', 'udp', { 'receive-buffer': size });
    return undefined;
  },
  'msg-cache-size': (draft, _, __, all) => cacheSize(draft, all),
  'rrset-cache-size': (draft, _, __, all) => cacheSize(draft, all),
  'cache-max-ttl': (draft, value) => {
    draft.set('cache', 'max-ttl', seconds(Number(value), 604_800));
    return undefined;
  },
  'cache-min-ttl': (draft, value) => {
    draft.set('cache', 'min-ttl', seconds(Number(value), 3600));
    return undefined;
  },
  'serve-expired': (draft, value, _, all) => {
    const ttl = last(all, 'serve-expired-ttl');
    draft.set('cache', 'serve-stale', isYes(value) ? (ttl ? seconds(Number(ttl), 604_800) : '1d') : '0s');
    return isYes(value) ? 'serves what has expired only while no upstream answers (RFC 8767)' : undefined;
  },
  'serve-expired-ttl': () => undefined,
  'do-ip4': (draft, value) => outgoing(draft, 'ipv4', value),
  'do-ip6': (draft, value) => outgoing(draft, 'ipv6', value),
  'qname-minimisation': (draft, value) => outgoing(draft, 'minimise', value),
  'use-caps-for-id': (draft, value) => {
    draft.set('upstream', 'mixed-case', isYes(value));
    return undefined;
  },
  'caps-exempt': (draft, value) => {
    draft.add('upstream', 'lower-case-zones', zoneName(unquoted(value)));
    return undefined;
  },
  'do-not-query-address': (draft, value) => {
    draft.add('resolve', 'never-ask', value);
    return 'replaces the list of networks that are never asked';
  },
  'auto-trust-anchor-file': (draft) => {
    draft.set('dnssec', 'validate', true);
    return "the root's keys are built in and followed by RFC 5011; the file is not used";
  },
  'trust-anchor-file': (draft, value) => {
    draft.set('dnssec', 'validate', true);
    draft.set('dnssec', 'trust-anchor', unquoted(value));
    return undefined;
  },
  'trust-anchor': (draft) => {
    draft.set('dnssec', 'validate', true);
    return 'put this record into a file and name it in `dnssec.trust-anchor`; until then the built-in keys of the root count';
  },
  'domain-insecure': (draft, value) => {
    draft.add('dnssec', 'insecure', zoneName(unquoted(value)));
    return undefined;
  },
  'aggressive-nsec': (draft, value) => {
    draft.set('dnssec', 'aggressive-nsec', isYes(value));
    return undefined;
  },
  identity: (draft, value) => identity(draft, 'id', value),
  version: (draft, value) => identity(draft, 'version', value),
  'local-zone': (draft, value) => {
    const [zone = '', type = ''] = value.split(/\s+/);
    if (type !== 'nodefault') return false;
    draft.set('special-use', zoneName(unquoted(zone)), false);
    return undefined;
  },
  'tcp-idle-timeout': (draft, value) => {
    draft.set('server', 'tcp', { 'idle-timeout': `${Math.min(300, Math.max(1, Math.round(Number(value) / 1000)))}s` });
    return undefined;
  },
  'incoming-num-tcp': (draft, value) => {
    const tcp = (draft.sections.get('server')?.['tcp'] as object | undefined) ?? {};
    draft.set('server', 'tcp', { ...tcp, 'max-connections': Math.min(100_000, Math.max(1, Number(value))) });
    return 'counts for all workers together';
  },
  'dns64-prefix': (draft, value) => {
    draft.set('plugins', 'dns64', { ...(draft.sections.get('plugins')?.['dns64'] as object), prefix: value });
    return undefined;
  },
  'dns64-ignore-aaaa': () => false,
  'module-config': (draft, value) => {
    const modules = unquoted(value).split(/\s+/);
    if (modules.includes('dns64')) draft.set('plugins', 'dns64', draft.sections.get('plugins')?.['dns64'] ?? {});
    const known = ['dns64', 'validator', 'iterator', 'respip'];
    return modules.every((one) => known.includes(one)) ? undefined : false;
  },
};

/** What the server does anyway, or what has no object here. */
const BUILT_IN = new Set([
  ...['harden-glue', 'harden-dnssec-stripped', 'harden-referral-path', 'harden-short-bufsize', 'harden-large-queries'],
  ...[
    'harden-algo-downgrade',
    'harden-below-nxdomain',
    'harden-unverified-glue',
    'hide-identity',
    'hide-version',
    'hide-trustanchor',
  ],
  ...[
    'root-hints',
    'prefetch',
    'prefetch-key',
    'minimal-responses',
    'deny-any',
    'ede',
    'ede-serve-expired',
    'edns-buffer-size',
  ],
  ...['so-reuseport', 'so-sndbuf', 'outgoing-range', 'num-queries-per-thread', 'msg-cache-slabs', 'rrset-cache-slabs'],
  ...[
    'infra-cache-slabs',
    'key-cache-slabs',
    'key-cache-size',
    'neg-cache-size',
    'infra-cache-numhosts',
    'infra-host-ttl',
  ],
  ...[
    'directory',
    'pidfile',
    'chroot',
    'username',
    'use-syslog',
    'logfile',
    'log-queries',
    'log-replies',
    'verbosity',
    'log-time-ascii',
  ],
  ...[
    'do-udp',
    'do-tcp',
    'do-daemonize',
    'target-fetch-policy',
    'val-clean-additional',
    'val-log-level',
    'val-nsec3-keysize-iterations',
  ],
  ...[
    'max-udp-size',
    'rrset-roundrobin',
    'unwanted-reply-threshold',
    'jostle-timeout',
    'delay-close',
    'statistics-interval',
  ],
  ...[
    'statistics-cumulative',
    'extended-statistics',
    'outgoing-num-tcp',
    'tls-cert-bundle',
    'do-not-query-localhost',
    'interface-automatic',
  ],
  ...[
    'trust-anchor-signaling',
    'root-key-sentinel',
    'answer-cookie',
    'tls-upstream',
    'ssl-upstream',
    'val-permissive-mode',
    'log-servfail',
  ],
]);

const WHY_NOT: Readonly<Record<string, string>> = {
  'local-data': 'put the records into a zone file: `zones: [{ zone, records: FILE }]`',
  'local-data-ptr': 'put the records into a zone file: `zones: [{ zone, records: FILE }]`',
  'local-zone':
    'a zone of ones own is a zone file (`zones … records`); a block is a list of `category: policy` with its ground',
  'private-address': 'answers with private addresses are not removed; a policy zone with rpz-ip rules does that',
  'private-domain': 'answers with private addresses are not removed',
  ratelimit: 'the plugin random-subdomain limits what a failing zone is asked; amp-shaper what forged sources get',
  'ip-ratelimit': 'the plugin amp-shaper and `server.overload` limit clients',
  'access-control-view': '`views` has its own way of saying who sees what',
  'access-control-tag': '`views` and `lists` take the place of tags',
  'outgoing-interface': 'queries leave from the address that the kernel chooses',
  'val-permissive-mode': 'what is bogus is never served; `sekisho dnssec except` excepts a zone for a while',
};

function convertServer(draft: Draft, directives: readonly Directive[]): void {
  for (const directive of directives) {
    const { key, value } = directive;
    const text = `${key}: ${value}`;
    const take = SERVER[key];
    if (take === undefined) {
      if (BUILT_IN.has(key)) draft.note('built-in', directive, text, 'nothing has to be written for this');
      else draft.note('left-out', directive, text, WHY_NOT[key] ?? 'there is nothing like it here');
      continue;
    }
    const changed = take(draft, unquoted(value), directive, directives);
    if (changed === false) draft.note('left-out', directive, text, WHY_NOT[key] ?? 'not taken over in this form');
    else {
      draft.taken++;
      if (changed !== undefined) draft.note('changed', directive, text, changed);
    }
  }
  const port = Number(last(directives, 'port') ?? 53);
  // unbound.conf(5): without `interface` the loopback addresses alone; without `access-control` those clients alone.
  if (draft.listen.length === 0) draft.listen.push(listenOn('127.0.0.1', port), listenOn('::1', port));
  if (draft.access.length === 0) draft.access.push('127.0.0.0/8', '::1/128');
  else if (!draft.access.some((network) => network.startsWith('127.'))) draft.access.push('127.0.0.0/8', '::1/128');
}

function last(directives: readonly Directive[], key: string): string | undefined {
  const found = directives.findLast((directive) => directive.key === key)?.value;
  return found === undefined ? undefined : unquoted(found);
}

function cacheSize(draft: Draft, all: readonly Directive[]): undefined {
  const bytes = ['msg-cache-size', 'rrset-cache-size'].map((key) => {
    const text = sizeText(last(all, key) ?? '4m');
    return text === undefined ? 4 * 1024 ** 2 : Number.parseInt(text, 10) * 1024 ** 2;
  });
  draft.set('cache', 'size', mebibytes(bytes[0]! + bytes[1]!));
}

function outgoing(draft: Draft, key: string, value: string): undefined {
  if (!isYes(value)) draft.set('resolve', key, false);
}

function identity(draft: Draft, key: string, value: string): undefined {
  const known = (draft.sections.get('server')?.['identity'] as object | undefined) ?? {};
  if (value !== '') draft.set('server', 'identity', { ...known, [key]: value });
}

/** `address@port#name`. */
function serverOf(value: string, tls: boolean): Server {
  const [rest = '', name] = value.split('#');
  const [address = '', port] = rest.split('@');
  if (!tls) return endpoint(address, port === undefined ? undefined : Number(port));
  return { address, tls: { mode: 'strict', name: name ?? address } };
}

function forwardZone(draft: Draft, { directives, ...section }: Section): void {
  const zone = zoneName(last(directives, 'name') ?? '.');
  const tls = ['forward-tls-upstream', 'forward-ssl-upstream'].some((key) => last(directives, key) === 'yes');
  const servers: Server[] = [];
  for (const directive of directives) {
    const { key, value } = directive;
    if (key === 'forward-addr') {
      servers.push(serverOf(unquoted(value), tls));
      draft.taken++;
    } else if (key === 'forward-host')
      draft.note('left-out', directive, `${key}: ${value}`, 'write the address of this server');
    else if (key === 'forward-first' && value === 'yes')
      draft.note(
        'left-out',
        directive,
        `${key}: ${value}`,
        'what these servers do not answer is not looked for elsewhere',
      );
    else if (key === 'forward-no-cache' && value === 'yes')
      draft.note('left-out', directive, `${key}: ${value}`, 'answers of these servers are kept like others');
  }
  if (servers.length === 0)
    draft.note('left-out', section, `forward-zone: ${zone}`, 'it has no servers with an address');
  else if (zone === '.') draft.upstream.push(...servers);
  else draft.zones.push({ zone, forward: servers });
}

function stubZone(draft: Draft, { directives, ...section }: Section): void {
  const zone = zoneName(last(directives, 'name') ?? '.');
  const servers: string[] = [];
  for (const directive of directives) {
    const { key, value } = directive;
    if (key === 'stub-addr') {
      servers.push(serverOf(unquoted(value), false) as string);
      draft.taken++;
    } else if (key === 'stub-host')
      draft.note('left-out', directive, `${key}: ${value}`, 'write the address of this server');
    else if ((key === 'stub-prime' || key === 'stub-first') && value === 'yes')
      draft.note('left-out', directive, `${key}: ${value}`, 'the servers that are named are asked, and no others');
  }
  if (servers.length === 0 || zone === '.')
    draft.note('left-out', section, `stub-zone: ${zone}`, 'it has no servers with an address, or is the root');
  else draft.zones.push({ zone, stub: servers });
}
