/**
 * The configuration file, key by key: type, bounds, default and meaning stand here and nowhere else. The parser, the
 * table in the documentation and `sekisho check` come from it. How the values are called inside the program: config.ts.
 */
import { z } from 'zod';
import type { AnyFeature } from '../feature/feature.ts';
import type { Sections } from '../feature/sections.ts';
import { DEFAULT_PLUGINS } from '../loading/plugin-config.ts';
import { durationMs, durationSeconds, sizeBytes } from '../settings/units.ts';
import { listenSchema } from './listen-entries.ts';
import { resolveSchema } from './resolve-section.ts';
import { GROUP_NAME, serversSchema } from './server-groups.ts';
import { endpoint, isName, prefix } from './texts.ts';
import { tlsSchema } from './tls-section.ts';
import { viewsSchema } from './views-section.ts';
import { specialUseSchema, zonesSchema } from './zones-section.ts';

/** Listens for queries unless told otherwise. */
export const DEFAULT_LISTEN = ['127.0.0.1:5353', '[::1]:5353'];
/** May ask unless told otherwise: this machine alone (no open resolver by accident). */
export const DEFAULT_ACCESS = ['127.0.0.0/8', '::1/128'];

export const serverSchema = z
  .strictObject({
    listen: listenSchema(DEFAULT_LISTEN),
    workers: z
      .union([z.literal('auto'), z.int().min(1).max(64)])
      .default(1)
      .describe('Threads that handle packets; `auto` starts one per core.'),
    access: z
      .array(prefix())
      .min(1)
      .max(10_000)
      .default(DEFAULT_ACCESS)
      .describe('Networks whose clients may ask at all; everybody else is answered REFUSED.'),
    data: z
      .string()
      .min(1)
      .default('./data')
      .describe('Folder for everything that is kept. Relative to the configuration file.'),
    anchors: z
      .string()
      .min(1)
      .optional()
      .describe(
        'A further folder, on another disk or machine, for the anchors of consent ledger and audit log: without it a data folder that comes back older as a whole is recognised by its files alone.',
      ),
    log: z
      .strictObject({
        level: z
          .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
          .default('info')
          .describe(
            'Least severe message that is logged. Query names and client addresses appear at `debug` and `trace` only.',
          ),
      })
      .prefault({})
      .describe('The log, JSON lines on standard output.'),
    identity: z
      .strictObject({
        version: identityText().optional().describe('Answer to `version.bind` and `version.server` (class CH, TXT).'),
        id: identityText().optional().describe('Answer to `id.server` and `hostname.bind` (class CH, TXT).'),
      })
      .prefault({})
      .describe('What the server tells about itself; what is absent is refused.'),
    tcp: z
      .strictObject({
        'idle-timeout': durationMs({ min: '1s', max: '5m' })
          .prefault('10s')
          .describe(
            'How long a connection may stay open without a query; also announced to clients that ask (RFC 7828).',
          ),
        'message-timeout': durationMs({ min: '500ms', max: '1m' })
          .prefault('5s')
          .describe('How long one query may take to arrive once its first byte is there.'),
        'total-timeout': durationMs({ min: '5s', max: '1d' })
          .prefault('5m')
          .describe('How long a connection may live at all.'),
        'max-connections': z
          .int()
          .min(1)
          .max(100_000)
          .default(2000)
          .describe('Connections of all clients together, over all workers; beyond, one that is idle makes room.'),
        'max-connections-per-client': z
          .int()
          .min(1)
          .max(100_000)
          .default(100)
          .describe(
            'Connections of one client address (IPv6: of one /64), over all workers; beyond, its own longest idle one is closed. Keep it high where many subscribers share an address.',
          ),
        'max-pipelined': z
          .int()
          .min(1)
          .max(1000)
          .default(64)
          .describe(
            'Queries of one connection that may wait for their answers; more are not read until one is answered.',
          ),
      })
      .prefault({})
      .describe('Bounds of TCP (RFC 7766).'),
    tls: tlsSchema,
    udp: z
      .strictObject({
        'receive-buffer': sizeBytes({ min: '64KiB', max: '1GiB' })
          .prefault('8MiB')
          .describe('Kernel buffer asked for per socket; the log says what was granted.'),
        io: z
          .enum(['auto', 'mmsg', 'dgram', 'xdp'])
          .default('auto')
          .describe(
            'How packets are taken: `xdp` straight from the network interface, `mmsg` in batches from sockets or not at all, `dgram` one by one at several times the cost. `auto` is the cheapest of them that is possible and takes nothing away: `xdp` only with a driver that runs programs, a receive queue for each worker and no packet filter (docs/fast-path.md).',
          ),
        xdp: z
          .strictObject({
            interfaces: z
              .union([
                z.literal('auto'),
                z
                  .array(z.string().regex(/^[^\s/:]{1,15}$/))
                  .min(1)
                  .max(16),
              ])
              .default('auto')
              .describe('Names of the network interfaces; `auto`: those that have an address of `server.listen`.'),
            queues: z
              .union([z.literal('auto'), z.array(z.int().min(0).max(255)).min(1).max(256)])
              .default('auto')
              .describe(
                'Numbers of the receive queues; `auto`: all. Queue n belongs to worker n modulo `server.workers`.',
              ),
            'zero-copy': z
              .boolean()
              .default(true)
              .describe('Let the driver use the memory of packets itself, where it can.'),
            generic: z
              .boolean()
              .default(false)
              .describe(
                'Have the kernel’s stack run the program where the driver does not, at more cost; never with `io: auto`.',
              ),
            'busy-poll': busyPoll()
              .prefault('off')
              .describe(
                'How long the driver is asked for packets before a worker sleeps: less latency for more CPU time.',
              ),
          })
          .prefault({})
          .describe('Packets straight from the network interface (`io: xdp`, or `auto` where it can).'),
        pause: pause()
          .prefault('auto')
          .describe(
            'Longest time to let packets gather into a batch once traffic is above 15 000 a second; it saves CPU time and adds up to that much latency. `auto` is 200us, `off` never waits.',
          ),
      })
      .prefault({})
      .describe('UDP sockets towards clients.'),
    overload: z
      .strictObject({
        enabled: z
          .boolean()
          .default(true)
          .describe(
            'When a worker is behind, drop packets unread: of the clients that ask most first. No client network may hold all places for waiting queries either.',
          ),
        target: durationMs({ min: '1ms', max: '1s' })
          .prefault('50ms')
          .describe(
            'A worker is behind when packets wait in its receive queue for longer than this, for 150 ms on end.',
          ),
        limit: durationMs({ min: '10ms', max: '5s' })
          .prefault('500ms')
          .describe('While behind, what has waited for longer than this is not answered any more.'),
        exempt: z
          .array(prefix())
          .max(10_000)
          .default([])
          .describe(
            'Networks whose addresses stand for many clients (CG-NAT, a load balancer, forwarders of your own): they have no share.',
          ),
        'dry-run': z.boolean().default(false).describe('Only count what would be dropped or refused.'),
      })
      .prefault({})
      .describe('What is done when more comes than can be answered.'),
    cookies: z
      .strictObject({
        enabled: z
          .boolean()
          .default(true)
          .describe('Answer DNS cookies (RFC 7873, RFC 9018): whoever sends one back has a source that is not forged.'),
        'secret-file': z
          .string()
          .min(1)
          .optional()
          .describe(
            'File with 1–4 secrets of 32 hexadecimal digits, one a line, the same on all servers behind one address: the first makes cookies, all are accepted. Read at the start and at each reload. Without it: a random secret, new at each start.',
          ),
      })
      .prefault({})
      .describe('DNS cookies towards clients.'),
    'hang-timeout': durationMs({ min: '100ms', max: '1m' })
      .prefault('500ms')
      .describe(
        'A worker that has run for so long without coming round, or waited so long for something other than a processor, is replaced. One that gets no processor is left alone.',
      ),
  })
  .prefault({})
  .describe('How queries come in.');

export const upstreamSchema = z
  .strictObject({
    servers: serversSchema
      .optional()
      .describe("Resolvers that are asked what the cache does not hold. Without it: the system's resolvers."),
    groups: z
      .record(
        z.string().regex(GROUP_NAME, 'a group is named with up to 63 lower-case letters, digits and dashes'),
        serversSchema,
      )
      .default({})
      .meta({ typeText: 'map of name → list of servers' })
      .describe('Further groups of resolvers, by name, for `views` and for `forward` of `zones`.'),
    'ca-file': z
      .string()
      .min(1)
      .optional()
      .describe(
        'Certificates (PEM) of the authorities that may vouch for resolvers that are spoken to over TLS (`tls` of a server); those that Node.js brings unless given. Relative to the configuration.',
      ),
    'source-ports': z
      .union([z.literal('auto'), z.int().min(1).max(16_384)])
      .default('auto')
      .describe(
        'Source ports that each worker asks from at a time, servers of zones included (RFC 5452 §9.2), drawn at random from 1024–65535 and replaced all the while. `auto`: 16384, shared by the workers, or as many as the limit of open files leaves room for.',
      ),
    'mixed-case': z
      .boolean()
      .default(true)
      .describe(
        'Ask for names in random case, which an answer has to bring back (0x20): harder to forge. What gets no answer that way is asked for in lower case before it fails.',
      ),
    'lower-case-zones': z
      .array(z.string().refine(isName, { error: 'is no domain name' }))
      .max(1000)
      .default([])
      .describe('Zones whose names, and those below, are asked for in lower case from the start.'),
    timeout: durationMs({ min: '200ms', max: '30s' })
      .prefault('4s')
      .describe('How long an answer is looked for, all tries together, before the client is told SERVFAIL.'),
    segments: z
      .boolean()
      .default(true)
      .describe(
        'Let the kernel cut the queries of one round out of a single message (UDP_SEGMENT), where it can: less CPU time for each. `false` where a network card or its driver gets that wrong.',
      ),
    cookies: z
      .boolean()
      .default(true)
      .describe('Send DNS cookies (RFC 7873) to the resolvers: a forged answer of one that knows them is recognised.'),
  })
  .prefault({})
  .describe('Where answers come from.');

export const cacheSchema = z
  .strictObject({
    size: sizeBytes({ min: '1MiB', max: '256GiB' })
      .prefault('256MiB')
      .describe('Memory for answers, all workers together.'),
    'serve-stale': durationSeconds({ max: '7d' })
      .prefault('1d')
      .describe('How long past its TTL an answer may serve while no upstream answers (RFC 8767); 0 = never.'),
    'min-ttl': durationSeconds({ max: '1h' }).prefault(0).describe('Shorter TTLs are raised to this one.'),
    'max-ttl': durationSeconds({ min: '1s', max: '7d' }).prefault('1d').describe('Longer TTLs are cut to this one.'),
  })
  .prefault({})
  .describe('The cache of answers.');

export const adminSchema = z
  .strictObject({
    listen: endpoint({ minPort: 0 })
      .prefault('127.0.0.1:8053')
      .describe(
        'Address of the admin API (HTTP without TLS: keep it on loopback or behind a proxy). Port 0 = any free one, named in the log.',
      ),
    'tokens-file': z
      .string()
      .min(1)
      .optional()
      .describe('YAML list of `{name, role, token-sha256}`: who may use the admin API besides `<data>/admin.token`.'),
    'single-approver': z
      .boolean()
      .default(false)
      .describe(
        'Whoever asks for a measure over the API may also approve it. Otherwise `approver` has to differ from the name of the token.',
      ),
    'single-approver-reason': z
      .string()
      .max(500)
      .optional()
      .describe('Why one person is enough, in a sentence; required with `single-approver`, recorded and shown.'),
  })
  .prefault({})
  .describe('The admin API.');

const includeSchema = z
  .union([z.string().min(1), z.array(z.string().min(1))])
  .optional()
  .describe(
    'Files, or folders of `*.yaml`, whose sections count as if they stood here. A section stands in one file; entries of `lists`, `zones`, `views` and `plugins` may come from several, those of this file last. Relative to this file, as all names in them.',
  );

const pluginsSchema = z
  .record(z.string(), z.unknown())
  .default(DEFAULT_PLUGINS)
  .meta({ typeText: 'map of name → options' })
  .describe(
    'Plugins in the order in which they run inside their stage. One that is not built in names its `module`: a file relative to the configuration, or a package.',
  );

/**
 * The whole file: sections that the data plane is made of, then those of the features. Throws TypeError where two have the same key. Plugins
 * are checked one by one against their own schemas (load.ts).
 */
export function wholeSchema(features: readonly Sections[]): z.ZodObject {
  const shape: Record<string, z.ZodType> = {
    include: includeSchema,
    server: serverSchema,
    upstream: upstreamSchema,
    resolve: resolveSchema,
    zones: zonesSchema,
    'special-use': specialUseSchema,
    views: viewsSchema,
    cache: cacheSchema,
    plugins: pluginsSchema,
    admin: adminSchema,
  };
  for (const [key, schema] of features.flatMap(({ schemas }) => Object.entries(schemas))) {
    if (Object.hasOwn(shape, key)) throw new TypeError(`two features declare the section '${key}'`);
    shape[key] = schema;
  }
  return z.strictObject(shape);
}

/** What the features of a list declare. */
export async function sectionsOf(features: readonly AnyFeature[]): Promise<Sections[]> {
  const sections = await Promise.all(features.map((feature) => feature.sections?.()));
  return sections.filter((each) => each !== undefined);
}

/** A TXT string of at most 255 bytes (RFC 1035 §3.3). */
function identityText() {
  return z
    .string()
    .min(1)
    .max(255)
    .regex(/^[\x20-\x7e]*$/, 'must be printable ASCII');
}

/** `auto`, `off`, or microseconds. */
function pause() {
  return z
    .string()
    .transform((text, context): 'auto' | 'off' | number => {
      if (text === 'auto' || text === 'off') return text;
      const micros = Number(/^(\d{1,4})us$/.exec(text)?.[1]);
      if (micros >= 1 && micros <= 1000) return micros;
      context.addIssue({
        code: 'custom',
        message: `expected 'auto', 'off' or a time from 1us to 1000us, found '${text.slice(0, 40)}'`,
      });
      return z.NEVER;
    })
    .meta({ typeText: '`auto`, `off`, or 1us–1000us' });
}

/** `off` or microseconds; 0 = off. */
function busyPoll() {
  return z
    .string()
    .transform((text, context): number => {
      if (text === 'off') return 0;
      const micros = Number(/^(\d{1,4})us$/.exec(text)?.[1]);
      if (micros >= 1 && micros <= 1000) return micros;
      context.addIssue({
        code: 'custom',
        message: `expected 'off' or a time from 1us to 1000us, found '${text.slice(0, 40)}'`,
      });
      return z.NEVER;
    })
    .meta({ typeText: '`off`, or 1us–1000us' });
}
