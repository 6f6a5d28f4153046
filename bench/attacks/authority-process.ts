/** Starts the upstream of authority.ts, and speaks with it. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../test/support/free-port.ts';
import type { Counts, ToAuthority } from './authority.ts';

export async function startAuthority() {
  const port = await freePort();
  const child: ChildProcess = fork(fileURLToPath(new URL('./authority.js', import.meta.url)), [String(port)]);
  const kill = () => void child.kill('SIGKILL');
  process.on('exit', kill);
  const next = () => new Promise<unknown>((resolve) => child.once('message', resolve));
  await next();
  const tell = (message: ToAuthority) => void child.send(message);
  return {
    port,
    tell,
    stop: () => {
      process.off('exit', kill);
      kill();
    },
    counts: async () => {
      const answer = next();
      tell('counts');
      return (await answer) as Counts;
    },
  };
}
