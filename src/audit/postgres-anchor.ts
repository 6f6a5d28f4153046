/**
 * The head of a node's chain in the PostgreSQL of its fleet: whoever cuts or replaces the node's file, or its whole data folder, has
 * another machine against him. Compared once it can be read, at each start; noted again with every entry, a moment later.
 */
import { errorText } from '../errors/errors.ts';
import type { Engine } from '../fleet/engine/engine.ts';
import { isEngineFailure } from '../fleet/engine/failures.ts';
import type { Anchor, AnchorPlace } from '../store/anchor.ts';

/** Who has the chain (AuditLog). */
export interface AnchoredChain {
  addAnchor(place: AnchorPlace): void;
  /** Stands until a person accepts it. */
  declare(damage: string): void;
}

interface AnchorLog {
  error(fields: object, text: string): void;
}

export class PostgresAnchor implements AnchorPlace {
  readonly name: string;
  readonly #engine: Engine;
  readonly #node: string;
  readonly #chain: string;
  readonly #log: AnchorLog;
  readonly #found: (damage: string) => void;
  #noted: Anchor | undefined;
  #latest: Anchor | undefined;
  #writing: Promise<void> | undefined;

  /** `noted`: as PostgreSQL has it. `found` is told of what nobody but another process under the same name can have done. */
  constructor(
    parts: { readonly engine: Engine; readonly node: string; readonly chain: string; readonly log: AnchorLog },
    noted: Anchor | undefined,
    found: (damage: string) => void,
  ) {
    const { engine, node, chain, log } = parts;
    this.name = `in the fleet's PostgreSQL (node ${node})`;
    this.#engine = engine;
    this.#node = node;
    this.#chain = chain;
    this.#log = log;
    this.#noted = noted;
    this.#found = found;
  }

  read(): Anchor | undefined {
    return this.#noted;
  }

  /** Soon; of several the last. PostgreSQL out of reach: when it is back. */
  write(anchor: Anchor): void {
    this.#latest = anchor;
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
  }

  /** What was given is noted, or cannot be at present. */
  async settled(): Promise<void> {
    await this.#writing;
  }

  /** To be called where PostgreSQL is back. */
  again(): void {
    if (this.#latest) this.write(this.#latest);
  }

  async #write(): Promise<void> {
    while (this.#latest) {
      const anchor = this.#latest;
      try {
        await this.#put(anchor);
      } catch (error) {
        if (!isEngineFailure(error))
          this.#log.error({ anchor: this.name, reason: errorText(error) }, 'failed to write an anchor, retrying');
        return;
      }
      if (this.#latest === anchor) this.#latest = undefined;
    }
  }

  async #put(anchor: Anchor): Promise<void> {
    // What is found wrong here is this node's; the words may name its files.
    const body = JSON.stringify({ ...anchor, damage: anchor.damage === null ? null : 'found wrong on the node' });
    const taken = await this.#engine.query(
      `INSERT INTO sekisho.chain_head AS there (node, chain, version, count, anchor) VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (node, chain) DO UPDATE SET version = excluded.version, count = excluded.count, anchor = excluded.anchor,
         at = clock_timestamp()
       WHERE excluded.version > there.version OR excluded.anchor ->> 'chain' <> there.anchor ->> 'chain'
       RETURNING 1`,
      [this.#node, this.#chain, anchor.version, anchor.count, body],
    );
    const before = this.#noted;
    this.#noted = anchor;
    if (taken.length > 0 || before === undefined) return;
    const there = await headOf(this.#engine, this.#node, this.#chain);
    if (!there || (there.count <= anchor.count && there.version <= anchor.version)) return;
    this.#found(
      `another process notes the end of an audit log as node ${this.#node}: ${there.count} entries, where this one has ${anchor.count}; was the data folder copied?`,
    );
  }
}

/** As PostgreSQL has it; undefined where nothing was ever noted. Rejects as the engine does. */
export async function headOf(engine: Engine, node: string, chain: string): Promise<Anchor | undefined> {
  const [row] = await engine.query<{ anchor: Anchor }>(
    'SELECT anchor FROM sekisho.chain_head WHERE node = $1 AND chain = $2',
    [node, chain],
  );
  return row?.anchor;
}

/**
 * From now on the end of `chain` is noted in PostgreSQL, too. Compared as soon as it is in reach, which this does not wait for. Returns what
 * ends it.
 */
export function anchorInFleet(
  parts: { readonly engine: Engine; readonly node: string; readonly chain: string; readonly log: AnchorLog },
  chain: AnchoredChain,
): () => Promise<void> {
  const { engine, node, log } = parts;
  let place: PostgresAnchor | undefined;
  let reading = false;
  const end = engine.watch({
    connected: () => {
      if (place) place.again();
      else if (!reading) void begin();
    },
  });
  const begin = async () => {
    reading = true;
    try {
      const noted = await headOf(engine, node, parts.chain);
      place = new PostgresAnchor(parts, noted, (damage) => chain.declare(damage));
      chain.addAnchor(place);
    } catch (error) {
      log.error(
        { code: (error as { code?: string }).code, reason: errorText(error) },
        'the end of the audit log cannot be compared with the one in PostgreSQL, trying again once it is connected',
      );
    } finally {
      reading = false;
    }
  };
  return async () => {
    end();
    await place?.settled();
  };
}
