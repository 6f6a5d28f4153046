/**
 * A backup put back in place. What it holds is older than what people were told since, so it comes back *closed*:
 *
 *  - consent ledger and audit log are damaged from the start (their anchors say so): nobody is inspected, no personal data is read,
 *    until a person of the role privacy has accepted it, with a reason. Withdrawals since the backup are missing in it.
 *  - temporary rules that were in force then are lifted: somebody may have lifted them since. What has ended never returns.
 *  - the time that the data folder has seen, where there is one, stays.
 *
 * The former data folder is kept beside it. Everything is made ready beside the place and renamed.
 */
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ANCHORS_FOLDER, AUDIT_FILE } from '../audit/log.ts';
import { errorText, SekishoError } from '../errors/errors.ts';
import { isRunning } from '../rules/rule.ts';
import { openSqliteRuleStore, RULES_FILE, RULES_FOLDER } from '../rules/sqlite-rule-store.ts';
import { type Anchor, AnchorFile } from '../store/anchor.ts';
import { snapshot } from '../store/snapshot.ts';
import { TIME_FILE } from '../store/time-store.ts';
import { LEDGER_FILE } from '../subscribers/consent/guarded-ledger.ts';
import { lockDataFolder } from '../system/data-folder-lock.ts';
import { backupError } from './errors.ts';
import { backupFaults, CONTENT_FOLDER, type Manifest, readManifest } from './manifest.ts';

/** Chains, each with the name of its anchor. */
const CHAINS = [
  { file: join('subscribers', LEDGER_FILE), anchor: 'consent' },
  { file: AUDIT_FILE, anchor: 'audit' },
] as const;

export interface RestoreRequest {
  readonly from: string;
  readonly dataFolder: string;
  readonly nowMs: number;
  /** Of the account at the terminal. */
  readonly who: string;
  readonly reason: string;
}

export interface Restored {
  readonly manifest: Manifest;
  /** Where the former data folder lies now; undefined where there was none. */
  readonly formerFolder: string | undefined;
  /** Rules that were lifted. */
  readonly lifted: number;
}

/** The manifest of a sound backup. Throws SekishoError SEKISHO_BACKUP_UNREADABLE or SEKISHO_BACKUP_DAMAGED. */
export async function verifiedManifest(from: string): Promise<Manifest> {
  const manifest = readManifest(from);
  const faults = await backupFaults(from, manifest);
  if (faults.length > 0) throw backupError('SEKISHO_BACKUP_DAMAGED', `${from} is not what it was`, { details: faults });
  return manifest;
}

/** Throws SekishoError, also where a server runs on the data folder; then everything is as it was. */
export async function restoreBackup({ from, dataFolder, nowMs, who, reason }: RestoreRequest): Promise<Restored> {
  const manifest = await verifiedManifest(from);
  const inUse = existsSync(dataFolder) && readdirSync(dataFolder).length > 0;
  const unlock = inUse ? lockDataFolder(dataFolder, nowMs, () => {}) : () => {};
  const making = `${dataFolder}.restoring-${process.pid}`;
  const formerFolder = `${dataFolder}.before-restore-${new Date(nowMs).toISOString().replaceAll(':', '-')}`;
  try {
    for (const { path } of manifest.files) {
      const file = join(making, path);
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      copyFileSync(join(from, CONTENT_FOLDER, path), file);
      chmodSync(file, 0o600);
    }
    mkdirSync(making, { recursive: true, mode: 0o700 });
    const damage = `restored from a backup of ${manifest.madeAt} on ${new Date(nowMs).toISOString()} by ${who}: ${reason}; what was recorded since that backup is missing, withdrawals of consent among it`;
    for (const chain of CHAINS)
      if (existsSync(join(making, chain.file))) seal(join(making, ANCHORS_FOLDER), chain.anchor, damage);
    const time = join(dataFolder, TIME_FILE);
    if (existsSync(time)) {
      rmSync(join(making, TIME_FILE), { force: true });
      snapshot(time, join(making, TIME_FILE));
    }
    const lifted = await liftRules(making, nowMs, who, damage);
    if (existsSync(dataFolder)) renameSync(dataFolder, formerFolder);
    try {
      renameSync(making, dataFolder);
    } catch (error) {
      if (existsSync(formerFolder)) renameSync(formerFolder, dataFolder);
      throw error;
    }
    return { manifest, formerFolder: existsSync(formerFolder) ? formerFolder : undefined, lifted };
  } catch (error) {
    rmSync(making, { recursive: true, force: true });
    if (error instanceof SekishoError) throw error;
    throw backupError('SEKISHO_RESTORE_FAILED', `${dataFolder}: ${errorText(error)}`, { cause: error });
  } finally {
    unlock();
  }
}

/** The anchor of a chain says that it is damaged, whatever else it says. */
function seal(folder: string, name: string, damage: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const anchor = new AnchorFile(join(folder, name));
  let known: Anchor | undefined;
  try {
    known = anchor.read();
  } catch {
    // What cannot be read is written again, and damaged in any case.
    rmSync(join(folder, name));
  }
  const none: Anchor = { version: 0, chain: 'unknown', count: 0, head: '', file: 'none', owed: 0, damage: null };
  anchor.write({ ...(known ?? none), version: (known?.version ?? 0) + 1_000_000, damage: damage.slice(0, 1200) });
  anchor.close();
}

async function liftRules(folder: string, nowMs: number, who: string, why: string): Promise<number> {
  const file = join(folder, RULES_FOLDER, RULES_FILE);
  if (!existsSync(file)) return 0;
  const { store } = await openSqliteRuleStore(file, folder, nowMs);
  try {
    const running = (await store.rules()).filter(isRunning);
    await store.commit(
      running.map((rule) => ({
        action: 'lift',
        rule: { ...rule, state: 'lifted', endedAtMs: nowMs, endedWhy: 'restored from a backup' },
        who,
        reason: why.slice(0, 500),
        atMs: nowMs,
      })),
    );
    return running.length;
  } finally {
    await store.close();
  }
}
