import type { Command } from '../../commands/command.ts';
import { pick } from '../../commands/options.ts';
import { STATEMENTS } from '../../commands/statements.ts';

export const dnssecCommand: Command = {
  name: 'dnssec',
  summary: 'trust anchors, and zones excepted from validation for a while',
  help: `Shows what validation rests on: trust anchors in force, how their zones' keys are followed
(RFC 5011), what does not fit, and which zones are excepted.

  status        the default.
  except ZONE   resolves the zone, and all below it, without validation until an end (a
                negative trust anchor, RFC 7646), for a zone whose operator has broken it:
                make sure that it is a mistake and no attack. Needs a ground in full, as
                sinkhole rules do: --ground with what it needs, --approver, and --expires
                (or --review), 7d at the latest.

An exception is a rule like any other: it survives a restart, ends by itself, and sekisho
rules lists, renews and lifts it. When the command returns every worker holds it.
Roles: operator or security; status is for everybody on the staff.`,
  examples: [
    ['sekisho dnssec', 'is the trust anchor well?'],
    [
      'sekisho dnssec except broken.example --ground legitimate-business --purpose "name resolution for subscribers" --necessity "signatures expired this morning, its operator confirms (ticket 4711)" --proportionality "one zone, until it is mended" --approver "shift lead" --review 1d',
      'a zone whose signatures expired',
    ],
    ['sekisho rules list', 'what is in force, and until when'],
  ],
  verbs: {
    status: {
      summary: 'trust anchors, what does not fit, exceptions (the default)',
      trace: { none: 'names of zones alone: no query, no address, no subscriber' },
      load: async () => (await import('./dnssec.ts')).dnssec,
    },
    except: {
      summary: 'resolve a broken zone without validation until an end',
      arguments: 'ZONE',
      options: pick('ground', ...STATEMENTS),
      trace: ['dnssec.except'],
      load: async () => (await import('./dnssec.ts')).dnssec,
    },
  },
  defaultVerb: 'status',
};
