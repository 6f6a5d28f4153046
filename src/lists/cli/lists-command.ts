import type { Command } from '../../commands/command.ts';
import { pick } from '../../commands/options.ts';

export const listsCommand: Command = {
  name: 'lists',
  summary: 'show, fetch or take back reputation lists and policy zones',
  help: `status (the default) shows every list: what is in force, since when, what the guard
holds back and why, which lines were left out. With NAME, everything about one list.

held shows what helps to decide about a version of NAME that the guard holds back: all
names that it finds fault with, lines that were left out, and what would accept it.

reload asks the source of NAME (or of all lists) now. What the guard refuses is held
back and the version in force stays; look at the findings, and if the list is right and
the guard too careful, --override puts exactly that version into force. Who and why
are recorded with it. --without does the same without the names that were found fault
with.

rollback takes NAME back to the version before. A second rollback undoes the first.`,
  examples: [
    ['sekisho lists', 'one line a list'],
    ['sekisho lists status c2-feed', 'lines that were left out, versions that are kept'],
    ['sekisho lists reload c2-feed', 'fetch it now'],
    [
      'sekisho lists reload c2-feed --override --approver "K. Sato" --reason "vendor merged two feeds, mail of 24 Nov"',
      'accept what the guard refused',
    ],
    ['sekisho lists rollback c2-feed --approver "K. Sato" --reason "blocks a customer, ticket 4711"', 'take it back'],
  ],
  verbs: {
    status: {
      summary: 'every list, or everything about one (the default)',
      arguments: '[NAME]',
      trace: { none: 'what lists hold, where from, and how often they hit: nothing of whom' },
      load: async () => (await import('./lists.ts')).listsStatus,
    },
    held: {
      summary: 'what helps to decide about a version that the guard holds back',
      arguments: 'NAME',
      trace: { none: 'what the guard finds in a version that it holds back: nothing of whom' },
      load: async () => (await import('./lists.ts')).listsHeld,
    },
    reload: {
      summary: 'ask the source of one list, or of all, now',
      arguments: '[NAME]',
      options: {
        again: { meaning: 'fetch even what was fetched before, or is older by its serial' },
        override: { meaning: 'accept the version that the guard holds back (needs --approver and --reason)' },
        without: {
          meaning: 'accept it without the names that the guard finds fault with (needs --approver and --reason)',
        },
        ...pick('approver', 'reason'),
      },
      trace: ['list.reload', 'list.override'],
      load: async () => (await import('./lists.ts')).listsReload,
    },
    rollback: {
      summary: 'put the version before into force again',
      arguments: 'NAME',
      options: pick('approver', 'reason'),
      trace: ['list.rollback'],
      load: async () => (await import('./lists.ts')).listsRollback,
    },
  },
  defaultVerb: 'status',
};
