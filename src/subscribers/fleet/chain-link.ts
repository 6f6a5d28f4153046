/** What comes from the fleet's ledger, held against the chain that this node has. */
import { fleetError } from '../../fleet/errors.ts';
import { ACTIONS, hashOfEntry, type LedgerEnd, type LedgerEntry } from '../consent/ledger-store.ts';
import type { ConsentPage } from './consent-log.ts';

const LONGEST_TEXT = 4000;
const TEXTS = ['subscriber', 'purpose', 'who', 'channel', 'terms', 'reason', 'hash'] as const;

/**
 * The page continues the chain that ends with `own`. `hashAt`: of an entry of that chain. Throws SEKISHO_FLEET_OLDER_DATABASE where the fleet's ledger ends before,
 * SEKISHO_FLEET_DIVERGED where it is another one, SEKISHO_FLEET_LEDGER_ALTERED where it does not hold in itself.
 */
export function checkPage(
  own: LedgerEnd,
  { end, entries }: ConsentPage,
  hashAt: (seq: number) => string | undefined = () => undefined,
): void {
  const there = end.seq < own.seq ? hashAt(end.seq) : undefined;
  if (end.seq > 0 && there !== undefined && there !== end.hash) throw diverged(own.seq);
  if (end.seq < own.seq)
    throw fleetError(
      'SEKISHO_FLEET_OLDER_DATABASE',
      `this node has ${own.seq} entries of the consent ledger, the database ${end.seq}: it was restored, or a standby took over that was behind. To give back what it lacks, run on this node: sekisho fleet init --reason TEXT`,
    );
  if (end.seq === own.seq && end.hash !== own.hash) throw diverged(own.seq);
  let { seq, hash } = own;
  for (const entry of entries) {
    if (!isEntry(entry)) throw altered(`entry ${seq + 1} is malformed`);
    if (entry.seq !== seq + 1) throw altered(`entry ${seq + 1} is missing`);
    const due = hashOfEntry(hash, entry);
    if (due !== entry.hash) {
      // The first one hangs on what this node has; those after it on each other.
      if (seq === own.seq) throw seq === 0 ? altered('entry 1 was altered') : diverged(seq);
      throw altered(`entry ${entry.seq} was altered`);
    }
    ({ seq, hash } = entry);
  }
  if (seq === end.seq && hash !== end.hash) throw altered(`its end is not that of entry ${seq}`);
}

function isEntry(entry: LedgerEntry): boolean {
  return (
    Number.isSafeInteger(entry.seq) &&
    Number.isSafeInteger(entry.atMs) &&
    ACTIONS.includes(entry.action) &&
    TEXTS.every((key) => typeof entry[key] === 'string' && entry[key].length <= LONGEST_TEXT)
  );
}

function diverged(seq: number) {
  return fleetError(
    'SEKISHO_FLEET_DIVERGED',
    `the consent ledger of this node (${seq} entries) is not the beginning of the fleet's; sekisho fleet init --dry-run tells what the node would do about it`,
  );
}

function altered(what: string) {
  return fleetError('SEKISHO_FLEET_LEDGER_ALTERED', `the consent ledger in the database does not hold: ${what}`);
}
