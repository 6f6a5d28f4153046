import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'plugins/**/*.test.ts', 'bench/**/*.test.ts', 'test/**/*.test.ts'],
    globalSetup: ['test/setup.ts'],
    // Whole servers run on two cores here: more test files at once would only slow each other down.
    maxWorkers: 2,
    // A guard against what hangs, no bound of speed: conditions are waited for on a machine that others may use, too.
    testTimeout: 180_000,
    hookTimeout: 240_000,
    expect: { poll: { timeout: 60_000 } },
  },
});
