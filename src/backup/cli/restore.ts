/** `sekisho restore DIR`. */
import { existsSync } from 'node:fs';
import { userInfo } from 'node:os';
import { resolve } from 'node:path';
import type { Args } from '../../commands/command.ts';
import { usageError } from '../../commands/errors.ts';
import type { Terminal } from '../../commands/terminal.ts';
import { counted } from '../../errors/counted.ts';
import { restoreBackup, verifiedManifest } from '../restore.ts';
import { type DataFolderConfig, summary } from './backup.ts';

export async function restore(args: Args, terminal: Terminal): Promise<number> {
  const from = resolve(terminal.workFolder, args.positionals[0] ?? '');
  const { reason = '' } = args.options;
  const { dataFolder } = ((await args.configuration()) as DataFolderConfig).server;
  if (args.flags.has('dry-run')) {
    const manifest = await verifiedManifest(from);
    const former = existsSync(dataFolder) ? `; what lies there now would be kept beside it` : '';
    if (args.json) terminal.out(`${JSON.stringify({ from, to: dataFolder, ...manifest }, null, 2)}\n`);
    else
      terminal.out(
        `${from} is whole (${summary(manifest)}, made ${manifest.madeAt}) and would come to ${dataFolder}${former}\n`,
      );
    return 0;
  }
  if (reason.trim() === '') throw usageError('say why an older state has to come back: --reason TEXT; it is kept');
  const who = process.env['SUDO_USER'] ?? userInfo().username;
  const restored = await restoreBackup({ from, dataFolder, nowMs: Date.now(), who, reason });
  if (args.json) terminal.out(`${JSON.stringify({ from, dataFolder, ...restored }, null, 2)}\n`);
  else
    terminal.out(
      [
        `${dataFolder}: ${summary(restored.manifest)} of ${restored.manifest.madeAt}\n`,
        restored.formerFolder === undefined
          ? ''
          : `  the former folder is ${restored.formerFolder}; remove it when all is well: it holds personal data\n`,
        restored.lifted === 0
          ? ''
          : `  ${counted(restored.lifted, 'temporary rule')} that ran then ${restored.lifted === 1 ? 'was' : 'were'} lifted\n`,
        '  Start the server. NOBODY IS INSPECTED until consent ledger and audit log are accepted by the role privacy:\n',
        '  sekisho consent import FILE …   withdrawals since the backup\n',
        '  sekisho audit acknowledge --reason …; sekisho consent accept-damage --reason …\n',
      ].join(''),
    );
  return 0;
}
