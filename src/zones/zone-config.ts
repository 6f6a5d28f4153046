/** A zone that is not asked for like everything else, as plain data that can be sent to a worker. */
import type { UpstreamServer } from '../address/upstream-server.ts';

export interface ZoneConfig {
  /** As text without the final dot; `.` for the root. */
  readonly zone: string;
  /** Wire form, lower case. */
  readonly apex: Uint8Array;
  readonly way: ZoneWay;
}

export type ZoneWay =
  /** `forward`: asked of these resolvers. `stub`: of these authoritative servers, without recursion. */
  | { readonly kind: 'forward' | 'stub'; readonly servers: readonly UpstreamServer[] }
  /** Answered by the server itself, from these records alone. */
  | {
      readonly kind: 'records';
      readonly records: readonly ZoneRecord[];
      /** A special-use name, which is answered without being configured. */
      readonly specialUse: boolean;
      /** The zone above delegates it without a signature: DS at its apex is asked of that one (RFC 8375 §4, RFC 7793 §4). */
      readonly dsAbove: boolean;
    };

/** Type of a record that is none: its owner exists, without data. */
export const NAME_ALONE = 0;

export interface ZoneRecord {
  /** Wire form, lower case, at or below the apex. */
  readonly owner: Uint8Array;
  readonly type: number;
  /** Seconds. */
  readonly ttl: number;
  /** Names in it are not compressed. */
  readonly data: Uint8Array;
}
