/**
 * Starts and reloads in the audit log, with what they change of what is enforced. What was in force last is kept beside the
 * log, so that a change that was made while the server was down is recorded at the next start.
 *
 *     configuration.start    the server starts, with what changed since it was last in force
 *     configuration.change   before a reload puts something else in force; what cannot be recorded is not put in force
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AuditEntry, Auditor } from '../audit/entry.ts';
import type { Config } from '../config/config.ts';
import { errorText } from '../errors/errors.ts';
import {
  changesDetail,
  type Enforced,
  type EnforcedChange,
  enforced,
  enforcedChanges,
  shownEnforced,
} from './enforced.ts';

/** Below `server.data`: what was in force last, without secrets. */
export const ENFORCED_FILE = 'enforced.json';
const RETRY_MS = 10_000;
const SERVER = { who: 'server', role: 'server' };

interface ConfigurationLogger {
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

export class ConfigurationLog {
  readonly #file: string;
  readonly #audit: Auditor;
  readonly #log: ConfigurationLogger;
  #inForce: Enforced = new Map();
  #retry: NodeJS.Timeout | undefined;

  constructor(dataFolder: string, audit: Auditor, log: ConfigurationLogger) {
    this.#file = join(dataFolder, ENFORCED_FILE);
    this.#audit = audit;
    this.#log = log;
  }

  /** The server serves in any case: names are answered. That it is not recorded is said, until it is. */
  started(config: Config): void {
    this.#inForce = enforced(config);
    const before = this.#kept();
    const changes = enforcedChanges(before ?? new Map(), shownEnforced(this.#inForce));
    this.#recordStart(config, changes, before === undefined);
  }

  /**
   * `config` is about to be put in force. Throws SekishoError SEKISHO_AUDIT_FAILED, and then it must not be, unless it changes nothing. Returns what to call when
   * it is in force, or why it is not after all.
   */
  change(config: Config, by: Pick<AuditEntry, 'who' | 'role'>): (failure?: string) => void {
    const next = enforced(config);
    const changes = enforcedChanges(this.#inForce, next);
    const entry: AuditEntry = {
      ...by,
      action: 'configuration.change',
      purpose: 'to put the configuration file in force',
      detail: { configuration: config.source, ...changesDetail(changes) },
    };
    // What is in force already may be put in force again, also where the disk is full.
    if (changes.length > 0) this.#audit.record(entry);
    else this.recordQuietly(entry);
    return (failure) => {
      if (failure === undefined) {
        this.#inForce = next;
        this.#keep();
        return;
      }
      const detail = { configuration: config.source };
      this.recordQuietly({ ...entry, action: 'configuration.change.failed', detail });
    };
  }

  close(): void {
    clearInterval(this.#retry);
  }

  #recordStart(config: Config, changes: readonly EnforcedChange[], isFirst: boolean): void {
    const record = (): boolean =>
      this.recordQuietly({
        ...SERVER,
        action: 'configuration.start',
        purpose: 'the server starts',
        detail: { configuration: config.source, ...(isFirst && { first: true }), ...changesDetail(changes) },
      });
    if (record()) {
      this.#keep();
      return;
    }
    this.#retry = setInterval(() => {
      if (!record()) return;
      clearInterval(this.#retry);
      this.#keep();
    }, RETRY_MS).unref();
  }

  /** For what happens in any case: its own log says loudly that the audit log does not have it. */
  recordQuietly(entry: AuditEntry): boolean {
    try {
      this.#audit.record(entry);
      return true;
    } catch (error) {
      this.#log.error({ action: entry.action, reason: errorText(error) }, 'not in the audit log');
      return false;
    }
  }

  /** Undefined where there is none, or none that can be read: then all that is in force counts as new. */
  #kept(): Enforced | undefined {
    try {
      const kept: unknown = JSON.parse(readFileSync(this.#file, 'utf8'));
      const entries = Object.entries((kept as { values?: Record<string, unknown> }).values ?? {});
      return new Map(entries.map(([path, value]) => [path, String(value)]));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        this.#log.warn({ reason: errorText(error) }, 'failed to read what was in force before the start');
      return undefined;
    }
  }

  #keep(): void {
    try {
      const text = JSON.stringify({ values: Object.fromEntries(shownEnforced(this.#inForce)) });
      writeFileSync(`${this.#file}.new`, text, { mode: 0o600 });
      renameSync(`${this.#file}.new`, this.#file);
    } catch (error) {
      this.#log.error(
        { reason: errorText(error) },
        'failed to save what is in force: the next start records all of it',
      );
    }
  }
}
