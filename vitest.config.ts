import { defineConfig } from "vitest/config";

// Four kinds of tests. Only unit tests run side by side with others: the rest start real servers,
// and the machine they are planned for has two cores.
export default defineConfig({
  test: {
    projects: [
      {
        extends: true,
        test: { name: "unit", include: ["test/unit/**/*.test.ts"], testTimeout: 20_000 },
      },
      {
        extends: true,
        test: {
          name: "integration",
          include: ["test/integration/**/*.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        extends: true,
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          testTimeout: 180_000,
          hookTimeout: 120_000,
        },
      },
      {
        extends: true,
        test: {
          name: "faults",
          include: ["test/faults/**/*.test.ts"],
          testTimeout: 180_000,
          hookTimeout: 120_000,
          fileParallelism: false,
          // Cases wait more than they work.
          maxConcurrency: 8,
        },
      },
    ],
    reporters: ["default", "./test/support/closing-line.ts"],
    pool: "forks",
    maxWorkers: 2,
    retry: 0,
  },
});
