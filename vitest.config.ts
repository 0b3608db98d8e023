import { globSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-plugin";
import { defineConfig, type TestProjectConfiguration } from "vitest/config";

const ignored = ["**/node_modules/**", "**/dist/**", "**/.turnup/**", "**/.wrangler/**"];

/** Long runs in real time, for `.ci/run` only; elsewhere their tests are left out. They wait more than they work. */
const long = ["lab/chaos.system.test.ts", "lab/idle.system.test.ts"];

const node: TestProjectConfiguration = {
  test: {
    name: "node",
    include: ["**/*.test.ts"],
    exclude: [...ignored, "**/*.workers.test.ts", "**/*.system.test.ts"],
    testTimeout: 20_000,
  },
};

/** Starts processes of its own, whole racks of them: one file at a time, after all others, so that none starves another. */
const system: TestProjectConfiguration = {
  test: {
    name: "system",
    include: ["**/*.system.test.ts"],
    exclude: [...ignored, ...long],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    fileParallelism: false,
    sequence: { groupOrder: 1 },
  },
};

const longRuns: TestProjectConfiguration = {
  test: { name: "long", include: long, exclude: ignored, hookTimeout: 60_000, sequence: { groupOrder: 2 } },
};

/** The fleet's rows as older migrations had them (`npm run fixture`), by file name: workerd reads no files. */
const pastFleets = () =>
  Object.fromEntries(
    globSync("workers/db/fixtures/*.gz").map((file) => [file, gunzipSync(readFileSync(file)).toString()]),
  );

/** Runs inside workerd, with the bindings that wrangler.toml declares and D1's migrations at hand. */
async function workers(): Promise<TestProjectConfiguration> {
  return {
    plugins: [
      cloudflareTest({
        wrangler: { configPath: "./wrangler.toml" },
        miniflare: {
          bindings: {
            TEST_MIGRATIONS: await readD1Migrations("migrations"),
            TEST_PAST_FLEETS: pastFleets(),
            TURNUP_FUZZ: process.env.TURNUP_FUZZ ?? "",
          },
        },
      }),
    ],
    test: {
      name: "workers",
      include: ["workers/**/*.workers.test.ts"],
      exclude: ignored,
      testTimeout: 20_000,
      // Both ship extension-less ES modules without "type": "module"; workerd loads them only when bundled.
      deps: { optimizer: { ssr: { enabled: true, include: ["itty-durable", "itty-durable/proxy-durable.js"] } } },
    },
  };
}

export default defineConfig(async () => ({
  test: {
    projects: [node, await workers(), system, ...(process.env.TURNUP_CI === "1" ? [longRuns] : [])],
    reporters: ["./scripts/reporter.ts"],
    // The machine has few cores, and system tests start processes of their own.
    maxWorkers: 2,
  },
}));
