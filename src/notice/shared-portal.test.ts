/** Two portals on one real PostgreSQL: any of them serves. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Postgres, postgresMissing } from '../../test/support/postgres.ts';
import { temporaryFolder } from '../../test/support/process.ts';
import { PostgresPlaces, SILENT } from '../../test/support/stores/postgres.ts';
import { Engine } from '../fleet/engine/engine.ts';
import { PortalMemory } from './portal-memory.ts';
import { PostgresPortal } from './shared-portal.ts';
import { loadLinkKey, SignedLinks } from './signed-links.ts';

describe.skipIf(postgresMissing() !== undefined)('the portals of a fleet', () => {
  const places = new PostgresPlaces();
  let postgres: Postgres;
  let urlFile: string;
  const engines: Engine[] = [];
  beforeAll(async () => {
    postgres = await places.start();
    urlFile = await places.urlFile();
  });
  afterEach(async () => {
    await Promise.all(engines.splice(0).map((engine) => engine.close()));
  });
  afterAll(() => places.stop());

  async function portal() {
    const engine = new Engine({ urlFile, name: 'a' }, SILENT);
    engines.push(engine);
    const memory = new PortalMemory(Date.now(), performance, () => {}, new PostgresPortal(engine));
    const file = join(temporaryFolder('link'), 'key');
    writeFileSync(file, 's'.repeat(40));
    const config = {
      key: { kind: 'secret', file },
      issuer: 'm',
      audience: 'p',
      claim: 'contract',
      maxAgeMs: 300_000,
    } as const;
    const key = await loadLinkKey(config.key);
    if (typeof key === 'string') throw new Error(key);
    return { memory, links: new SignedLinks(config, key, memory.usedLinks) };
  }

  async function link(jti: string, ageSeconds = 0) {
    // A second later than the fleet's first node, whose second has begun before.
    const seconds = Math.ceil(Date.now() / 1000) + 1 - ageSeconds;
    const claims = { contract: '4711', jti, iss: 'm', aud: 'p', iat: seconds, exp: seconds + 60 };
    return new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from('s'.repeat(40)));
  }

  it('take a link once, whichever of them it comes to first, also after a restart', async () => {
    const [one, other] = [await portal(), await portal()];
    const token = await link('a');
    const both = await Promise.all([one.links.redeem(token, Date.now()), other.links.redeem(token, Date.now())]);
    expect(both.map((each) => ('fault' in each ? each.fault : each.subscriber)).sort()).toEqual(['4711', 'link-used']);
    const later = await portal();
    expect(await later.links.redeem(token, Date.now())).toEqual({ fault: 'link-used' });
    expect(await later.links.redeem(await link('b'), Date.now())).toEqual({ subscriber: '4711' });
    // From before the fleet was there: nobody knows whether it was used.
    expect(await later.links.redeem(await link('c', 50), Date.now())).toEqual({ fault: 'link-expired' });
    const kept = postgres.sql("SELECT encode(id, 'escape') FROM sekisho.portal_link");
    expect(kept).not.toContain('\na');
  });

  it('know a session and a form that another of them gave, and neither once it was left', async () => {
    const [{ memory: one }, { memory: other }] = [await portal(), await portal()];
    const now = Date.now();
    const session = await one.tickets.session('4711', now);
    const who = await other.tickets.readSession(session, now);
    expect(who).toMatchObject({ subscriber: '4711', by: 'link' });
    const form = await one.tickets.form(who!, 'browser', now);
    expect(await other.tickets.formFault(form, who!, 'browser', now)).toBeUndefined();
    expect(await other.tickets.formFault(form, who!, 'another', now)).toBe('form-forged');
    // The clock was put back: what may have ended stays so.
    expect(await other.tickets.formFault(form, who!, 'browser', now - 3_600_000)).toBe('form-expired');
    await other.tickets.endSession(session, now);
    expect(await one.tickets.readSession(session, now)).toBeUndefined();
    postgres.sql('UPDATE sekisho.portal_session SET ends = 0');
    const second = await one.tickets.session('4711', now);
    expect(await other.tickets.readSession(second, now)).toBeDefined();
    postgres.sql('UPDATE sekisho.portal_session SET ends = 0');
    expect(await other.tickets.readSession(second, now)).toBeUndefined();
  });

  it('take no link and know no session while PostgreSQL is gone', async () => {
    const { memory, links } = await portal();
    const token = await link('d');
    const session = await memory.tickets.session('4711', Date.now());
    await postgres.kill();
    expect(await links.redeem(token, Date.now())).toEqual({ fault: 'link-busy' });
    expect(await memory.tickets.readSession(session, Date.now())).toBeUndefined();
    await expect(memory.tickets.session('4711', Date.now())).rejects.toMatchObject({
      code: 'SEKISHO_ENGINE_UNREACHABLE',
    });
    const started = await portal();
    const who = { subscriber: '4711', by: 'line', binding: 'x' } as const;
    const form = await started.memory.tickets.form(who, 'browser', Date.now());
    expect(await started.memory.tickets.formFault(form, who, 'browser', Date.now())).toBeUndefined();
    await postgres.start();
    expect(await memory.tickets.readSession(session, Date.now())).toMatchObject({ subscriber: '4711' });
    expect(await links.redeem(token, Date.now())).toEqual({ subscriber: '4711' });
  });
});
