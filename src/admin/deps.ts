/** What the admin API needs of the server that it belongs to. */

import type { Logger } from 'pino';
import type { z } from 'zod';
import type { AuditEntry, Auditor } from '../audit/entry.ts';
import type { Config } from '../config/config.ts';
import type { AdminApi } from '../errors/api-schema.ts';
import type { Entrance } from '../feature/entrance.ts';
import type { CacheRoutesDeps } from './cache.ts';
import type { ExplainQuestion, ExplainResult, ReloadResult, Status } from './status.ts';

/** What the server lends to the admin API. */
export interface AdminDeps {
  readonly config: Config;
  readonly version: string;
  readonly log: Logger;
  /** The page for `GET /metrics`. */
  metricsText(): string;
  status(): Status | Promise<Status>;
  explain(question: ExplainQuestion): Promise<ExplainResult>;
  /** Who asked is recorded with what changed. */
  reload(by: Pick<AuditEntry, 'who' | 'role'>): Promise<ReloadResult>;
  /** Reloads and looks are recorded there. */
  readonly audit: Auditor;
  ready(): boolean;
  readonly cache: CacheRoutesDeps;
  /** What the features add to the answer of `/v1/status`. */
  readonly statusSchemas: { readonly [key: string]: z.ZodType };
  /** Registers the routes of one feature each. */
  readonly featureRoutes: readonly ((app: AdminApi) => void)[];
  readonly pluginRoutes: readonly PluginRoutes[];
  /** Other ways in than a bearer token, with their pages. */
  readonly entrances: readonly Entrance[];
}

/** Routes of one plugin; they appear below `/v1/<plugin>/`. */
export interface PluginRoutes {
  readonly plugin: string;
  readonly register: (app: AdminApi) => void;
}
