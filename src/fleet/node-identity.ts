/**
 * Which node a data folder is, in `<data>/fleet/node.json`: an identity made at random once, and the fleet that it has joined. So a
 * second folder under the same name, or another database, is not taken for what was there before.
 */
import { randomUUID } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { makeDataFolder } from '../system/data-folder.ts';

const schema = z.strictObject({
  id: z.uuid(),
  /** The fleet that it has agreed with; null before. */
  fleet: z.string().nullable(),
});

export interface NodeIdentity {
  /** Of this data folder. */
  readonly id: string;
  /** Of the fleet that it has agreed with: what the fleet had recorded continued what this folder held. */
  readonly fleet: string | undefined;
  /** On the disk when it returns. Throws what the file system throws. */
  join(fleet: string): void;
}

/** Throws what the file system throws, and SyntaxError or ZodError for a file that is none. */
export function nodeIdentity(dataFolder: string): NodeIdentity {
  const folder = join(dataFolder, 'fleet');
  const file = join(folder, 'node.json');
  makeDataFolder(folder);
  let kept = existsSync(file) ? schema.parse(JSON.parse(readFileSync(file, 'utf8'))) : undefined;
  if (kept === undefined) {
    kept = { id: randomUUID(), fleet: null };
    writeDurably(file, kept);
  }
  let current = kept;
  return {
    id: current.id,
    get fleet() {
      return current.fleet ?? undefined;
    },
    join(fleet) {
      if (current.fleet === fleet) return;
      current = { ...current, fleet };
      writeDurably(file, current);
    },
  };
}

function writeDurably(file: string, content: object): void {
  const fresh = `${file}.new`;
  const handle = openSync(fresh, 'w', 0o600);
  try {
    writeSync(handle, `${JSON.stringify(content)}\n`);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(fresh, file);
  const folder = openSync(dirname(file), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
