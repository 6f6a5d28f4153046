/** What one packet thread is told to trust: anchors, and where validation ends. */
import { isWithin, type Name, nameKey, parentOf } from '../resolve/validate/canonical-name.ts';
import type { InsecurePoint } from '../resolve/validate/chain-of-trust.ts';
import { readDs } from '../resolve/validate/dns-key.ts';
import { type TrustAnchor, TrustAnchors } from '../resolve/validate/trust-anchors.ts';
import type { AnchorRecord, DnssecConfig } from './dnssec-config.ts';

/** A negative trust anchor (RFC 7646) in force. */
export interface NegativeAnchor {
  readonly zone: Uint8Array;
  /** For people: why, and until when. */
  readonly why: string;
  /** Monotonic milliseconds, on the server's clock: it ends by the thread's own. */
  readonly endsMs: number;
}

/** What the control plane publishes. */
export interface PublishedTrust {
  readonly anchors: readonly AnchorRecord[];
  readonly exceptions: readonly NegativeAnchor[];
  /** The rest is as it was; what was found out of this zone, or of all below it, is to be found out again. */
  readonly forget?: { readonly name: Uint8Array; readonly subtree: boolean };
}

export class TrustInForce {
  readonly validate: boolean;
  readonly sha1Digests: boolean;
  readonly aggressiveNsec: boolean;
  anchors: TrustAnchors;
  /** Called when something else is trusted from now on: what was found out before does not count any more. */
  onChange: () => void = () => {};
  /** Called when what was found out of one zone, or of all below it, does not count any more. */
  onForget: (name: Name, subtree: boolean) => void = () => {};
  readonly #configured: ReadonlyMap<string, InsecurePoint>;
  #exceptions = new Map<string, NegativeAnchor>();

  constructor({ validate, anchors, insecure, sha1Digests, aggressiveNsec }: DnssecConfig) {
    this.validate = validate;
    this.sha1Digests = sha1Digests;
    this.aggressiveNsec = aggressiveNsec;
    this.anchors = new TrustAnchors(trustAnchors(anchors));
    this.#configured = new Map(
      insecure.map((zone) => [nameKey(zone), { zone, why: 'not validated, says the configuration' }]),
    );
  }

  take({ anchors, exceptions, forget }: PublishedTrust): void {
    this.anchors = new TrustAnchors(trustAnchors(anchors));
    this.#exceptions = new Map(exceptions.map((one) => [nameKey(one.zone), one]));
    if (forget !== undefined) this.onForget(forget.name, forget.subtree);
    else this.onChange();
  }

  /** The closest point at or above `name` from which nothing is validated. */
  insecurePoint(name: Name, nowMs: number): InsecurePoint | undefined {
    if (this.#configured.size === 0 && this.#exceptions.size === 0) return undefined;
    for (let at = name; ; at = parentOf(at)) {
      const key = nameKey(at);
      const configured = this.#configured.get(key);
      if (configured !== undefined) return configured;
      const exception = this.#exceptions.get(key);
      if (exception !== undefined && nowMs < exception.endsMs) return exception;
      if (at[0] === 0) return undefined;
    }
  }

  /** Whether some configured point or exception lies at or above `name`; for `check` and status. */
  isExempt(name: Name, nowMs: number): boolean {
    const point = this.insecurePoint(name, nowMs);
    return point !== undefined && isWithin(name, point.zone);
  }
}

export function trustAnchors(records: readonly AnchorRecord[]): readonly TrustAnchor[] {
  return records.map(({ zone, type, data }) => {
    const ds = type === 'DS' ? readDs(data) : undefined;
    return { zone, ds: ds === undefined ? [] : [ds], keys: type === 'DNSKEY' ? [data] : [] };
  });
}
