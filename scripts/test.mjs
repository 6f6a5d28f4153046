// `npm test`: format and lint, types, then every test. The last line reads "N passed, N failed".
// Arguments are handed to Vitest: `npm test -- src/wire` runs a part.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

let passed = 0;
let failed = 0;

check('Format and lint', 'node_modules/@biomejs/biome/bin/biome', ['check', '--error-on-warnings', '.']);
check('Walls', 'scripts/walls.mjs', []);
check('Types', 'node_modules/typescript/bin/tsc', ['--noEmit']);
runTests();

console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);

/** A check counts as one test. */
function check(what, script, args) {
  const { status } = spawnSync(process.execPath, [script, ...args], { stdio: ['ignore', 'inherit', 'inherit'] });
  if (status === 0) passed++;
  else failed++;
  console.log(`${what}: ${status === 0 ? 'ok' : 'FAILED'}`);
}

function runTests() {
  const folder = mkdtempSync(join(tmpdir(), 'sekisho-test-'));
  const report = join(folder, 'report.json');
  const args = [
    'node_modules/vitest/vitest.mjs',
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
  ];
  const { status } = spawnSync(process.execPath, [...args, ...process.argv.slice(2)], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  try {
    const { numPassedTests, numFailedTests, numPendingTests, testResults } = JSON.parse(readFileSync(report, 'utf8'));
    passed += numPassedTests;
    // A file that does not even load has no test in it that could fail.
    const broken = testResults.filter((file) => file.status === 'failed' && file.assertionResults.length === 0).length;
    failed += numFailedTests + broken;
    if (numPendingTests > 0) console.log(`${numPendingTests} skipped; the reasons stand above`);
  } catch (error) {
    console.error(`Vitest left no report: ${error.message}`);
    failed++;
  }
  // Errors outside any test (an unhandled rejection, say) fail the run too.
  if (status !== 0 && failed === 0) failed++;
  rmSync(folder, { recursive: true, force: true });
}
