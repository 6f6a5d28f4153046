/**
 * Copies of queries and replies for the operator's own tools, in the format that they speak (dnstap over Frame Streams). It
 * records who asks for what, be it under a pseudonym: so it needs a ground, ends with it, and is off unless configured.
 *
 *     worker: observe ─▶ ring (shared memory) ─▶ writer's thread: pseudonym, encode ─▶ unix socket or file
 */

import { hostname } from 'node:os';
import { isAbsolute, join } from 'node:path';
import {
  definePlugin,
  durationMs,
  expiryMs,
  faultOf,
  ground,
  type Problem,
  sizeBytes,
  version,
  z,
} from '../../src/contract/plugin.ts';
import { createRing, RingWriter } from './ring.ts';

const MESSAGES = ['client-query', 'client-response'] as const;

interface Shared {
  readonly rings: readonly SharedArrayBuffer[];
  /** Wall-clock milliseconds at which the ground ends; Infinity = never. */
  readonly endsAtMs: number;
}

const options = z.strictObject({
  ground: ground.optional().describe('On which ground this is done, stated in full; without one it is refused.'),
  socket: z
    .string()
    .min(1)
    .optional()
    .describe('Unix socket of a reader; relative to `<data>/dnstap/`. Either this or `file`.'),
  file: z.string().min(1).optional().describe('File that is written; relative to `<data>/dnstap/`.'),
  'file-size': sizeBytes({ min: '1MiB', max: '64GiB' })
    .prefault('256MiB')
    .describe('A file of this size becomes `<file>.old`, in place of the one before, and a new one begins.'),
  messages: z
    .array(z.enum(MESSAGES))
    .min(1)
    .default([...MESSAGES])
    .describe('What is written of each query.'),
  sample: z.int().min(1).max(1_000_000).default(1).describe('One query in so many is written, chosen at random.'),
  addresses: z
    .enum(['pseudonym', 'none'])
    .default('pseudonym')
    .describe('A pseudonym that keeps prefixes, or no address at all. Addresses themselves are never written.'),
  'key-rotation': durationMs({ min: '1h', max: '31d' })
    .prefault('1d')
    .describe('How long a key for pseudonyms is used; then it is overwritten, and nobody can go back.'),
  identity: z.string().max(255).optional().describe('What the server calls itself in each message; its host name.'),
});

const PROBLEM_HOLD_MS = 1_000;
const LOOK_MS = 1_000;

export default definePlugin({
  name: 'dnstap',
  stage: 'observe',
  summary: 'copies of queries and replies for tools that read dnstap, under pseudonyms',
  options,
  toConfigure:
    '{ file: queries.dnstap, ground: { kind: legitimate-business, purpose: "…", necessity: "…", proportionality: "…", approver: "…", review: YYYY-MM-DD } }',
  check({ ground: stated, socket, file }) {
    const problems: Problem[] = [];
    // G 2(2): who asks for what is the secrecy of communications, whatever it is called by.
    if (!stated)
      problems.push({ path: [], message: 'dnstap records who asks for what, so it needs a `ground` stated in full' });
    if ((socket === undefined) === (file === undefined))
      problems.push({ path: [], message: 'name either a `socket` or a `file`' });
    return problems;
  },
  async control({ options, workers, clock, every, log, dataFolder, audit, gauge, counter, numbers, onClose }) {
    // Loaded only where it runs, and not in the packet threads.
    const [{ WriterThread }, { currentKey }, { DROPS }, { refuseWrongPlace }] = await Promise.all([
      import('./writer-thread.ts'),
      import('./key-file.ts'),
      import('./sink.ts'),
      import('./place.ts'),
    ]);
    const folder = dataFolder();
    const place = (path: string | undefined) =>
      path === undefined ? undefined : isAbsolute(path) ? path : join(folder, path);
    refuseWrongPlace(place(options.socket), place(options.file));
    const stated = options.ground;
    const endsAtMs = (stated && expiryMs(stated)) ?? Number.POSITIVE_INFINITY;
    audit.record({
      who: 'server',
      role: 'server',
      action: 'dnstap.begin',
      purpose: stated?.kind ?? 'no ground',
      detail: { ground: stated, addresses: options.addresses, sample: options.sample, messages: options.messages },
    });
    if (clock.termMs() >= endsAtMs && endsAtMs < Number.POSITIVE_INFINITY)
      log.warn('the ground of dnstap has expired: nothing is written');

    const rings = Array.from({ length: workers }, createRing);
    const keyFile = join(folder, 'pseudonyms.key');
    const pseudonyms = options.addresses === 'pseudonym';
    let key = pseudonyms ? currentKey(keyFile, options['key-rotation'], clock.wallMs()) : undefined;
    const written = counter('frames', 'Frames that were handed to the reader or the file.');
    const dropped = DROPS.map((reason) =>
      counter('frames_dropped', 'Frames that were not, by the reason.', { reason }),
    );
    const connected = gauge('connected', '1 while a reader listens or the file is open.');
    let saidMs = Number.NEGATIVE_INFINITY;
    const writer = new WriterThread(
      {
        rings,
        socket: place(options.socket),
        file: place(options.file),
        fileBytes: options['file-size'],
        identity: options.identity ?? hostname(),
        version: `sekisho ${version()}`,
        messages: options.messages,
        key: key?.key,
      },
      (report) => {
        numbers[written] = report.written;
        DROPS.forEach((reason, i) => {
          numbers[dropped[i]!] = report.dropped[reason];
        });
        numbers[connected] = report.open ? 1 : 0;
        if (report.problem === undefined || clock.nowMs() - saidMs < PROBLEM_HOLD_MS) return;
        saidMs = clock.nowMs();
        log.warn({ reason: report.problem }, 'dnstap messages cannot be written');
      },
      (error) => log.error({ fault: faultOf(error) }, 'the dnstap writer failed; nothing more is written'),
    );
    const stopRotation = every(60_000, () => {
      if (!key || clock.wallMs() - key.madeAtMs < options['key-rotation']) return;
      try {
        key = currentKey(keyFile, options['key-rotation'], clock.wallMs());
        writer.changeKey(key.key);
      } catch (error) {
        log.error({ fault: faultOf(error) }, 'failed to renew the pseudonym key; the old one stays in use');
      }
    });
    onClose(async () => {
      stopRotation();
      await writer.close();
    });
    return { shared: { rings, endsAtMs } satisfies Shared };
  },
  data({ options, shared, worker, clock, random32, counter, counters }) {
    const recorded = counter('recorded', 'Queries that were copied for the writer.');
    const full = counter('ring_full', 'Queries that were not, because the writer did not keep up.');
    const { rings, endsAtMs } = (shared as Shared | undefined) ?? { rings: [], endsAtMs: 0 };
    const memory = rings[worker];
    // The hooks that only explain have none.
    if (!memory) return {};
    const ring = new RingWriter(memory);
    const { sample } = options;
    let gap = 1;
    let acts = false;
    let ended = false;
    let lookMs = Number.NEGATIVE_INFINITY;
    /** The ground may end, and the clock may jump: looked at every second. What has ended once has ended. */
    const look = (nowMs: number) => {
      const termMs = clock.termMs();
      acts = !ended && (termMs < endsAtMs || endsAtMs === Number.POSITIVE_INFINITY);
      ended ||= !acts && termMs < Number.POSITIVE_INFINITY;
      lookMs = nowMs + Math.min(LOOK_MS, acts ? endsAtMs - termMs : LOOK_MS);
    };
    return {
      observe(query) {
        if (--gap > 0) return;
        // Uniform from 1 to 2 × sample - 1: nobody who asks in step is always or never seen.
        if (sample > 1) gap = 1 + (random32() % (2 * sample - 1));
        // What could not be read is nobody's question.
        if (query.question.nameLength === 0) return;
        if (query.nowMs >= lookMs) look(query.nowMs);
        if (!acts) return;
        if (ring.put(query)) counters[recorded]! += 1;
        else counters[full]! += 1;
      },
    };
  },
});
