/** What is wrong with, or dangerous about, a value of the configuration. */
import type { Path } from './yaml-source.ts';

/** A finding and the key that it is about. */
export interface Finding {
  readonly path: Path;
  readonly message: string;
}
