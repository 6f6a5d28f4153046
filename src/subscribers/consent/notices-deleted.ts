/** Action of the audit log. */
export const NOTICES_DELETED = 'notice.delete';
