import { type Command, pick } from '../../../src/contract/commands.ts';

export const historyCommand: Command = {
  name: 'history',
  summary: 'show who and what was asked most over a time, beside the normal',
  help: `Top names, domains, patterns, source networks and types of the last minutes, hours or
days, each beside what is normal at this hour of the week. Names and sources are kept
apart, and sources are told coarsely: networks that make a quarter of the load, by
quarters; over a quarter of an hour and more also those that many lines ask from, without
a number. Nothing here says who looked up what.

--addresses shows single addresses in place of names: those that make a quarter of the
load, while an overload is detected, or where a second person approves (--approver).

The history can be read while an overload is open, and by nobody otherwise. --reason
declares one, for an hour. Every reading lands in the audit log with who and why.

\`history close\` says that it is over, all of it: detected and declared ones alike. What goes on
being above its threshold opens another.

\`history import FILE\` takes past figures from elsewhere, a JSON object for each hour a line:

  {"hour": "2026-11-20T18:00:00Z", "queries": 1234567, "latencyMs": 18,
   "rcodes": {"NOERROR": 1100000, "NXDOMAIN": 120000, "SERVFAIL": 14567},
   "domains": {"example.com": 41000, "example.jp": 30500}}

on one line. hour and queries are needed; types, rcodes, transports, cache, latencyMs, names,
domains, patterns and incident are not, and what is left out stays unknown. No addresses.
Imported hours are kept apart, stand in only where nothing was measured, and every
diagnosis that rests on them says so. --dry-run tells what would become of them.`,
  examples: [
    ['sekisho history --reason "resolver slow since 02:50, ticket 4711"', 'open it and look at the last five minutes'],
    ['sekisho history --window 1d --top 20', 'a day, while an overload is open'],
    ['sekisho history --json | jq .tops.domain', 'for a program'],
    ['sekisho history import past.jsonl --source "statistics of the old resolver" --dry-run', 'what would be taken'],
    ['sekisho history close --reason "attack over since 04:10, ticket 4711"', 'close it again'],
  ],
  verbs: {
    '': {
      options: {
        ...pick('reason'),
        window: { value: 'SPAN', meaning: 'how far back: 5m (the default), 1h, 7d' },
        top: { value: 'N', integer: [1, 300], meaning: 'entries of each kind (default 10)' },
        addresses: {
          meaning:
            'single addresses in place of names: those that make a quarter of the load, in a detected overload or with --approver WHO',
        },
        ...pick('approver'),
      },
      trace: ['overload.declare', 'history.read'],
      load: async () => (await import('./history.ts')).history,
    },
    import: {
      summary: 'import past figures of another resolver, so that a new server knows what is normal',
      arguments: 'FILE',
      options: {
        source: { value: 'TEXT', meaning: 'where the figures come from; shown wherever they are used' },
        ...pick('dry-run'),
      },
      trace: ['history.import'],
      load: async () => (await import('./import.ts')).importHistory,
    },
    imports: {
      summary: 'what was imported, by whom and from where',
      trace: { none: 'who imported figures, from where, of how many hours: no name and no source' },
      load: async () => (await import('./import.ts')).showImports,
    },
    forget: {
      summary: 'take an import back',
      arguments: 'ID',
      options: pick('reason'),
      trace: ['history.forget-import'],
      load: async () => (await import('./import.ts')).forgetImport,
    },
    close: {
      summary: 'say that the overload is over, and close the history',
      options: pick('reason'),
      trace: ['overload.close'],
      load: async () => (await import('./history.ts')).closeHistory,
    },
  },
};
