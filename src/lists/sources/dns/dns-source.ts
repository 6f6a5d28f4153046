/**
 * A list that is a DNS zone, transferred from its primary: SOA, then IXFR where the version in force came from there too,
 * then AXFR. Signed with TSIG where a key is given. One transport, TCP.
 *
 *   SOA ──► same serial: unchanged         older: refused, the list stays
 *    │ newer
 *    ├──► IXFR ──► changes, applied to a copy of the version in force ─┐
 *    │      │ refused, does not fit                                    ├─► temporary file
 *    └──────┴──► AXFR ──► whole zone ──────────────────────────────────┘
 */

import { durationText } from '../../../settings/units.ts';
import { type Clock, systemClock } from '../../../time/clock.ts';
import { RCODE, TYPE } from '../../../wire/constants.ts';
import { nameToText, textToName } from '../../../wire/name.ts';
import { RecordCursor } from '../../../wire/records.ts';
import { IncomingFile } from '../incoming-file.ts';
import {
  FetchFailure,
  type FetchOptions,
  type FetchResult,
  failed,
  type Known,
  type ListSource,
  type Provenance,
  type Random,
} from '../source.ts';
import { systemTimers, type Timers } from '../timers.ts';
import { Connection, type Primary } from './connection.ts';
import { isAuthoritative, zoneQuestion } from './question.ts';
import { absoluteName, RecordError, readSoa, type Soa } from './record-text.ts';
import { compareSerials } from './serial.ts';
import { zoneTimers } from './soa-timers.ts';
import { checkHeader, RcodeFailure, TransferReader } from './transfer.ts';
import { sign, TsigError, TsigVerifier } from './tsig.ts';
import type { TsigKey } from './tsig-key.ts';
import { ChangesDoNotFit, ZoneChanges } from './zone-file.ts';

export interface DnsSourceOptions {
  readonly primary: Primary;
  /** Name of the zone, with or without the final dot. */
  readonly zone: string;
  readonly key?: TsigKey;
  /** Folder for temporary files: the list's own in the data folder. */
  readonly folder: string;
  /** Of the zone as text, and of what comes over the wire. */
  readonly maxBytes: number;
  readonly maxRecords?: number;
  readonly known: () => Known;
  readonly random: Random;
  readonly limits?: Partial<DnsLimits>;
  readonly clock?: Clock;
  readonly timers?: Timers;
}

export interface DnsLimits {
  readonly connectMs: number;
  /** Silence of the primary. */
  readonly idleMs: number;
  /** For everything together. */
  readonly totalMs: number;
}

export const DNS_LIMITS: DnsLimits = { connectMs: 10_000, idleMs: 30_000, totalMs: 1_800_000 };
const MAX_RECORDS = 20_000_000;

/** Throws NameError where `zone` is no name. */
export function dnsSource(options: DnsSourceOptions): ListSource {
  const { primary, key, known, random, clock = systemClock, timers = systemTimers } = options;
  const limits = { ...DNS_LIMITS, ...options.limits };
  const maxRecords = options.maxRecords ?? MAX_RECORDS;
  const wireZone = textToName(options.zone);
  const zone = absoluteName(concatHeader(wireZone), 12, 12 + wireZone.length);
  const host = primary.host.includes(':') ? `[${primary.host}]` : primary.host;
  const description = `axfr://${host}:${primary.port}/${nameToText(wireZone)}`;

  async function fetch(signal: AbortSignal, { again = false }: FetchOptions = {}): Promise<FetchResult> {
    const deadline = new AbortController();
    const cancelDeadline = timers.after(limits.totalMs, () => deadline.abort());
    try {
      return await transfer(AbortSignal.any([signal, deadline.signal]), again);
    } catch (error) {
      const late = deadline.signal.aborted && !signal.aborted;
      const cause = late ? new FetchFailure(`took longer than ${durationText(limits.totalMs)}`) : error;
      const failure = failed(cause);
      return failure.kind === 'failed' ? { ...failure, reason: `${description}: ${failure.reason}` } : failure;
    } finally {
      cancelDeadline();
    }
  }

  async function transfer(signal: AbortSignal, again: boolean): Promise<FetchResult> {
    const { current, delivered } = known();
    const soa = await connected(signal, askSoa);
    const deliveredHere = delivered?.source === description ? delivered : undefined;
    if (!again && deliveredHere?.serial === soa.serial) {
      return { kind: 'unchanged', provenance: { ...deliveredHere, timers: zoneTimers(soa) } };
    }
    const base = current?.provenance.source === description ? baseOf(current) : undefined;
    if (!again) refuseOlder(soa.serial, base?.serial);
    if (!base || again || compareSerials(soa.serial, base.serial) !== 1) {
      return await connected(signal, (connection) => fetchZone(connection, undefined, []));
    }
    try {
      return await connected(signal, (connection) => fetchZone(connection, base, []));
    } catch (error) {
      if (signal.aborted || !isWorthWhole(error)) throw error;
      const notes = [`the changes could not be used: ${(error as Error).message}`];
      return await connected(signal, (connection) => fetchZone(connection, undefined, notes));
    }
  }

  async function askSoa(connection: Connection): Promise<Soa> {
    const id = random() & 0xffff;
    const { verifier } = ask(connection, zoneQuestion('SOA', zone, id));
    const message = await connection.receive();
    verifier?.take(message, nowS());
    verifier?.end();
    checkHeader(message, id, 'SOA');
    const cursor = new RecordCursor();
    cursor.open(message, 0, message.length);
    while (cursor.next()) {
      if (cursor.section !== 0) break;
      if (cursor.type === TYPE.SOA && absoluteName(message, cursor.owner, message.length) === zone) {
        if (!isAuthoritative(message)) throw new FetchFailure('the server is not authoritative for the zone');
        return readSoa(cursor);
      }
    }
    throw new FetchFailure('the server has no SOA record for the zone: another name?');
  }

  /** Fetch what changed since `base`, or the whole zone without it. */
  async function fetchZone(connection: Connection, base: Base | undefined, notes: string[]): Promise<FetchResult> {
    const incoming = await IncomingFile.create(options.folder, options.maxBytes);
    const changes = new ZoneChanges(maxRecords);
    const id = random() & 0xffff;
    let whole = false;
    const reader = new TransferReader(
      { zone, id, maxRecords, haveSerial: base?.serial },
      {
        whole: () => {
          whole = true;
          incoming.addText(`${reader.soaLine}\n`);
        },
        record: (line) => incoming.addText(`${line}\n`),
        remove: (line) => changes.remove(line),
        add: (line) => changes.add(line),
      },
    );
    try {
      await receiveAll(connection, zoneQuestion(base ? 'IXFR' : 'AXFR', zone, id, base?.serial), reader, incoming);
      if (reader.upToDate) throw new ChangesDoNotFit('the primary has no changes, although its SOA is newer');
      const soa = reader.soa as Soa;
      refuseOlder(soa.serial, base?.serial);
      // RFC 1995 §4: asked for changes, the primary may send the whole zone instead.
      if (base && whole) notes.push('asked for changes, the primary sent the whole zone');
      if (base && !whole) await changes.apply(base.path, reader.soaLine, incoming);
      return await finish(incoming, reader, soa, whole ? 'axfr' : 'ixfr', notes);
    } catch (error) {
      await incoming.discard();
      throw error;
    }
  }

  /** Ask, verify, read until the transfer is complete. */
  async function receiveAll(
    connection: Connection,
    question: Uint8Array,
    reader: TransferReader,
    incoming: IncomingFile,
  ): Promise<void> {
    const { verifier } = ask(connection, question);
    let bytes = 0;
    while (!reader.done && !reader.upToDate) {
      const message = await connection.receive();
      bytes += message.length;
      if (bytes > options.maxBytes) throw new FetchFailure('the transfer is longer than the limit');
      verifier?.take(message, nowS());
      reader.take(message);
      await incoming.flushFull();
    }
    verifier?.end();
  }

  function ask(connection: Connection, question: Uint8Array): { verifier: TsigVerifier | undefined } {
    if (!key) {
      connection.send(question);
      return { verifier: undefined };
    }
    const { message, mac } = sign(question, key, nowS());
    connection.send(message);
    return { verifier: new TsigVerifier(key, mac) };
  }

  async function finish(
    incoming: IncomingFile,
    reader: TransferReader,
    soa: Soa,
    how: 'axfr' | 'ixfr',
    notes: readonly string[],
  ): Promise<FetchResult> {
    const { path, sha256, bytes } = await incoming.finish();
    if (reader.outOfZone > 0) {
      notes = [
        ...notes,
        `${reader.outOfZone} record(s) outside the zone left out, the first of ${reader.firstOutOfZone}`,
      ];
    }
    const provenance: Provenance = {
      source: description,
      fetchedAtMs: clock.wallMs(),
      sha256,
      bytes,
      serial: soa.serial,
      timers: zoneTimers(soa),
      transfer: how,
      ...(notes.length > 0 && { notes }),
    };
    return { kind: 'content', path, provenance };
  }

  async function connected<Result>(
    signal: AbortSignal,
    work: (connection: Connection) => Promise<Result>,
  ): Promise<Result> {
    const connection = await Connection.open(primary, limits, signal);
    try {
      return await work(connection);
    } catch (error) {
      throw error instanceof RecordError
        ? new FetchFailure(`the primary sent a broken record: ${error.message}`)
        : error;
    } finally {
      connection.close();
    }
  }

  function nowS(): number {
    return Math.floor(clock.wallMs() / 1000);
  }

  return { description, fetch };
}

/** The version in force, where changes can be applied to it. */
interface Base {
  readonly path: string;
  readonly serial: number;
}

function baseOf({ path, provenance }: NonNullable<Known['current']>): Base | undefined {
  return provenance.serial === undefined ? undefined : { path, serial: provenance.serial };
}

/** RFC 1982: an older serial means an old copy or a primary that was set up again; neither may undo what is in force. */
function refuseOlder(serial: number, have: number | undefined): void {
  if (have === undefined || serial === have || compareSerials(serial, have) === 1) return;
  throw new FetchFailure(
    `the serial went back, from ${have} to ${serial}: refused, the version in force stays. If the zone was set up again, reload the list by force`,
  );
}

/** RFC 1995 §4: a primary that does not know IXFR, or whose changes do not fit, is asked for the whole zone. */
function isWorthWhole(error: unknown): boolean {
  if (error instanceof ChangesDoNotFit) return true;
  if (error instanceof RcodeFailure) {
    return error.rcode === RCODE.FORMERR || error.rcode === RCODE.NOTIMP || error.rcode === RCODE.REFUSED;
  }
  // A wrong signature stays wrong; whatever else went wrong in the changes may go right in the whole.
  return error instanceof FetchFailure && !(error instanceof TsigError) && !error.transient;
}

function concatHeader(name: Uint8Array): Uint8Array {
  const message = new Uint8Array(12 + name.length);
  message.set(name, 12);
  return message;
}
