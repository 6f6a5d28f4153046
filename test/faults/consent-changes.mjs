/**
 * A program that changes consents until it has made as many changes as it is told, and says each on a line of standard output
 * when it is acknowledged: `SUBSCRIBER ACTION`. power-cut.test.ts traces it.
 * Arguments: URL of the compiled program, data folder, changes, seed.
 */
import { mkdirSync, writeSync } from 'node:fs';

const [, , compiled, data, changes, seed] = process.argv;
const load = (module) => import(new URL(`src/${module}`, compiled).href);
const { AuditLog } = await load('audit/log.js');
const { AuditedConsents } = await load('subscribers/consent/audited-consents.js');
const { SubscriberState } = await load('subscribers/state.js');
const { cutLog } = await load('store/database.js');
const { systemClock } = await load('time/clock.js');

const AT_ONCE = 4;
const silent = { info() {}, warn() {}, error() {} };
mkdirSync(data, { recursive: true });
const audit = new AuditLog(data, systemClock, silent);
const state = new SubscriberState(data, systemClock, silent, undefined, { audit });
await state.putInForce({ terms: { version: '2026-04', covers: ['c2'] }, groups: [], unfiltered: [], leaseMs: 1000 });
// Small, so that a short run meets what a long one does: commits that fold the log back, and logs that begin anew.
state.ledger.db.pragma('wal_autocheckpoint = 12');
const consents = new AuditedConsents(state, audit, silent);
let left = Number(changes);
let number = Number(seed);
/** 0 … 99, the same for the same seed. */
const next = () => {
  number = (Math.imul(number, 1_103_515_245) + 12_345) & 0x7fffffff;
  return (number >> 8) % 100;
};

const asked = { who: 'portal', role: 'portal' };
const actor = { who: 'portal', channel: 'portal', reason: 'a test' };
await Promise.all(
  Array.from({ length: AT_ONCE }, async (_, caller) => {
    for (let i = 0; left-- > 0; i++) {
      const subscriber = `${caller}-${i % 5}`;
      const action = next() < 50 ? 'opt-out' : 'opt-in';
      await consents.change(subscriber, 'c2', action, actor, asked);
      writeSync(1, `${subscriber} ${action}\n`);
      const chance = next();
      if (chance < 10) audit.record({ who: 'admin', role: 'privacy', action: 'history.read', purpose: 'a test' });
      else if (chance < 20) {
        // What happens every second.
        audit.look();
        state.consent.look();
      } else if (chance < 25) cutLog(state.ledger.db);
    }
  }),
);
audit.look();
await state.close();
audit.close();
