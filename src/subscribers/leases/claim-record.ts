/** What is kept of leases over a restart, and who keeps it. */
import type { PortPrefix } from '../table/address-table.ts';
import type { Reporter, SessionName } from './session-name.ts';

/** What is kept of one claim over a restart. */
export interface ClaimRecord {
  readonly prefix: PortPrefix;
  readonly session: SessionName;
  readonly holder: number;
  readonly atSeconds: number;
  readonly heardSeconds: number;
  readonly stampSeconds: number;
  /** The session, or its claim on this prefix, has ended. */
  readonly ended: boolean;
  readonly unsure: boolean;
  readonly doubted: boolean;
}

/** Runs of the server that leases are told apart by. */
export const MAX_RUNS = 15;

/** Keeps what changes, in its order (lease-keeper.ts). */
export interface ClaimKeeper {
  /** Counts what was handed over. */
  readonly noted: number;
  changed(record: ClaimRecord): void;
  reportersEnded(reporters: readonly Reporter[], atSeconds: number, heardSeconds: number): void;
  /** Resolves when all that was handed over is on the disk. */
  recorded(): Promise<void>;
  close(): Promise<void>;
}

/** Hears what changes, in its order. */
export interface ClaimWitness {
  changed(record: ClaimRecord): void;
}

/** Bits, port bits and port in one word. */
export function shapeOf({ bits, portBits, port }: PortPrefix): number {
  return bits | (portBits << 8) | (port << 16);
}

export function prefixOfShape(words: Int32Array, shape: number): PortPrefix {
  return { words, bits: shape & 0xff, portBits: (shape >>> 8) & 0xff, port: shape >>> 16 };
}
