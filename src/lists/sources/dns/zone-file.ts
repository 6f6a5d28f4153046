/**
 * A transferred zone on disk: a master file, SOA first, one record a line (record-text.ts). Changes are applied by copying
 * the file: what is removed is left out, what is added comes at the end. A change that does not fit the file it is for is
 * an error, as in every secondary that means it: then the whole zone is fetched.
 */
import { createReadStream } from 'node:fs';
import type { IncomingFile } from '../incoming-file.ts';
import { FetchFailure } from '../source.ts';

/** The changes do not fit the zone that we have. */
export class ChangesDoNotFit extends FetchFailure {}

/** The net effect of a run of changes: what a record is taken back is not added, and so on. */
export class ZoneChanges {
  readonly maxRecords: number;
  /** Removed records that have to be in the file. */
  readonly #removed = new Set<string>();
  /** Records that come, by what they are without their TTL. */
  readonly #added = new Map<string, string>();
  /** Owners of either: the file's other lines need no closer look. */
  readonly #owners = new Set<string>();

  constructor(maxRecords: number) {
    this.maxRecords = maxRecords;
  }

  get removed(): number {
    return this.#removed.size;
  }

  get added(): number {
    return this.#added.size;
  }

  remove(line: string): void {
    const key = recordKey(line);
    if (this.#added.delete(key)) return;
    if (this.#removed.has(key)) throw new ChangesDoNotFit(`the changes remove a record twice: ${shortened(key)}`);
    this.#removed.add(key);
    this.#note(line);
  }

  add(line: string): void {
    const key = recordKey(line);
    if (this.#added.has(key)) throw new ChangesDoNotFit(`the changes add a record twice: ${shortened(key)}`);
    this.#added.set(key, line);
    this.#note(line);
  }

  /** Write the zone at `basePath` with the changes made, under the new SOA. Throws ChangesDoNotFit. */
  async apply(basePath: string, soaLine: string, out: IncomingFile): Promise<void> {
    let matched = 0;
    let records = 0;
    let first = true;
    out.addText(`${soaLine}\n`);
    for await (const lines of lineBatches(basePath)) {
      let kept = '';
      for (const line of lines) {
        if (first) {
          // The SOA of the version before.
          first = false;
          continue;
        }
        records++;
        if (this.#owners.has(ownerOf(line))) {
          const key = recordKey(line);
          if (this.#removed.has(key)) {
            matched++;
            continue;
          }
          if (this.#added.has(key)) throw new ChangesDoNotFit(`the changes add what is there: ${shortened(key)}`);
        }
        kept += `${line}\n`;
      }
      out.addText(kept);
      await out.flushFull();
    }
    if (matched !== this.#removed.size) {
      throw new ChangesDoNotFit(`the changes remove ${this.#removed.size - matched} record(s) that are not there`);
    }
    for (const line of this.#added.values()) {
      out.addText(`${line}\n`);
      await out.flushFull();
    }
    if (records - matched + this.#added.size > this.maxRecords) {
      throw new FetchFailure(`the zone has more records than the limit of ${this.maxRecords}`);
    }
  }

  #note(line: string): void {
    this.#owners.add(ownerOf(line));
  }
}

/** The lines of a file of ours, a batch at a time; every line ends in a line feed. */
async function* lineBatches(path: string): AsyncGenerator<string[]> {
  let rest = '';
  for await (const chunk of createReadStream(path, { encoding: 'latin1', highWaterMark: 1 << 18 })) {
    const lines = (rest + (chunk as string)).split('\n');
    rest = lines.pop() ?? '';
    yield lines;
  }
  if (rest !== '') throw new ChangesDoNotFit('the zone on disk is cut short');
}

function ownerOf(line: string): string {
  return line.slice(0, line.indexOf(' '));
}

/** A record without its TTL: RFC 1995 removes records, whatever their TTL. */
function recordKey(line: string): string {
  const ownerEnd = line.indexOf(' ');
  return line.slice(0, ownerEnd) + line.slice(line.indexOf(' ', ownerEnd + 1));
}

function shortened(text: string): string {
  return text.length > 100 ? `${text.slice(0, 97)}…` : text;
}
