/**
 * What the admin API answers, declared once: the TypeScript types, the JSON Schema in `/openapi.json` and the filter on
 * the way out (a field that is not declared here does not leave the server) all come from these schemas.
 */
import { z } from 'zod';

const count = z.number().min(0);

export const statusSchema = z.strictObject({
  version: z.string().describe('Version of Sekisho.'),
  node: z.string().describe('Version of Node.js.'),
  pid: z.int(),
  startedAt: z.string().describe('Instant of the start, ISO 8601, UTC.'),
  uptimeSeconds: count,
  configuration: z.string().describe('File that is in force, or `built-in defaults`.'),
  configuredAt: z.string().describe('Instant since when this configuration is in force, ISO 8601, UTC.'),
  ready: z.boolean().describe('Queries are being answered.'),
  warnings: z.array(z.string()).describe('What the configuration in force was warned of.'),
  workers: z.array(
    z.strictObject({
      number: z.int(),
      state: z.enum(['starting', 'running', 'draining', 'stopped']),
      restarts: count.describe('How often this worker was replaced since the start.'),
      uptimeSeconds: count,
      queries: count.describe('Queries since this worker came up.'),
    }),
  ),
  listeners: z.array(
    z.strictObject({
      address: z.string().describe('address:port'),
      transports: z.array(z.enum(['udp', 'tcp', 'tls', 'https'])),
      packets: z
        .enum(['batched', 'dgram', 'xdp'])
        .describe('How UDP is handled: batches of system calls, node:dgram, or straight from network interfaces.'),
    }),
  ),
  fastPath: z
    .strictObject({
      asked: z.boolean().describe('The configuration says `xdp`, and not `auto`.'),
      interfaces: z.array(
        z.strictObject({
          name: z.string(),
          mode: z
            .enum(['zero-copy', 'copy', 'generic'])
            .describe('What the driver does; `generic`: the kernel’s stack runs the program.'),
          queues: count.describe('Receive queues that are served.'),
          shut: count.describe('Queues whose packets come by the sockets for now.'),
          up: z.boolean(),
        }),
      ),
      reasons: z.array(z.string()).describe('Why packets come by sockets where they do.'),
    })
    .describe('Packets taken straight from network interfaces.'),
  kernelDrops: z
    .array(
      z.strictObject({
        source: z.string().describe('The network that is dropped, or that the host is in: IPv4 /24, IPv6 /40.'),
        what: z.enum(['host', 'network']),
        reason: z.enum(['host-share', 'network-share', 'outsider']),
        endsInSeconds: z.number().nullable().describe('null = it lasts as long as the configuration.'),
        passPerSecond: count.describe('Packets a second that pass all the same.'),
      }),
    )
    .describe('Sources whose packets the kernel drops, each with reason and end.'),
  upstreams: z.array(
    z.strictObject({
      address: z.string().describe('address:port'),
      state: z.enum(['up', 'down', 'unknown']).describe('`unknown` until it was asked once.'),
      rttMs: z.number().nullable().describe('Smoothed time to an answer; null while unknown.'),
      trusted: z.boolean(),
      tls: z
        .enum(['strict', 'opportunistic', 'failing'])
        .nullable()
        .describe('How TLS is spoken to it; `failing`: for the moment it cannot be; null: in the clear.'),
      queries: count,
      failures: count.describe('Timeouts, refusals and answers that made no sense.'),
    }),
  ),
  resolve: z
    .strictObject({
      entries: count.describe('Delegations, addresses of name servers and DS records held.'),
      usedBytes: count,
      sizeBytes: count,
      queries: count.describe('Queries sent to authoritative servers.'),
      timeouts: count.describe('How many of them were not answered in time.'),
      outstanding: count.describe('Questions that are being asked.'),
      outcomes: z.record(z.string(), count).describe('What became of questions.'),
      exhausted: count.describe('Questions whose budget ran out.'),
    })
    .nullable()
    .describe('Finding answers from the root down; null where the server forwards.'),
  views: z
    .array(
      z.strictObject({
        name: z.string(),
        queries: count,
        rcodes: z.record(z.string(), count).describe('Replies by response code.'),
        dryRun: z.record(z.string(), count).describe('By plugin: verdicts that were counted and not carried out.'),
      }),
    )
    .describe('Views, in order.'),
  plugins: z
    .array(
      z.strictObject({
        name: z.string(),
        stage: z.enum(['guard', 'policy', 'answer', 'observe']),
        meanCostNs: z.number().nullable().describe('Mean CPU time per query; null where it was not measured yet.'),
        errors: count.describe('Hooks that threw.'),
      }),
    )
    .describe('The chain, in the order in which it runs.'),
  cache: z.strictObject({
    entries: count,
    usedBytes: count,
    sizeBytes: count,
    hits: count,
    misses: count,
    stale: count.describe('Answers served past their TTL.'),
  }),
  queries: z.strictObject({
    total: count,
    udp: count,
    tcp: count,
    dropped: count,
    shed: count.describe('Packets dropped unread because a worker was behind; not among the total.'),
    rcodes: z.record(z.string(), count).describe('Replies by response code.'),
  }),
});
/** With what the features add. */
export type Status = z.infer<typeof statusSchema> & { readonly [ofFeatures: string]: unknown };

export const explainSchema = z.strictObject({
  name: z.string().describe('Name asked for, as text without the final dot.'),
  type: z.string().describe('Type asked for, e.g. `A`.'),
  client: z.string().describe('Address that would ask.'),
  view: z
    .string()
    .nullable()
    .describe('The view that client and listener are in; null where they are in none and meet the top level.'),
  steps: z
    .array(
      z.strictObject({
        place: z
          .string()
          .describe(
            'Stage of the plugin, or `view`, `miss`, `answer`, `own names`, `cache`, `failures`, `source`, `fault`.',
          ),
        who: z.string().describe('Plugin, or part of the server.'),
        verdict: z
          .string()
          .describe('e.g. `continue`, `answer`, `refuse`; `unknown` where only the answer would tell.'),
        reason: z.string(),
      }),
    )
    .describe('What would be asked, in order, up to the step that decides.'),
  lists: z
    .array(
      z.strictObject({
        list: z.string(),
        category: z.string(),
        tier: z.string(),
        trigger: z.string().describe('What the rule is about: `qname`, `client-ip`, `ip`, `nsdname`, `nsip`.'),
        rule: z.string().describe('The name (`*.` before it: what is below it) or network of the rule.'),
        line: z
          .int()
          .nullable()
          .describe("Where the rule stands in the list's version in force; null where it was not found."),
        text: z.string().nullable().describe('That line, made safe to show.'),
        who: z.string().nullable().describe('Plugin that acts on the list; null where none in the chain does.'),
        reason: z.string().describe('On which ground the rule applies, or why it does not.'),
      }),
    )
    .describe('Rules of lists on this name or client, whether or not they apply.'),
  decidedBy: z.string().nullable().describe('Who decides; null where nobody does and the question goes upstream.'),
  outcome: z.string().describe('What the client would get, in one sentence.'),
  fate: z
    .enum(['answered', 'dropped', 'held', 'asked'])
    .describe('`held`: a plugin would take its time to decide. `asked`: an upstream would be asked.'),
  reply: z
    .strictObject({
      rcode: z.string(),
      truncated: z.boolean().describe('The client would be told to come back over TCP.'),
      answers: count.describe('Records of the answer section.'),
      ede: count.nullable().describe('Info code of the extended error (RFC 8914).'),
      stale: z.boolean().describe('What has expired would be served (RFC 8767).'),
    })
    .nullable()
    .describe('The reply, where the fate is `answered`.'),
});
/** What would happen to a query, found out without sending, counting or recording anything. */
export type ExplainResult = z.infer<typeof explainSchema>;

/** What `explain` is asked. */
export interface ExplainQuestion {
  /** Text without the final dot; `.` for the root. Valid. */
  readonly name: string;
  /** Number of the type, 0–65535. */
  readonly type: number;
  /** Address in canonical text. Valid. */
  readonly client: string;
  /** Place in `server.listen` of the address that the query would come to. */
  readonly listener: number;
}

export const reloadSchema = z.strictObject({
  ok: z.boolean().describe('The new configuration is in force. Otherwise the old one runs on.'),
  problems: z.array(z.string()).describe('`file:line:column: path: message`'),
});
export type ReloadResult = z.infer<typeof reloadSchema>;

export const readySchema = z.strictObject({ ready: z.boolean() });
export const healthSchema = z.strictObject({ status: z.literal('ok') });
