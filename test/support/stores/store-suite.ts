/**
 * What every suite of stores takes: an engine's way to make a place for one store, and to open what lies there as often as a
 * test likes. test/stores/ runs the suites on each engine.
 */
import { afterEach } from 'vitest';
import type { OpenedStore, Store } from '../../../src/store/store.ts';

/** A place where one store lies, empty at first. */
export interface StorePlace<S extends Store> {
  /** Open what lies there, as a process does that starts. */
  open(): Promise<OpenedStore<S>>;
  /** Make it unreadable, as a failing disk does; nothing is open there. Left out where the engine guards itself. */
  damage?(): Promise<void>;
  /** Take it away with whatever is open there. */
  remove(): Promise<void>;
}

export interface StoreEngine<S extends Store> {
  /** For the names of tests. */
  readonly name: string;
  place(): Promise<StorePlace<S>>;
}

/** A new place for each call, taken away after the test. */
export function placesOf<S extends Store>(engine: StoreEngine<S>): () => Promise<StorePlace<S>> {
  const places: StorePlace<S>[] = [];
  afterEach(async () => {
    for (const place of places.splice(0)) await place.remove();
  });
  return async () => {
    const place = await engine.place();
    places.push(place);
    return place;
  };
}
