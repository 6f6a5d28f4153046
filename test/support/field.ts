/** The usual surroundings of the server in a test: nsd as the authority, unbound as the resolver in front of it. */
import { spawn } from 'node:child_process';
import { type Program, requireProgram } from './debian.ts';
import { type DnsServer, startNsd, zoneText } from './nsd.ts';
import { repositoryRoot } from './root.ts';
import { sekishoMain } from './sekisho.ts';
import { startUnbound } from './unbound.ts';

const long = (count: number): string =>
  Array.from({ length: count }, (_, i) => `"${String(i).padStart(250, 'x')}"`).join(' ');

export const FIELD_ZONE = {
  name: 'field.test',
  text: zoneText(
    'field.test',
    [
      'www A 192.0.2.1',
      'www AAAA 2001:db8::1',
      'www HTTPS 1 . alpn=h2',
      'alias CNAME chain',
      'chain CNAME www',
      'dangling CNAME nowhere',
      'below.empty A 192.0.2.2',
      `long TXT ${long(8)}`,
      `huge TXT ${long(80)}`,
      ...Array.from({ length: 60 }, (_, i) => `many A 192.0.2.${i + 1}`),
      '*.pool A 192.0.2.9',
      'victim A 192.0.2.66',
      'victim AAAA 2001:db8::66',
      'victim HTTPS 1 . alpn=h2',
      'under.victim A 192.0.2.67',
      'type65280 TYPE65280 \\# 3 010203',
    ].join('\n'),
  ),
};

export interface Field {
  readonly nsd: DnsServer;
  readonly unbound: DnsServer;
  stop(): Promise<void>;
}

export async function startField(): Promise<Field> {
  const nsd = await startNsd({ zones: [FIELD_ZONE] });
  const unbound = await startUnbound({ upstreamPort: nsd.port, probeName: 'www.field.test' }).catch(async (error) => {
    await nsd.stop();
    throw error;
  });
  return {
    nsd,
    unbound,
    stop: async () => {
      await Promise.all([nsd.stop(), unbound.stop()]);
    },
  };
}

export interface Ran {
  code: number | string;
  stdout: string;
  stderr: string;
}

/** Run a program to its end, or kill it after `limitMs`. */
export function run(
  command: string,
  args: string[],
  options: { limitMs?: number; cwd?: string; env?: object } = {},
): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), options.limitMs ?? 15_000);
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code: code ?? signal ?? 'ended', stdout, stderr });
    });
  });
}

/** What dig or kdig prints. */
export async function dig(program: Extract<Program, 'dig' | 'kdig'>, args: string): Promise<string> {
  return (await run(requireProgram(program), args.split(' '))).stdout;
}

/** The `sekisho` command line, as built. */
export function sekisho(args: string[], options: { limitMs?: number; cwd?: string; env?: object } = {}): Promise<Ran> {
  return run(process.execPath, [sekishoMain(), ...args], { cwd: repositoryRoot(), ...options });
}
