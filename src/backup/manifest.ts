/** What a backup says of itself: every file with its size and hash, so that it can be verified wherever it lies. */
import { createHash } from 'node:crypto';
import { createReadStream, lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { z } from 'zod';
import { errorText } from '../errors/errors.ts';
import { integrityFault } from '../store/snapshot.ts';
import { backupError } from './errors.ts';

export const MANIFEST_FILE = 'manifest.json';
/** Below it lies what the data folder holds. */
export const CONTENT_FOLDER = 'data';

const manifestSchema = z.strictObject({
  format: z.literal('sekisho-backup-1'),
  /** Of the program that made it. */
  version: z.string(),
  /** ISO 8601, UTC. */
  madeAt: z.string(),
  dataFolder: z.string(),
  /** The server ran, and the audit log holds that it was made. */
  audited: z.boolean(),
  reason: z.string(),
  files: z.array(
    z.strictObject({
      /** Below `data/`, with slashes. */
      path: z.string(),
      kind: z.enum(['sqlite', 'file']),
      bytes: z.int().min(0),
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
    }),
  ),
});
export type Manifest = z.infer<typeof manifestSchema>;
export type BackedUpFile = Manifest['files'][number];

/** Throws SekishoError SEKISHO_BACKUP_UNREADABLE. */
export function readManifest(folder: string): Manifest {
  const file = join(folder, MANIFEST_FILE);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw backupError('SEKISHO_BACKUP_UNREADABLE', `${folder} is no backup: ${errorText(error)}`, { cause: error });
  }
  try {
    return manifestSchema.parse(JSON.parse(text));
  } catch (error) {
    throw backupError('SEKISHO_BACKUP_UNREADABLE', `${file} cannot be read: ${errorText(error)}`, { cause: error });
  }
}

export async function describeFile(folder: string, path: string, kind: BackedUpFile['kind']): Promise<BackedUpFile> {
  const file = join(folder, path);
  return { path, kind, bytes: lstatSync(file).size, sha256: await hashOf(file) };
}

/** What is wrong with the backup, as sentences: files missing, changed, added, or databases that are none. */
export async function backupFaults(folder: string, { files }: Manifest): Promise<string[]> {
  const content = join(folder, CONTENT_FOLDER);
  const faults: string[] = [];
  const expected = new Set(files.map(({ path }) => path));
  for (const path of filesBelow(content)) if (!expected.has(path)) faults.push(`${path}: is not in the manifest`);
  for (const { path, kind, bytes, sha256 } of files) {
    const file = join(content, path);
    const stat = lstatSync(file, { throwIfNoEntry: false });
    if (!stat?.isFile()) faults.push(`${path}: is missing`);
    else if (path.split('/').includes('..')) faults.push(`${path}: leads out of the backup`);
    else if (stat.size !== bytes) faults.push(`${path}: has ${stat.size} bytes instead of ${bytes}`);
    else if ((await hashOf(file)) !== sha256) faults.push(`${path}: its content has changed`);
    else if (kind === 'sqlite') {
      const fault = integrityFault(file);
      if (fault !== undefined) faults.push(`${path}: ${fault}`);
    }
  }
  return faults;
}

/** Plain files below a folder, with slashes, in order; links are none. */
export function filesBelow(folder: string, from = folder): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .sort((one, other) => (one.name < other.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return filesBelow(path, from);
      return entry.isFile() ? [relative(from, path).replaceAll('\\', '/')] : [];
    });
}

async function hashOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
