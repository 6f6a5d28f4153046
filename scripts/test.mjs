// `npm test`: format and lint, types, then every test. The last line reads "N passed, N failed".
// Arguments are handed to Vitest: `npm test -- src/wire` runs a part.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';

/** More than these that fail are no matter of a busy machine. */
const MOST_FILES_AGAIN = 4;

let passed = 0;
let failed = 0;

check('Format and lint', 'node_modules/@biomejs/biome/bin/biome', ['check', '--error-on-warnings', '.']);
check('Walls', 'scripts/walls.mjs', []);
check('Types', 'node_modules/typescript/bin/tsc', ['--noEmit']);
check('Types of the console', 'node_modules/typescript/bin/tsc', ['--noEmit', '-p', 'console']);
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

/**
 * Two whole servers at a time on two cores, one of which may be somebody else's: where a few files fail, they run once more with
 * the machine to themselves. What fails again has failed. What passes is named, for a test that needs quiet is to be mended.
 */
function runTests() {
  const first = vitest(process.argv.slice(2));
  if (first === undefined) return;
  const again = first.files.filter(({ failed, broken }) => failed > 0 || broken);
  let second;
  if (again.length > 0 && again.length <= MOST_FILES_AGAIN) {
    console.log(`\nRunning again alone: ${again.map(({ file }) => file).join(', ')}`);
    second = vitest([...again.map(({ file }) => file), '--no-file-parallelism']);
  }
  let skipped = 0;
  for (const before of first.files) {
    const after = second?.files.find(({ file }) => file === before.file);
    const counted = after ?? before;
    passed += counted.passed;
    // A file that does not even load has no test in it that could fail.
    failed += counted.failed + (counted.broken ? 1 : 0);
    skipped += counted.skipped;
    if (after !== undefined && after.failed === 0 && !after.broken)
      console.log(
        `UNSTEADY: ${before.file} failed beside the other tests (${before.names.join('; ')}) and passed alone: mend it.`,
      );
  }
  if (skipped > 0) console.log(`${skipped} skipped; the reasons stand above`);
  // Errors outside any test (an unhandled rejection, say) fail the run too.
  const last = second ?? first;
  if (last.status !== 0 && last.files.every((file) => file.failed === 0 && !file.broken)) failed++;
}

/** Runs Vitest and says what became of each file, or undefined where it left no report. */
function vitest(rest) {
  const folder = mkdtempSync(join(tmpdir(), 'sekisho-test-'));
  const report = join(folder, 'report.json');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const { status } = spawnSync(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', ...reporters, ...rest], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  try {
    const { testResults } = JSON.parse(readFileSync(report, 'utf8'));
    return { status, files: testResults.map(fileResult) };
  } catch (error) {
    console.error(`Vitest left no report: ${error.message}`);
    failed++;
    return undefined;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function fileResult({ name, status, assertionResults }) {
  const count = (wanted) => assertionResults.filter((test) => test.status === wanted).length;
  const failures = assertionResults.filter((test) => test.status === 'failed');
  return {
    file: relative(process.cwd(), name),
    passed: count('passed'),
    failed: failures.length,
    skipped: assertionResults.length - count('passed') - failures.length,
    broken: status === 'failed' && failures.length === 0,
    names: failures.length > 0 ? failures.map(({ fullName }) => fullName) : ['the file itself'],
  };
}
