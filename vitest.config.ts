import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    globalSetup: ['test/support/create-postgres-user.ts'],
    pool: 'forks',
    // vitest leaves one core to itself; the tests that start gateways wait more than they compute.
    maxWorkers: '100%',
    // Caps, not expectations: no test waits for time to pass, and a slow machine must not fail one.
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
