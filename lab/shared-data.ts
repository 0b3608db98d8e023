import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

let told = false;

/**
 * The folder of real-world data beside the project (`../shared/data`), or undefined where it is missing. A stranger's
 * clone has none: tests that compare with it skip, and say so. With TURNUP_REQUIRE_SHARED=1 its absence is an error.
 */
export function sharedData(): string | undefined {
  const path = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "shared", "data");
  if (existsSync(path)) return path;
  if (process.env.TURNUP_REQUIRE_SHARED === "1") {
    throw new Error(`TURNUP_REQUIRE_SHARED=1, and ${path} is missing: put the shared data there.`);
  }
  if (!told) console.warn("SKIPPED: ../shared/data is missing, so nothing is compared with real-world files.");
  told = true;
  return undefined;
}
