/** Trust anchors (RFC 4033 §2) as the validator takes them, and those that come with the server. */
import { type Name, nameKey, parentOf, ROOT_NAME } from './canonical-name.ts';
import type { DelegationSigner } from './dns-key.ts';

/** What is trusted at one name: keys by their digest, or whole. Either is enough. */
export interface TrustAnchor {
  readonly zone: Name;
  readonly ds: readonly DelegationSigner[];
  /** Data of DNSKEY records. */
  readonly keys: readonly Uint8Array[];
}

export class TrustAnchors {
  readonly #byZone = new Map<string, TrustAnchor>();

  constructor(anchors: readonly TrustAnchor[]) {
    for (const anchor of anchors) {
      const known = this.#byZone.get(nameKey(anchor.zone));
      const joined = {
        ...anchor,
        ds: [...(known?.ds ?? []), ...anchor.ds],
        keys: [...(known?.keys ?? []), ...anchor.keys],
      };
      this.#byZone.set(nameKey(anchor.zone), joined);
    }
  }

  /** The anchor at `name` or the closest one above; undefined where there is none: `name` is insecure then. */
  closest(name: Name): TrustAnchor | undefined {
    for (let at = name; ; at = parentOf(at)) {
      const anchor = this.#byZone.get(nameKey(at));
      if (anchor !== undefined || at[0] === 0) return anchor;
    }
  }

  get zones(): readonly Name[] {
    return [...this.#byZone.values()].map(({ zone }) => zone);
  }
}

/**
 * The root's keys, as IANA publishes them (https://data.iana.org/root-anchors/root-anchors.xml): KSK-2017, which signs
 * until the rollover of October 2026 at the earliest, and KSK-2024, published since January 2025.
 */
const ROOT_KEYS = [
  [20326, 'E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D'],
  [38696, '683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16'],
] as const;

export const BUILT_IN_ANCHORS: readonly TrustAnchor[] = [
  {
    zone: ROOT_NAME,
    ds: ROOT_KEYS.map(([tag, digest]) => ({
      tag,
      algorithm: 8,
      digestType: 2,
      digest: Uint8Array.from(Buffer.from(digest, 'hex')),
    })),
    keys: [],
  },
];
