// `npm run test:node [-- LINE …]`: every quick test on each supported line of Node.js, or on those named. `npm test` runs a part of them
// and one whole server on each (test/node-versions).
import { spawnSync } from 'node:child_process';

import { NODE_LINES, nodeBinaries } from './node-binaries.mjs';

const binaries = nodeBinaries();
if (typeof binaries === 'string') {
  console.error(`other versions of Node.js could not be fetched: ${binaries}`);
  process.exit(1);
}
const lines = process.argv.length > 2 ? process.argv.slice(2) : NODE_LINES;
let failed = 0;
for (const line of lines) {
  const node = binaries.get(line);
  if (node === undefined) {
    console.error(`no line '${line}'; there are ${NODE_LINES.join(', ')}`);
    process.exit(2);
  }
  console.log(`\nNode.js ${line}`);
  const { status } = spawnSync(node, ['node_modules/vitest/vitest.mjs', 'run', 'src', 'plugins'], { stdio: 'inherit' });
  if (status !== 0) failed++;
}
process.exit(failed > 0 ? 1 : 0);
