/**
 * The list desk: keeps every list of one configuration fetched, judged, compiled and in force.
 *
 *   schedule ─▶ source ─▶ temporary file ─▶ compiler thread ─▶ guard ─┬─▶ last-good.ts ─▶ publish to all workers ─▶ free
 *                                                                     └─▶ held back; the version in force stays
 *
 * One update at a time. Whatever fails on the way leaves the lists in force as they are. A desk that is not *active* serves
 * what lies on disk and asks nobody: during a reload the new one stands beside the old one, and only one may write.
 */
import { rm } from 'node:fs/promises';
import type { Logger } from 'pino';
import type { Auditor } from '../audit/entry.ts';
import { errorText, generalError } from '../errors/errors.ts';
import { faultOf } from '../errors/fault-text.ts';
import type { Metrics } from '../metrics/registry.ts';
import type { Clock } from '../time/clock.ts';
import { ListsMemory } from './compile.ts';
import type { CompileResult, FoundLine, ListInput, ListsCompiler, SoughtRule } from './compiler.ts';
import { countsOf, DeskList, type Responsible } from './desk-list.ts';
import { DeskMetrics } from './desk-metrics.ts';
import { listError, listUnknown } from './errors.ts';
import type { ParseSummary } from './formats/parser.ts';
import { type Finding, judge, overridden, type Verdict } from './guard/verdict.ts';
import { idleTriggersText } from './idle-triggers.ts';
import type { CompiledLists } from './in-force.ts';
import type { ListsConfig } from './list-config.ts';
import type { ListGate, OfferedVersion } from './list-gate.ts';
import { listSource } from './list-source.ts';
import { listenForNotify, type NotifyListener, primaryAddresses } from './notify-listener.ts';
import { sourceText } from './section/lists-section.ts';
import type { NotifyZone } from './sources/dns/notify.ts';
import { readKeyFile, type TsigKey } from './sources/dns/tsig-key.ts';
import { LastGood, type StoredVersion } from './sources/last-good.ts';
import { Schedule } from './sources/schedule.ts';
import type { FetchResult, Provenance, Random } from './sources/source.ts';
import { systemTimers, type Timers } from './sources/timers.ts';

/** A file that was never loaded is waited for at the start, but not for ever. */
const FIRST_LOAD_MS = 30_000;

export interface DeskParts {
  readonly config: ListsConfig;
  /** Folder of the lists below `server.data`. */
  readonly folder: string;
  readonly log: Logger;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: Metrics;
  readonly compiler: ListsCompiler;
  /** Counts compiled lists up, through the life of the process. */
  readonly nextVersion: () => number;
  /** Resolves when every worker holds them. */
  readonly publish: (compiled: CompiledLists) => Promise<void>;
  readonly timers?: Timers;
  /** Told of each version that is about to come into force by itself: what it cannot record stays out. */
  readonly audit: Auditor;
  /** Of a fleet; undefined where this server stands alone. */
  readonly gate?: ListGate | undefined;
}

/** What the guard finds in a version that it holds back, and what the parser had to say about it. */
export interface Inspection {
  readonly findings: readonly Finding[];
  readonly parsed: ParseSummary;
}

/** A version that is to be compiled. */
interface ToRead {
  readonly list: DeskList;
  readonly path: string;
  readonly withoutOffenders?: boolean;
}

/** A version on its way in. */
interface Incoming {
  readonly list: DeskList;
  readonly path: string;
  readonly provenance: Provenance;
}

export class ListDesk {
  readonly lists: readonly DeskList[];
  readonly #parts: DeskParts;
  readonly #keys: ReadonlyMap<string, TsigKey>;
  readonly #metrics: DeskMetrics;
  /** What is in force; undefined where there are no lists at all. */
  #compiled: CompiledLists | undefined;
  readonly #memory = new ListsMemory();
  /** Versions that were built and not released. */
  readonly #held = new Set<number>();
  #work: Promise<unknown> = Promise.resolve();
  #notify: NotifyListener | undefined;
  #stopFollowing: (() => void) | undefined;
  #active = false;

  private constructor(parts: DeskParts, lists: readonly DeskList[], keys: ReadonlyMap<string, TsigKey>) {
    this.#parts = parts;
    this.lists = lists;
    this.#keys = keys;
    this.#metrics = new DeskMetrics(
      parts.metrics,
      lists.map(({ config }) => config.name),
    );
  }

  /**
   * Open the stores and put into force what they hold; files that were never loaded are loaded now. Nothing is fetched
   * again by itself until `activate`.
   */
  static async open(parts: DeskParts): Promise<ListDesk> {
    const { config, folder, log, clock, random } = parts;
    const keys = config.transfer.keysFile === undefined ? new Map() : await readKeyFile(config.transfer.keysFile);
    const lists = await Promise.all(
      config.lists.map(async (list, index) => {
        const { store, problems } = await LastGood.open(folder, list.name, clock);
        for (const problem of problems) log.error({ list: list.name }, problem);
        return new DeskList(index, list, store, listSource(list, store, { keys, random, clock }));
      }),
    );
    const desk = new ListDesk(parts, lists, keys);
    await desk.#loadStored();
    await desk.#loadFiles();
    return desk;
  }

  /** From now on this desk fetches, watches and writes. */
  async activate(): Promise<void> {
    if (this.#active) return;
    this.#active = true;
    for (const list of this.lists) {
      const { store, config } = list;
      list.schedule = new Schedule({
        source: list.source,
        refreshMs: config.refreshMs,
        random: this.#parts.random,
        clock: this.#parts.clock,
        timers: this.#parts.timers ?? systemTimers,
        zoneTimers: store.known().delivered?.timers,
        confirmedAtMs: store.confirmedAtMs,
        onResult: (result) => this.#enqueue(() => this.#arrived(list, result)),
      });
      list.schedule.start(0);
    }
    await this.#listenForNotify();
    this.#stopFollowing = this.#parts.gate?.follow(() => void this.followFleet());
  }

  /** The other way round; `activate` may follow. What is in force stays. */
  async deactivate(): Promise<void> {
    if (!this.#active) return;
    this.#active = false;
    this.#stopFollowing?.();
    const notify = this.#notify;
    this.#notify = undefined;
    await Promise.all([notify?.close(), ...this.lists.map((list) => list.schedule?.stop())]);
    for (const list of this.lists) list.schedule = undefined;
    await this.#work;
  }

  async close(): Promise<void> {
    await this.deactivate();
    await this.#parts.compiler.close();
  }

  /** What is in force; undefined where there are no lists. */
  get compiled(): CompiledLists | undefined {
    return this.#compiled;
  }

  named(name: string): DeskList {
    const list = this.lists.find(({ config }) => config.name === name);
    if (list) return list;
    throw listUnknown(
      name,
      this.lists.map(({ config }) => config.name),
    );
  }

  /** Ask the source now. `again`: even for what it brought before, or what is older by its serial. */
  async reload(list: DeskList, again: boolean): Promise<FetchResult> {
    if (!list.schedule) throw generalError('SEKISHO_NOT_READY', 'the lists are being handed over by a reload');
    return list.schedule.fetchNow({ again });
  }

  /** What the guard holds back, looked at again: all that helps to decide about it. Changes nothing. */
  async inspectRefused(list: DeskList): Promise<Inspection> {
    return this.#enqueue(async () => {
      const refused = this.#refusedOf(list);
      const result = await this.#compile([{ list, path: refused.path }]);
      const { findings } = this.#judged(list, result);
      const { parsed } = readOf(result, list);
      this.#discard(result);
      return { findings, parsed };
    });
  }

  #refusedOf(list: DeskList): StoredVersion {
    const { refused } = list.store;
    if (refused) return refused;
    throw listError('SEKISHO_LIST_NOTHING_HELD', `the guard holds no version of '${list.config.name}' back`);
  }

  /**
   * Put the version into force that the guard holds back (recorded with who and why). `withoutOffenders`: without the rules
   * that it finds fault with; what else it has found has to be overridden still.
   */
  async acceptRefused(list: DeskList, responsible: Responsible & { withoutOffenders?: boolean }): Promise<void> {
    await this.#enqueue(async () => {
      const refused = this.#refusedOf(list);
      const withoutOffenders = responsible.withoutOffenders ?? false;
      const result = await this.#compile([{ list, path: refused.path, withoutOffenders }]);
      const verdict = this.#judged(list, result);
      if (!verdict.accepted) {
        try {
          overridden(verdict, { ...responsible, atMs: this.#parts.clock.wallMs() });
        } catch (error) {
          this.#discard(result);
          throw listError('SEKISHO_LIST_REFUSED', errorText(error), { cause: error });
        }
      }
      const read = result.read[0]!;
      try {
        await this.#parts.gate?.overridden(offeredOf(list, refused.provenance, read.scan.names), responsible);
      } catch (error) {
        this.#discard(result);
        throw error;
      }
      list.waiting = undefined;
      await list.store.acceptRefused(responsible, countsOf(read.parsed, read.scan));
      this.#parts.log.warn(
        { list: list.config.name, ...responsible, findings: verdict.findings.map(({ message }) => message) },
        'a version that the guard had refused comes into force by override',
      );
      await this.#putInForce([list], result);
    });
  }

  /** Go back to the version before; a second time undoes it. */
  async rollback(list: DeskList, responsible: Responsible): Promise<void> {
    await this.#enqueue(async () => {
      const previous = list.store.previous;
      if (!previous)
        throw listError('SEKISHO_LIST_NO_PREVIOUS', `there is no version of '${list.config.name}' to go back to`);
      const { gate } = this.#parts;
      const { current } = list.store;
      // For all nodes first: where they cannot be told, none goes back alone.
      if (gate && current) await gate.takenBack(list.config.name, current.provenance.sha256, responsible);
      await gate?.overridden(offeredOf(list, previous.provenance, previous.counts['names'] ?? 0), responsible);
      await this.#goBack(list, previous, responsible);
    });
  }

  /**
   * What the other nodes have decided meanwhile: versions that wait here come into force, or do not stay in it. Never rejects; what fails is
   * tried with the next word.
   */
  followFleet(): Promise<void> {
    return this.#enqueue(async () => {
      const { gate } = this.#parts;
      if (!gate || !this.#active) return;
      for (const list of this.lists) {
        try {
          await this.#followOne(gate, list);
        } catch (error) {
          this.#parts.log.debug(
            { list: list.config.name, reason: errorText(error) },
            'the fleet could not be followed',
          );
        }
      }
    });
  }

  async #followOne(gate: ListGate, list: DeskList): Promise<void> {
    const { current, previous, refused } = list.store;
    const { name } = list.config;
    const standing = current && (await gate.decided(name, current.provenance.sha256));
    if (standing?.state === 'taken-back' && previous) {
      const former = await gate.decided(name, previous.provenance.sha256);
      if (former?.state === 'released')
        await this.#goBack(list, previous, { approver: `node ${standing.who}`, reason: standing.why });
      return;
    }
    // A canary's time is over: whoever looks first says so to all.
    if (standing?.state === 'canary') await gate.ask(offeredOf(list, current!.provenance, 0));
    if (!refused) return;
    const decision = await gate.decided(name, refused.provenance.sha256);
    const isOverridden = decision?.state === 'released' && list.waiting === undefined;
    if (list.waiting === undefined && !isOverridden) return;
    list.waiting = await gate.ask(offeredOf(list, refused.provenance, refused.counts['names'] ?? 0));
    if (list.waiting !== undefined) return;
    const result = await this.#compile([{ list, path: refused.path }]);
    const verdict = this.#judged(list, result);
    const { scan, parsed } = readOf(result, list);
    if (!verdict.accepted && !isOverridden) return this.#discard(result);
    try {
      this.#record(list, refused.provenance, scan.names);
    } catch (error) {
      this.#discard(result);
      throw error;
    }
    const by = isOverridden ? { approver: `node ${decision.who}`, reason: decision.why } : undefined;
    await list.store.acceptRefused(by, countsOf(parsed, scan));
    this.#parts.log.info(
      { list: name, sha256: refused.provenance.sha256 },
      'the fleet has let a version of the list in',
    );
    await this.#putInForce([list], result);
  }

  async #goBack(list: DeskList, previous: StoredVersion, responsible: Responsible): Promise<void> {
    const result = await this.#compile([stored(list, previous)]);
    await list.store.rollback();
    this.#parts.log.warn({ list: list.config.name, ...responsible }, 'a list was rolled back to its previous version');
    await this.#putInForce([list], result);
  }

  /** In which lines of its version in force a list has the rules. */
  async locate(list: DeskList, sought: readonly SoughtRule[]): Promise<FoundLine[]> {
    const current = list.store.current;
    return current ? this.#parts.compiler.locate(inputOf(list, current.path), sought) : [];
  }

  /** Lists that lie on disk, all in one go: they were judged when they were installed. */
  async #loadStored(): Promise<void> {
    const known = this.lists.flatMap((list) => (list.store.current ? [stored(list, list.store.current)] : []));
    if (known.length === 0) return;
    try {
      await this.#putInForce(
        known.map(({ list }) => list),
        await this.#compile(known),
      );
    } catch (error) {
      // One list alone must not cost the others.
      if (known.length === 1) return this.#failed(known[0]!.list, errorText(error));
      this.#parts.log.error(
        { fault: faultOf(error) },
        'failed to compile the stored lists together; trying them one at a time',
      );
      for (const each of known) {
        await this.#compile([each])
          .then((result) => this.#putInForce([each.list], result))
          .catch((failure) => this.#failed(each.list, errorText(failure)));
      }
    }
    for (const { list } of known) await this.#recallRefusal(list);
  }

  /** A version that was refused before a restart is still held back: say again why. */
  async #recallRefusal(list: DeskList): Promise<void> {
    const refused = list.store.refused;
    if (!refused) return;
    this.#parts.log.warn(
      { list: list.config.name, verdict: refused.verdict },
      'the guard holds a version of the list back',
    );
    // Whether the guard or the fleet did is looked at again when the fleet has its say.
    if (this.#parts.gate) list.waiting = refused.verdict;
    this.#metrics.heldBack(list.index, true);
  }

  /** Local files without a stored version: policy is in force from the first query on. */
  async #loadFiles(): Promise<void> {
    const fresh = this.lists.filter((list) => list.config.source.kind === 'file' && !list.store.current);
    if (fresh.length === 0) return;
    const giveUp = AbortSignal.timeout(FIRST_LOAD_MS);
    const results = await Promise.all(fresh.map((list) => list.source.fetch(giveUp)));
    const incoming: Incoming[] = [];
    for (const [i, result] of results.entries()) {
      const list = fresh[i]!;
      if (result.kind === 'content') incoming.push({ list, path: result.path, provenance: result.provenance });
      else if (result.kind === 'failed') this.#failed(list, result.reason);
    }
    await this.#enqueue(() => this.#update(incoming)).catch((error: unknown) => {
      for (const { list } of incoming) this.#failed(list, errorText(error));
    });
  }

  /** A source was asked. */
  async #arrived(list: DeskList, result: FetchResult): Promise<void> {
    switch (result.kind) {
      case 'failed':
        this.#failed(list, result.reason);
        return;
      case 'unchanged':
        list.failure = undefined;
        this.#metrics.unchanged(list.index);
        await list.store.confirm(result.provenance);
        return;
      case 'content':
        try {
          await this.#update([{ list, path: result.path, provenance: result.provenance }]);
        } catch (error) {
          await rm(result.path, { force: true });
          this.#failed(list, errorText(error));
          throw error;
        }
    }
  }

  /** Compile what came, judge it, and put into force what passes. Throws where it cannot be compiled or stored. */
  async #update(incoming: readonly Incoming[]): Promise<void> {
    if (incoming.length === 0) return;
    const result = await this.#compile(incoming);
    const refused = new Set<Incoming>();
    for (const each of incoming) {
      const verdict = this.#judged(each.list, result);
      each.list.failure = undefined;
      if (verdict.accepted) continue;
      refused.add(each);
      await this.#refuse(each, verdict, result);
    }
    for (const each of incoming) if (!refused.has(each) && (await this.#isHeldBack(each, result))) refused.add(each);
    const passed = incoming.filter((each) => !refused.has(each));
    if (refused.size > 0) {
      // What was refused lies in the compiled index too.
      this.#discard(result);
      return this.#update(passed);
    }
    try {
      for (const { list, provenance } of passed) this.#record(list, provenance, readOf(result, list).scan.names);
    } catch (error) {
      this.#discard(result);
      throw error;
    }
    try {
      for (const { list, path, provenance } of passed) {
        const { parsed, scan } = readOf(result, list);
        await list.store.install(path, { provenance, counts: countsOf(parsed, scan), verdict: 'passed' });
        list.refusal = undefined;
        list.waiting = undefined;
        this.#metrics.heldBack(list.index, false);
      }
      await this.#putInForce(
        passed.map(({ list }) => list),
        result,
      );
    } catch (error) {
      for (const { list, provenance } of passed) this.#recordFailure(list, provenance, error);
      throw error;
    }
  }

  /** What is enforced changes. Throws SekishoError where that cannot be recorded; then what is in force stays. */
  #record({ config, store }: DeskList, provenance: Provenance, names: number): void {
    this.#parts.audit.record({
      who: 'server',
      role: 'server',
      action: 'list.update',
      purpose: 'a new version of the list passed the guard',
      detail: {
        list: config.name,
        from: store.current?.provenance.sha256 ?? null,
        to: provenance.sha256,
        names,
        source: sourceText(config.source),
      },
    });
  }

  /** As it went: the entry before must not stand for what is not in force. */
  #recordFailure({ config }: DeskList, { sha256 }: Provenance, error: unknown): void {
    try {
      this.#parts.audit.record({
        who: 'server',
        role: 'server',
        action: 'list.update.failed',
        purpose: 'a new version of the list passed the guard',
        detail: { list: config.name, to: sha256 },
      });
    } catch (unrecorded) {
      const fields = { list: config.name, reason: errorText(unrecorded), failure: errorText(error) };
      this.#parts.log.error(fields, 'the failed list update could not be recorded in the audit log');
    }
  }

  async #refuse({ list, path, provenance }: Incoming, verdict: Verdict, result: CompileResult): Promise<void> {
    const { parsed, scan } = readOf(result, list);
    const findings = verdict.findings.map(({ message }) => message);
    const { path: _, ...stored } = await list.store.refuse(path, {
      provenance,
      counts: countsOf(parsed, scan),
      verdict: findings.join(' '),
    });
    list.refusal = verdict;
    list.waiting = undefined;
    await this.#parts.gate?.refused(offeredOf(list, provenance, scan.names), findings.join(' '));
    this.#metrics.refused(list.index);
    this.#parts.log.error(
      { list: list.config.name, sha256: stored.provenance.sha256, findings },
      list.inForce
        ? 'the guard refused a new version of the list; the one in force stays'
        : 'the guard refused the first version of the list; none is in force',
    );
  }

  /** The guard has passed it; the rest of the fleet has a say, too. It waits beside what is in force. */
  async #isHeldBack({ list, path, provenance }: Incoming, result: CompileResult): Promise<boolean> {
    const { parsed, scan } = readOf(result, list);
    const why = await this.#parts.gate?.ask(offeredOf(list, provenance, scan.names));
    list.waiting = why;
    if (why === undefined) return false;
    await list.store.refuse(path, { provenance, counts: countsOf(parsed, scan), verdict: why });
    list.refusal = undefined;
    this.#metrics.heldBack(list.index, true);
    this.#parts.log.info({ list: list.config.name, why }, 'a new version of the list waits; the one in force stays');
    return true;
  }

  async #putInForce(lists: readonly DeskList[], result: CompileResult): Promise<void> {
    const { compiled } = result;
    for (const list of lists) {
      const { parsed, scan } = readOf(result, list);
      list.inForce = { parsed, scan };
      if (!list.store.refused) list.refusal = undefined;
      const idle = idleTriggersText(list.config, scan.triggers);
      if (idle !== undefined) this.#parts.log.warn({ list: list.config.name }, idle);
      this.#metrics.heldBack(list.index, list.store.refused !== undefined);
      this.#metrics.inForce(list.index, scan.names, parsed.rejected, list.store.current);
      this.#parts.log.info(
        {
          list: list.config.name,
          names: scan.names,
          rejectedLines: parsed.rejected,
          version: compiled.version,
          compiledInMs: Math.round(result.elapsedMs),
          source: sourceText(list.config.source),
        },
        'list in force',
      );
    }
    this.#compiled = compiled;
    this.#metrics.compiled(compiled, this.#memory.reservedBytes, result.elapsedMs);
    await this.#parts.publish(compiled);
    for (const version of this.#held) {
      if (version >= compiled.version) continue;
      this.#held.delete(version);
      this.#memory.release(version);
    }
  }

  async #compile(read: readonly ToRead[]): Promise<CompileResult> {
    const changed = read.reduce((mask, { list }) => mask | list.bit, 0);
    const loaded = this.lists.reduce((mask, list) => (list.inForce ? mask | list.bit : mask), 0);
    const version = this.#parts.nextVersion();
    this.#held.add(version);
    try {
      const result = await this.#parts.compiler.compile({
        version,
        spare: this.#memory.spare,
        background: this.#active,
        ...(this.#compiled && { previous: this.#compiled }),
        keep: loaded & ~changed,
        read: read.map(({ list, path, withoutOffenders }) => ({
          ...inputOf(list, path),
          ...(withoutOffenders && { withoutOffenders }),
        })),
      });
      this.#memory.built(result.compiled);
      return result;
    } catch (error) {
      this.#held.delete(version);
      throw error;
    }
  }

  #judged(list: DeskList, result: CompileResult): Verdict {
    return judge(list.inForce?.scan, readOf(result, list), list.config.guard);
  }

  /** It will not be used: nobody but the compiler has seen it. */
  #discard({ compiled }: CompileResult): void {
    this.#held.delete(compiled.version);
    this.#memory.release(compiled.version);
  }

  #failed(list: DeskList, reason: string): void {
    const isNew = list.failure !== reason;
    list.failure = reason;
    this.#metrics.failed(list.index);
    const fields = { list: list.config.name, reason };
    const text = list.inForce
      ? 'a list could not be updated; the version in force stays'
      : 'a list could not be loaded; it is not in force';
    if (isNew) this.#parts.log.error(fields, text);
    else this.#parts.log.debug(fields, text);
  }

  /** One after the other. What fails is told to whoever asked, and does not stop the next. */
  #enqueue<Result>(work: () => Promise<Result>): Promise<Result> {
    const done = this.#work.then(work);
    this.#work = done.catch(() => {});
    return done;
  }

  async #listenForNotify(): Promise<void> {
    const { config, log, clock } = this.#parts;
    if (!config.transfer.notify) return;
    const zones: NotifyZone[] = [];
    for (const { config: list } of this.lists) {
      const { source } = list;
      if (source.kind !== 'transfer') continue;
      const key = source.key === undefined ? undefined : this.#keys.get(source.key);
      const primaries = await primaryAddresses(source.host).catch((error: unknown) => {
        log.warn(
          { list: list.name, reason: errorText(error) },
          'the primary has no address: its NOTIFY messages are not accepted',
        );
        return [];
      });
      zones.push({ zone: zoneText(source.zone), primaries, ...(key && { key }) });
    }
    this.#notify = await listenForNotify({
      listen: config.transfer.notify,
      zones,
      nowMs: () => clock.wallMs(),
      notified: (zone) => {
        for (const { config: list, schedule } of this.lists)
          if (list.source.kind === 'transfer' && zoneText(list.source.zone) === zone) schedule?.notify();
      },
      refused: (reason) => log.debug({ reason }, 'a NOTIFY was not accepted'),
    });
  }
}

/** A version that was once let in: as it was let in then. */
function stored(list: DeskList, { path, override }: StoredVersion): ToRead {
  return { list, path, withoutOffenders: override?.withoutOffenders ?? false };
}

function offeredOf({ config }: DeskList, { sha256 }: Provenance, names: number): OfferedVersion {
  return { list: config.name, sha256, names };
}

function readOf(result: CompileResult, list: DeskList): CompileResult['read'][number] {
  const read = result.read.find(({ index }) => index === list.index);
  if (!read) throw new Error(`list ${list.config.name} is not in what was compiled`);
  return read;
}

function inputOf({ index, config }: DeskList, path: string): ListInput {
  return { index, list: config, path };
}

/** As NOTIFY names it: lower case, with the final dot. */
function zoneText(zone: string): string {
  return `${zone.toLowerCase().replace(/\.$/, '')}.`;
}
