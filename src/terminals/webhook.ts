/**
 * Hands notices to a mailing system: one POST each, signed as Standard Webhooks say (https://www.standardwebhooks.com), so that
 * any of their libraries verifies it. A notice that is not taken is sent again, later each time; its id stays, so that a receiver
 * can tell that it has had it.
 */
import { createHmac, randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { request } from 'undici';
import type { Auditor } from '../audit/entry.ts';
import { recordTogether } from '../audit/together.ts';
import { errorText } from '../errors/errors.ts';
import type { Clock } from '../time/clock.ts';
import type { Case } from './cases/case.ts';
import type { CaseStore } from './cases/case-store.ts';
import type { WebhookConfig } from './terminals-config.ts';

/** Taken one after the other; more wait for the next round. */
const AT_ONCE = 100;
const TIMEOUT_MS = 10_000;
const FIRST_WAIT_MS = 60_000;
const LONGEST_WAIT_MS = 3_600_000;
/** Standard Webhooks: 24 to 64 bytes. */
const SECRET = /^(?:whsec_)?([A-Za-z0-9+/]{32,88}={0,2})$/;

export interface WebhookParts {
  readonly config: WebhookConfig;
  readonly clock: Clock;
  readonly audit: Auditor;
  readonly log: { warn(fields: object, text: string): void; error(fields: object, text: string): void };
  readonly checkUrl: (code: string) => string;
  /** A number below `below`: waits differ, so that a receiver that comes back is not met by all at once. */
  readonly random?: (below: number) => number;
}

export interface SentNotice {
  readonly type: 'terminal.notice' | 'terminal.reminder';
  /** ISO 8601, UTC. */
  readonly timestamp: string;
  readonly data: {
    readonly code: string;
    readonly subscriber: string;
    readonly kind: string;
    readonly firstSeen: string;
    readonly lastSeen: string;
    readonly reports: number;
    readonly notice: number;
    readonly checkUrl: string;
  };
}

export class Webhook {
  readonly #parts: WebhookParts;
  readonly #key: Buffer;
  #delivering = false;

  /** Throws Error with what is wrong with the secret. */
  constructor(parts: WebhookParts) {
    this.#parts = parts;
    this.#key = secretIn(parts.config.secretFile);
  }

  /** Send what is due. One round at a time. Rejects where the store or the audit log does not do it. */
  async deliver(cases: CaseStore): Promise<void> {
    if (this.#delivering) return;
    this.#delivering = true;
    try {
      const { clock } = this.#parts;
      for (const { code, notice, tries } of await cases.deliveries(clock.wallMs(), AT_ONCE)) {
        const about = await cases.find(code);
        if (about?.closedMs !== 0) continue;
        // Whom it is about leaves this server: nothing leaves without an entry.
        await recordTogether(this.#parts.audit, {
          who: 'server',
          role: 'server',
          action: 'terminals.send',
          purpose: 'a notice to a subscriber, by the mailing system',
          detail: { code, notice, try: tries + 1 },
        });
        const fault = await this.#send(about, notice);
        if (fault === undefined) await cases.noticed([code], clock.wallMs());
        else await this.#later(cases, code, notice, tries + 1, fault);
      }
    } finally {
      this.#delivering = false;
    }
  }

  async #send(about: Case, notice: number): Promise<string | undefined> {
    const { config, clock, checkUrl } = this.#parts;
    const nowMs = clock.wallMs();
    const body = JSON.stringify(noticeOf(about, notice, nowMs, checkUrl(about.code)));
    const id = `${about.code}.${notice}`;
    try {
      const response = await request(config.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...signatureOf(this.#key, id, nowMs, body) },
        body,
        headersTimeout: TIMEOUT_MS,
        bodyTimeout: TIMEOUT_MS,
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      // Whatever it says is of no interest.
      response.body.on('error', () => {}).destroy();
      return response.statusCode >= 200 && response.statusCode < 300 ? undefined : `status ${response.statusCode}`;
    } catch (error) {
      return errorText(error);
    }
  }

  async #later(cases: CaseStore, code: string, notice: number, tries: number, fault: string): Promise<void> {
    const { config, clock, log, random = (below: number) => randomInt(below) } = this.#parts;
    const waitMs = waitBefore(tries);
    if (spentBefore(tries) + waitMs > config.giveUpMs) {
      log.error(
        { code, notice, tries, reason: fault },
        'a notice was not taken by the webhook and is given up; export it',
      );
      await cases.deliverLater(code, undefined);
      return;
    }
    log.warn({ code, notice, tries, reason: fault }, 'a notice was not taken by the webhook, retrying');
    await cases.deliverLater(code, clock.wallMs() + waitMs + random(Math.ceil(waitMs / 4)));
  }
}

/** After so many tries. */
function waitBefore(tries: number): number {
  return Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (tries - 1));
}

function spentBefore(tries: number): number {
  let ms = 0;
  for (let i = 1; i < tries; i++) ms += waitBefore(i);
  return ms;
}

function noticeOf(about: Case, notice: number, nowMs: number, checkUrl: string): SentNotice {
  return {
    type: notice === 1 ? 'terminal.notice' : 'terminal.reminder',
    timestamp: new Date(nowMs).toISOString(),
    data: {
      code: about.code,
      subscriber: about.subscriber,
      kind: about.kind,
      firstSeen: new Date(about.firstMs).toISOString(),
      lastSeen: new Date(about.lastMs).toISOString(),
      reports: about.reports,
      notice,
      checkUrl,
    },
  };
}

/** Headers of Standard Webhooks 1.0: HMAC-SHA256 over `id.timestamp.body`. */
export function signatureOf(key: Buffer, id: string, nowMs: number, body: string): Record<string, string> {
  const seconds = Math.floor(nowMs / 1000);
  const signature = createHmac('sha256', key).update(`${id}.${seconds}.${body}`).digest('base64');
  return { 'webhook-id': id, 'webhook-timestamp': String(seconds), 'webhook-signature': `v1,${signature}` };
}

/** Throws Error where there is no such secret in the file. */
export function secretIn(file: string): Buffer {
  const [text = ''] = readFileSync(file, 'utf8').trim().split('\n', 1);
  const key = Buffer.from(SECRET.exec(text.trim())?.[1] ?? '', 'base64');
  if (key.length < 24 || key.length > 64)
    throw new Error(`'${file}' holds no secret: write whsec_ and 24 to 64 random bytes in base64 on its first line`);
  return key;
}
