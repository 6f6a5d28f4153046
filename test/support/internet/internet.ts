/**
 * A synthetic internet in a network namespace of this process: the real addresses of root and gTLD servers lie on its loopback
 * interface, and behind them one NSD per operator serves signed zones, so that a resolver with the built-in root hints finds
 * its way packet by packet, as it would outside. Nothing leaves the machine.
 *
 *   build.py  zones and keys; each peculiar zone is one `special(…)` line that says what a validator must answer
 *   odd.py    name servers that misbehave on the wire, each in one way, with counters of what they were asked
 *
 * Needs root, Linux and some packages of Debian's; `internetMissing` says what is not there.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensurePackages, ensurePythonDns, requireProgram, SYSTEM_PYTHON } from '../debian.ts';
import { askUdp } from '../dns-client.ts';
import { enterOwnNetwork, ownAddresses } from '../own-network.ts';
import { type RunningProcess, startProcess, temporaryFolder } from '../process.ts';
import { repositoryRoot } from '../root.ts';

/** What a validating resolver must answer to a question. */
export interface Expected {
  readonly name: string;
  readonly type: string;
  readonly rcode: string;
  readonly ad: boolean;
  /** What is peculiar about the zone. */
  readonly note: string;
  /** Extended errors (RFC 8914) of which one should be there. */
  readonly ede?: readonly number[];
}

/** Queries that a misbehaving server received since its start. */
export interface Received {
  readonly udp: number;
  readonly tcp: number;
}

export interface Internet {
  /** Zones, keys, configurations. */
  readonly folder: string;
  readonly expected: readonly Expected[];
  /** Files for resolvers: the root hints (those of the real root), the trust anchor as DNSKEY and as DS. */
  readonly hints: string;
  readonly anchor: string;
  readonly anchorDs: string;
  /** Zones `NAME.net` of odd.py. */
  received(name: string): Received;
  stop(): Promise<void>;
}

export interface InternetOptions {
  /** Ordinary zones at the hosting companies (default 40). */
  readonly bulk?: number;
  /** Percent of them that are signed (default 30). */
  readonly signed?: number;
  /** Zones drawn at random from `seed` (default none, 1): `random.json` holds their names (differ.py). */
  readonly random?: number;
  readonly seed?: number;
}

/** The folder that holds build.py and its like. */
export function internetScripts(): string {
  return join(repositoryRoot(), 'test', 'support', 'internet');
}

/** Why there can be no synthetic internet here; undefined where there can. Installs packages where that is allowed. */
export function internetMissing(): string | undefined {
  if (process.platform !== 'linux') return 'network namespaces are Linux';
  if (process.getuid?.() !== 0) return 'only root may make a network namespace';
  const missing = [...ensurePackages(['nsd', 'ldns-signzone', 'ldns-keygen', 'ip']).values()];
  return missing[0] ?? ensurePythonDns();
}

/** Build it and start its servers. This process and all it starts are inside from here on; there is no way out. */
export async function startInternet({
  bulk = 40,
  signed = 30,
  random = 0,
  seed = 1,
}: InternetOptions = {}): Promise<Internet> {
  const missing = internetMissing();
  if (missing !== undefined) throw new Error(`no synthetic internet here: ${missing}`);
  const scripts = internetScripts();
  const folder = temporaryFolder('internet');
  const build = [
    join(scripts, 'build.py'),
    folder,
    '--bulk',
    String(bulk),
    '--signed',
    String(signed),
    '--random',
    String(random),
    '--seed',
    String(seed),
  ];
  execFileSync(SYSTEM_PYTHON, build, { stdio: ['ignore', 'ignore', 'pipe'], env: withSystemFolders() });
  if (!enterOwnNetwork()) throw new Error('no synthetic internet here: a network namespace is not allowed');
  ownAddresses(lines(folder, 'addresses'));
  const running: RunningProcess[] = [];
  const stop = async () => void (await Promise.all(running.map((each) => each.stop())));
  try {
    for (const operator of lines(folder, 'operators')) running.push(await startOperator(folder, operator));
    running.push(await startMisbehaving(scripts, folder));
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    folder,
    expected: lines(folder, 'expected.jsonl').map((line) => JSON.parse(line) as Expected),
    hints: join(folder, 'hints.zone'),
    anchor: join(folder, 'anchor.key'),
    anchorDs: join(folder, 'anchor.ds'),
    received: (name) => receivedBy(folder, name),
    stop,
  };
}

/** One company's name server: parents never answer for their children. */
function startOperator(folder: string, operator: string): Promise<RunningProcess> {
  const file = join(folder, `nsd-${operator}.conf`);
  const config = readFileSync(file, 'utf8');
  const host = /ip-address: (\S+)/.exec(config)![1]!;
  const zone = /name: "(.+?)\.?"/.exec(config)![1]!;
  return startProcess({
    name: `nsd of ${operator}`,
    command: requireProgram('nsd'),
    args: ['-d', '-c', file],
    ready: async () => (await askUdp({ name: zone, type: 'SOA', rd: false }, { host, port: 53, timeoutMs: 500 })).aa,
  });
}

function startMisbehaving(scripts: string, folder: string): Promise<RunningProcess> {
  return startProcess({
    name: 'servers that misbehave',
    command: SYSTEM_PYTHON,
    args: [join(scripts, 'odd.py'), folder],
    ready: async () => existsSync(join(folder, 'odd.json')),
  });
}

function receivedBy(folder: string, name: string): Received {
  const all = JSON.parse(readFileSync(join(folder, 'odd.json'), 'utf8')) as Record<string, [number, number]>;
  const [udp, tcp] = all[name] ?? [0, 0];
  return { udp, tcp };
}

function lines(folder: string, file: string): string[] {
  return readFileSync(join(folder, file), 'utf8').split('\n').filter(Boolean);
}

/** Debian keeps servers where an ordinary user's PATH does not look. */
function withSystemFolders(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };
}
