/** The demo is the test: whoever runs it sees what is proven here. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";

it("[G4][T5] a taken-over control plane wipes nothing: the agent refuses each try, and no machine feels it", {
  timeout: 180_000,
}, () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(import.meta.dirname, "takeover.ts")], {
    encoding: "utf8",
  });
  const codes = [...stdout.matchAll(/: refused by agent: (\w+)$/gm)].map(([, code]) => code);
  expect(codes.length, stdout + stderr).toBeGreaterThanOrEqual(12);
  for (const code of ["approval_invalid", "approver_unknown", "plan_mismatch", "step_already_run", "asset_in_service"])
    expect(codes).toContain(code);
  expect(stdout).toContain("All 6 drives have the hashes they had");
  expect(status).toBe(0);
});
