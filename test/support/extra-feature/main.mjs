/** The program, as src/main.ts, with this folder's list of features. */
import { main } from '../../../dist/src/cli/cli.js';
import { processTerminal } from '../../../dist/src/commands/terminal.js';

const featureList = new URL('./list.mjs', import.meta.url).href;
process.exitCode = await main(process.argv.slice(2), processTerminal(), { featureList });
setTimeout(() => process.exit(), 500).unref();
