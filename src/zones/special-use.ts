/**
 * Names that no name server of the world has to be asked about. Each is answered as its document says, unless the
 * configuration forwards it or switches it off.
 */
import { TYPE } from '../wire/constants.ts';
import { textToName } from '../wire/name.ts';
import { type DesignatedResolver, designatedRecords } from './designated.ts';
import { NAME_ALONE, type ZoneConfig, type ZoneRecord } from './zone-config.ts';

/** RFC 6303 §3: of zones that are empty. */
const TTL = 10_800;

interface SpecialUse {
  /** What `special-use` of the configuration calls it. */
  readonly key: string;
  readonly zones: readonly string[];
  /** Answered unless switched off. */
  readonly byDefault: boolean;
  /** The world above has an insecure delegation for it, or proves that there is none. */
  readonly dsAbove?: boolean;
  readonly records?: (zone: string, designated: readonly DesignatedResolver[]) => readonly ZoneRecord[];
}

const address = (owner: string, type: number, data: readonly number[]): ZoneRecord => ({
  owner: textToName(owner),
  type,
  ttl: TTL,
  data: Uint8Array.from(data),
});
const pointer = (owner: string): ZoneRecord => ({
  owner: textToName(owner),
  type: TYPE.PTR,
  ttl: TTL,
  data: textToName('localhost'),
});

const V4_LOOPBACK = [127, 0, 0, 1];
const V6_LOOPBACK = [...new Array<number>(15).fill(0), 1];
const range = (from: number, to: number, zone: string) =>
  Array.from({ length: to - from + 1 }, (_, i) => `${from + i}.${zone}`);
const zeros = (count: number) => '0.'.repeat(count);

export const SPECIAL_USE: readonly SpecialUse[] = [
  {
    // RFC 6761 §6.3: the name and all below it are this machine.
    key: 'localhost',
    zones: ['localhost'],
    byDefault: true,
    records: () =>
      ['localhost', '*.localhost'].flatMap((owner) => [
        address(owner, TYPE.A, V4_LOOPBACK),
        address(owner, TYPE.AAAA, V6_LOOPBACK),
      ]),
  },
  // RFC 6761 §6.4, RFC 7686 §2.
  { key: 'invalid', zones: ['invalid'], byDefault: true },
  { key: 'onion', zones: ['onion'], byDefault: true },
  // RFC 8375 §4.
  { key: 'home.arpa', zones: ['home.arpa'], byDefault: true, dsAbove: true },
  // RFC 9462 §6.4: never forwarded; without designated resolvers there is nothing in it.
  {
    key: 'resolver.arpa',
    zones: ['resolver.arpa'],
    byDefault: true,
    // §4: NODATA, not NXDOMAIN, for _dns.resolver.arpa.
    records: (_, designated) => [
      { owner: textToName('_dns.resolver.arpa'), type: NAME_ALONE, ttl: TTL, data: new Uint8Array(0) },
      ...designatedRecords(designated),
    ],
  },
  {
    // RFC 6303 §4.1–4.6, RFC 6761 §6.1; RFC 7793 for the shared address space.
    key: 'private-reverse',
    zones: [
      '10.in-addr.arpa',
      ...range(16, 31, '172.in-addr.arpa'),
      '168.192.in-addr.arpa',
      '0.in-addr.arpa',
      '127.in-addr.arpa',
      '254.169.in-addr.arpa',
      '2.0.192.in-addr.arpa',
      '100.51.198.in-addr.arpa',
      '113.0.203.in-addr.arpa',
      '255.255.255.255.in-addr.arpa',
      ...range(64, 127, '100.in-addr.arpa'),
      `${zeros(32)}ip6.arpa`,
      `1.${zeros(31)}ip6.arpa`,
      'd.f.ip6.arpa',
      ...['8', '9', 'a', 'b'].map((digit) => `${digit}.e.f.ip6.arpa`),
      '8.b.d.0.1.0.0.2.ip6.arpa',
    ],
    byDefault: true,
    dsAbove: true,
    records: (zone) =>
      zone === '127.in-addr.arpa'
        ? [pointer('1.0.0.127.in-addr.arpa')]
        : zone.startsWith('1.0.')
          ? [pointer(zone)]
          : [],
  },
  // RFC 6761 §6.2, RFC 6762 §22.1: sites use them, so they are answered only where that is asked for.
  { key: 'test', zones: ['test'], byDefault: false },
  { key: 'local', zones: ['local'], byDefault: false },
];

/**
 * The special-use zones that are answered here. `switched`: by key or zone; `taken`: apexes that zones of the
 * configuration have; `designated`: where this server may be asked encrypted.
 */
export function specialUseZones(
  switched: Readonly<Record<string, boolean>>,
  taken: ReadonlySet<string>,
  designated: readonly DesignatedResolver[] = [],
): readonly ZoneConfig[] {
  return SPECIAL_USE.flatMap(({ key, zones, byDefault, dsAbove = false, records }) =>
    zones
      .filter((zone) => !taken.has(zone) && (switched[zone] ?? switched[key] ?? byDefault))
      .map((zone): ZoneConfig => {
        const apex = textToName(zone);
        const way = {
          kind: 'records',
          specialUse: true,
          dsAbove,
          records: [...emptyZone(apex), ...(records?.(zone, designated) ?? [])],
        } as const;
        return { zone, apex, way };
      }),
  );
}

/** RFC 6303 §3: SOA and NS, both naming the zone itself. */
export function emptyZone(apex: Uint8Array): ZoneRecord[] {
  const soa = new Uint8Array(apex.length + RNAME.length + 20);
  soa.set(apex);
  soa.set(RNAME, apex.length);
  const view = new DataView(soa.buffer, apex.length + RNAME.length);
  // SERIAL, REFRESH, RETRY, EXPIRE, MINIMUM.
  [1, 3600, 1200, 604_800, TTL].forEach((value, i) => {
    view.setUint32(4 * i, value);
  });
  return [
    { owner: apex, type: TYPE.SOA, ttl: TTL, data: soa },
    { owner: apex, type: TYPE.NS, ttl: TTL, data: apex },
  ];
}

const RNAME = textToName('nobody.invalid');
