/**
 * Every option of every command: how it is written, and what it means. A command names those that it takes (commands.ts).
 */
export const OPTION_HELP = {
  client: ['--client IP', 'address of the client that would ask (required)'],
  listener: ['--listener ADDRESS', 'address of server.listen that would be asked; the first unless given'],
  again: ['--again', 'fetch even what was fetched before, or is older by its serial'],
  without: ['--without', 'accept it without the names that the guard finds fault with (needs --approver and --reason)'],
  override: ['--override', 'accept the version that the guard holds back (needs --approver and --reason)'],
  ground: ['--ground G', 'self-defence (正当防衛), necessity (緊急避難) or\nlegitimate-business (正当業務行為)'],
  effect: ['--effect TEXT', 'what the attack does, to which of your own facilities'],
  evidence: ['--evidence TEXT', 'what shows it: ticket, graph, log'],
  'nothing-milder': ['--nothing-milder TEXT', 'necessity: why nothing milder works (補充性)'],
  purpose: [
    '--purpose TEXT',
    'legitimate-business: the purpose (目的の正当性); consent: c2 (the\ndefault) or malware-warning',
  ],
  necessity: ['--necessity TEXT', 'legitimate-business: why the act is necessary (行為の必要性)'],
  proportionality: ['--proportionality TEXT', 'legitimate-business: why the means are proportionate\n(手段の相当性)'],
  approver: ['--approver WHO', 'who takes the responsibility; recorded'],
  expires: [
    '--expires WHEN',
    'when it ends by itself: 2h, 3d, 2026-12-31 or an instant with\nits zone; an emergency ground lasts at most 7d',
  ],
  review: ['--review WHEN', 'legitimate-business: when it is reviewed, at most 366d ahead'],
  subtree: ['--subtree', 'the name and everything below it; otherwise exactly the name'],
  'dry-run': ['--dry-run', 'only count what the rule would hit'],
  apply: ['--apply N', 'put proposal N of a diagnosis in force'],
  diagnosis: ['--diagnosis ID', 'which diagnosis; the last one you made unless given'],
  escalate: ['--escalate TEXT', 'for a whole zone: why nothing narrower does'],
  type: ['--type T', 'one type of record only, e.g. AAAA'],
  reason: ['--reason TEXT', 'why, in a sentence; recorded'],
  language: ['--language L', 'ja or en; the first of notice.languages unless given'],
  format: [
    '--format F',
    'export ip53b: nftables, iptables, junos or ios-xr (required);\nreport: text (the default), html or json',
  ],
  from: ['--from DATE', 'first day, YYYY-MM-DD (required)'],
  to: ['--to DATE', 'last day, YYYY-MM-DD (required)'],
  rate: ['--rate N', 'addresses a second, 1–1000; 50 unless given'],
  addresses: [
    '--addresses',
    'single addresses in place of names: those that make a quarter of the\nload, in a detected overload or with --approver WHO',
  ],
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
