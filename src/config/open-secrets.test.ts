import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../../test/support/process.ts';
import { openSecrets } from './open-secrets.ts';

const folder = temporaryFolder('open-secrets');
const file = (name: string, mode: number): string => {
  writeFileSync(join(folder, name), 'x');
  chmodSync(join(folder, name), mode);
  return name;
};

it('warns of every secret that others can read, wherever it is named, and of none that is closed or not there', () => {
  const raw = {
    server: {
      cookies: { 'secret-file': file('cookies', 0o644) },
      listen: [{ transport: 'tls', certificate: file('crt', 0o644), key: join(folder, file('tls', 0o604)) }],
    },
    subscribers: { radius: { 'secret-file': file('radius', 0o600) } },
    transfer: { 'keys-file': file('tsig', 0o640) },
    notice: { portal: { link: { 'secret-file': 'gone' } } },
    fleet: { postgres: { 'url-file': file('fleet', 0o660) } },
    admin: { 'tokens-file': file('tokens', 0o666) },
    lists: [{ file: file('list', 0o666), key: 7 }],
  };
  expect(openSecrets(raw, folder).map(({ path, message }) => `${path.join('.')} ${message}`)).toEqual([
    expect.stringMatching(/^server\.cookies\.secret-file 'cookies' has mode 0644: .*chmod 600/),
    expect.stringMatching(/^server\.listen\.0\.key '.*tls' has mode 0604/),
    expect.stringMatching(/^fleet\.postgres\.url-file 'fleet' has mode 0660/),
    expect.stringMatching(/^admin\.tokens-file 'tokens' has mode 0666: others than the server can write/),
  ]);
});
