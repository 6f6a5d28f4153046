/** The Tab key in real shells, which source what `sekisho completion` prints. */
import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { ensurePackages } from '../support/debian.ts';
import { sekishoMain } from '../support/sekisho.ts';

const run = promisify(execFile);
const missing = ensurePackages(['fish', 'dh_bash-completion']);
const folder = mkdtempSync(join(tmpdir(), 'sekisho-completion-'));
// As an installed command lies on the path.
writeFileSync(join(folder, 'sekisho'), `#!/bin/sh\nexec "${process.execPath}" "${sekishoMain()}" "$@"\n`);
chmodSync(join(folder, 'sekisho'), 0o755);
const env = { ...process.env, PATH: `${folder}${delimiter}${process.env['PATH']}` };

/** Bash calls its completion functions with these variables set. */
function inBash(line: string): string {
  const words = line.split(' ').map((word) => `'${word}'`);
  return `. /usr/share/bash-completion/bash_completion
. <(sekisho completion bash); . <(sekisho completion bash)
COMP_WORDS=(${words.join(' ')}); COMP_CWORD=${words.length - 1}; COMP_LINE='${line}'; COMP_POINT=${line.length}
compopt() { :; } # works only while a key is pressed
$(complete -p sekisho | sed 's/.*-F \\([^ ]*\\).*/\\1/'); printf '%s\\n' "\${COMPREPLY[@]}"`;
}

const SHELLS = [
  ['bash', 'dh_bash-completion', inBash],
  ['fish', 'fish', (line: string) => `sekisho completion fish | source; complete -C '${line}'`],
] as const;

describe.each(SHELLS)('%s', (shell, program, script) => {
  it.skipIf(missing.has(program)).each([
    ['sekisho lists ro', ['rollback']],
    ['sekisho sinkhole re', ['remove', 'renew']],
    ['sekisho export ip53b --format i', ['ios-xr', 'iptables']],
    ['sekisho lists reload --over', ['--override']],
  ])('completes %j', async (line, expected) => {
    const { stdout, stderr } = await run(shell, ['-c', script(line)], { env });
    const offered = stdout.split('\n').filter(Boolean);
    expect([stderr, offered.map((each) => each.split('\t')[0]?.trim()).sort()]).toEqual(['', expected]);
  });
});
