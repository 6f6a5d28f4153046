import { describe, expect, test } from 'vitest';
import { CONTINUE, definePlugin, TRUNCATE, z } from '../contract/plugin.ts';
import { mount } from '../testing/testing.ts';
import { Query, TRANSPORTS } from './query.ts';
import { TRANSPORT_TABLE } from './transports.ts';
import { replyLimit } from './writer.ts';

const LARGE = Array.from({ length: 40 }, (_, i) => ({
  name: 'large.example',
  type: 'TXT' as const,
  ttl: 60,
  data: `${i}`.padEnd(100, '.'),
}));

describe.each(TRANSPORT_TABLE)('$name', (transport) => {
  const number = TRANSPORT_TABLE.indexOf(transport);
  const ask = { name: 'large.example', type: 'TXT', transport: transport.name };

  test('its source is verified or not from the first look at a packet', () => {
    const query = new Query();
    query.transport = number;
    query.reset();
    expect(query.verified).toBe(transport.verifiedSource);
  });

  test('holds what it says, whatever the client says', async () => {
    const query = new Query();
    query.transport = number;
    query.edns = true;
    query.udpSize = 65535;
    expect(replyLimit(query)).toBe(transport.largestReply);
    query.udpSize = 600;
    expect(replyLimit(query)).toBe(transport.stream ? transport.largestReply : 600);
    const reply = await mount(definePlugin(SILENT), {}, { upstream: () => LARGE }).ask(ask);
    expect([reply.truncated, reply.answers.length]).toEqual(transport.mayTruncate ? [true, 0] : [false, LARGE.length]);
  });

  test('TRUNCATE of a plugin means something where the client can come back', async () => {
    const plugin = definePlugin({ ...SILENT, data: () => ({ query: () => TRUNCATE }) });
    expect((await mount(plugin, {}, { upstream: () => LARGE.slice(0, 1) }).ask(ask)).truncated).toBe(
      transport.mayTruncate,
    );
  });
});

test('metrics and status call them by their names in the table', () => {
  expect(TRANSPORTS).toEqual(['udp', 'tcp', 'tls', 'https']);
});

const SILENT = {
  name: 'silent',
  stage: 'policy' as const,
  summary: 'does nothing',
  options: z.strictObject({}),
  data: () => ({ query: () => CONTINUE as 0 }),
};
