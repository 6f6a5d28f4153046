/** Action of the audit log. */
export const TERMINALS_DELETED = 'terminals.delete';
