import type { Command } from '../../commands/command.ts';

export const openResolverScanCommand: Command = {
  name: 'open-resolver-scan',
  summary: "find open resolvers in the operator's own range",
  help: `Asks every address of RANGE, a network in CIDR notation, one question over UDP and lists
those that answer it for this machine. Only ranges inside server.access of the configuration
are scanned: an operator's own, never others'. At most 65 536 addresses at a time; the rate is
bounded, and each address gets one packet.

The question is the root's name servers, asked with recursion: who answers it to strangers
would answer anything. Run it from a machine outside the operator's network to see what the
world sees.`,
  examples: [
    ['sekisho open-resolver-scan 192.0.2.0/24', 'who answers there?'],
    ['sekisho open-resolver-scan 192.0.2.0/24 --rate 20 --json', 'slowly, for a program'],
  ],
  verbs: {
    '': {
      arguments: 'RANGE',
      options: { rate: { value: 'N', integer: [1, 1000], meaning: 'addresses a second; 50 unless given' } },
      trace: { none: 'it asks devices itself, from this machine, and no server for what is kept' },
      load: async () => (await import('../open-resolver-scan.ts')).openResolverScan,
    },
  },
};
