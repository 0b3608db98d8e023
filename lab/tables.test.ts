/** Times that are set in one room and relied on in another. */
import { expect, it } from "vitest";
import { AgentConfig } from "../agents/site/config.ts";
import { BOOT_IDLE_MS } from "../agents/site/executor/boots.ts";
import { actions } from "../shared/actions/index.ts";
import { LEASE_RENEW_MS, LEASE_TTL_MS, POLL_SAFETY_MS } from "../shared/protocol/agent.ts";
import { stepLimits } from "../workers/site/core/limits.ts";

it("[A5][J3] a boot of an agent that hears nothing more outlives all that the coordinator still waits for", () => {
  // Its leases run out, and then its steps wait for at most their limit.
  const wait = LEASE_TTL_MS + Math.max(stepLimits.ready.limit, stepLimits.unknown.limit);
  expect(BOOT_IDLE_MS).toBeGreaterThan(wait);
  // And one that hears something is told often enough.
  expect(BOOT_IDLE_MS / 2).toBeGreaterThan(2 * POLL_SAFETY_MS);
});

it("[L2][L3] no call of an agent to a BMC takes longer than the coordinator waits for it, nor than a lease has left at its renewal", () => {
  const config = { name: "a", controlPlane: "http://127.0.0.1:1", stateDir: "/s", vault: "/v", images: "/i" };
  const longest = (timeoutMs: number) =>
    AgentConfig.safeParse({ ...config, netboot: { host: "127.0.0.1", port: 1 }, bmc: { timeoutMs } }).success;
  const calls = Object.entries(actions).filter(([name]) => name !== "netboot.arm");
  const least = Math.min(...calls.map(([, spec]) => spec.longestCallSeconds * 1000), LEASE_TTL_MS - LEASE_RENEW_MS);
  expect([longest(20_000), longest(least)]).toEqual([true, false]);
});
