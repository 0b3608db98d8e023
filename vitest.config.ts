import { existsSync } from "node:fs";
import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-plugin";
import { defineConfig, type TestProjectConfiguration } from "vitest/config";

const ignored = ["**/node_modules/**", "**/dist/**", "**/.turnup/**", "**/.wrangler/**"];

const node: TestProjectConfiguration = {
  test: {
    name: "node",
    include: ["**/*.test.ts"],
    exclude: [...ignored, "**/*.workers.test.ts"],
    testTimeout: 20_000,
  },
};

/** Runs inside workerd, with the bindings that wrangler.toml declares and D1's migrations at hand. */
async function workers(): Promise<TestProjectConfiguration> {
  return {
    plugins: [
      cloudflareTest({
        wrangler: { configPath: "./wrangler.toml" },
        miniflare: { bindings: { TEST_MIGRATIONS: await readD1Migrations("migrations") } },
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
    projects: existsSync("wrangler.toml") && existsSync("workers/index.ts") ? [node, await workers()] : [node],
    reporters: ["./scripts/reporter.ts"],
    // The machine has few cores, and system tests start processes of their own.
    maxWorkers: 2,
  },
}));
