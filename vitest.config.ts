import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'plugins/**/*.test.ts', 'bench/**/*.test.ts', 'test/**/*.test.ts'],
    globalSetup: ['test/setup.ts'],
    // Whole servers run on two cores here: more test files at once would only slow each other down.
    maxWorkers: 2,
    // Nothing here asserts how long something takes (that is bench/): these only end what hangs, on a machine with a load of 40 too.
    testTimeout: 180_000,
    hookTimeout: 240_000,
    expect: { poll: { timeout: 60_000 } },
  },
});
