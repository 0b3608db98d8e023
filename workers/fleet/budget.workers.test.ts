import { evictDurableObject } from "cloudflare:test";
import { describe, expect, it, vi } from "vitest";
import { env } from "../test-fleet.ts";
import { type BudgetCall, fleetBudget } from "./facade.ts";
import { ittyCall } from "./itty.ts";
import {
  type BudgetState,
  configure,
  emptyBudget,
  PermitIn,
  permit,
  ReleaseIn,
  release,
  SetIn,
  status,
} from "./permits.ts";

const SITE = "st_0123456789";
const OTHER = "st_abcdefghjk";

/** The same object without itty-durable: what would stand here if it were replaced. */
function twin(): BudgetCall {
  let state: BudgetState = emptyBudget();
  return async (method, input) => {
    if (method === "permit") {
      const done = permit(state, PermitIn.parse(input), Date.now());
      state = done.state;
      return done.reply;
    }
    if (method === "release") state = release(state, ReleaseIn.parse(input));
    if (method === "configure") state = configure(state, SetIn.parse(input));
    return status(state, Date.now());
  };
}

describe.each([
  ["itty-durable", () => ittyCall(env.FLEET)],
  ["its twin", twin],
])("the budget through %s", (name, make) => {
  it("[G5] holds the contract from set-up to release", async () => {
    const budget = fleetBudget(make());
    expect(await budget.permit(SITE, true)).toMatchObject({ granted: false, frozen: true });
    expect(await budget.configure({ frozen: false, maxSites: 1 })).toEqual({
      ok: true,
      value: { configured: true, frozen: false, maxSites: 1, working: 0 },
    });
    expect(await budget.permit(SITE, true)).toMatchObject({ granted: true });
    expect(await budget.permit(OTHER, true)).toMatchObject({
      granted: false,
      frozen: false,
      reason: "1 of at most 1 sites are working.",
    });
    await budget.release(SITE);
    expect(await budget.permit(OTHER, true)).toMatchObject({ granted: true });
    expect(await budget.configure({ frozen: true })).toMatchObject({ value: { frozen: true, working: 0 } });
    expect(await budget.permit(SITE, true)).toMatchObject({ granted: false, frozen: true });
  });

  it("keeps its state over an eviction", async () => {
    const budget = fleetBudget(make());
    await budget.configure({ frozen: false, maxSites: 7 });
    if (name === "itty-durable") await evictDurableObject(env.FLEET.get(env.FLEET.idFromName("fleet")));
    expect(await budget.status()).toMatchObject({ value: { configured: true, frozen: false, maxSites: 7 } });
  });
});

describe("the façade", () => {
  it.each<[string, BudgetCall]>([
    ["an error", async () => Promise.reject(new Error("overloaded"))],
    ["an answer that does not fit", async () => ({ granted: "yes" })],
    ["no answer", async () => undefined],
  ])("[G5] takes %s for no permit", async (_, call) => {
    const log = vi.spyOn(console, "error").mockImplementation(() => undefined);
    expect(await fleetBudget(call).permit(SITE, true)).toBeNull();
    expect(await fleetBudget(call).status()).toMatchObject({ ok: false, problem: { code: "unavailable" } });
    log.mockRestore();
  });

  it("sends nothing that the header would not carry", async () => {
    const log = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const call = vi.fn<BudgetCall>(async () => undefined);
    expect(await fleetBudget(call).permit("st_日本", true)).toBeNull();
    expect(call).not.toHaveBeenCalled();
    log.mockRestore();
  });
});
