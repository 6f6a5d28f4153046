import type { Command } from '../../commands/command.ts';
import { pick } from '../../commands/options.ts';

export const explainCommand: Command = {
  name: 'explain',
  summary: 'say who would decide a query, and why',
  help: `Walks a query through the chain of the running server and shows what each part would
say, up to the one that decides. Nothing is sent or counted. Where subscribers are
known, that somebody looked is in the audit log, with the name and with --reason, or
that it was \`sekisho explain\`. TYPE is A unless given; HTTPS, TYPE65 and the like are
understood. The view that client and listener are in is named first.`,
  examples: [
    ['sekisho explain example.com --client 192.0.2.7', 'why does this subscriber get no answer?'],
    ['sekisho explain example.com AAAA --client 2001:db8::7 --json', 'the same for a program'],
  ],
  verbs: {
    '': {
      arguments: 'NAME [TYPE]',
      options: {
        client: { value: 'IP', meaning: 'address of the client that would ask', required: true },
        listener: { value: 'ADDRESS', meaning: 'address of server.listen that would be asked; the first unless given' },
        ...pick('reason'),
      },
      trace: ['subscriber.explain'],
      load: async () => (await import('../explain.ts')).explain,
    },
  },
};
