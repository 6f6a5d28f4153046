/** `sekisho explain NAME [TYPE] --client IP`: who would decide a query, and why. */
import { parseExplainQuestion } from '../admin/explain-question.ts';
import type { ExplainResult } from '../admin/status.ts';
import type { Args } from '../commands/command.ts';
import { usageError } from '../commands/errors.ts';
import { table } from '../commands/layout.ts';
import { bold, type Terminal } from '../commands/terminal.ts';
import { errorText } from '../errors/errors.ts';

/** The command works without a reason, as it always has; the audit log is told that it was used, and what it is for. */
const DEFAULT_PURPOSE = 'to see why a query of this client is answered as it is (sekisho explain)';

export async function explain(args: Args, terminal: Terminal): Promise<number> {
  const [name = '', type = 'A'] = args.positionals;
  const { client = '', listener, reason = DEFAULT_PURPOSE } = args.options;
  refuseNonsense(name, type, client);
  const query = new URLSearchParams({ name, type, client, reason, ...(listener !== undefined && { listener }) });
  const result = await args.server.get<ExplainResult>(`/v1/explain?${query}`);
  terminal.out(args.json ? `${JSON.stringify(result, null, 2)}\n` : explainText(result, terminal));
  return 0;
}

/** What is wrong with the question itself is a fault of the command line, whether or not a server runs. */
function refuseNonsense(name: string, type: string, client: string): void {
  try {
    parseExplainQuestion(name, type, client);
  } catch (error) {
    throw usageError(errorText(error), { cause: error });
  }
}

/** The explanation for people; an arrow marks the step that decides. */
export function explainText(result: ExplainResult, terminal: Terminal): string {
  const rows = result.steps.map(({ place, who, verdict, reason }) => [
    who === result.decidedBy ? '→' : '',
    place,
    who,
    verdict,
    reason,
  ]);
  return [
    `${bold(`${result.name} ${result.type} from ${result.client}${result.view === null ? '' : `, view ${result.view}`}`, terminal)}\n`,
    table(['', 'WHERE', 'WHO', 'VERDICT', 'WHY'], rows, terminal),
    ...(result.lists.length > 0
      ? [
          table(
            ['LIST', 'CATEGORY', 'TRIGGER', 'RULE', 'LINE', 'WHY'],
            result.lists.map(({ list, category, tier, trigger, rule, line, reason }) => [
              list,
              category === 'policy' ? category : `${category}, ${tier}`,
              trigger,
              rule,
              line === null ? '?' : String(line),
              reason,
            ]),
            terminal,
          ),
        ]
      : []),
    `${result.decidedBy === null ? 'Nobody decides' : `${result.decidedBy} decides`}: ${result.outcome}\n`,
  ].join('\n');
}
