/** The section `fleet` of the configuration as the server works with it. */
export interface FleetConfig {
  /** What this node is called in the fleet; one of a kind. */
  readonly node: string;
  /** As src/fleet/engine takes it. */
  readonly postgres: {
    /** Absolute. */
    readonly urlFile: string;
    /** Absolute. */
    readonly caFile?: string;
    readonly tls: 'auto' | 'off';
    readonly pool: number;
    readonly statementTimeoutMs: number;
    readonly connectTimeoutMs: number;
  };
  /** How long this node inspects without having heard from PostgreSQL. */
  readonly fenceMs: number;
  readonly lists: {
    /** The node that has each new version of a list first. */
    readonly canary: string | undefined;
    readonly watchMs: number;
  };
  /** `/readyz` says no while the fence has run out. */
  readonly readyWithFence: boolean;
}

/** What the configuration says that concerns the fleet. */
export interface FleetSection {
  /** Absent: the server stands alone. */
  readonly fleet?: FleetConfig;
}
