import type { Command } from '../../commands/command.ts';
import { CONVERTED } from '../../convert/convert.ts';

export const convertCommand: Command = {
  name: 'convert',
  summary: 'make a configuration out of that of unbound, BIND or PowerDNS Recursor',
  help: `Reads the configuration of another resolver, with the files that it includes, and writes
ours to standard output. Comments at its top say, with file and line, what was left out and
why, what was taken over with another meaning, and what needs nothing. Nothing is started,
nothing is sent, and no file is written. Look through the comments, then \`sekisho check\`.

docs/replacing.md goes through the options one by one.`,
  examples: [
    ['sekisho convert /etc/unbound/unbound.conf > sekisho.yaml', 'unbound'],
    ['sekisho convert /etc/bind/named.conf > sekisho.yaml', 'BIND'],
    ['sekisho convert /etc/powerdns/recursor.conf > sekisho.yaml', 'PowerDNS Recursor'],
    ['sekisho convert --json named.conf', 'configuration and notes for a script'],
  ],
  verbs: {
    '': {
      arguments: 'FILE',
      options: {
        from: {
          value: 'RESOLVER',
          choices: CONVERTED,
          meaning: 'whose configuration it is; without it, its looks decide',
        },
      },
      trace: { none: 'it reads files and asks no server' },
      load: async () => (await import('../convert.ts')).convertFile,
    },
  },
};
