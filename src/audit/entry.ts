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

export interface Auditor {
  /**
   * Write an entry, on disk when this returns. Throws SekishoError SEKISHO_AUDIT_FAILED where that cannot be, and
   * SEKISHO_AUDIT_DAMAGED for a `personal` read while the log is damaged: then what was to be audited must not happen.
   */
  record(entry: AuditEntry): void;
  /** The same for several at once: all of them, or none. */
  recordAll?(entries: readonly AuditEntry[]): void;
}
