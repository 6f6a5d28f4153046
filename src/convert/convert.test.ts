import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { ensurePackages } from '../../test/support/debian.ts';
import { loadConfig } from '../config/load.ts';
import { featuresIn } from '../features.ts';
import { resolvePlugin } from '../loading/plugins.ts';
import { problemText } from '../settings/yaml-source.ts';
import { type Converted, convert } from './convert.ts';
import { type Draft, yamlOf } from './draft.ts';

const folder = mkdtempSync(join(tmpdir(), 'sekisho-convert-'));

function written(name: string, text: string): string {
  const file = join(folder, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}

/** Convert, and have `sekisho check` read what comes out. */
async function accepted(
  file: string,
  from?: Converted,
): Promise<{ draft: Draft; from: Converted; yaml: Record<string, never> }> {
  const made = await convert(file, from);
  const text = yamlOf(made.draft, file);
  const path = written(`made-${Math.random()}.yaml`, text);
  const features = await featuresIn(undefined);
  const result = await loadConfig({ path, resolvePlugin, features, workFolder: folder });
  expect(result.ok ? [] : result.problems.map(problemText)).toEqual([]);
  return { ...made, yaml: parse(text) as Record<string, never> };
}

const notes = ({ notes }: Draft, kind: string) =>
  notes.filter((note) => note.kind === kind).map(({ line, directive }) => `${line}: ${directive}`);

const missing = ensurePackages(['unbound', 'named', 'pdns_recursor']);
const DEBIAN: readonly (readonly [string, Converted])[] = [
  ['/etc/unbound/unbound.conf', 'unbound'],
  ['/usr/share/doc/unbound/examples/unbound.conf', 'unbound'],
  ['/etc/bind/named.conf', 'bind'],
  ['/etc/powerdns/recursor.conf', 'pdns-recursor'],
];

describe.skipIf(missing.size > 0)("Debian's configurations", () => {
  it.each(DEBIAN)('%s becomes one that `check` accepts', async (file, whose) => {
    expect(existsSync(file)).toBe(true);
    const { from, draft, yaml } = await accepted(file);
    expect(from).toBe(whose);
    expect(yaml['resolve']).toEqual({});
    // What stands in the files that it includes is told with their names.
    if (file === '/etc/unbound/unbound.conf')
      expect(draft.notes.some((note) => note.file.includes('unbound.conf.d/'))).toBe(true);
    if (file === '/etc/bind/named.conf') {
      expect(yaml['dnssec']).toEqual({ validate: true });
      expect(notes(draft, 'left-out')).toEqual([]);
    }
  });
});

describe('unbound', () => {
  it('is taken over option by option; what is left out is told with its line', async () => {
    written('unbound.d/more.conf', 'server:\n  domain-insecure: "corp.example"\n');
    const file = written(
      'unbound.conf',
      `# comment
server:
  interface: 192.0.2.53
  interface: 2001:db8::53@5353   # another port
  access-control: 192.0.2.0/24 allow
  access-control: 198.51.100.0/24 refuse
  num-threads: 4
  msg-cache-size: 64m
  rrset-cache-size: 128m
  cache-max-ttl: 86400
  serve-expired: yes
  serve-expired-ttl: 3600
  identity: "res1"
  qname-minimisation: no
  local-zone: "168.192.in-addr.arpa." nodefault
  local-zone: "ads.example." always_nxdomain
  local-data: "host.example. A 192.0.2.1"
  dns64-prefix: 2001:db8:64::/96
  module-config: "dns64 validator iterator"
  hide-identity: yes
  no-such-option: 1
  include: "unbound.d/*.conf"
forward-zone:
  name: "corp.example"
  forward-addr: 10.1.0.53@5300
  forward-first: yes
stub-zone:
  name: "lab.example."
  stub-addr: 10.2.0.53
forward-zone:
  name: "tls.example"
  forward-addr: 192.0.2.9@853#dns.example
  forward-tls-upstream: yes
`,
    );
    const { draft, yaml } = await accepted(file);
    expect(yaml).toEqual({
      server: {
        listen: ['192.0.2.53:53', '[2001:db8::53]:5353'],
        access: ['192.0.2.0/24', '127.0.0.0/8', '::1/128'],
        workers: 4,
        identity: { id: 'res1' },
      },
      resolve: { minimise: false },
      cache: { size: '192MiB', 'max-ttl': '86400s', 'serve-stale': '3600s' },
      'special-use': { '168.192.in-addr.arpa': false },
      dnssec: { insecure: ['corp.example'] },
      zones: [
        { zone: 'corp.example', forward: ['10.1.0.53:5300'] },
        { zone: 'lab.example', stub: ['10.2.0.53'] },
        { zone: 'tls.example', forward: [{ address: '192.0.2.9', tls: { mode: 'strict', name: 'dns.example' } }] },
      ],
      lists: [],
      plugins: { access: {}, 'amp-shaper': {}, sinkhole: {}, dns64: { prefix: '2001:db8:64::/96' } },
    });
    expect(notes(draft, 'left-out')).toEqual([
      '16: local-zone: "ads.example." always_nxdomain',
      '17: local-data: "host.example. A 192.0.2.1"',
      '21: no-such-option: 1',
      '26: forward-first: yes',
    ]);
    expect(notes(draft, 'built-in')).toEqual(['20: hide-identity: yes']);
  });

  it('that forwards everything becomes a front', async () => {
    const file = written(
      'front.conf',
      'server:\nforward-zone:\n name: "."\n forward-addr: 192.0.2.1\n forward-addr: 192.0.2.2\n',
    );
    expect((await accepted(file)).yaml).toMatchObject({ upstream: { servers: ['192.0.2.1', '192.0.2.2'] } });
  });
});

describe('BIND', () => {
  it('is taken over option by option', async () => {
    written('corp.zone', '$TTL 300\n@ SOA ns hostmaster 1 1 1 1 1\n@ NS ns\nns A 192.0.2.1\n');
    const file = written(
      'named.conf',
      `acl customers { 192.0.2.0/24; 2001:db8::/32; };
/* a comment
   of two lines */
options {
  directory "${folder}";
  listen-on port 5300 { 192.0.2.53; };   // one
  listen-on-v6 { none; };
  allow-recursion { customers; localhost; !198.51.100.1; };
  dnssec-validation auto;
  validate-except { "corp.example"; };
  max-cache-size 512M;
  max-cache-ttl 1d;
  stale-answer-enable yes; max-stale-ttl 6h;
  version "none of your business";
  rate-limit { responses-per-second 10; };
  dns64 2001:db8:64::/96 { clients { 2001:db8::/32; }; };
  forwarders { };
};
logging { channel x { null; }; };
zone "fwd.example" { type forward; forward only; forwarders { 10.1.0.53 port 5300; 10.1.0.54; }; };
zone "stub.example" IN { type static-stub; server-addresses { 10.2.0.53; }; };
zone "corp.example" { type primary; file "corp.zone"; };
zone "slave.example" { type secondary; masters { 192.0.2.9; }; };
`,
    );
    const { draft, yaml } = await accepted(file);
    expect(yaml).toMatchObject({
      server: {
        listen: ['192.0.2.53:5300'],
        access: ['192.0.2.0/24', '2001:db8::/32', '127.0.0.0/8', '::1/128'],
        identity: { version: 'none of your business' },
      },
      resolve: {},
      dnssec: { validate: true, insecure: ['corp.example'] },
      cache: { size: '512MiB', 'max-ttl': '86400s', 'serve-stale': '21600s' },
      zones: [
        { zone: 'fwd.example', forward: ['10.1.0.53:5300', '10.1.0.54'] },
        { zone: 'stub.example', stub: ['10.2.0.53'] },
        { zone: 'corp.example', records: join(folder, 'corp.zone') },
      ],
      plugins: { dns64: { prefix: '2001:db8:64::/96', clients: ['2001:db8::/32'] } },
    });
    expect(notes(draft, 'changed')).toEqual([expect.stringMatching(/^8: allow-recursion/)]);
    expect(notes(draft, 'left-out')).toEqual([
      expect.stringMatching(/^15: rate-limit/),
      expect.stringMatching(/^19: logging/),
      expect.stringMatching(/^23: zone slave\.example/),
    ]);
  });

  it.each([
    ['options { directory "/x" }', /named-bad\.conf:1: a ';' is missing before '\}'/],
    ['options {\n directory "/x";\n', /'\{' is not closed|does not end/],
    ['options { };\n};', /'\}' closes nothing/],
  ])('that is broken is refused with file and line: %s', async (text, message) => {
    await expect(convert(written('named-bad.conf', text), 'bind')).rejects.toThrow(message);
  });
});

describe('PowerDNS Recursor', () => {
  it('is taken over option by option', async () => {
    written('forwards', 'a.example=10.3.0.1\n+b.example=10.3.0.2:5300, 10.3.0.3 # both\n');
    const file = written(
      'recursor.conf',
      `local-address=192.0.2.53, [2001:db8::53]:5300
local-port=5353
allow-from=192.0.2.0/24
allow-from+=2001:db8::/32
forward-zones=corp.example=10.1.0.53;10.1.0.54:5300, lab.example=10.2.0.53
forward-zones-recurse=up.example=192.0.2.9
forward-zones-file=${join(folder, 'forwards')}
dnssec=process
threads=2
max-cache-entries=1000000
webserver=yes
quiet=yes
`,
    );
    const { draft, yaml } = await accepted(file);
    expect(yaml).toMatchObject({
      server: {
        listen: ['192.0.2.53:5353', '[2001:db8::53]:5300'],
        access: ['192.0.2.0/24', '2001:db8::/32'],
        workers: 2,
      },
      dnssec: { validate: true },
      zones: [
        { zone: 'corp.example', stub: ['10.1.0.53', '10.1.0.54:5300'] },
        { zone: 'lab.example', stub: ['10.2.0.53'] },
        { zone: 'up.example', forward: ['192.0.2.9'] },
        { zone: 'a.example', stub: ['10.3.0.1'] },
        { zone: 'b.example', forward: ['10.3.0.2:5300', '10.3.0.3'] },
      ],
    });
    expect(notes(draft, 'left-out')).toEqual(['10: max-cache-entries=1000000', '11: webserver=yes']);
    expect(notes(draft, 'changed')).toEqual(['8: dnssec=process']);
  });
});

describe('what cannot be read', () => {
  it('is refused with file and line, and nothing comes out', async () => {
    await expect(convert(join(folder, 'absent.conf'), undefined)).rejects.toThrow(/absent\.conf: .*no such file/i);
    await expect(convert(written('letter.txt', 'Dear operator\n'), undefined)).rejects.toThrow(/looks like none of/);
    await expect(convert(written('u.conf', 'server:\n  hello\n'), 'unbound')).rejects.toThrow(
      /u\.conf:2: 'hello' is no/,
    );
    await expect(convert(written('r.conf', 'dnssec: {}\n'), 'pdns-recursor')).rejects.toThrow(/r\.conf:1: .*YAML form/);
    await expect(convert(written('loop.conf', 'include: "loop.conf"\n'), 'unbound')).rejects.toThrow(/includes itself/);
  });

  it('no text of the other file ends the comment that it stands in', async () => {
    const { draft } = await convert(written('evil.conf', 'options { x "a\nserver: {}"; };'), 'bind');
    expect(yamlOf(draft, 'evil.conf')).not.toMatch(/^server: \{\}"/m);
  });
});
