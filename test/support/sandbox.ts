/**
 * A copy of this machine that keeps nothing: namespaces of mounts, network and processes of its own, and over the file system a layer
 * in memory. What is installed, changed and served there is gone with it.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { temporaryFolder } from './process.ts';

export interface Sandbox {
  /** Run a command in it and wait. */
  run(command: string, args?: readonly string[], env?: Record<string, string>): Result;
  /** Start a command in it that goes on. */
  start(command: string, args: readonly string[]): ChildProcess;
  close(): void;
}

export interface Result {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Run in the namespaces: lays the layer over the machine, brings the loopback up, says so and waits for its end. */
const SETUP = `set -e
mount --make-rprivate /
mount -t tmpfs sandbox "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay sandbox -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
mount -t proc proc "$1/root/proc"
mount --rbind /dev "$1/root/dev"
mount -t tmpfs sandbox "$1/root/run"
mkdir -p "$1/root/mnt"
mount --bind "$2" "$1/root/mnt"
ip link set lo up
echo ready
exec sleep infinity`;

/** Without systemd, as in a container; \`shared\` is its /mnt. Undefined, with the reason on standard error, where it cannot be made. */
export async function openSandbox(shared: string): Promise<Sandbox | string> {
  const place = temporaryFolder('sandbox');
  const namespaces = [
    '--mount',
    '--net',
    '--pid',
    '--ipc',
    '--fork',
    '--kill-child',
    'sh',
    '-c',
    SETUP,
    'sh',
    place,
    shared,
  ];
  const holder = spawn('unshare', namespaces, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  holder.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const ready = once(holder.stdout, 'data').then(() => true);
  if (!(await Promise.race([ready, once(holder, 'exit').then(() => false)]))) return said.trim() || 'unshare failed';
  // The first process in the namespaces is the child of unshare.
  const pid = spawnSync('pgrep', ['-P', String(holder.pid)], { encoding: 'utf8' }).stdout.trim();
  const inside = ['-t', pid, '--mount', '--net', '--pid', '--ipc', 'chroot', `${place}/root`];
  const environment = (env: Record<string, string> = {}) => ({
    PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
    LC_ALL: 'C.UTF-8',
    DEBIAN_FRONTEND: 'noninteractive',
    ...env,
  });
  return {
    run: (command, args = [], env) =>
      spawnSync('nsenter', [...inside, command, ...args], { encoding: 'utf8', env: environment(env) }),
    start: (command, args) =>
      spawn('nsenter', [...inside, command, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: environment() }),
    close: () => void holder.kill('SIGKILL'),
  };
}
