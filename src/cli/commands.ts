/**
 * The commands, in the order of the help. Each one's declaration is loaded when it is used, and its code by the declaration, so that
 * `sekisho status` loads neither a DNS server nor what the other commands need.
 */
import type { Command, CommandLoader } from '../commands/command.ts';

export const COMMANDS: { readonly [name: string]: CommandLoader } = {
  run: async () => (await import('./commands/run.ts')).runCommand,
  check: async () => (await import('./commands/check.ts')).checkCommand,
  status: async () => (await import('./commands/status.ts')).statusCommand,
  explain: async () => (await import('./commands/explain.ts')).explainCommand,
  reload: async () => (await import('./commands/reload.ts')).reloadCommand,
  cache: async () => (await import('./commands/cache.ts')).cacheCommand,
  lists: async () => (await import('./commands/lists.ts')).listsCommand,
  sinkhole: async () => (await import('./commands/sinkhole.ts')).sinkholeCommand,
  export: async () => (await import('./commands/export.ts')).exportCommand,
  'open-resolver-scan': async () => (await import('./commands/open-resolver-scan.ts')).openResolverScanCommand,
  consent: async () => (await import('./commands/consent.ts')).consentCommand,
  notice: async () => (await import('./commands/notice.ts')).noticeCommand,
  history: async () => (await import('./commands/history.ts')).historyCommand,
  diagnose: async () => (await import('./commands/diagnose.ts')).diagnoseCommand,
  measures: async () => (await import('./commands/measures.ts')).measuresCommand,
  rules: async () => (await import('./commands/rules.ts')).rulesCommand,
  dnssec: async () => (await import('./commands/dnssec.ts')).dnssecCommand,
  report: async () => (await import('./commands/report.ts')).reportCommand,
  time: async () => (await import('./commands/time.ts')).timeCommand,
  audit: async () => (await import('./commands/audit.ts')).auditCommand,
  plugin: async () => (await import('./commands/plugin.ts')).pluginCommand,
  completion: async () => (await import('./commands/completion.ts')).completionCommand,
};

/** All declarations, in the order of the help. */
export function allCommands(): Promise<Command[]> {
  return Promise.all(Object.values(COMMANDS).map((load) => load()));
}
