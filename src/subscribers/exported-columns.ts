/**
 * Which column of an exported file is what, by the names in its first row, English or Japanese. A column that is not known
 * could say that a row does not apply (cancelled, valid until): who exports it is told, and nobody is inspected for such a row.
 */

/** Names of a column, as `columnKey` writes them. */
export type ColumnNames<Role extends string> = Readonly<Record<Role, readonly string[]>>;

export interface Columns<Role extends string> {
  /** Place of each column that is there. */
  readonly places: Readonly<Partial<Record<Role, number>>>;
  /** A column has a name that is not known, or two have the same meaning. */
  readonly unclear: boolean;
}

export const SUBSCRIBER_NAMES = [
  'subscriber',
  'subscribernumber',
  'subscriberid',
  'holder',
  'customer',
  'customernumber',
  'customerid',
  'account',
  'accountnumber',
  'accountid',
  'contract',
  'contractnumber',
  'contractid',
  'user',
  'username',
  'userid',
  'group',
  '契約者',
  '契約者番号',
  '契約番号',
  '加入者',
  '加入者番号',
  'お客様番号',
  '顧客番号',
  '会員番号',
  'ユーザー名',
  '契約者id',
  '加入者id',
  '顧客id',
  '会員id',
  'ユーザーid',
] as const;

/** The columns, where the cells are names of them; undefined where none is. */
export function columnsOf<Role extends string>(
  cells: readonly string[],
  names: ColumnNames<Role>,
): Columns<Role> | undefined {
  const places: Partial<Record<Role, number>> = {};
  let unclear = false;
  cells.forEach((cell, i) => {
    const key = columnKey(cell);
    const role = (Object.keys(names) as Role[]).find((each) => names[each].includes(key));
    if (role === undefined || places[role] !== undefined) unclear = true;
    else places[role] = i;
  });
  return Object.keys(places).length === 0 ? undefined : { places, unclear };
}

/** Without case, spaces and punctuation, and in the usual width: "IP Address", "ip_address", "ＩＰアドレス". */
function columnKey(cell: string): string {
  return cell
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[\s_\-.()/#:]/g, '');
}
