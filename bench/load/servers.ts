/** The servers that are compared: how each is started, on one core, in front of the authority. */
import { existsSync } from 'node:fs';
import { ask } from '../../test/support/ask.ts';
import { EMERGENCY_END } from '../../test/support/dates.ts';
import type { Program } from '../../test/support/debian.ts';
import { startDnsdist } from '../../test/support/dnsdist.ts';
import { freePort } from '../../test/support/free-port.ts';
import { startPdnsRecursor } from '../../test/support/pdns-recursor.ts';
import { type RunningProcess, startProcess } from '../../test/support/process.ts';
import { sekishoMain, startSekisho } from '../../test/support/sekisho.ts';
import { startUnbound } from '../../test/support/unbound.ts';
import { compiledProgram } from './compiled.ts';

/** Core that the measured server has for itself, with all its threads. */
export const SERVER_CORE = 0;
/** Core that the load, the authority and this bench share. */
export const LOAD_CORE = 1;

export interface Target extends RunningProcess {
  readonly port: number;
  /** The configuration it runs with; '' where it has none. */
  readonly config: string;
}

export interface TargetOptions {
  upstreamPort: number;
  /** A name that the upstream answers. */
  probeName: string;
  core: number;
  /** False: forward every query. Only dnsdist can; the others get names that they have not seen. */
  cache: boolean;
}

export interface ServerKind {
  name: string;
  /** What it needs; empty for our own. */
  program?: Program;
  /** A peer that the targets compare with (the echo is the limit, and Sekisho is measured). */
  peer: boolean;
  start(options: TargetOptions): Promise<Target>;
}

export const SERVERS: readonly ServerKind[] = [
  { name: 'echo', program: 'cc', peer: false, start: startEcho },
  { name: 'sekisho', peer: false, start: startMeasured },
  { name: 'dnsdist', program: 'dnsdist', peer: true, start: (options) => startDnsdist({ ...options, batch: 1 }) },
  {
    name: 'dnsdist-batch',
    program: 'dnsdist',
    peer: true,
    start: (options) => startDnsdist({ ...options, batch: 64 }),
  },
  { name: 'unbound', program: 'unbound', peer: true, start: startUnbound },
  { name: 'pdns-recursor', program: 'pdns_recursor', peer: true, start: startPdnsRecursor },
];

/** Why this server cannot be measured here; undefined where it can. */
export function missing(server: ServerKind, absent: ReadonlyMap<Program, string>): string | undefined {
  if (server.name === 'sekisho' && !existsSync(sekishoMain())) return 'dist/src/main.js is not built';
  return server.program === undefined ? undefined : absent.get(server.program);
}

async function startEcho(options: TargetOptions): Promise<Target> {
  const port = await freePort();
  const running = await startProcess({
    name: 'echo',
    command: compiledProgram('echo'),
    args: [String(port)],
    core: options.core,
    ready: async () => (await ask(port, options.probeName)).bytes.length > 12,
  });
  return { ...running, port, config: '' };
}

/** Sekisho with its default chain, and a rule that every query is compared with. */
function startMeasured(options: TargetOptions): Promise<Target> {
  return startSekisho({
    core: options.core,
    config: {
      server: { log: { level: 'warn' } },
      upstream: { servers: [`127.0.0.1:${options.upstreamPort}`] },
      cache: { size: '512MiB' },
      plugins: {
        access: {},
        sinkhole: {
          ipv4: '192.0.2.250',
          ipv6: '2001:db8::250',
          rules: [{ name: 'attacked.short.bench', ground: GROUND }],
        },
      },
    },
  });
}

const GROUND = {
  kind: 'self-defence',
  effect: 'nothing: this rule exists to be looked up',
  evidence: 'none: a bench on loopback',
  approver: 'bench',
  expires: EMERGENCY_END,
};
