#!/usr/bin/env node
/** The `sekisho` command. What it can do: cli/commands.ts; the server itself: server.ts. */
import { main } from './cli/cli.ts';
import { processTerminal } from './commands/terminal.ts';

/** What ends by itself has ended by then. */
const LINGER_MS = 500;

void main(process.argv.slice(2), processTerminal()).then((exitCode) => {
  process.exitCode = exitCode;
  // The work is over and said. A plugin's timer or a thread that somebody left behind must not keep a server that does not serve.
  setTimeout(() => process.exit(exitCode), LINGER_MS).unref();
});
