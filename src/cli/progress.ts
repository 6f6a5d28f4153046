/** Something that takes longer than two seconds says on standard error that it is still at work, to people and not to programs. */
import type { Terminal } from '../commands/terminal.ts';

const QUIET_MS = 2000;
const STEP_MS = 500;
/** Seconds after which a file or a pipe gets a line: it keeps all of them. From the last on, every minute. */
const LINES_AT = [2, 10, 30, 60];

/**
 * Run `work`; from the third second on, show `text`, the time it has taken and what `work` remarks. A person at a terminal sees
 * one line that counts, everybody else a line now and then.
 */
export async function withProgress<Result>(
  text: string,
  terminal: Terminal,
  work: (remark: (words: string) => void) => Promise<Result>,
): Promise<Result> {
  let words = '';
  const remark = (said: string) => {
    words = said;
  };
  if (terminal.isForProgram) return work(remark);
  const startedMs = performance.now();
  let shown = false;
  let lines = 0;
  const timer = setInterval(() => {
    const seconds = Math.floor((performance.now() - startedMs) / 1000);
    if (seconds * 1000 < QUIET_MS) return;
    const line = `${text} … ${seconds} s${words === '' ? '' : `; ${words}`}`;
    if (terminal.isTerminal) {
      shown = true;
      terminal.err(`\r${line}\x1b[K`);
    } else if (seconds >= lineAt(lines)) {
      while (seconds >= lineAt(lines)) lines++;
      terminal.err(`${line}\n`);
    }
  }, STEP_MS);
  try {
    return await work(remark);
  } finally {
    clearInterval(timer);
    if (shown) terminal.err('\r\x1b[K');
  }
}

function lineAt(index: number): number {
  return LINES_AT[index] ?? 60 * (index - LINES_AT.length + 2);
}
