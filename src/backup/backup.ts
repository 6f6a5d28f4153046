/**
 * A backup: everything that the data folder holds, as of one moment for each store, in a folder of its own.
 *
 *     DIR/manifest.json       what it is, and the hash of every file
 *     DIR/data/…              as it lies in the data folder: SQLite files as snapshots, the others as copies
 *
 * It is made beside its place and renamed: a folder of that name is a whole backup. Anchors are copied before the chains that they
 * anchor: a chain may be ahead of its anchor, never behind.
 */
import { chmodSync, copyFileSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ANCHORS_FOLDER } from '../audit/log.ts';
import { errorText, SekishoError } from '../errors/errors.ts';
import { snapshot } from '../store/snapshot.ts';
import { backupError } from './errors.ts';
import {
  type BackedUpFile,
  CONTENT_FOLDER,
  describeFile,
  filesBelow,
  MANIFEST_FILE,
  type Manifest,
} from './manifest.ts';

/** Of the process that runs, halves of writes, and what was found damaged and lies aside. */
const LEFT_OUT = /(?:^lock$|-wal$|-shm$|-journal$|\.new$|\.damaged-)/;
const SQLITE = /\.db$/;

export interface BackupRequest {
  readonly dataFolder: string;
  /** Does not exist yet. */
  readonly to: string;
  readonly version: string;
  readonly nowMs: number;
  readonly reason: string;
  readonly audited: boolean;
}

/** What would be backed up, anchors first. */
export function filesToBackUp(dataFolder: string): { readonly path: string; readonly kind: BackedUpFile['kind'] }[] {
  const paths = filesBelow(dataFolder).filter((path) => !LEFT_OUT.test(path));
  const isAnchor = (path: string) => path.startsWith(`${ANCHORS_FOLDER}/`);
  return [...paths.filter(isAnchor), ...paths.filter((path) => !isAnchor(path))].map((path) => ({
    path,
    kind: SQLITE.test(path) ? 'sqlite' : 'file',
  }));
}

/** Throws SekishoError SEKISHO_BACKUP_FAILED; then nothing of it is left. */
export async function makeBackup(request: BackupRequest): Promise<Manifest> {
  const { dataFolder, to, version, nowMs, reason, audited } = request;
  if (existsSync(to)) throw backupError('SEKISHO_BACKUP_FAILED', `${to} exists already: name a new folder`);
  if (!existsSync(dataFolder)) throw backupError('SEKISHO_BACKUP_FAILED', `there is no data folder ${dataFolder}`);
  const making = `${to}.making-${process.pid}`;
  try {
    mkdirSync(join(making, CONTENT_FOLDER), { recursive: true, mode: 0o700 });
    chmodSync(making, 0o700);
    const files: BackedUpFile[] = [];
    for (const { path, kind } of filesToBackUp(dataFolder)) {
      const file = join(making, CONTENT_FOLDER, path);
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      if (kind === 'sqlite') snapshot(join(dataFolder, path), file);
      else if (!copied(join(dataFolder, path), file)) continue;
      chmodSync(file, 0o600);
      files.push(await describeFile(join(making, CONTENT_FOLDER), path, kind));
    }
    const madeAt = new Date(nowMs).toISOString();
    const manifest: Manifest = { format: 'sekisho-backup-1', version, madeAt, dataFolder, audited, reason, files };
    writeFileSync(join(making, MANIFEST_FILE), `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o600, flush: true });
    renameSync(making, to);
    return manifest;
  } catch (error) {
    rmSync(making, { recursive: true, force: true });
    if (error instanceof SekishoError) throw error;
    throw backupError('SEKISHO_BACKUP_FAILED', `${to}: ${errorText(error)}`, { cause: error });
  }
}

/** False where it has gone meanwhile: lists are replaced while the server runs. */
function copied(from: string, to: string): boolean {
  try {
    copyFileSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
