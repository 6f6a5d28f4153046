#!/usr/bin/env node
/** The `sekisho` command. What it can do: cli/commands.ts; the server itself: server.ts. */
import { main } from './cli/cli.ts';
import { processTerminal } from './cli/terminal.ts';

process.exitCode = await main(process.argv.slice(2), processTerminal());
