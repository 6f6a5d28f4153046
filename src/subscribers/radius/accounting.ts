/**
 * What follows from a RADIUS accounting packet: leases begin, go on and end. No socket here: listener.ts.
 *
 * An answer means "recorded" (RFC 2866 §2), so what cannot be recorded gets none and is sent again. What is no news (a
 * duplicate, something late) was recorded before and is answered.
 */
import { parsePrefix } from '../../address/address.ts';
import { PrefixSet } from '../../address/prefix-set.ts';
import { type LeaseBounds, type LeaseRefusal, refusalOf } from '../leases/lease-bounds.ts';
import { LEASE_RESULTS, type LeaseEvent } from '../leases/leases.ts';
import { type Reporter, reporterOf, sessionName } from '../leases/session-name.ts';
import type { SubscriberState } from '../state.ts';
import type { RadiusConfig } from '../subscribers-config.ts';
import type { PortPrefix } from '../table/address-table.ts';
import { isGroup, isSubscriberNumber } from '../table/directory.ts';
import { NOBODY } from '../table/prefix-table.ts';
import { ClientNames } from './client-names.ts';
import { type AccountingRequest, accountingResponse, readAccountingRequest, STATUS } from './packet.ts';

export const RADIUS_RESULTS = [
  ...LEASE_RESULTS,
  'client-began-anew',
  'duplicate',
  'no-subscriber',
  'no-address',
  'no-session',
  'refused',
  'other-status',
  'malformed',
  'bad-authenticator',
  'unknown-client',
] as const;
export type RadiusResult = (typeof RADIUS_RESULTS)[number];

/** Packets remembered to know them again, twice. */
const REMEMBERED = 1 << 15;

/** Who hears what came of packets. */
export interface AccountingEars {
  /** Once for each packet. */
  count(result: RadiusResult): void;
  refused(reason: LeaseRefusal): void;
  contested(): void;
  nameForgotten(client: Int32Array): void;
  /** There is no room for another session, of this client or at all. */
  full(client: Int32Array): void;
}

export class Accounting {
  readonly #ears: AccountingEars;
  readonly #state: SubscriberState;
  readonly #config: RadiusConfig;
  readonly #bounds: LeaseBounds;
  readonly #secret: Buffer;
  readonly #clients: PrefixSet;
  readonly #names = new ClientNames();
  /** Authenticators of packets that were taken: recent ones, and those before. */
  #recent = new Set<string>();
  #former = new Set<string>();

  constructor(state: SubscriberState, config: RadiusConfig, bounds: LeaseBounds, secret: Buffer, ears: AccountingEars) {
    this.#state = state;
    this.#config = config;
    this.#bounds = bounds;
    this.#secret = secret;
    this.#ears = ears;
    this.#clients = new PrefixSet(config.clients.map(parsePrefix));
  }

  /** How many NAS are known by what they call themselves. */
  get names(): number {
    return this.#names.count;
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
    this.mustWait =
      result === 'duplicate' || this.#state.leases.keeper?.noted !== noted || this.#state.fleet !== undefined;
    this.#ears.count(result);
    if (result === 'full' || result === 'client-full') {
      this.#ears.full(from);
      return undefined;
    }
    this.#remember(packet);
    return accountingResponse(request, packet, this.#secret);
  }

  #carryOut(request: AccountingRequest, from: Int32Array): RadiusResult {
    const { register, leases } = this.#state;
    const reporter = reporterOf({ source: from, ...request.nas });
    if (!this.#names.heard(reporter)) this.#ears.nameForgotten(from);
    const atSeconds = this.#eventSeconds(request);
    const { status, sessionId, eventTimestamp: stampSeconds = 0 } = request;
    if (status === STATUS.ACCOUNTING_ON || status === STATUS.ACCOUNTING_OFF) {
      leases.endReporter(reporter, atSeconds, stampSeconds);
      return 'client-began-anew';
    }
    const kind = KINDS.get(status);
    if (kind === undefined) return 'other-status';
    const named = request.prefixes.length + request.unreadable > 0;
    if (kind === 'interim' && !named) return 'no-address';
    const prefixes = this.#withinBounds(request);
    if (sessionId === '') return this.#withoutSession(kind, prefixes, reporter, atSeconds);
    const number = request.identities[this.#config.subscriber];
    const isNamed = isSubscriberNumber(number) && !isGroup(number);
    // Whoever it is, it is not the one before.
    const holder = isNamed ? register.holderFor(number) : NOBODY;
    const session = sessionName(sessionId, reporter);
    const result = leases.report({
      kind,
      session,
      prefixes,
      holder: holder < 0 ? NOBODY : holder,
      atSeconds,
      stampSeconds,
    });
    if (result === 'conflict') this.#ears.contested();
    if (kind === 'stop' || result === 'full' || result === 'client-full') return result;
    if (!named) return 'no-address';
    if (prefixes.length === 0) return 'refused';
    return isNamed ? result : 'no-subscriber';
  }

  /** The prefixes that may be leased; what else the packet says is heard in any case. */
  #withinBounds({ prefixes, unreadable }: AccountingRequest): PortPrefix[] {
    for (let i = 0; i < unreadable; i++) this.#ears.refused('unreadable');
    const taken: PortPrefix[] = [];
    for (const { words, bits, ipv4 } of prefixes) {
      const refusal = refusalOf({ words, bits }, ipv4, this.#bounds);
      if (refusal === undefined) taken.push({ words, bits, port: 0, portBits: 0 });
      else this.#ears.refused(refusal);
    }
    return taken;
  }

  /**
   * RFC 2866 §5.5: every request names its session. Of one that does not, an end is that of any session on these addresses,
   * and a beginning leaves them to nobody: a claim by we do not know which session.
   */
  #withoutSession(
    kind: LeaseEvent['kind'],
    prefixes: readonly PortPrefix[],
    reporter: Reporter,
    atSeconds: number,
  ): RadiusResult {
    const { leases } = this.#state;
    if (kind === 'stop') leases.endUnnumbered(reporter, prefixes, atSeconds);
    else
      for (const prefix of prefixes) {
        const session = sessionName(`\0${prefix.words.join()}/${prefix.bits}`, reporter);
        leases.report({ kind, session, prefixes: [prefix], holder: NOBODY, atSeconds });
      }
    return 'no-session';
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
    this.#ears.count(result);
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
