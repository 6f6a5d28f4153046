/** Something that takes longer than two seconds says that it is still at work, to a person and to nobody else. */
import type { Terminal } from './terminal.ts';

const QUIET_MS = 2000;
const STEP_MS = 500;

/** Run `work`; from the third second on, show `text` and the time it has taken. */
export async function withProgress<Result>(
  text: string,
  terminal: Terminal,
  work: () => Promise<Result>,
): Promise<Result> {
  if (!terminal.isTerminal) return work();
  const startedMs = performance.now();
  let shown = false;
  const timer = setInterval(() => {
    const ms = performance.now() - startedMs;
    if (ms < QUIET_MS) return;
    shown = true;
    terminal.err(`\r${text} … ${Math.floor(ms / 1000)} s `);
  }, STEP_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
    if (shown) terminal.err('\r\x1b[K');
  }
}
