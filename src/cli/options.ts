/**
 * Every option of every command: how it is written, and what it means. A command names those that it takes (commands.ts).
 */
export const OPTION_HELP = {
  client: ['--client IP', 'address of the client that would ask (required)'],
  again: ['--again', 'fetch even what was fetched before, or is older by its serial'],
  override: ['--override', 'accept the version that the guard holds back (needs --approver and --reason)'],
  approver: ['--approver WHO', 'who takes the responsibility; recorded'],
  purpose: ['--purpose P', 'what was consented to: c2 (the default) or malware-warning'],
  reason: ['--reason TEXT', 'why, in a sentence; recorded'],
  config: [
    '--config F',
    'configuration file; default ./sekisho.yaml, then /etc/sekisho/sekisho.yaml,\nthen the built-in defaults',
  ],
  json: ['--json', 'machine-readable output'],
  help: ['--help', 'this text'],
} as const satisfies Record<string, readonly [written: string, meaning: string]>;

/** Options that a command may declare; the others belong to every command. */
export type OptionName = Exclude<keyof typeof OPTION_HELP, 'config' | 'json' | 'help'>;

/** `--client IP` takes a value, `--json` none. */
export function takesValue(name: OptionName): boolean {
  return OPTION_HELP[name][0].includes(' ');
}
