/**
 * Zones signed by real signers: ldns-signzone, BIND's dnssec-signzone, and Knot DNS itself where the algorithm is one that
 * the others do not know. What comes out is served by NSD (nsd.ts) or changed first, to see what a validator makes of it.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { requireProgram } from './debian.ts';
import { temporaryFolder } from './process.ts';

export type Signer = 'ldns' | 'bind';
export type DenialKind = 'nsec' | 'nsec3' | 'nsec3-opt-out';

export interface SigningOptions {
  /** Without the final dot; `.` for the root. */
  readonly apex: string;
  /** Records behind SOA and NS, as in a zone file; `$ORIGIN` is the apex. */
  readonly records: string;
  /** As the signers call it (default ECDSAP256SHA256). */
  readonly algorithm?: string;
  /** Of RSA keys (default 2048). */
  readonly bits?: number;
  readonly signer?: Signer;
  readonly denial?: DenialKind;
  readonly iterations?: number;
  /** `YYYYMMDDHHMMSS` (default: a year before and ten after 2026). */
  readonly inception?: string;
  readonly expiration?: string;
  /** A key-signing key beside the one that signs the rest. */
  readonly split?: boolean;
  readonly ttl?: number;
}

export interface SignedZone {
  readonly name: string;
  /** The signed zone's text. */
  readonly text: string;
  /** DS records of digest types 1, 2 and 4, as lines for the zone above. */
  readonly ds: readonly string[];
  /** DNSKEY records of what the zone above, or a trust anchor, names. */
  readonly keys: string;
}

export const SIGNING_PROGRAMS = ['ldns-signzone', 'ldns-keygen', 'nsd'] as const;

export function signZone(options: SigningOptions): SignedZone {
  const { apex, algorithm = 'ECDSAP256SHA256', signer = 'ldns', split = false, ttl = 300 } = options;
  const dotted = apex === '.' ? '.' : `${apex}.`;
  const folder = temporaryFolder('signed');
  const base = [
    `$ORIGIN ${dotted}`,
    `$TTL ${ttl}`,
    '@ SOA ns.nowhere. hostmaster.nowhere. 1 3600 1200 604800 300',
    '@ NS ns.nowhere.',
    options.records,
    '',
  ].join('\n');
  writeFileSync(join(folder, 'zone'), base);
  const keys = [
    makeKey(folder, dotted, algorithm, true, options),
    ...(split ? [makeKey(folder, dotted, algorithm, false, options)] : []),
  ];
  const text =
    signer === 'ldns' ? signByLdns(folder, dotted, keys, options) : signByBind(folder, dotted, keys, options);
  const keyLine = readFileSync(join(folder, `${keys[0]}.key`), 'utf8')
    .split('\n')
    .find((line) => line.includes('DNSKEY'))!;
  const ds = ['-1', '-2', '-4'].map((digest) =>
    run('ldns-keygen', 'ldns-key2ds', folder, ['-n', '-f', digest, `${keys[0]}.key`]).trim(),
  );
  return { name: apex, text, ds, keys: `${keyLine}\n` };
}

/** Text of an unsigned zone. */
export function plainZone(apex: string, records: string): { name: string; text: string } {
  const lines = [
    `$ORIGIN ${apex}.`,
    '$TTL 300',
    '@ SOA ns.nowhere. hostmaster.nowhere. 1 3600 1200 604800 300',
    '@ NS ns.nowhere.',
  ];
  return { name: apex, text: [...lines, records, ''].join('\n') };
}

/** Delegation to a zone, with or without its DS. */
export function delegation(apex: string, ds: readonly string[] = []): string {
  return [`${apex}. NS ns.nowhere.`, ...ds].join('\n');
}

/** BIND's key files have the form and the names of ldns'. */
function makeKey(
  folder: string,
  zone: string,
  algorithm: string,
  entryPoint: boolean,
  { bits = 2048 }: SigningOptions,
): string {
  const size = algorithm.startsWith('RSA') ? ['-b', String(bits)] : [];
  const args = ['-a', algorithm, ...size, ...(entryPoint ? ['-k'] : []), zone];
  return run('ldns-keygen', 'ldns-keygen', folder, args).trim();
}

function signByLdns(folder: string, zone: string, keys: readonly string[], options: SigningOptions): string {
  const { denial = 'nsec', iterations = 0, inception = '20250101000000', expiration = '20360101000000' } = options;
  const hashed =
    denial === 'nsec'
      ? []
      : ['-n', '-t', String(iterations), '-s', 'ab', ...(denial === 'nsec3-opt-out' ? ['-p'] : [])];
  const args = ['-o', zone, '-i', inception, '-e', expiration, '-f', 'out', ...hashed, 'zone', ...keys];
  run('ldns-signzone', 'ldns-signzone', folder, args);
  return readFileSync(join(folder, 'out'), 'utf8');
}

function signByBind(folder: string, zone: string, keys: readonly string[], options: SigningOptions): string {
  const { denial = 'nsec', iterations = 0, inception = '20250101000000', expiration = '20360101000000' } = options;
  const included = keys.map((key) => readFileSync(join(folder, `${key}.key`), 'utf8')).join('');
  writeFileSync(join(folder, 'zone'), `${readFileSync(join(folder, 'zone'), 'utf8')}${included}`);
  const hashed =
    denial === 'nsec' ? [] : ['-3', 'ab', '-H', String(iterations), ...(denial === 'nsec3-opt-out' ? ['-A'] : [])];
  const args = ['-z', '-o', zone, '-s', inception, '-e', expiration, '-f', 'out', ...hashed, 'zone', ...keys];
  run('named', 'dnssec-signzone', folder, args);
  return readFileSync(join(folder, 'out'), 'utf8');
}

/** The signers lie beside a program whose package is known. */
function run(
  beside: 'ldns-keygen' | 'ldns-signzone' | 'named',
  program: string,
  folder: string,
  args: readonly string[],
): string {
  requireProgram(beside);
  const path = `${process.env['PATH'] ?? ''}:/usr/local/sbin:/usr/sbin:/sbin`;
  return execFileSync(program, args, {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, PATH: path },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Files of a folder, for messages. */
export function filesOf(folder: string): readonly string[] {
  return readdirSync(folder);
}
