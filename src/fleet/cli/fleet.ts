/** `sekisho fleet status|init|forget NODE`. */
import type { Args } from '../../commands/command.ts';
import { numberText, table } from '../../commands/layout.ts';
import { bold, type Terminal } from '../../commands/terminal.ts';
import type { InitView } from '../routes.ts';
import type { FleetStatusView } from '../view.ts';

/** Joining may wait for a former process of the node; a large ledger takes its time. */
const INIT = { doing: 'bringing the fleet in order', silentMs: 10 * 60_000 };

export async function fleet(args: Args, terminal: Terminal): Promise<number> {
  const { verb, positionals, options, json } = args;
  const show = (value: unknown, text: string) => terminal.out(json ? `${JSON.stringify(value, null, 2)}\n` : text);
  const { reason } = options;
  switch (verb) {
    case 'status': {
      const view = await args.server.get<FleetStatusView>('/v1/fleet');
      show(view, statusText(view, terminal));
      return view.problem === null ? 0 : 1;
    }
    case 'init': {
      const dryRun = args.flags.has('dry-run');
      const view = await args.server.send<InitView>('POST', '/v1/fleet/init', { reason, dryRun }, INIT);
      show(view, initText(view));
      return view.problem === null || dryRun ? 0 : 1;
    }
    case 'forget': {
      const [node = ''] = positionals;
      const path = `/v1/fleet/nodes/${encodeURIComponent(node)}/forget`;
      const view = await args.server.send<FleetStatusView>('POST', path, { reason });
      show(view, `the fleet has forgotten node ${node}\n${statusText(view, terminal)}`);
      return 0;
    }
    default:
      throw new TypeError(`fleet has no verb '${verb}'`);
  }
}

function initText({ dryRun, done, problem }: InitView): string {
  const lines =
    done.length === 0 ? ['nothing is to be done\n'] : done.map((each) => `${dryRun ? 'would ' : 'done: '}${each}\n`);
  if (problem !== null && !dryRun) lines.push(`This node still inspects nobody: ${problem}\n`);
  return lines.join('');
}

export function statusText(view: FleetStatusView, terminal: Terminal): string {
  const { node, fenced, fenceLeftMs, problem, schema, engineAheadMs, nodes } = view;
  const lines = [
    `${bold(`node ${node}`, terminal)}: ${fenced ? 'FENCED, answers DNS and inspects nobody' : `inspects; fence up for another ${fenceLeftMs} ms`}\n`,
  ];
  if (problem) lines.push(`${problem.code}: ${problem.message}\n${problem.remedy}\n`);
  if (schema && schema.version !== schema.known)
    lines.push(`The schema has version ${schema.version}, this program knows ${schema.known}.\n`);
  if (engineAheadMs !== null && Math.abs(engineAheadMs) > CLOCKS_APART_MS)
    lines.push(
      `PostgreSQL's clock is ${numberText(Math.round(Math.abs(engineAheadMs) / 1000))} s ${engineAheadMs > 0 ? 'ahead of' : 'behind'} this system's: set the wrong one right.\n`,
    );
  if (nodes.length === 0) return lines.join('');
  lines.push(
    table(
      ['NODE', 'STATE', 'LEDGER', 'LAG', 'FENCE', 'LAST WORD', 'VERSION', 'CONFIGURATION'],
      nodes.map((each) => [
        each.name,
        each.objects ? `${each.state}, OBJECTS` : each.state,
        numberText(each.applied),
        numberText(each.lag),
        `${each.fenceMs} ms`,
        `${Math.max(0, Math.round(each.seenAgoMs / 100) / 10)} s ago`,
        each.version ?? '?',
        each.drifts ? `${each.configuration} DIFFERS` : (each.configuration ?? '?'),
      ]),
      terminal,
    ),
  );
  return lines.join('');
}

/** Less is what NTP leaves, and the way between. */
const CLOCKS_APART_MS = 2000;
