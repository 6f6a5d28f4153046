/**
 * The steps of the fleet's schema in their order; a step's place is its version, from 1. New ones come last and get a file of their own;
 * one that was released is never changed.
 */
import { IDENTITY } from './0001-identity.ts';
import { CONSENT } from './consent.ts';
import { LEASES } from './leases.ts';
import { LIST_VERSIONS } from './lists.ts';
import type { Migration } from './migration.ts';
import { NODES } from './nodes.ts';
import { SHARED_STORES } from './shared-stores.ts';

export const MIGRATIONS: readonly Migration[] = [IDENTITY, SHARED_STORES, NODES, CONSENT, LEASES, LIST_VERSIONS];
