/**
 * Reads the answer to AXFR (RFC 5936) or IXFR (RFC 1995) record by record and says what it means. Nothing is believed until
 * `done` is true: the closing SOA has come.
 *
 *   whole zone    SOA(new)  record record …                                  SOA(new)
 *   changes       SOA(new)  SOA(old) removed…  SOA(next) added…  … SOA(…) removed… SOA(new) added…  SOA(new)
 *   up to date    SOA(≤ ours), alone
 */
import { CLASS, RCODE, rcodeName, TYPE, typeName } from '../../../wire/constants.ts';
import { RecordCursor } from '../../../wire/records.ts';
import { FetchFailure } from '../source.ts';
import { absoluteName, RecordError, readSoa, type Soa, typeAndData } from './record-text.ts';
import { compareSerials } from './serial.ts';

/** Where the records go. */
export interface TransferSink {
  /** The whole zone follows. */
  whole(): void;
  /** A record of the whole zone. */
  record(line: string): void;
  /** A record that goes, and one that comes; in the order in which they happened. */
  remove(line: string): void;
  add(line: string): void;
}

export interface TransferQuestion {
  /** Absolute, lower case, with the final dot. */
  readonly zone: string;
  readonly id: number;
  /** The serial we have: the question was IXFR. Undefined: AXFR. */
  readonly haveSerial?: number | undefined;
  readonly maxRecords: number;
}

/** The primary answered, but with an error: another question may get more. */
export class RcodeFailure extends FetchFailure {
  readonly rcode: number;
  constructor(rcode: number, what: string) {
    super(
      `the primary answered ${rcode === 9 ? 'NOTAUTH' : rcodeName(rcode)} to ${what}${RCODE_HINTS.get(rcode) ?? ''}`,
    );
    this.rcode = rcode;
  }
}

const RCODE_HINTS = new Map<number, string>([
  [RCODE.REFUSED, ': does it allow transfers to this address and with this key?'],
  [9, ': it does not serve this zone'],
  [RCODE.SERVFAIL, ': it has the zone configured but not loaded, perhaps'],
]);

const OPENING = 0;
const SECOND = 1;
const WHOLE = 2;
const REMOVING = 3;
const ADDING = 4;
const DONE = 5;

export class TransferReader {
  /** SOA of the version that arrives; set by the first record. */
  soa: Soa | undefined;
  /** The SOA as a line of the zone. */
  soaLine = '';
  records = 0;
  /** Records of names that do not belong to the zone: left out. */
  outOfZone = 0;
  firstOutOfZone = '';
  readonly #question: TransferQuestion;
  readonly #sink: TransferSink;
  readonly #cursor = new RecordCursor();
  readonly #suffix: string;
  #state = OPENING;
  #messages = 0;
  /** Serial of the SOA that opened the part of the changes being read. */
  #partSerial = 0;

  constructor(question: TransferQuestion, sink: TransferSink) {
    this.#question = question;
    this.#sink = sink;
    this.#suffix = question.zone === '.' ? '.' : `.${question.zone}`;
  }

  get done(): boolean {
    return this.#state === DONE;
  }

  /** The answer was a single SOA that is not newer: nothing to do. */
  get upToDate(): boolean {
    const { haveSerial } = this.#question;
    if (this.#state !== SECOND || haveSerial === undefined || !this.soa) return false;
    return compareSerials(this.soa.serial, haveSerial) !== 1;
  }

  /** Take the next message. Throws FetchFailure. */
  take(message: Uint8Array): void {
    if (this.#state === DONE) throw new FetchFailure('the primary sent more after the end of the zone');
    const cursor = this.#cursor;
    checkHeader(message, this.#question.id, this.#question.haveSerial === undefined ? 'AXFR' : 'IXFR');
    if (!cursor.open(message, 0, message.length)) throw new FetchFailure('the transfer holds a broken message');
    this.#messages++;
    try {
      let any = false;
      while (cursor.next()) {
        if (cursor.section !== 0) break;
        any = true;
        this.#takeRecord(cursor);
      }
      if (cursor.broken) throw new FetchFailure('the transfer holds a broken message');
      // A primary that sends nothing but headers would keep us busy for ever.
      if (!any) throw new FetchFailure('the transfer holds a message without records');
    } catch (error) {
      if (!(error instanceof RecordError)) throw error;
      throw new FetchFailure(`the transfer holds a broken record (message ${this.#messages}): ${error.message}`);
    }
  }

  #takeRecord(cursor: RecordCursor): void {
    if (this.#state === DONE) throw new FetchFailure('the primary sent more after the end of the zone');
    if (++this.records > this.#question.maxRecords) {
      throw new FetchFailure(`the zone has more records than the limit of ${this.#question.maxRecords}`);
    }
    const { type } = cursor;
    if (cursor.class !== CLASS.IN) throw new FetchFailure(`the transfer holds a record of class ${cursor.class}`);
    // RFC 6895 §3.1: types that are no data.
    if (type === 0 || type === TYPE.OPT || (type >= 128 && type <= 255)) {
      throw new FetchFailure(`the transfer holds a record of type ${typeName(type)}, which is no zone data`);
    }
    const owner = absoluteName(cursor.bytes, cursor.owner, cursor.dataStart);
    const atApex = owner === this.#question.zone;
    const line = `${owner} ${cursor.ttl} IN ${typeAndData(cursor)}`;
    if (type === TYPE.SOA && atApex) {
      this.#takeSoa(readSoa(cursor), line);
      return;
    }
    if (this.#state === OPENING) throw new FetchFailure('the transfer does not begin with the SOA of the zone');
    if (this.#state === SECOND) this.#beginWhole();
    if (!atApex && !owner.endsWith(this.#suffix)) {
      if (this.outOfZone++ === 0) this.firstOutOfZone = owner;
      return;
    }
    // A second SOA is no part of any zone (RFC 1035 §5.2).
    if (type === TYPE.SOA) return;
    if (this.#state === WHOLE) this.#sink.record(line);
    else if (this.#state === REMOVING) this.#sink.remove(line);
    else this.#sink.add(line);
  }

  #takeSoa(soa: Soa, line: string): void {
    const newest = this.soa;
    if (!newest) {
      this.soa = soa;
      this.soaLine = line;
      this.#state = SECOND;
      return;
    }
    const { haveSerial } = this.#question;
    switch (this.#state) {
      case SECOND:
        // RFC 1995 §4: a second SOA, of our version, says that changes follow.
        if (haveSerial !== undefined && soa.serial === haveSerial && soa.serial !== newest.serial) {
          this.#beginPart(REMOVING, soa);
          return;
        }
        if (soa.serial !== newest.serial) {
          throw new FetchFailure(`the changes begin at serial ${soa.serial}, ours is ${haveSerial ?? 'not given'}`);
        }
        this.#beginWhole();
        this.#state = DONE;
        return;
      case WHOLE:
        // RFC 5936 §2.2: the same SOA closes. Another one: the zone changed under the transfer.
        if (soa.serial !== newest.serial) {
          throw new FetchFailure(
            `the zone changed while it was transferred (serial ${newest.serial}, then ${soa.serial})`,
          );
        }
        this.#state = DONE;
        return;
      case REMOVING:
        if (compareSerials(soa.serial, this.#partSerial) !== 1) {
          throw new FetchFailure(`the changes lead back, from serial ${this.#partSerial} to ${soa.serial}`);
        }
        this.#beginPart(ADDING, soa);
        return;
      default:
        if (soa.serial !== this.#partSerial) {
          throw new FetchFailure(`the changes have a gap, from serial ${this.#partSerial} to ${soa.serial}`);
        }
        if (soa.serial === newest.serial) this.#state = DONE;
        else this.#beginPart(REMOVING, soa);
    }
  }

  #beginWhole(): void {
    this.#sink.whole();
    this.#state = WHOLE;
  }

  #beginPart(state: typeof REMOVING | typeof ADDING, soa: Soa): void {
    this.#state = state;
    this.#partSerial = soa.serial;
  }
}

/** Throws FetchFailure where the message is no answer to the question `id`, or says that there is none. */
export function checkHeader(message: Uint8Array, id: number, what: string): void {
  if (message.length < 12) throw new FetchFailure('the primary sent a message that is cut short');
  if (((message[0]! << 8) | message[1]!) !== id) throw new FetchFailure('the primary sent a message with another ID');
  // RFC 1035 §4.1.1: QR set, opcode QUERY.
  if ((message[2]! & 0xf8) !== 0x80) throw new FetchFailure('the primary sent a message that is no answer');
  const rcode = message[3]! & 15;
  if (rcode !== RCODE.NOERROR) throw new RcodeFailure(rcode, what);
}
