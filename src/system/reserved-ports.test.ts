import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { reservedPorts } from './reserved-ports.ts';

const folder = mkdtempSync(join(tmpdir(), 'reserved-ports-'));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const listed = (ports: Uint8Array) => [...ports.keys()].filter((port) => ports[port] === 1);

describe('ports that no query leaves from', () => {
  it('are our own, those the operator reserved, and UDP services of the system', () => {
    const reserved = join(folder, 'reserved');
    const services = join(folder, 'services');
    writeFileSync(reserved, '8080,9000-9002\n');
    writeFileSync(
      services,
      '# names\nmdns\t\t5353/udp\t# Multicast DNS\nhttp 80/tcp www\n#old 7/udp\nradius 1812/udp\n',
    );
    expect(listed(reservedPorts([53, 8053], reserved, services))).toEqual([
      53, 1812, 5353, 8053, 8080, 9000, 9001, 9002,
    ]);
  });

  it('are our own where the system has no such lists', () => {
    expect(listed(reservedPorts([53], join(folder, 'none'), join(folder, 'none')))).toEqual([53]);
  });
});
