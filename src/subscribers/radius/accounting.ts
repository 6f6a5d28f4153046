/**
 * What follows from a RADIUS accounting packet: leases begin, go on and end. No socket here: listener.ts.
 *
 * An answer means "recorded" (RFC 2866 §2), so what cannot be recorded gets none and is sent again. What is no news (a
 * duplicate, something late) was recorded before and is answered.
 */
import { parsePrefix } from '../../address/address.ts';
import { PrefixSet } from '../../address/prefix-set.ts';
import { LEASE_RESULTS, type LeaseEvent, MAX_REPORTERS, sessionHash, sessionWord } from '../leases/leases.ts';
import type { SubscriberState } from '../state.ts';
import type { RadiusConfig } from '../subscribers-config.ts';
import { isGroup, isSubscriberNumber } from '../table/directory.ts';
import { NOBODY } from '../table/prefix-table.ts';
import { type AccountingRequest, accountingResponse, readAccountingRequest, STATUS } from './packet.ts';

export const RADIUS_RESULTS = [
  ...LEASE_RESULTS,
  'client-began-anew',
  'duplicate',
  'no-subscriber',
  'no-address',
  'other-status',
  'too-many-clients',
  'malformed',
  'bad-authenticator',
  'unknown-client',
] as const;
export type RadiusResult = (typeof RADIUS_RESULTS)[number];

/** Packets remembered to know them again, twice. */
const REMEMBERED = 1 << 15;
/** Of these numbers the last is the API's (admin/leases.ts). */
const MAX_CLIENTS = MAX_REPORTERS - 1;

export class Accounting {
  /** Called once for each packet. */
  readonly #count: (result: RadiusResult) => void;
  readonly #state: SubscriberState;
  readonly #config: RadiusConfig;
  readonly #secret: Buffer;
  readonly #clients: PrefixSet;
  /** Authenticators of packets that were taken: recent ones, and those before. */
  #recent = new Set<string>();
  #former = new Set<string>();

  constructor(state: SubscriberState, config: RadiusConfig, secret: Buffer, count: (result: RadiusResult) => void) {
    this.#state = state;
    this.#config = config;
    this.#secret = secret;
    this.#count = count;
    this.#clients = new PrefixSet(config.clients.map(parsePrefix));
  }

  /** Set by `take`: the answer has to wait for SubscriberState.recorded. */
  mustWait = false;

  /** The answer to the packet; undefined where there is none. `from`: the sender's address. */
  take(packet: Buffer, from: Int32Array): Buffer | undefined {
    // Before anything is computed: who is no client can make no work.
    if (!this.#clients.has(from)) return this.#discard('unknown-client');
    const request = readAccountingRequest(packet, this.#secret);
    if (typeof request === 'string') return this.#discard(request);
    const noted = this.#state.leases.keeper?.noted;
    const result = this.#isKnown(packet) ? 'duplicate' : this.#carryOut(request, from);
    // RFC 2866 §2: an answer says that it was recorded. Of a duplicate, the first may still be on its way to the disk.
    this.mustWait = result === 'duplicate' || this.#state.leases.keeper?.noted !== noted;
    this.#count(result);
    if (result === 'full' || result === 'too-many-clients') return undefined;
    this.#remember(packet);
    return accountingResponse(request, packet, this.#secret);
  }

  #carryOut(request: AccountingRequest, from: Int32Array): RadiusResult {
    const { register, leases } = this.#state;
    const reporter = this.#state.reporterOf(`${from.join()} ${request.nas}`, MAX_CLIENTS);
    if (reporter < 0) return 'too-many-clients';
    const atSeconds = this.#eventSeconds(request);
    const { status, prefixes, sessionSeconds } = request;
    if (status === STATUS.ACCOUNTING_ON || status === STATUS.ACCOUNTING_OFF) {
      leases.endReporter(reporter, atSeconds);
      return 'client-began-anew';
    }
    const kind = KINDS.get(status);
    if (kind === undefined) return 'other-status';
    if (prefixes.length === 0) return 'no-address';
    const number = request.identities[this.#config.subscriber];
    const named = isSubscriberNumber(number) && !isGroup(number);
    // Whoever it is, it is not the one before.
    const holder = named ? register.holderFor(number) : NOBODY;
    const session = sessionWord(reporter, sessionHash(request.sessionId));
    let result: RadiusResult = 'taken';
    for (const prefix of prefixes) {
      result = leases.report({
        kind,
        prefix: { ...prefix, port: 0, portBits: 0 },
        holder: holder < 0 ? NOBODY : holder,
        session,
        atSeconds,
        ...(sessionSeconds !== undefined && { beganSeconds: atSeconds - sessionSeconds }),
      });
      if (result === 'full') return result;
    }
    return named || kind === 'stop' ? result : 'no-subscriber';
  }

  /** When it happened, on the monotonic clock. A client whose clock is ahead happens now. */
  #eventSeconds({ eventTimestamp, delaySeconds }: AccountingRequest): number {
    const now = this.#state.nowSeconds();
    if (eventTimestamp === undefined) return now - Math.min(delaySeconds, MAX_AGE_SECONDS);
    const age = Math.floor(this.#state.clock.wallMs() / 1000) - eventTimestamp;
    return now - Math.min(MAX_AGE_SECONDS, Math.max(0, age));
  }

  #isKnown(packet: Buffer): boolean {
    const key = packet.toString('latin1', 4, 20);
    return this.#recent.has(key) || this.#former.has(key);
  }

  #remember(packet: Buffer): void {
    if (this.#recent.size >= REMEMBERED) {
      this.#former = this.#recent;
      this.#recent = new Set();
    }
    this.#recent.add(packet.toString('latin1', 4, 20));
  }

  #discard(result: RadiusResult): undefined {
    this.#count(result);
    return undefined;
  }
}

const KINDS: ReadonlyMap<number, LeaseEvent['kind']> = new Map([
  [STATUS.START, 'start'],
  [STATUS.STOP, 'stop'],
  [STATUS.INTERIM_UPDATE, 'interim'],
]);
/** Older than any lease may last. */
const MAX_AGE_SECONDS = 8 * 86_400;
