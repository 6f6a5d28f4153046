/** Which of the real DNS programs are on this machine, and how to get those that are missing. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Debian's package for each program that tests and benches start. */
export const PACKAGES = {
  nsd: 'nsd',
  unbound: 'unbound',
  named: 'bind9',
  pdns_recursor: 'pdns-recursor',
  dnsdist: 'dnsdist',
  dnsperf: 'dnsperf',
  dig: 'bind9-dnsutils',
  kdig: 'knot-dnsutils',
  knotd: 'knot',
  cc: 'gcc',
  taskset: 'util-linux',
  setpriv: 'util-linux',
  radclient: 'freeradius-utils',
  chromium: 'chromium',
  'dnstap-read': 'bind9-dnsutils',
  fstrm_capture: 'fstrm-bin',
  faketime: 'faketime',
  ip: 'iproute2',
  strace: 'strace',
  curl: 'curl',
  nft: 'nftables',
  iptables: 'iptables',
  ip6tables: 'iptables',
  fish: 'fish',
  'dh_bash-completion': 'bash-completion',
  'ldns-signzone': 'ldnsutils',
  'ldns-keygen': 'ldnsutils',
  kresd: 'knot-resolver',
  openssl: 'openssl',
  h2load: 'nghttp2-client',
  stubby: 'stubby',
  promtool: 'prometheus',
  postgres: 'postgresql',
  initdb: 'postgresql',
  psql: 'postgresql-client',
  pgbouncer: 'pgbouncer',
  lintian: 'lintian',
  'systemd-analyze': 'systemd',
} as const;
/** The Python that Debian's packages belong to; another one may come first in PATH. */
export const SYSTEM_PYTHON = '/usr/bin/python3';
export type Program = keyof typeof PACKAGES;

/** Full path of a program, looked for in PATH and where Debian keeps servers; undefined where it is not installed. */
export function findProgram(program: Program): string | undefined {
  const folders = [
    ...(process.env['PATH'] ?? '').split(delimiter),
    '/usr/local/sbin',
    '/usr/sbin',
    '/sbin',
    ...serverFolders(),
  ];
  return folders.map((folder) => join(folder, program)).find(isExecutable);
}

/** Debian keeps the programs of each version of PostgreSQL's server in a folder of their own; the newest first. */
function serverFolders(): string[] {
  const root = '/usr/lib/postgresql';
  const versions = existsSync(root) ? readdirSync(root).sort((one, other) => Number(other) - Number(one)) : [];
  return versions.map((version) => join(root, version, 'bin'));
}

/** Full path of a program; throws, naming the package, where it is not installed. */
export function requireProgram(program: Program): string {
  const path = findProgram(program);
  if (path === undefined) throw new Error(`${program} is not installed (Debian package ${PACKAGES[program]})`);
  return path;
}

/** First line that says a version, of what the program prints about itself; '' where it prints none. */
export function programVersion(program: Program): string {
  const path = findProgram(program);
  if (path === undefined) return '';
  const flag = { nsd: '-v', unbound: '-V', named: '-v', dnsperf: '-h', dig: '-v', kdig: '-V', knotd: '-V' } as const;
  const { stdout, stderr } = spawnSync(path, [(flag as Partial<Record<Program, string>>)[program] ?? '--version'], {
    encoding: 'utf8',
  });
  const line = `${stdout}\n${stderr}`.split('\n').find((text) => /\d+\.\d+/.test(text)) ?? '';
  return /\d+\.\d+[\w.+~-]*/.exec(line.replace(/^.*\d\d:\d\d:\d\d /, ''))?.[0] ?? '';
}

/**
 * Make sure that the programs are there: as root, Debian's package manager installs what is missing. Returns, for each
 * program still missing, why.
 */
export function ensurePackages(programs: Program[]): Map<Program, string> {
  const absent = programs.filter((program) => findProgram(program) === undefined);
  if (absent.length === 0) return new Map();
  const packages = [...new Set(absent.map((program) => PACKAGES[program]))];
  const reason = install(packages);
  const missing = absent.filter((program) => findProgram(program) === undefined);
  return new Map(missing.map((program) => [program, `package ${PACKAGES[program]} is not installed: ${reason}`]));
}

/** Make sure that Japanese can be seen, and not boxes in its place. Returns why it cannot; undefined: it can. */
export function ensureJapaneseFont(): string | undefined {
  const has = () => spawnSync('fc-list', [':lang=ja'], { encoding: 'utf8' }).stdout?.trim();
  if (has()) return undefined;
  const reason = install(['fontconfig', 'fonts-noto-cjk']);
  return has() ? undefined : `no font has Japanese: ${reason}`;
}

/** Make sure that Debian's own Python speaks DNS (dnspython). Returns why it does not; undefined: it does. */
export function ensurePythonDns(): string | undefined {
  const has = () => spawnSync(SYSTEM_PYTHON, ['-c', 'import dns.message']).status === 0;
  if (has()) return undefined;
  const reason = install(['python3', 'python3-dnspython']);
  return has() ? undefined : `package python3-dnspython is not installed: ${reason}`;
}

function install(packages: string[]): string {
  if (process.getuid?.() !== 0) return 'only root may install packages';
  // RUNLEVEL=1 keeps the packages' services from starting: benches start their own, with their own configuration.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  // A new machine has no list of packages, or an old one.
  for (const args of [['update'], ['install', '-y', '--no-install-recommends', ...packages]]) {
    const { status, error, stderr } = spawnSync('apt-get', args, { env, encoding: 'utf8', timeout: 300_000 });
    if (error) return `apt-get: ${error.message}`;
    if (status !== 0) return `apt-get ${args[0]} failed: ${(stderr ?? '').trim().split('\n').at(-1)}`;
  }
  return 'the package does not hold it';
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
