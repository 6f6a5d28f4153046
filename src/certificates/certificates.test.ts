import { describe, expect, it } from 'vitest';
import { standsFor } from './certificate-names.ts';
import { TICKET_KEY_BYTES, TICKET_PERIOD_MS, TICKET_SECRET_BYTES, ticketKeys, ticketPeriod } from './ticket-keys.ts';

describe('the name of a certificate', () => {
  it.each([
    ['dns.example.test', true],
    ['DNS.Example.Test', true],
    ['example.test', false],
    ['a.wild.example.test', true],
    ['a.b.wild.example.test', false],
    ['wild.example.test', false],
    ['', false],
  ])('%s', (name, expected) => {
    expect(standsFor(name, ['dns.example.test', '*.wild.example.test'])).toBe(expected);
  });
});

describe('keys of session tickets', () => {
  const secret = new Uint8Array(TICKET_SECRET_BYTES).fill(7);

  it('are the same for all who have the secret, and others in the next period', () => {
    const keys = ticketKeys(secret, 5);
    expect(keys).toHaveLength(TICKET_KEY_BYTES);
    expect(ticketKeys(Uint8Array.from(secret), 5)).toEqual(keys);
    expect(ticketKeys(secret, 6)).not.toEqual(keys);
    expect(ticketKeys(new Uint8Array(TICKET_SECRET_BYTES).fill(8), 5)).not.toEqual(keys);
  });

  it('change when a period is over', () => {
    expect(ticketPeriod(TICKET_PERIOD_MS * 3 - 1)).toBe(2);
    expect(ticketPeriod(TICKET_PERIOD_MS * 3)).toBe(3);
  });
});
