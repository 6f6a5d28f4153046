/** What the audit log is told. */
export interface AuditEntry {
  /** Name of the token, or `server` for what it does by itself. */
  readonly who: string;
  /** Roles of the token, joined. */
  readonly role: string;
  /** `noun.verb`, e.g. `history.read`. */
  readonly action: string;
  /** For which purpose, in the words of whoever acts. */
  readonly purpose: string;
  /** What exactly; plain data. No query name and no subscriber, unless the entry is about just that one. */
  readonly detail?: Readonly<Record<string, unknown>>;
  /** Somebody reads what is known of people: refused while the log is damaged. */
  readonly personal?: boolean;
}

/** Entries that are written and on their way to the disk. Whoever takes it waits for both, or says what happens where one rejects. */
export interface Recording {
  /** They are on the disk. Rejects with SekishoError SEKISHO_AUDIT_FAILED, and then nobody knows whether they are. */
  readonly flushed: Promise<void>;
  /** So is the anchor that shows that they are there: as if `record` had returned. */
  readonly recorded: Promise<void>;
}

export interface Auditor {
  /**
   * Write an entry, on disk when this returns. Throws SekishoError SEKISHO_AUDIT_FAILED where that cannot be, and
   * SEKISHO_AUDIT_DAMAGED for a `personal` read while the log is damaged: then what was to be audited must not happen.
   */
  record(entry: AuditEntry): void;
  /** The same for several at once: all of them, or none. */
  recordAll?(entries: readonly AuditEntry[]): void;
  /**
   * The same, without waiting for the disk. Throws where they cannot be written, and then none is; what comes after is told by
   * the promises.
   */
  begin?(entries: readonly AuditEntry[]): Recording;
}
