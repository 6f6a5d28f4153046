/** Section `dnssec` as the program sees it. Plain data that can be sent to a worker. */

/** One trust anchor: a DS or DNSKEY record. */
export interface AnchorRecord {
  /** Zone in wire form, lower case. */
  readonly zone: Uint8Array;
  readonly type: 'DS' | 'DNSKEY';
  /** The record's data in wire form. */
  readonly data: Uint8Array;
}

export interface DnssecConfig {
  readonly validate: boolean;
  /** From the file, or those built in. */
  readonly anchors: readonly AnchorRecord[];
  /** The file as it was named; undefined: built in. */
  readonly anchorFile?: string;
  /** Follow key rollovers of the anchors' zones (RFC 5011). */
  readonly followRollovers: boolean;
  /** Zones, in wire form, that are not validated. */
  readonly insecure: readonly Uint8Array[];
  /** Digests of type 1 in DS records count where there is no stronger one. */
  readonly sha1Digests: boolean;
  /** Verified denials answer further questions (RFC 8198). */
  readonly aggressiveNsec: boolean;
}

/** What other features and the process read. */
export interface DnssecSection {
  readonly dnssec: DnssecConfig;
}

export const NO_VALIDATION: DnssecConfig = {
  validate: false,
  anchors: [],
  followRollovers: false,
  insecure: [],
  sha1Digests: true,
  aggressiveNsec: true,
};
