/**
 * Who may do what through the admin API. A token has one role; the token that the server writes at its first start
 * has them all.
 */
export const ROLES = ['viewer', 'operator', 'security', 'privacy', 'portal', 'provisioning'] as const;

/**
 * - `viewer` sees the state of the server, no query and no subscriber.
 * - `operator` runs the network: reloads, explains, diagnoses.
 * - `security` keeps lists and sinkhole rules.
 * - `privacy` sees what was done to whom and why, and proves deletions.
 * - `portal` is the subscribers' own portal: consent of one subscriber at a time, nothing else.
 * - `provisioning` is what hands out addresses: it writes leases, and reads nothing.
 */
export type Role = (typeof ROLES)[number];

/** Roles of the people who run the server; everything but the portal and provisioning, which are programs. */
export const STAFF: readonly Role[] = ['viewer', 'operator', 'security', 'privacy'];

/** Somebody who has shown a token. */
export interface Identity {
  readonly name: string;
  readonly roles: readonly Role[];
}
