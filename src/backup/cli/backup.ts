/** `sekisho backup DIR` and `sekisho backup verify DIR`. */
import { resolve } from 'node:path';
import type { Args } from '../../commands/command.ts';
import { usageError } from '../../commands/errors.ts';
import { bytesText } from '../../commands/layout.ts';
import type { Terminal } from '../../commands/terminal.ts';
import { counted } from '../../errors/counted.ts';
import { SekishoError } from '../../errors/errors.ts';
import { filesToBackUp, makeBackup } from '../backup.ts';
import type { Manifest } from '../manifest.ts';
import { verifiedManifest } from '../restore.ts';
import type { RecordedBackup } from '../routes.ts';

/** What `Args.configuration` gives, as far as it is needed here. */
export interface DataFolderConfig {
  readonly server: { readonly dataFolder: string };
}

export async function backup(args: Args, terminal: Terminal): Promise<number> {
  const to = resolve(terminal.workFolder, args.positionals[0] ?? '');
  const { reason = '' } = args.options;
  const { server } = (await args.configuration()) as DataFolderConfig;
  if (args.flags.has('dry-run')) {
    const files = filesToBackUp(server.dataFolder);
    if (args.json) terminal.out(`${JSON.stringify({ to, files }, null, 2)}\n`);
    else
      terminal.out(
        `${files.map(({ path }) => `${path}\n`).join('')}${counted(files.length, 'file')} would be copied to ${to}\n`,
      );
    return 0;
  }
  if (reason.trim() === '')
    throw usageError(
      'a backup copies everything that is known of subscribers: say what for with --reason TEXT; it is recorded',
    );
  const recorded = await recordedBy(args, to, reason);
  if (!recorded && !args.json)
    terminal.err(
      'No server runs on this configuration: the backup is not in the audit log, and its manifest says so.\n',
    );
  const manifest = await makeBackup({
    dataFolder: recorded?.dataFolder ?? server.dataFolder,
    to,
    version: recorded?.version ?? 'unknown',
    nowMs: Date.now(),
    reason,
    audited: recorded !== undefined,
  });
  await verifiedManifest(to);
  terminal.out(
    args.json ? `${JSON.stringify({ to, ...manifest }, null, 2)}\n` : `${to}: ${summary(manifest)}, verified\n`,
  );
  return 0;
}

export async function verify(args: Args, terminal: Terminal): Promise<number> {
  const folder = resolve(terminal.workFolder, args.positionals[0] ?? '');
  const manifest = await verifiedManifest(folder);
  terminal.out(
    args.json
      ? `${JSON.stringify(manifest, null, 2)}\n`
      : `${folder} is whole: ${summary(manifest)}, made ${manifest.madeAt} by ${manifest.version}\n`,
  );
  return 0;
}

/** Undefined where no server runs. Rejects where one does and refuses. */
async function recordedBy(args: Args, to: string, reason: string): Promise<RecordedBackup | undefined> {
  try {
    return await args.server.send<RecordedBackup>('POST', '/v1/backup', { reason, to });
  } catch (error) {
    if (error instanceof SekishoError && error.code === 'SEKISHO_SERVER_UNREACHABLE') return undefined;
    throw error;
  }
}

export function summary({ files }: Manifest): string {
  const stores = files.filter(({ kind }) => kind === 'sqlite').length;
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  return `${counted(files.length, 'file')} (${counted(stores, 'store')}), ${bytesText(bytes)}`;
}
