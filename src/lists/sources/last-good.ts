/**
 * What a list was made of, on disk: the version in force, the one before it (for a rollback), and one that the guard held
 * back (for an override). It serves a cold start while the source cannot be reached.
 *
 *   <data>/lists/<name>/<sha256>.list    content; its name is its checksum
 *                       metadata.json    which of them is current, previous, refused, and where each came from
 *
 * metadata.json is replaced in one step and only after the content is on disk, so the two cannot disagree, whenever the
 * power fails. One process writes; one call at a time.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, systemClock } from '../../time/clock.ts';
import { moveInto, removeStale, replaceFile } from './incoming-file.ts';
import { type Known, type Provenance, plainReason } from './source.ts';

/** Who accepted a version that the guard had refused, and why. */
export interface Override {
  readonly approver: string;
  readonly reason: string;
  /** Without the rules that the guard found fault with: they are left out whenever the version is read. */
  readonly withoutOffenders?: boolean;
  readonly atMs: number;
}

export interface Version {
  readonly provenance: Provenance;
  /** What the parser and the compiler counted, e.g. names, skipped lines by reason. */
  readonly counts: Readonly<Record<string, number>>;
  /** What the guard said: `passed`, or why it refused. */
  readonly verdict: string;
  readonly override?: Override;
  /** Wall-clock milliseconds when it came into force, or was refused. */
  readonly decidedAtMs: number;
}

export interface StoredVersion extends Version {
  readonly path: string;
}

interface Metadata {
  format: 1;
  current?: Version;
  previous?: Version;
  refused?: Version;
  /** What the source brought last, whatever became of it. */
  delivered?: Provenance;
  /** When the source last said that `delivered` is its newest. Wall-clock milliseconds. */
  confirmedAtMs?: number;
}

const METADATA = 'metadata.json';
const SLOTS = ['current', 'previous', 'refused'] as const;

export class LastGood {
  readonly folder: string;
  readonly #clock: Clock;
  #metadata: Metadata = { format: 1 };

  private constructor(folder: string, clock: Clock) {
    this.folder = folder;
    this.#clock = clock;
  }

  /**
   * Open the store of list `name` below `<data>/lists` and verify every checksum. What is corrupt is moved aside and named
   * in `problems`; where that was the current version, the previous one takes its place.
   */
  static async open(
    listsFolder: string,
    name: string,
    clock: Clock = systemClock,
  ): Promise<{ store: LastGood; problems: string[] }> {
    if (!/^[a-z0-9_][a-z0-9._-]{0,99}$/i.test(name)) throw new TypeError(`'${name}' cannot be the name of a folder`);
    const store = new LastGood(join(listsFolder, name), clock);
    await mkdir(store.folder, { recursive: true });
    await removeStale(store.folder);
    const problems: string[] = [];
    await store.#load(problems);
    return { store, problems };
  }

  get current(): StoredVersion | undefined {
    return this.#stored(this.#metadata.current);
  }

  get previous(): StoredVersion | undefined {
    return this.#stored(this.#metadata.previous);
  }

  /** What the guard held back last, until something newer comes into force. */
  get refused(): StoredVersion | undefined {
    return this.#stored(this.#metadata.refused);
  }

  get confirmedAtMs(): number | undefined {
    return this.#metadata.confirmedAtMs;
  }

  /** What a source may build upon. */
  known(): Known {
    const { current } = this;
    const { delivered } = this.#metadata;
    return {
      ...(current && { current: { path: current.path, provenance: current.provenance } }),
      ...(delivered && { delivered }),
    };
  }

  /** Move the temporary file into force; what was in force becomes the previous version. */
  async install(temporary: string, version: Omit<Version, 'decidedAtMs'>): Promise<StoredVersion> {
    const decided: Version = { ...version, decidedAtMs: this.#clock.wallMs() };
    await moveInto(this.folder, temporary, fileName(decided));
    await this.#putInForce(decided, { delivered: decided.provenance, confirmedAtMs: decided.provenance.fetchedAtMs });
    return this.#at(decided);
  }

  /** Keep what the guard refused, so that an override can accept exactly that. */
  async refuse(temporary: string, version: Omit<Version, 'decidedAtMs' | 'override'>): Promise<StoredVersion> {
    const refused: Version = { ...version, decidedAtMs: this.#clock.wallMs() };
    await moveInto(this.folder, temporary, fileName(refused));
    const { provenance } = refused;
    await this.#save({ ...this.#metadata, refused, delivered: provenance, confirmedAtMs: provenance.fetchedAtMs });
    return this.#at(refused);
  }

  /** Put into force what was held back; without `override`, because nobody holds it back any more. Throws where nothing is. */
  async acceptRefused(
    override: Omit<Override, 'atMs'> | undefined,
    counts?: Version['counts'],
  ): Promise<StoredVersion> {
    const refused = this.#metadata.refused;
    if (!refused) throw new Error('no refused version is held back');
    const atMs = this.#clock.wallMs();
    const accepted = {
      ...refused,
      ...(counts && { counts }),
      ...(override ? { override: { ...override, atMs } } : { verdict: 'passed' }),
      decidedAtMs: atMs,
    };
    await this.#putInForce(accepted, {});
    return this.#at(accepted);
  }

  /**
   * The previous version comes back into force, and the current one becomes the previous: a second call undoes the first.
   * The source is not asked for the version taken back until it has a newer one. Throws where there is no previous version.
   */
  async rollback(): Promise<StoredVersion> {
    const { current, previous } = this.#metadata;
    if (!previous) throw new Error('there is no previous version to go back to');
    const metadata: Metadata = { ...this.#metadata, current: { ...previous, decidedAtMs: this.#clock.wallMs() } };
    if (current) metadata.previous = current;
    else delete metadata.previous;
    await this.#save(metadata);
    return this.#at(previous);
  }

  /** The source said that it has nothing newer; `provenance` where its validators or timers are others by now. */
  async confirm(provenance?: Provenance): Promise<void> {
    const metadata: Metadata = { ...this.#metadata, confirmedAtMs: this.#clock.wallMs() };
    if (provenance) {
      metadata.delivered = provenance;
      const { current } = metadata;
      if (current?.provenance.sha256 === provenance.sha256) metadata.current = { ...current, provenance };
    }
    await this.#save(metadata);
  }

  async #putInForce(version: Version, more: Partial<Metadata>): Promise<void> {
    const { current, refused: _superseded, ...rest } = this.#metadata;
    const metadata: Metadata = { ...rest, ...more, current: version };
    // The same bytes again: the version before stays the one to go back to.
    if (current && current.provenance.sha256 !== version.provenance.sha256) metadata.previous = current;
    await this.#save(metadata);
  }

  async #save(metadata: Metadata): Promise<void> {
    await replaceFile(this.folder, METADATA, `${JSON.stringify(metadata, null, 2)}\n`);
    this.#metadata = metadata;
    await this.#removeUnnamed();
  }

  async #removeUnnamed(): Promise<void> {
    const kept = new Set(
      SLOTS.map((slot) => this.#metadata[slot]).flatMap((version) => (version ? [fileName(version)] : [])),
    );
    const names = await readdir(this.folder);
    const unnamed = names.filter((name) => CONTENT_NAME.test(name) && !kept.has(name));
    await Promise.all(unnamed.map((name) => rm(join(this.folder, name), { force: true })));
  }

  async #load(problems: string[]): Promise<void> {
    const path = join(this.folder, METADATA);
    try {
      this.#metadata = readMetadata(await readFile(path, 'utf8'));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      await rename(path, join(this.folder, `corrupt-${METADATA}`));
      problems.push(`${path} cannot be read (${plainReason(error)}): moved aside; the list is fetched again`);
      await this.#recover(problems);
      return;
    }
    let changed = false;
    for (const slot of SLOTS) {
      const version = this.#metadata[slot];
      const problem = version && (await this.#verify(version));
      if (!problem) continue;
      problems.push(`the ${slot} version of the list is lost: ${problem}`);
      delete this.#metadata[slot];
      changed = true;
    }
    const { current, previous } = this.#metadata;
    if (changed && !current) {
      // The source has to bring again what was lost.
      delete this.#metadata.delivered;
      if (previous) {
        this.#metadata.current = previous;
        delete this.#metadata.previous;
        problems.push('the previous version is used instead');
      }
    }
    if (changed) await this.#save(this.#metadata);
  }

  /** Without metadata, content still proves itself by its name; the newest serves until the source has been asked. */
  async #recover(problems: string[]): Promise<void> {
    const found: { provenance: Provenance; decidedAtMs: number }[] = [];
    for (const name of (await readdir(this.folder)).filter((each) => CONTENT_NAME.test(each))) {
      const { size: bytes, mtimeMs } = await stat(join(this.folder, name));
      const provenance = { source: 'recovered', fetchedAtMs: Math.round(mtimeMs), sha256: name.slice(0, 64), bytes };
      const version = { provenance, counts: {}, verdict: 'recovered', decidedAtMs: Math.round(mtimeMs) };
      const problem = await this.#verify(version);
      if (problem) problems.push(problem);
      else found.push(version);
    }
    const newest = found.sort((a, b) => b.decidedAtMs - a.decidedAtMs)[0];
    if (!newest) return;
    const current: Version = { ...newest, counts: {}, verdict: 'recovered without its metadata' };
    problems.push(`the newest content found, ${fileName(current)}, is used meanwhile`);
    await this.#save({ format: 1, current });
  }

  /** Why the content cannot be used, which is then moved aside; undefined where it is sound. */
  async #verify(version: Version): Promise<string | undefined> {
    const name = fileName(version);
    const path = join(this.folder, name);
    const actual = await fileSha256(path).catch((error: NodeJS.ErrnoException) => error);
    if (actual === version.provenance.sha256) return undefined;
    if (actual instanceof Error) return actual.code === 'ENOENT' ? `${path} is not there` : actual.message;
    await rename(path, join(this.folder, `corrupt-${name}`));
    return `${path} does not match its checksum: moved aside as corrupt-${name}`;
  }

  #stored(version: Version | undefined): StoredVersion | undefined {
    return version && this.#at(version);
  }

  #at(version: Version): StoredVersion {
    return { ...version, path: join(this.folder, fileName(version)) };
  }
}

const CONTENT_NAME = /^[0-9a-f]{64}\.list$/;

function fileName(version: Version): string {
  return `${version.provenance.sha256}.list`;
}

function readMetadata(text: string): Metadata {
  const metadata = JSON.parse(text) as Metadata;
  if (metadata?.format !== 1) throw new Error('is not of format 1');
  for (const slot of SLOTS) {
    const version = metadata[slot];
    // The checksum becomes a file name.
    if (version && !CONTENT_NAME.test(`${version.provenance?.sha256}.list`))
      throw new Error(`its ${slot} version is broken`);
  }
  return metadata;
}

async function fileSha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 18 })) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
}
