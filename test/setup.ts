/**
 * Once before all tests: the real servers that they need are installed where that is possible, and every temporary folder
 * lies in one that is removed at the end.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensurePackages, type Program } from './support/debian.ts';

const PROGRAMS: Program[] = [
  'nsd',
  'unbound',
  'named',
  'knotd',
  'dig',
  'kdig',
  'dnsperf',
  'faketime',
  'ip',
  'strace',
  'nft',
  'iptables',
  'ip6tables',
  'postgres',
  'psql',
  'pgbouncer',
];

export default function setup(): () => void {
  for (const [program, reason] of ensurePackages(PROGRAMS))
    console.warn(`tests that need ${program} are skipped: ${reason}`);
  const folder = mkdtempSync(join(tmpdir(), 'sekisho-tests-'));
  process.env['TMPDIR'] = folder;
  return () => rmSync(folder, { recursive: true, force: true });
}
