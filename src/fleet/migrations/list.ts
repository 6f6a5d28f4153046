/**
 * The steps of the fleet's schema in their order; a step's place is its version, from 1. New ones come last and get a file of their own;
 * one that was released is never changed.
 */
import { IDENTITY } from './0001-identity.ts';
import { NODES } from './0002-nodes.ts';
import { CONSENT } from './0003-consent.ts';
import type { Migration } from './migration.ts';

export const MIGRATIONS: readonly Migration[] = [IDENTITY, NODES, CONSENT];
