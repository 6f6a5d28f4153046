/** What all workers share for finding answers by themselves; made by the main thread. */
import { createCacheMemory } from '../../cache/memory.ts';
import type { InfraMemory } from './infra-store.ts';
import { createServerMemory, type ServerMemory } from './server-memory.ts';

export interface IterateMemory {
  readonly infra: InfraMemory;
  readonly servers: ServerMemory;
}

export function createIterateMemory(bytes: number): IterateMemory {
  return {
    infra: { store: createCacheMemory({ bytes }), epoch: new SharedArrayBuffer(4) },
    servers: createServerMemory(),
  };
}
