import { describe, expect, it } from "vitest";
import { type BudgetState, configure, emptyBudget, PERMIT_TTL_MS, permit, release, status } from "./permits.ts";

const a = { site: "st_aaaaaaaaaa", working: true };
const b = { site: "st_bbbbbbbbbb", working: true };
const open = (maxSites = 1): BudgetState => configure(emptyBudget(), { frozen: false, maxSites });

describe("the fleet budget", () => {
  it("[G5] gives nothing before it was set up: what has forgotten is frozen", () => {
    const { reply } = permit(emptyBudget(), a, 0);
    expect(reply).toMatchObject({ granted: false, frozen: true });
  });

  it("[G5] gives at most so many permits, renews those it gave, and frees a place when one ends", () => {
    const first = permit(open(), a, 0);
    expect(first.reply).toEqual({ granted: true, frozen: false, expiresAt: PERMIT_TTL_MS, reason: "" });
    expect(permit(first.state, b, 1).reply).toMatchObject({ granted: false, frozen: false });
    const renewed = permit(first.state, a, 1_000);
    expect(renewed.reply).toMatchObject({ granted: true, expiresAt: 1_000 + PERMIT_TTL_MS });
    expect(permit(renewed.state, b, 1_000 + PERMIT_TTL_MS).reply.granted).toBe(true);
  });

  it("frees a place at once when a site gives it back", () => {
    const { state } = permit(open(), a, 0);
    expect(permit(release(state, a), b, 1).reply.granted).toBe(true);
  });

  it("[G6] takes every permit back when frozen, and gives none until thawed", () => {
    const { state } = permit(open(2), a, 0);
    const frozen = configure(state, { frozen: true });
    expect(status(frozen, 1)).toMatchObject({ frozen: true, working: 0 });
    expect(permit(frozen, a, 1).reply).toMatchObject({ granted: false, frozen: true });
    expect(permit(configure(frozen, { frozen: false }), a, 2).reply.granted).toBe(true);
  });

  it("takes no place for a site that does not work", () => {
    const { state, reply } = permit(open(), { ...a, working: false }, 0);
    expect(reply.granted).toBe(false);
    expect(status(state, 0).working).toBe(0);
  });

  it("a limit alone does not set it up", () => {
    expect(permit(configure(emptyBudget(), { maxSites: 5 }), a, 0).reply.granted).toBe(false);
  });
});
