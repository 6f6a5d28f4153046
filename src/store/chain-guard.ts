/**
 * Guards one hash chain in one SQLite file: compares it with its anchors at the start, sees while it runs that the file is
 * still the one that was opened, and keeps what was found wrong until a person accepts it.
 *
 *   primary anchor   with every change, when that is on the disk and before it is acknowledged   (a file of its own)
 *   other anchors    a moment later   (the other chain's database; `server.anchors`)
 *
 * So whoever puts an older copy in a file's place must replace every one of them with copies of the same moment. Of a whole
 * data folder that comes back older, only an anchor outside the folder, or the file's identity, tells.
 */
import { counted } from '../errors/counted.ts';
import { errorText } from '../errors/errors.ts';
import { type Anchor, type AnchorFile, type AnchorPlace, fileIdentity, isSameFile, LONGEST_DAMAGE } from './anchor.ts';
import type { Database } from './guarded.ts';
import { WatchedFiles } from './watched-files.ts';

/** A chain as it was opened. */
export interface OpenedChain {
  readonly file: string;
  readonly database: Database;
  /** There was a file before it was opened. */
  readonly existed: boolean;
  readonly chain: string;
  readonly count: number;
  readonly head: string;
  /** What its owner found wrong with it. */
  readonly fault: string | undefined;
  leadsThrough(count: number, head: string): boolean;
}

interface GuardLog {
  error(fields: object, text: string): void;
}

export class ChainGuard {
  readonly #primary: AnchorFile;
  readonly #others: AnchorPlace[];
  readonly #log: GuardLog;
  readonly #onDamage: (damage: string) => void;
  #current: Anchor = { version: 0, chain: '', count: 0, head: '', file: '', owed: 0, damage: null };
  #files: WatchedFiles | undefined;
  #spread = true;
  #failing = '';
  /** The damage was found before this start. */
  stood = false;

  /** `onDamage` hears of what is found while it runs. */
  constructor(
    primary: AnchorFile,
    others: readonly AnchorPlace[],
    log: GuardLog,
    onDamage: (damage: string) => void = () => {},
  ) {
    this.#primary = primary;
    this.#others = [...others];
    this.#log = log;
    this.#onDamage = onDamage;
  }

  /** What is wrong, as sentences; undefined where nothing is. Stays, over restarts too, until `accept`. */
  get damage(): string | undefined {
    return this.#current.damage ?? undefined;
  }

  get owed(): number {
    return this.#current.owed;
  }

  /** Entries that are anchored. */
  get count(): number {
    return this.#current.count;
  }

  /**
   * Compare a chain that was just opened, and flushed, with every anchor, and follow it from now on. Returns the damage.
   * `tail: 'left'`: a sound chain that is ahead of its anchors is anchored to where they are, and its owner says with `grown`
   * when it is to be to its end.
   */
  start(opened: OpenedChain, tail: 'anchored' | 'left' = 'anchored'): string | undefined {
    const damage = this.#judge(opened);
    const { chain, count, head } = this.#current;
    const isAhead = damage === undefined && chain === opened.chain && count < opened.count;
    this.follow(isAhead && tail === 'left' ? { ...opened, count, head } : opened, damage ?? null);
    return damage;
  }

  /** From now on this is the chain. `damage`: what stays to be accepted. */
  follow({ file, database, chain, count, head }: OpenedChain, damage: string | null): void {
    this.#files = new WatchedFiles(file, database);
    const owed = damage === null ? 0 : this.#current.owed;
    const standing = damage?.slice(0, LONGEST_DAMAGE) ?? null;
    this.#note({ chain, count, head, file: fileIdentity(file), owed, damage: standing });
    this.#writePrimary();
    this.spread();
  }

  /** Another place for the anchor, where it became known later than the chain. Compared now. */
  addPlace(place: AnchorPlace, leadsThrough: OpenedChain['leadsThrough']): void {
    this.#others.push(place);
    const [fault] = this.#compare(place, { ...this.#current, leadsThrough });
    if (fault !== undefined) this.declare(fault);
    this.#spread = true;
    this.spread();
  }

  /** What somebody did to the files of the chain since; declares it. */
  look(): string | undefined {
    const fault = this.#files?.fault();
    if (fault !== undefined && this.damage === undefined) this.declare(fault);
    return fault;
  }

  /** What is written through the open connection does not reach the file at its place. */
  get isElsewhere(): boolean {
    return this.#files?.isElsewhere ?? false;
  }

  /** The chain has grown, on the disk. So is this when it returns; throws where it cannot be noted. */
  grown(count: number, head: string): void {
    this.#note({ count, head });
    this.#primary.write(this.#current);
  }

  /** The same off the main thread, and together with what comes meanwhile. */
  grownSoon(count: number, head: string): Promise<void> {
    if (count > this.#current.count) this.#note({ count, head });
    return this.#primary.writeSoon(this.#current);
  }

  /** Note again what is noted; throws where that cannot be. */
  write(): void {
    this.#primary.write(this.#current);
  }

  /** So many withdrawals act without being on the disk. Best effort: the disk may be what fails. */
  owe(count: number): void {
    if (count === this.#current.owed) return;
    this.#note({ owed: count });
    this.#writePrimary();
  }

  declare(damage: string): void {
    if (this.#current.damage !== null) return;
    // What could not even be opened keeps the anchor that it has.
    if (this.#current.chain === '') this.#recall();
    this.#note({ damage: damage.slice(0, LONGEST_DAMAGE) });
    this.#writePrimary();
    this.spread();
    this.#onDamage(damage);
  }

  /** Bring the other anchors up to date; called every second or so. */
  spread(): void {
    if (!this.#spread) return;
    this.#spread = false;
    for (const place of this.#others) {
      try {
        place.write(this.#current);
        if (this.#failing === place.name) this.#failing = '';
      } catch (error) {
        this.#spread = true;
        if (this.#failing !== place.name)
          this.#log.error({ anchor: place.name, reason: errorText(error) }, 'failed to write an anchor, retrying');
        this.#failing = place.name;
      }
    }
  }

  close(): void {
    this.spread();
    for (const place of [this.#primary, ...this.#others]) place.close?.();
  }

  #note(change: Partial<Anchor>): void {
    this.#current = { ...this.#current, ...change, version: this.#current.version + 1 };
    this.#spread = true;
  }

  #recall(): void {
    try {
      this.#current = this.#primary.read() ?? this.#current;
    } catch {
      // It is told when the chain is compared with it.
    }
  }

  #writePrimary(): void {
    try {
      this.#primary.write(this.#current);
    } catch (error) {
      this.#log.error({ anchor: this.#primary.name, reason: errorText(error) }, 'failed to write an anchor');
    }
  }

  #judge(opened: OpenedChain): string | undefined {
    const { existed, count, fault, file } = opened;
    const faults: string[] = fault === undefined ? [] : [fault];
    const found: Anchor[] = [];
    for (const place of [this.#primary, ...this.#others]) {
      const [problem, anchor] = this.#compare(place, opened);
      if (problem !== undefined) faults.push(problem);
      if (anchor) found.push(anchor);
      if (place === this.#primary && anchor) {
        this.#current = anchor;
        if (existed && !isSameFile(anchor.file, fileIdentity(file)))
          faults.push('it is another file than the one that the server wrote to: a copy lies in its place');
      }
    }
    if (found.length > 0 && this.#current.chain === '')
      faults.push(
        `the anchor ${this.#primary.name} is missing, although ${counted(found.length, 'other anchor')} can be read`,
      );
    if (found.length === 0 && count > 0)
      faults.push(
        `no anchor of it is kept anywhere, so nothing shows that ${counted(count, 'entry', 'entries')} is the full number (this happens once after an upgrade from a version without anchors)`,
      );
    // Another place may lag behind: of what changes back, the latest alone tells.
    const latest = found.sort((one, other) => other.version - one.version)[0];
    if (latest) this.#current = latest;
    this.stood = latest !== undefined && latest.damage !== null;
    if (latest?.damage) return latest.damage;
    if (latest && latest.owed > 0)
      faults.push(`${latest.owed} withdrawal(s) of consent acted but could not be written before the server ended`);
    return faults.length === 0 ? undefined : [...new Set(faults)].join('; ');
  }

  #compare(
    place: AnchorPlace,
    opened: Pick<OpenedChain, 'chain' | 'count' | 'leadsThrough'> & { readonly existed?: boolean },
  ): [fault: string | undefined, anchor?: Anchor] {
    let anchor: Anchor | undefined;
    try {
      anchor = place.read();
    } catch (error) {
      return [`the anchor ${place.name} cannot be read: ${errorText(error)}`];
    }
    if (!anchor) return [undefined];
    return [faultAgainst(anchor, opened), anchor];
  }
}

function faultAgainst(
  { chain, count, head }: Anchor,
  opened: Pick<OpenedChain, 'chain' | 'count' | 'leadsThrough'> & { readonly existed?: boolean },
): string | undefined {
  const noted = `the anchor records ${counted(count, 'entry', 'entries')}`;
  if (opened.existed === false) return `the file is missing; ${noted}`;
  if (chain !== opened.chain) return `it is another chain than the one that was kept here; ${noted}`;
  if (count > opened.count)
    return `it is older than it was, or was shortened: it has ${counted(opened.count, 'entry', 'entries')}; ${noted}`;
  if (!opened.leadsThrough(count, head)) return `entry ${count} is not the one that was recorded`;
  return undefined;
}
