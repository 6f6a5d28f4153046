/** `terminals` as configured, every value checked. Plain data. Made by section/terminals-section.ts. */
import type { Ground } from '../grounds/ground.ts';
import type { ReportForm } from './reports/report-forms.ts';

export interface WebhookConfig {
  readonly url: string;
  /** Absolute. What is in it stays out of the configuration, and so out of every worker and log. */
  readonly secretFile: string;
  /** A notice that was not taken for so long is given up. */
  readonly giveUpMs: number;
}

export interface TerminalsConfig {
  /** Absent: who held which address is not kept, and no report can be matched. */
  readonly leaseHistory?: { readonly ground: Ground; readonly keepMs: number };
  readonly marginMs: number;
  /** Cases are deleted so long after they are over. */
  readonly keepMs: number;
  readonly endsAfterMs: number;
  readonly reminders: { readonly afterMs: number; readonly most: number };
  /** Names of the tier `suspected` that c2-block finds make cases too. */
  readonly suspected: boolean;
  readonly webhook?: WebhookConfig;
  /** The operator's own, and those that come along. */
  readonly forms: readonly ReportForm[];
}

/** What the configuration says that concerns infected terminals. */
export interface TerminalsSections {
  /** Absent: no report is taken. */
  readonly terminals?: TerminalsConfig;
  readonly subscribers?: { readonly leaseMs: number; readonly rangesFile?: string };
  readonly notice: { readonly portal: { readonly url: string } };
}
