/**
 * Certificates in the main thread: read from their files, watched for new ones, and handed to the packet threads with the keys of
 * session tickets. What cannot be read does not replace what is shown.
 */
import { randomBytes } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { endpointText } from '../address/address.ts';
import type { CertificateFiles, ListenEntry } from '../address/listen-entry.ts';
import type { FeatureContext, KeptPart, Opened } from '../feature/feature.ts';
import { type Certificate, isProblem, readCertificate } from './certificate.ts';
import { certificateError } from './errors.ts';
import { TICKET_SECRET_BYTES, ticketKeys, ticketPeriod } from './ticket-keys.ts';

export interface CertificateSections {
  readonly server: {
    readonly listen: readonly ListenEntry[];
    readonly tls: {
      /** Hexadecimal; absent where each process makes its own. */
      readonly tickets?: { readonly secret: string };
    };
  };
}

/** Files are looked at this often: whoever renews certificates may replace links, folders or files. */
const LOOK_MS = 5_000;
/** An end nearer than this is worth a warning in `sekisho status`. */
const SOON_MS = 14 * 86_400_000;

interface KeptSecret extends KeptPart {
  readonly secret: Uint8Array;
}

interface Shown {
  readonly entry: ListenEntry;
  certificates: readonly Certificate[];
  /** Of the files as they were when they were read last, whether they could be or not. */
  seen: string;
}

export async function openCertificates(context: FeatureContext<CertificateSections>): Promise<Opened<undefined>> {
  const { config, log, time, metrics } = context;
  const { listen, tls } = config.server;
  // In memory alone: tickets of a process that has ended are of no use to anybody.
  const kept = context.keep((): KeptSecret => ({ secret: randomBytes(TICKET_SECRET_BYTES), close: () => {} }));
  const secret = tls.tickets === undefined ? kept.secret : Buffer.from(tls.tickets.secret, 'hex');
  const shown: Shown[] = [];
  for (const entry of listen) {
    if (entry.certificates === undefined) continue;
    const seen = await stateOf(entry.certificates);
    shown.push({ entry, certificates: await readAll(entry, time.wallMs()), seen });
  }
  if (shown.length === 0) return { desk: undefined };

  let period = ticketPeriod(time.wallMs());
  const publish = () =>
    context.publish({
      shown: shown.map(({ entry, certificates }) => ({
        endpoint: endpointText(entry),
        pairs: certificates.map(({ chain, key, names }) => ({ chain, key, names })),
      })),
      ticketKeys: ticketKeys(secret, period),
    });
  await publish();

  const look = async () => {
    let changed = false;
    for (const each of shown) {
      const seen = await stateOf(each.entry.certificates ?? []);
      if (seen === each.seen) continue;
      each.seen = seen;
      const listener = endpointText(each.entry);
      try {
        each.certificates = await readAll(each.entry, time.wallMs());
        changed = true;
        const [first] = each.certificates;
        log.info({ listener, names: first?.names, ends: first && dayOf(first.endsMs) }, 'loaded new certificates');
      } catch (error) {
        const reason = error instanceof Error ? error.message : 'unknown';
        log.error({ listener, reason }, 'failed to load new certificates; the ones before are still shown');
      }
    }
    const now = ticketPeriod(time.wallMs());
    if (now !== period) {
      period = now;
      changed = true;
    }
    if (changed) await publish();
  };
  let watching: NodeJS.Timeout | undefined;
  let looking: Promise<void> = Promise.resolve();
  const stop = async () => {
    clearInterval(watching);
    watching = undefined;
    await looking;
  };
  const ends = shown.map(({ entry }) =>
    metrics.gauge(
      'sekisho_certificate_end_timestamp_seconds',
      'When the first certificate of a listener to end does.',
      {
        listener: endpointText(entry),
      },
    ),
  );
  return {
    desk: undefined,
    activate: () => {
      watching ??= setInterval(() => {
        looking = looking.then(look).catch((error: unknown) => {
          log.error({ error: error instanceof Error ? error.name : 'unknown' }, 'failed to look at certificates');
        });
      }, LOOK_MS);
      watching.unref();
    },
    deactivate: stop,
    close: stop,
    measure: () => {
      for (const [i, { certificates }] of shown.entries())
        metrics.values[ends[i]!] = Math.min(...certificates.map(({ endsMs }) => endsMs)) / 1000;
    },
    warnings: () =>
      shown.flatMap(({ entry, certificates }) => certificates.flatMap((each) => doubtsOf(entry, each, time.wallMs()))),
  };
}

/** Rejects with SekishoError where one of them cannot be shown. */
async function readAll({ certificates = [] }: ListenEntry, nowMs: number): Promise<Certificate[]> {
  const read: Certificate[] = [];
  for (const files of certificates) {
    const found = await readCertificate(files, nowMs);
    if (isProblem(found)) throw certificateError('SEKISHO_CERTIFICATE_INVALID', `${found.file} ${found.message}`);
    read.push(found);
  }
  return read;
}

function doubtsOf(entry: ListenEntry, { files, endsMs, doubts }: Certificate, nowMs: number): string[] {
  const soon = endsMs > nowMs && endsMs - nowMs < SOON_MS ? [`the certificate ends on ${dayOf(endsMs)}: renew it`] : [];
  return [...doubts, ...soon].map((doubt) => `${endpointText(entry)}, ${files.certificate}: ${doubt}`);
}

/** Changes whenever one of the files does. */
async function stateOf(pairs: readonly CertificateFiles[]): Promise<string> {
  const states = pairs
    .flatMap(({ certificate, key }) => [certificate, key])
    .map(async (file) => {
      try {
        const { ino, size, mtimeMs, ctimeMs } = await stat(file);
        return `${ino} ${size} ${mtimeMs} ${ctimeMs}`;
      } catch {
        return 'gone';
      }
    });
  return (await Promise.all(states)).join(', ');
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
