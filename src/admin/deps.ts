/** What the admin API needs of the server that it belongs to. */
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import type { AuditEntry } from '../audit/entry.ts';
import type { AuditLog } from '../audit/log.ts';
import type { Config } from '../config/config.ts';
import type { RulesDesk } from '../rules/desk.ts';
import type { SubscriberDesk } from '../subscribers/desk.ts';
import type { CacheRoutesDeps } from './cache.ts';
import type { ListRoutesDeps } from './lists.ts';
import type { ReportRoutesDeps } from './report.ts';
import type { ExplainQuestion, ExplainResult, ReloadResult, Status } from './status.ts';
import type { TimeRoutesDeps } from './time.ts';

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
  readonly audit: Pick<AuditLog, 'record' | 'verify' | 'acknowledge'> & Partial<Pick<AuditLog, 'recordAll'>>;
  readonly rules: RulesDesk;
  ready(): boolean;
  readonly pluginRoutes: readonly PluginRoutes[];
  readonly lists: ListRoutesDeps;
  readonly report: ReportRoutesDeps;
  readonly time: TimeRoutesDeps['time'];
  readonly cache: CacheRoutesDeps;
  /** Undefined where the configuration knows no subscribers. */
  readonly subscribers: SubscriberDesk | undefined;
}

/** Routes of one plugin; they appear below `/v1/<plugin>/`. */
export interface PluginRoutes {
  readonly plugin: string;
  readonly register: (app: FastifyInstance) => void;
}
