/** `sekisho status`: the state of the running server. */

import type { Status } from '../admin/status.ts';
import type { Args } from '../commands/command.ts';
import { bytesText, durationWords, numberText, shareText, table } from '../commands/layout.ts';
import { bold, type Terminal } from '../commands/terminal.ts';
import { counted } from '../errors/counted.ts';
import type { StatusPart } from '../feature/status.ts';

export async function status(args: Args, terminal: Terminal): Promise<number> {
  const state = await args.server.get<Status>('/v1/status');
  if (args.json) {
    terminal.out(`${JSON.stringify(state, null, 2)}\n`);
    return 0;
  }
  const { featuresIn } = await import('../features.ts');
  const parts = await Promise.all((await featuresIn(args.featureList)).map((feature) => feature.status?.()));
  terminal.out(
    statusText(
      state,
      terminal,
      parts.filter((part) => part !== undefined),
    ),
  );
  return 0;
}

/** The status for people. */
export function statusText(state: Status, terminal: Terminal, ofFeatures: readonly StatusPart[] = []): string {
  const { queries, cache } = state;
  const lookups = cache.hits + cache.misses + cache.stale;
  const rcodes = Object.entries(queries.rcodes).sort(([, one], [, other]) => other - one);
  const facts = [
    ['configuration', `${state.configuration}, in force since ${state.configuredAt}`],
    [
      'queries',
      `${numberText(queries.total)} (UDP ${shareText(queries.udp, queries.total)}, TCP ${shareText(queries.tcp, queries.total)}), ${numberText(queries.dropped)} dropped${queries.shed > 0 ? `, ${numberText(queries.shed)} more shed unread` : ''}`,
    ],
    ['replies', rcodes.map(([rcode, count]) => `${rcode} ${numberText(count)}`).join(', ') || 'none yet'],
    [
      'cache',
      `${counted(cache.entries, 'answer')}, ${bytesText(cache.usedBytes)} of ${bytesText(cache.sizeBytes)}; ${shareText(cache.hits, lookups)} hits, ${shareText(cache.stale, lookups)} stale`,
    ],
    ...resolveText(state.resolve),
    ...fastPathText(state.fastPath),
    ...ofFeatures.flatMap((part) => part.lines(state)),
    ...state.warnings.map((warning) => ['warning', warning] as const),
  ] as const;
  const head = `Sekisho ${state.version} · ${state.ready ? 'ready' : 'NOT READY'} · up ${durationWords(state.uptimeSeconds)} · process ${state.pid} · Node.js ${state.node.replace(/^v/, '')}`;
  return [
    `${bold(head, terminal)}\n`,
    `${facts.map(([name, text]) => `${name.padEnd(13)}  ${text}\n`).join('')}`,
    table(
      ['LISTENER', 'TRANSPORTS', 'PACKETS'],
      state.listeners.map(({ address, transports, packets }) => [address, transports.join(', '), packets]),
      terminal,
    ),
    ...(state.kernelDrops.length > 0
      ? [
          table(
            ['DROPPED BY THE KERNEL', 'WHAT', 'REASON', 'ENDS IN', 'LETS PASS'],
            state.kernelDrops.map(({ source, what, reason, endsInSeconds, passPerSecond }) => [
              source,
              what,
              reason,
              endsInSeconds === null ? 'with the configuration' : durationWords(endsInSeconds),
              passPerSecond === 0 ? 'nothing' : `${numberText(passPerSecond)}/s`,
            ]),
            terminal,
          ),
        ]
      : []),
    ...(state.upstreams.length === 0 && state.resolve !== null
      ? []
      : [
          table(
            ['UPSTREAM', 'STATE', 'RTT', 'QUERIES', 'FAILURES', 'TLS', 'TRUSTED'],
            state.upstreams.map((each) => [
              each.address,
              each.state,
              each.rttMs === null ? '–' : `${each.rttMs.toFixed(1)} ms`,
              each.queries,
              each.failures,
              each.tls ?? 'no',
              each.trusted ? 'yes' : 'no',
            ]),
            terminal,
          ),
        ]),
    ...(state.views.length > 0
      ? [
          table(
            ['VIEW', 'QUERIES', 'REPLIES', 'DRY RUN'],
            state.views.map(({ name, queries: asked, rcodes: own, dryRun }) => [
              name,
              asked,
              countsText(own),
              countsText(dryRun),
            ]),
            terminal,
          ),
        ]
      : []),
    table(
      ['WORKER', 'STATE', 'UP', 'QUERIES', 'REPLACED'],
      state.workers.map((each) => [
        String(each.number),
        each.state,
        durationWords(each.uptimeSeconds),
        each.queries,
        each.restarts,
      ]),
      terminal,
    ),
    table(
      ['PLUGIN', 'STAGE', 'COST', 'ERRORS'],
      state.plugins.map((each) => [
        each.name,
        each.stage,
        each.meanCostNs === null ? '–' : `${numberText(each.meanCostNs)} ns`,
        each.errors,
      ]),
      terminal,
    ),
  ].join('\n');
}

/** Nothing where it was not asked for: what comes by sockets then is as it always was. */
function fastPathText({ asked, interfaces, reasons }: Status['fastPath']): (readonly [string, string])[] {
  const lines = interfaces.map(
    ({ name, mode, queues, shut, up }) =>
      `${name}: ${mode}, ${counted(queues, 'queue')}${shut > 0 ? `, ${shut} of them shut (packets come by sockets)` : ''}${up ? '' : '; THE INTERFACE IS DOWN'}`,
  );
  const told = asked || interfaces.length > 0 ? reasons : [];
  return [...lines, ...told.map((reason) => `by sockets: ${reason}`)].map((text) => ['fast path', text] as const);
}

function resolveText(resolve: Status['resolve']): (readonly [string, string])[] {
  if (resolve === null) return [];
  const outcomes = Object.entries(resolve.outcomes).sort(([, one], [, other]) => other - one);
  const became =
    outcomes.map(([outcome, count]) => `${outcome} ${numberText(count)}`).join(', ') || 'nothing asked yet';
  return [
    [
      'resolve',
      `${counted(resolve.queries, 'query', 'queries')} to authorities, ${numberText(resolve.timeouts)} not answered in time; ${became}; ${numberText(resolve.exhausted)} over budget`,
    ],
    [
      'delegations',
      `${numberText(resolve.entries)} held, ${bytesText(resolve.usedBytes)} of ${bytesText(resolve.sizeBytes)}`,
    ],
  ];
}

/** `NOERROR 12, NXDOMAIN 3`, most first. */
function countsText(counts: Readonly<Record<string, number>>): string {
  const sorted = Object.entries(counts).sort(([, one], [, other]) => other - one);
  return sorted.map(([name, count]) => `${name} ${numberText(count)}`).join(', ') || '–';
}
