/**
 * One row of the file of static ranges: `address-or-prefix[:ports],subscriber`.
 *
 *   192.0.2.0/29,4711        203.0.113.7:1024-2047,4712        2001:db8:77::/48,@wholesale        [2001:db8::1]:80-99,4713
 *
 * Two cells without names may stand in either order, as long as only one of them is an address. With names, in a first row,
 * a netmask and the last address of a range may have columns of their own.
 */
import type { Prefix } from '../../address/address.ts';
import { type Place, placeOf, plainIPv4, prefixBetween, prefixWithMask } from './address-forms.ts';
import { subscriberOf } from './exported-cell.ts';
import { type ColumnNames, type Columns, SUBSCRIBER_NAMES } from './exported-columns.ts';
import { holdsAddress } from './recognisable.ts';

export interface RangeRow extends Prefix {
  readonly subscriber: string;
  /** Ports of a single address; undefined = all. */
  readonly ports: { readonly first: number; readonly last: number } | undefined;
}

/** What is wrong with a row, in words that hold nothing of it: rows name addresses and subscribers, and go into a log. */
export type RowProblem =
  | 'not of the form address,subscriber'
  | 'longer than a row can be'
  | 'a quote that does not end on its line'
  | 'several ways to read its bytes'
  | 'columns whose names are not known, or that mean the same'
  | 'no address or network'
  | 'two addresses and no subscriber number'
  | 'ports are not first-last with 0 ≤ first ≤ last ≤ 65535'
  | 'ports belong to a single address, not to a network'
  | 'no subscriber number'
  | 'contract group is not in subscribers.groups'
  | 'claimed for somebody else by another row'
  | 'another row about this address cannot be read'
  | 'more subscribers than one server can hold';

export interface RowFault {
  readonly problem: RowProblem;
}

export type RangeColumn = 'address' | 'subscriber' | 'mask' | 'last' | 'ports';

export const RANGE_COLUMNS: ColumnNames<RangeColumn> = {
  address: [
    ...['address', 'addresses', 'ip', 'ipaddress', 'prefix', 'network', 'net', 'subnet', 'cidr', 'range', 'iprange'],
    ...['addressorprefix', 'first', 'start', 'from', 'firstaddress', 'startaddress', 'startip', 'firstip'],
    ...['ipアドレス', 'アドレス', 'ネットワーク', 'プレフィックス', 'プレフィクス', 'サブネット'],
    ...['開始アドレス', '開始ipアドレス', '先頭アドレス'],
  ],
  subscriber: SUBSCRIBER_NAMES,
  mask: [
    ...['mask', 'netmask', 'subnetmask', 'prefixlength', 'prefixlen', 'length', 'bits'],
    ...['マスク', 'ネットマスク', 'サブネットマスク', 'マスク長', 'プレフィックス長', 'プレフィクス長'],
  ],
  last: [
    ...['last', 'end', 'to', 'lastaddress', 'endaddress', 'endip', 'lastip'],
    ...['終了アドレス', '終了ipアドレス', '末尾アドレス', '最終アドレス'],
  ],
  ports: ['ports', 'portrange', 'portblock', 'ポート', 'ポート範囲'],
};

/** The row, where it is as plain as nearly all of a large file are: an IPv4 address and a number; else undefined. */
export function plainRangeRow(line: string): RangeRow | undefined {
  const comma = line.indexOf(',');
  const prefix = comma > 0 ? plainIPv4(line.slice(0, comma)) : undefined;
  const subscriber = prefix && subscriberOf(line.slice(comma + 1));
  if (subscriber === undefined || holdsAddress(subscriber)) return undefined;
  return { ...prefix!, subscriber, ports: undefined };
}

/** The row of these cells, or what is wrong with it. `columns`: as the file names them. */
export function readRangeRow(cells: readonly string[], columns?: Columns<RangeColumn>): RangeRow | RowFault {
  if (columns) return rowByNames(cells, columns);
  if (cells.length !== 2) return { problem: 'not of the form address,subscriber' };
  const [one = '', other = ''] = cells;
  const place = placeOf(one);
  if (place) return rowOf(place, other);
  const swapped = placeOf(other);
  return swapped ? rowOf(swapped, one) : rowOf(undefined, other);
}

function rowByNames(cells: readonly string[], { places, unclear }: Columns<RangeColumn>): RangeRow | RowFault {
  const cell = (column: RangeColumn): string => cells[places[column] ?? cells.length] ?? '';
  if (unclear || places.address === undefined || places.subscriber === undefined)
    return { problem: 'columns whose names are not known, or that mean the same' };
  // A row may be shorter than the names are, not longer.
  if (cells.length > Object.keys(places).length) return { problem: 'not of the form address,subscriber' };
  const [address, mask, last, ports] = [cell('address'), cell('mask'), cell('last'), cell('ports')];
  if (mask !== '' && last !== '') return { problem: 'no address or network' };
  const place = placeOf(address);
  const prefix =
    mask !== '' ? prefixWithMask(address, mask) : last !== '' ? prefixBetween(address, last) : place?.prefix;
  if (ports !== '' && place?.ports !== undefined)
    return { problem: 'ports are not first-last with 0 ≤ first ≤ last ≤ 65535' };
  return rowOf(prefix && { prefix, ports: ports === '' ? place?.ports : ports }, cell('subscriber'));
}

function rowOf(place: Place | undefined, number: string): RangeRow | RowFault {
  if (!place) return { problem: 'no address or network' };
  const { prefix } = place;
  const subscriber = subscriberOf(number);
  if (subscriber === undefined) return { problem: 'no subscriber number' };
  // The end of a range, or an address with something about it that stands where the other column was expected.
  if (holdsAddress(subscriber)) return { problem: 'two addresses and no subscriber number' };
  if (place.ports === undefined) return { ...prefix, subscriber, ports: undefined };
  const match = /^(\d{1,5})-(\d{1,5})$/.exec(place.ports);
  const ports = { first: Number(match?.[1]), last: Number(match?.[2]) };
  if (!(ports.first <= ports.last && ports.last <= 0xffff))
    return { problem: 'ports are not first-last with 0 ≤ first ≤ last ≤ 65535' };
  if (prefix.bits !== 128) return { problem: 'ports belong to a single address, not to a network' };
  return { ...prefix, subscriber, ports };
}
