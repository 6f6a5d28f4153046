/**
 * Is the program on disk still the one that this process began with? An upgrade under a running process must not mix versions:
 * a worker that started later would load the new code beside the old main thread.
 */
import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ownManifest } from './version.ts';

const FILES = [
  ...['../main.js', '../process/worker.js'].map((path) => fileURLToPath(new URL(path, import.meta.url))),
  ownManifest() ?? '',
];
const began = stamp();

/** From then on no further worker may start: a restart is due. Always false where the program runs from its sources. */
export function programHasChanged(): boolean {
  return stamp() !== began;
}

function stamp(): string {
  return FILES.map((file) => {
    const stat = statSync(file, { throwIfNoEntry: false });
    return stat ? `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeMs}` : '';
  }).join(' ');
}
