import { type Command, pick, STATEMENTS } from '../../../src/contract/commands.ts';

export const diagnoseCommand: Command = {
  name: 'diagnose',
  summary: 'say what explains an overload; put the narrow rule in force that ends it',
  help: `Finds when it began, compares the time since then with what is normal at this hour of the week and says what
rose, which domains, patterns, types and source networks explain which share of it,
how sure that is, and what it looks like. Then it proposes the narrowest rules, each
with the share of the rise that it removes and the share of what others ask, today
and in the last day, that it touches: never more than 1 %.

What is too little to show in a quarter of an hour is looked for over an hour, six and
a day. --window looks at the time that you say instead.

Without a detected overload --reason declares one, for an hour. Every diagnosis lands in
the audit log. A single client is named while an overload is detected, or where a second
person approves (--approver WHO); else the network around it is.

--apply N puts proposal N in force, on a ground and for a time that you state; what the
diagnosis saw is its evidence (--evidence adds to it). The screen shows the whole command
line. It acts in amp-shaper, random-subdomain or sinkhole, at once in every worker,
survives a restart, and is lifted when the rate has been back to normal for ten
minutes. A whole zone needs --escalate. \`sekisho measures\` shows what is in force.`,
  examples: [
    ['sekisho diagnose --reason "load tripled at 03:00, ticket 4711"', 'declare an overload and look'],
    ['sekisho diagnose', 'when one was detected already'],
    ['sekisho diagnose --window 1m --json', 'the last minute, for a program'],
    [
      'sekisho diagnose --apply 1 --dry-run --ground self-defence --approver "shift lead" --expires 1h',
      'the first proposal of your last diagnosis, only counted',
    ],
    [
      'sekisho diagnose --apply 1 --diagnosis d3f09a12b --ground self-defence --approver "shift lead" --expires 2h',
      'in force',
    ],
  ],
  verbs: {
    '': {
      options: {
        ...pick('reason'),
        window: { value: 'SPAN', meaning: 'how far back: 1m, 5m, 1h; what fits the incident unless given' },
        apply: { value: 'N', integer: [1, 999], meaning: 'put proposal N of a diagnosis in force' },
        diagnosis: { value: 'ID', meaning: 'which diagnosis; the last one you made unless given' },
        ...pick('ground', ...STATEMENTS),
        escalate: { value: 'TEXT', meaning: 'for a whole zone: why nothing narrower does' },
        ...pick('dry-run'),
        preview: { meaning: 'with --apply: what it would do and be refused for; changes nothing' },
      },
      trace: ['overload.declare', 'history.diagnose', 'measure.preview', 'measure.apply'],
      load: async () => (await import('./diagnose.ts')).diagnose,
    },
  },
};
