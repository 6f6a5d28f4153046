import { describe, expect, it } from 'vitest';
import type { Config } from '../config/config.ts';
import { lastDescriptor, openFileLimit, scarceSourcePorts, sourcePortsOf } from './open-files.ts';

describe('descriptors', () => {
  it('are limited by what the system says', () => {
    expect(
      openFileLimit('Limit  Soft  Hard\nMax open files            20000                20000                files\n'),
    ).toBe(20000);
    expect(openFileLimit('Max open files            unlimited            unlimited            files\n')).toBe(
      Number.MAX_SAFE_INTEGER,
    );
    expect(openFileLimit('')).toBe(4096);
    expect(openFileLimit()).toBeGreaterThan(0);
  });

  it.each([
    ['room for all', 'auto', 1, 65536, 16384],
    ['shared by the workers', 'auto', 4, 65536, 4096],
    ['a limit that leaves less', 'auto', 1, 8192, 8192 - 3024 - 64],
    ['a small limit: half is kept', 'auto', 1, 1024, 512 - 64],
    ['what is configured', 100, 4, 65536, 100],
    ['what is configured, within the limit', 5000, 4, 8192, Math.floor((8192 - 3024 - 64) / 4)],
  ] as const)('leave room for source ports: %s', (_, configured, workers, limit, expected) => {
    expect(sourcePortsOf(configured, workers, 2000, limit)).toBe(expected);
    expect(sourcePortsOf(configured, workers, 2000, limit) * workers).toBeLessThan(lastDescriptor(2000, limit));
  });

  it('are said to be few where the limit leaves fewer source ports than wished for', () => {
    const config = (sourcePorts: number | 'auto') =>
      ({ server: { workers: 2, tcp: { maxConnections: 2000 } }, upstream: { sourcePorts } }) as unknown as Config;
    expect(scarceSourcePorts(config('auto'), 65536)).toBeUndefined();
    expect(scarceSourcePorts(config('auto'), 1024)).toEqual({ ports: 448, limit: 1024 });
    expect(scarceSourcePorts(config(200), 1024)).toBeUndefined();
    expect(scarceSourcePorts(config(400), 1024)).toEqual({ ports: 448, limit: 1024 });
  });
});
