/** The bench's C programs, compiled into a temporary folder when they are first needed. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { requireProgram } from '../../test/support/debian.ts';
import { temporaryFolder } from '../../test/support/process.ts';
import { repositoryRoot } from '../../test/support/root.ts';

const compiled = new Map<string, string>();

/** Path of the program made from `bench/load/<name>.c`. Throws with the compiler's message. */
export function compiledProgram(name: 'echo' | 'flood' | 'spray'): string {
  const known = compiled.get(name);
  if (known !== undefined) return known;
  const program = join(temporaryFolder(name), name);
  const source = join(repositoryRoot(), 'bench', 'load', `${name}.c`);
  const { status, stderr } = spawnSync(requireProgram('cc'), ['-O2', '-o', program, source], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`cannot compile ${source}: ${stderr}`);
  compiled.set(name, program);
  return program;
}
