/**
 * Starts real servers as child processes, waits until they serve, and ends them by process id: nothing is left behind,
 * whether the caller finishes, fails or is interrupted.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram, requireProgram } from './debian.ts';

/** Bytes of standard output and of standard error kept for messages; older ones are forgotten. */
const KEPT_OUTPUT = 64 * 1024;
/** How long a process may take to end before it is killed. */
const STOP_MS = 5_000;
/** Pause between two looks at whether a server is ready. */
const READY_POLL_MS = 25;

export interface ProcessOptions {
  /** What it is called in messages. */
  name: string;
  command: string;
  args: string[];
  /** Core that all its threads are bound to (`taskset`); unbound where left out. */
  core?: number;
  /** Added to this process's environment. */
  env?: Record<string, string>;
  cwd?: string;
  /** True once the process serves. Asked again and again; a rejection counts as false. */
  ready: () => Promise<boolean>;
  /** How long it may take to become ready (default 10 s). */
  readyTimeoutMs?: number;
}

export interface RunningProcess {
  readonly name: string;
  readonly pid: number;
  /** The last 64 KiB written to standard output and standard error. */
  stdout(): string;
  stderr(): string;
  /** Exit code, or the signal's name, once it has ended. */
  readonly ended: Promise<number | string>;
  /** Ask it to end (default SIGTERM), kill it after 5 s, wait. Returns its exit code or the signal's name. */
  stop(signal?: NodeJS.Signals): Promise<number | string>;
}

const children = new Set<ChildProcess>();
const folders = new Set<string>();
let watching = false;

/** Start a process and wait until it is ready. Rejects, with what it wrote, when it ends or is not ready in time. */
export async function startProcess(options: ProcessOptions): Promise<RunningProcess> {
  cleanUpAtExit();
  const [command = '', ...args] = [...wrapper(options.core), options.command, ...options.args];
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.add(child);
  const output = capture(child);
  const ended = new Promise<number | string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve(code ?? signal ?? 'ended'));
  });
  let gone = false;
  void ended.then(() => {
    gone = true;
    children.delete(child);
  });
  const running: RunningProcess = {
    name: options.name,
    pid: child.pid ?? -1,
    ...output,
    ended,
    async stop(signal = 'SIGTERM') {
      if (gone) return ended;
      child.kill(signal);
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      const result = await ended;
      clearTimeout(timer);
      return result;
    },
  };
  const deadline = performance.now() + (options.readyTimeoutMs ?? 120_000);
  while (!(await options.ready().catch(() => false))) {
    if (gone) throw new Error(`${options.name} ended (${await ended}) before it was ready:\n${written(running)}`);
    if (performance.now() > deadline) {
      await running.stop('SIGKILL');
      throw new Error(`${options.name} was not ready in time:\n${written(running)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, READY_POLL_MS));
  }
  return running;
}

/** A folder of its own, in `parent`, for a server's configuration and state; removed when this process exits. */
export function temporaryFolder(name: string, parent = tmpdir()): string {
  cleanUpAtExit();
  const folder = mkdtempSync(join(parent, `sekisho-${name}-`));
  folders.add(folder);
  return folder;
}

/** Programs that become the command they start (execve), so that the child's id is the server's. */
function wrapper(core: number | undefined): string[] {
  // Also where this process is killed, and can clean up nothing, the kernel ends the child (prctl(2), PR_SET_PDEATHSIG).
  const setpriv = findProgram('setpriv');
  const words = setpriv === undefined ? [] : [setpriv, '--pdeathsig', 'TERM'];
  if (core !== undefined) words.push(requireProgram('taskset'), '-c', String(core));
  return words;
}

function written(running: RunningProcess): string {
  return `${running.stdout()}${running.stderr()}`.slice(-4_000);
}

function capture(child: ChildProcess): { stdout(): string; stderr(): string } {
  let out = '';
  let error = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    out = (out + text).slice(-KEPT_OUTPUT);
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    error = (error + text).slice(-KEPT_OUTPUT);
  });
  return { stdout: () => out, stderr: () => error };
}

/** Whatever way this process exits, its children go first. Callers that handle signals end in `process.exit`. */
function cleanUpAtExit(): void {
  if (watching) return;
  watching = true;
  process.on('exit', () => {
    for (const child of children) child.kill('SIGKILL');
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  });
}
