/** named.conf(5): options, zones, ACLs. */
import { isAbsolute, join } from 'node:path';
import { readStatements, type Statement } from './bind-text.ts';
import { Draft, endpoint, listenOn, type Server, seconds, sizeText, zoneName } from './draft.ts';
import type { ReadFile } from './sources.ts';

/** Zones of Debian's sample that special-use names answer. */
const SPECIAL_USE = new Set(['localhost', '127.in-addr.arpa', '0.in-addr.arpa', '255.in-addr.arpa', '0.ip6.arpa']);

export async function convertBind(file: string, read: ReadFile): Promise<Draft> {
  const statements = await readStatements(file, read);
  const draft = new Draft();
  const options = statements.filter(({ words }) => words[0] === 'options').flatMap(({ block }) => block ?? []);
  const context: Context = {
    draft,
    folder: lastValue(options, 'directory') ?? '/var/cache/bind',
    acls: new Map(
      statements.flatMap(({ words, block }) =>
        words[0] === 'acl' && words[1] && block ? [[words[1], block] as const] : [],
      ),
    ),
  };
  convertOptions(context, options);
  for (const statement of statements) {
    const [kind = ''] = statement.words;
    if (kind === 'options' || kind === 'acl') continue;
    if (kind === 'zone') convertZone(context, statement);
    else if (kind === 'trust-anchors' || kind === 'managed-keys' || kind === 'trusted-keys') {
      draft.set('dnssec', 'validate', true);
      const why =
        'put these records, as DNSKEY or DS, into a file and name it in `dnssec.trust-anchor`; until then the built-in keys of the root count';
      draft.note('changed', statement, textOf(statement), why);
    } else draft.note('left-out', statement, textOf(statement), STATEMENTS[kind] ?? 'there is nothing like it here');
  }
  return draft;
}

interface Context {
  readonly draft: Draft;
  readonly folder: string;
  readonly acls: ReadonlyMap<string, readonly Statement[]>;
}

const STATEMENTS: Readonly<Record<string, string>> = {
  logging: 'the log is JSON lines on standard output; names asked for are never in it',
  controls: '`sekisho` talks to the admin API (section `admin`)',
  key: '`transfer.keys-file` holds TSIG keys for lists',
  view: '`views` has its own way of saying who sees what; convert the zones in it one by one',
  'statistics-channels': '`/metrics` on `admin.listen` (Prometheus)',
  server: 'what a server can do is found out',
  tls: '`server.listen` with `transport: tls` or `https`',
  http: '`server.listen` with `transport: https`',
  primaries: 'zones are not transferred but for `lists`',
  masters: 'zones are not transferred but for `lists`',
};

const BUILT_IN = new Set([
  ...[
    'directory',
    'pid-file',
    'auth-nxdomain',
    'session-keyfile',
    'managed-keys-directory',
    'minimal-responses',
    'minimal-any',
  ],
  ...[
    'edns-udp-size',
    'max-udp-size',
    'recursive-clients',
    'prefetch',
    'root-key-sentinel',
    'trust-anchor-telemetry',
    'require-server-cookie',
  ],
  ...[
    'answer-cookie',
    'send-cookie',
    'dump-file',
    'statistics-file',
    'memstatistics-file',
    'key-directory',
    'bindkeys-file',
    'querylog',
  ],
  ...[
    'dnssec-enable',
    'additional-from-auth',
    'additional-from-cache',
    'allow-transfer',
    'allow-update',
    'notify',
    'transfer-format',
  ],
  ...[
    'reserved-sockets',
    'files',
    'max-recursion-depth',
    'max-recursion-queries',
    'resolver-query-timeout',
    'tcp-listen-queue',
    'recursion',
  ],
]);

const WHY_NOT: Readonly<Record<string, string>> = {
  'response-policy': '`lists` with `category: policy, format: rpz` takes policy zones; each has to state its ground',
  'rate-limit': 'the plugin amp-shaper bounds what forged sources get, and is on',
  blackhole: '`views[].access.drop`',
  sortlist: 'addresses are answered as they came',
  'rrset-order': 'addresses are answered as they came',
  'query-source': 'queries leave from the address that the kernel chooses, and from random ports',
  'query-source-v6': 'queries leave from the address that the kernel chooses, and from random ports',
  dnstap: 'the plugin dnstap does that, with pseudonyms and a stated ground',
  'deny-answer-addresses': 'a policy zone with rpz-ip rules does that (`lists`)',
  'deny-answer-aliases': 'a policy zone does that (`lists`)',
  'fetches-per-zone': 'the plugin random-subdomain limits what a failing zone is asked',
  'fetches-per-server': 'servers are spared by `resolve.budget` and their own latency',
  'catalog-zones': 'zones are not transferred but for `lists`',
};

function convertOptions({ draft, acls }: Context, options: readonly Statement[]): void {
  const access: { found: boolean; local: boolean } = { found: false, local: false };
  const listens: string[] = [];
  const set = (section: string, key: string, value: unknown) => draft.set(section, key, value);
  for (const option of options) {
    const [key = '', value = ''] = option.words;
    const taken = () => void draft.taken++;
    const changed = (why: string) => {
      taken();
      draft.note('changed', option, textOf(option), why);
    };
    const leftOut = (why: string) => draft.note('left-out', option, textOf(option), why);
    switch (key) {
      case 'listen-on':
      case 'listen-on-v6': {
        const ipv6 = key === 'listen-on-v6';
        const port = Number(after(option.words, 'port') ?? 53);
        if (option.words.includes('tls')) {
          leftOut('name certificate and key in `server.listen` with `transport: tls` or `https`');
          break;
        }
        for (const { words } of option.block ?? []) {
          const [address = ''] = words;
          if (address === 'none') listens.push(ipv6 ? 'no 6' : 'no 4');
          else if (address === 'any') listens.push(listenOn(ipv6 ? '::' : '0.0.0.0', port));
          else if (/^[0-9a-f.:]+$/i.test(address)) listens.push(listenOn(address, port));
          else leftOut(`'${address}' is no single address: write the addresses to listen on`);
        }
        taken();
        break;
      }
      case 'allow-recursion':
      case 'allow-query':
      case 'allow-query-cache': {
        // Who may use the resolver is said by the narrowest of them: allow-recursion, else allow-query.
        const counts =
          key === 'allow-recursion' ||
          (key === 'allow-query' && !options.some(({ words }) => words[0] === 'allow-recursion'));
        if (!counts) {
          draft.note('built-in', option, textOf(option), '`server.access` says who may ask at all, cache included');
          break;
        }
        access.found = true;
        const problems = networksInto(draft.access, option.block ?? [], acls);
        if (problems.length > 0) changed(`left out of \`server.access\`: ${problems.join(', ')}; write their networks`);
        else taken();
        break;
      }
      case 'forwarders': {
        const servers = (option.block ?? []).map(({ words }) => forwarder(words));
        if (servers.length > 0) draft.upstream.push(...servers);
        taken();
        break;
      }
      case 'forward':
        if (value === 'first') leftOut('what the forwarders do not answer is not looked for elsewhere');
        else taken();
        break;
      case 'dnssec-validation':
        set('dnssec', 'validate', value !== 'no');
        taken();
        break;
      case 'validate-except':
        for (const { words } of option.block ?? []) draft.add('dnssec', 'insecure', zoneName(words[0] ?? ''));
        taken();
        break;
      case 'synth-from-dnssec':
        set('dnssec', 'aggressive-nsec', value === 'yes');
        taken();
        break;
      case 'max-cache-size': {
        const size = sizeText(value);
        if (size === undefined) leftOut('write the size in bytes: `cache.size`');
        else {
          set('cache', 'size', size);
          taken();
        }
        break;
      }
      case 'max-cache-ttl':
        set('cache', 'max-ttl', seconds(ttlSeconds(value), 604_800));
        taken();
        break;
      case 'min-cache-ttl':
        set('cache', 'min-ttl', seconds(ttlSeconds(value), 3600));
        taken();
        break;
      case 'stale-answer-enable':
      case 'stale-cache-enable':
        if (value === 'no') set('cache', 'serve-stale', '0s');
        taken();
        break;
      case 'max-stale-ttl':
        set('cache', 'serve-stale', seconds(ttlSeconds(value), 604_800));
        taken();
        break;
      case 'qname-minimization':
        if (value === 'off' || value === 'disabled') set('resolve', 'minimise', false);
        taken();
        break;
      case 'version':
      case 'server-id': {
        const known = (draft.sections.get('server')?.['identity'] as object | undefined) ?? {};
        if (value !== 'none') set('server', 'identity', { ...known, [key === 'version' ? 'version' : 'id']: value });
        taken();
        break;
      }
      case 'dns64': {
        const exclude = addresses(option.block, 'exclude');
        const clients = addresses(option.block, 'clients').filter((one) => one !== 'any');
        set('plugins', 'dns64', {
          prefix: value,
          ...(exclude.length > 0 && { exclude }),
          ...(clients.length > 0 && { clients }),
        });
        if ((option.block ?? []).some(({ words }) => words[0] === 'mapped' || words[0] === 'suffix'))
          changed('`mapped` and `suffix` are left out: `exclude-ipv4` names what is not translated');
        else taken();
        break;
      }
      case 'empty-zones-enable':
        if (value === 'no') set('special-use', 'private-reverse', false);
        taken();
        break;
      case 'disable-empty-zone':
        set('special-use', zoneName(value), false);
        taken();
        break;
      case 'tcp-clients': {
        set('server', 'tcp', { 'max-connections': Math.min(100_000, Math.max(1, Number(value))) });
        taken();
        break;
      }
      default:
        if (key === 'recursion' && value === 'no')
          leftOut('without recursion there is nothing to do: this is a resolver');
        else if (BUILT_IN.has(key))
          draft.note('built-in', option, textOf(option), 'nothing has to be written for this');
        else leftOut(WHY_NOT[key] ?? 'there is nothing like it here');
    }
  }
  // named.conf(5): every address of the machine, unless told otherwise.
  if (!listens.some((one) => one.startsWith('no 4') || !one.startsWith('['))) listens.push('0.0.0.0:53');
  if (!listens.some((one) => one.startsWith('no 6') || one.startsWith('['))) listens.push('[::]:53');
  draft.listen.push(...listens.filter((one) => !one.startsWith('no ')));
  if (access.found) {
    if (draft.access.length === 0) draft.access.push('127.0.0.0/8', '::1/128');
    return;
  }
  draft.access.push('127.0.0.0/8', '::1/128');
  const why =
    'BIND lets the networks of its own interfaces ask: write them into `server.access`; until then this machine alone may ask';
  draft.note('changed', { file: 'named.conf', line: 0 }, 'allow-recursion (not set)', why);
}

function convertZone({ draft, folder }: Context, statement: Statement): void {
  const zone = zoneName(statement.words[1] ?? '');
  const block = statement.block ?? [];
  const type = lastValue(block, 'type') ?? '';
  const leftOut = (why: string) => draft.note('left-out', statement, textOf(statement), why);
  const list = (key: string) => block.find(({ words }) => words[0] === key)?.block ?? [];
  switch (type) {
    case 'hint':
      draft.note(
        'built-in',
        statement,
        textOf(statement),
        "the root's servers are built in; `resolve.hints` takes a file",
      );
      return;
    case 'forward': {
      const servers = list('forwarders').map(({ words }) => forwarder(words));
      if (servers.length === 0) leftOut('it has no forwarders');
      else if (zone === '.') draft.upstream.push(...servers);
      else draft.zones.push({ zone, forward: servers });
      draft.taken++;
      return;
    }
    case 'stub':
    case 'static-stub': {
      const servers = [...list('server-addresses'), ...list('masters'), ...list('primaries')].map(({ words }) =>
        endpoint(words[0] ?? '', portOf(words)),
      );
      if (servers.length === 0) leftOut('it has no servers with an address');
      else draft.zones.push({ zone, stub: servers });
      draft.taken++;
      return;
    }
    case 'master':
    case 'primary': {
      const file = lastValue(block, 'file');
      if (SPECIAL_USE.has(zone))
        draft.note('built-in', statement, textOf(statement), 'answered as RFC 6761 and RFC 6303 say (`special-use`)');
      else if (file === undefined) leftOut('it has no file');
      else {
        draft.zones.push({ zone, records: isAbsolute(file) ? file : join(folder, file) });
        draft.taken++;
      }
      return;
    }
    case 'slave':
    case 'secondary':
    case 'mirror':
      leftOut('zones are not transferred: name its servers with `stub`, or keep its file with `records`');
      return;
    default:
      leftOut(`zones of type '${type}' do not exist here`);
  }
}

/** Networks of an address match list; returns what is none. */
function networksInto(
  into: string[],
  block: readonly Statement[],
  acls: ReadonlyMap<string, readonly Statement[]>,
  depth = 0,
): string[] {
  const problems: string[] = [];
  for (const { words, block: inner } of block) {
    const word = words.join(' ');
    const acl = acls.get(words[0] ?? '');
    if (inner !== undefined && words.length === 0) problems.push(...networksInto(into, inner, acls, depth + 1));
    else if (acl !== undefined && depth < 8) problems.push(...networksInto(into, acl, acls, depth + 1));
    else if (word === 'any') into.push('0.0.0.0/0', '::/0');
    else if (word === 'localhost') into.push('127.0.0.0/8', '::1/128');
    else if (word === 'none') continue;
    else if (/^[0-9a-f.:]+(\/\d+)?$/i.test(word)) into.push(word);
    else problems.push(word);
  }
  return problems;
}

function forwarder(words: readonly string[]): Server {
  const [address = ''] = words;
  const tls = after(words, 'tls');
  if (tls === undefined) return endpoint(address, portOf(words));
  return { address, tls: { mode: 'strict', name: address } };
}

function addresses(block: readonly Statement[] | undefined, key: string): string[] {
  return (block?.find(({ words }) => words[0] === key)?.block ?? []).map(({ words }) => words[0] ?? '');
}

function portOf(words: readonly string[]): number | undefined {
  const port = after(words, 'port');
  return port === undefined ? undefined : Number(port);
}

function after(words: readonly string[], key: string): string | undefined {
  const at = words.indexOf(key);
  return at < 0 ? undefined : words[at + 1];
}

function lastValue(block: readonly Statement[], key: string): string | undefined {
  return block.findLast(({ words }) => words[0] === key)?.words[1];
}

/** Seconds, or `1d12h`. */
function ttlSeconds(text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  let sum = 0;
  for (const [, count, unit] of text.matchAll(/(\d+)([smhdw])/gi))
    sum +=
      Number(count) *
      { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 }[unit!.toLowerCase() as 's' | 'm' | 'h' | 'd' | 'w'];
  return sum;
}

function textOf({ words, block }: Statement): string {
  return block === undefined ? words.join(' ') : `${words.join(' ')} { ${block.map(textOf).join('; ')} }`;
}
