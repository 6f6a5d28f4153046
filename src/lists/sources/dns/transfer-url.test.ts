import { expect, it } from 'vitest';
import { parseTransferUrl } from './transfer-url.ts';

it('reads host, port, zone and key', () => {
  expect(parseTransferUrl('axfr://192.0.2.1:5353/rpz.vendor.example?key=Feed.')).toEqual({
    primary: { host: '192.0.2.1', port: 5353 },
    zone: 'rpz.vendor.example',
    key: 'feed',
  });
  expect(parseTransferUrl('axfr://[2001:db8::1]/rpz')).toEqual({
    primary: { host: '2001:db8::1', port: 53 },
    zone: 'rpz',
  });
  expect(parseTransferUrl('ixfr://primary.example/rpz').primary).toEqual({ host: 'primary.example', port: 53 });
});

it('refuses what it cannot mean', () => {
  for (const text of [
    'axfr://host',
    'axfr:///zone',
    'http://host/zone',
    'axfr://host/zone?tsig=x',
    'axfr://u:p@host/zone',
  ]) {
    expect(() => parseTransferUrl(text), text).toThrow('is not of the form axfr://host:port/zone?key=NAME');
  }
  expect(() => parseTransferUrl('axfr://host:70000/zone')).toThrow('port 70000');
  expect(() => parseTransferUrl('axfr://host/a..b')).toThrow('the zone has an empty label');
});
