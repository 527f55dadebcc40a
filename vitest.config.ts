import { defineConfig } from 'vitest/config';

const project = (name: string, include: string[], testTimeout: number, fileParallelism = true) => ({
  extends: true as const,
  test: { name, include, testTimeout, hookTimeout: Math.max(60_000, testTimeout), fileParallelism },
});

// Unit and gateway tests run from source; window and desktop tests drive what `npm run build` made.
export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 2,
    projects: [
      project('unit', ['test/unit/**/*.test.ts', 'test/architecture.test.ts'], 20_000),
      project('gateway', ['test/gateway/**/*.test.ts', 'test/attacks/**/*.test.ts'], 60_000),
      project('conformance', ['test/conformance/**/*.test.ts'], 170_000, false),
      project('window', ['test/window/**/*.test.ts'], 90_000, false),
      project('desktop', ['test/desktop/**/*.test.ts'], 120_000, false),
    ],
  },
});
