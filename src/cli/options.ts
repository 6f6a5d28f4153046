/**
 * Every option of every command: how it is written, and what it means. A command names those that it takes (commands.ts).
 */
export const OPTION_HELP = {
  client: ['--client IP', 'address of the client that would ask (required)'],
  reason: ['--reason TEXT', 'why, in a sentence; recorded'],
  window: ['--window SPAN', 'how far back: 5m, 1h, 7d (default 5m)'],
  top: ['--top N', 'entries of each kind (default 10)'],
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
