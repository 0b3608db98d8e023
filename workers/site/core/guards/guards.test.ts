import { expect, it } from "vitest";
import { errorCatalog } from "../../../../shared/errors.ts";
import type { KeptPermit } from "../permit.ts";
import { approval } from "./approval.ts";
import { budget } from "./budget.ts";
import { firstHeld, type GuardWorld } from "./guard.ts";
import { siteHeldBy } from "./index.ts";
import { killSwitch } from "./kill-switch.ts";
import { locks } from "./locks.ts";
import { Places } from "./places.ts";
import { restoreHold } from "./restore-hold.ts";

const NOW = 1_800_000_000_000;
const granted: KeptPermit = { granted: true, frozen: false, expiresAt: NOW + 1, reason: "", heardAt: NOW };
const world = (permit?: Partial<KeptPermit>, more: Partial<GuardWorld> = {}): GuardWorld => ({
  ...{ now: NOW, restored: undefined, permit: permit && { ...granted, ...permit } },
  ...more,
});
const caps = { steps: 2, disruptive: 1, actions: { "bmc.power": 1 } };

it("[G5] the budget's silence and its refusal are told apart, and until when", () => {
  expect(budget(world({}))).toMatchObject({ verdict: "pass" });
  for (const permit of [undefined, { expiresAt: NOW }, { heardAt: NOW + 1 }])
    expect(budget(world(permit))).toEqual({
      ...{ guard: "fleet budget", verdict: "wait", code: "budget_unreachable" },
      ...{ text: "the fleet budget to answer", until: null },
    });
  const silent = { granted: false, silent: true, reason: "it does not answer" };
  expect(budget(world(silent))).toMatchObject({ code: "budget_unreachable", until: null });
  const refusal = { granted: false, reason: "5 of 5 sites are at work", expiresAt: NOW + 9 };
  expect(budget(world(refusal))).toMatchObject({
    ...{ verdict: "wait", code: "budget_refused", until: NOW + 9 },
    text: "the fleet budget: 5 of 5 sites are at work",
  });
  expect(budget(world({ ...refusal, expiresAt: NOW - 9 }))).toMatchObject({ until: NOW });
});

it("[G6] the kill switch and a restored site hold everything, the restore first", () => {
  expect(killSwitch(world({ frozen: true }))).toMatchObject({ verdict: "wait", code: "frozen", until: null });
  expect(restoreHold(world({}, { restored: "an admin" }))).toMatchObject({ code: "site_on_hold", text: "an admin" });
  const calls = { settlesAt: NOW + 9 };
  expect(restoreHold(world({}, { ...calls, restored: "an admin" }))).toMatchObject({ text: "an admin" });
  expect(siteHeldBy(world({}, calls))).toMatchObject({ code: "site_settling", until: NOW + 9 });
  expect(siteHeldBy(world({}))).toBeUndefined();
  expect(siteHeldBy(world({ frozen: true }))?.code).toBe("frozen");
  expect(siteHeldBy(world({ frozen: true }, { restored: "an admin" }))?.code).toBe("site_on_hold");
});

it("[L7] a held target refuses the plan, and names its holder", () => {
  expect(locks({ target: "web-01", job: "job_1" })).toEqual({
    ...{ guard: "locks", verdict: "refuse", code: "locked", text: "web-01 is held by job_1", until: null },
  });
  expect(locks(undefined).verdict).toBe("pass");
});

it("[G4] a plan says how many people are missing, and who has approved", () => {
  const plan = { id: "pln_1", approvals: 2, targets: [], steps: [] };
  const ann = { person: "ann", counts: true };
  const bob = { person: "bob", counts: true };
  expect(approval(plan, [ann])).toMatchObject({
    ...{ verdict: "wait", code: "approval_missing" },
    text: "1 more person to approve the plan pln_1; approved by ann",
  });
  expect(approval(plan, [ann, { ...bob, counts: false }]).text).toBe(
    "1 more person to approve the plan pln_1; approved by ann; no longer counts: bob",
  );
  expect(approval(plan, [ann, bob]).verdict).toBe("pass");
  expect(approval({ ...plan, approvals: 0 }, []).verdict).toBe("pass");
});

it("[G5] a place is full in all, and for one action", () => {
  const places = new Places(caps, []);
  places.take({ action: "bmc.power", disruptive: 1 });
  const words = (action: string) => places.full({ action, disruptive: 0 })?.text;
  expect(words("bmc.power")).toBe("a free place: 1 × bmc.power are at work at the site");
  expect(words("bmc.identify")).toBeUndefined();
  places.take({ action: "bmc.identify", disruptive: 0 });
  expect(words("bmc.accept")).toBe("a free place: 2 steps are at work at the site");
});

it("every verdict that does not pass has a code of the catalog, and says until when", () => {
  const all = [
    budget(world()),
    budget(world({ granted: false })),
    killSwitch(world({ frozen: true })),
    restoreHold(world({}, { restored: "an admin" })),
    restoreHold(world({}, { settlesAt: NOW + 9 })),
    locks({ target: "a", job: "b" }),
    approval({ id: "p", approvals: 1, targets: [], steps: [] }, []),
    new Places({ ...caps, steps: 0 }, []).full({ action: "a", disruptive: 0 }),
  ].filter((verdict) => verdict !== undefined);
  for (const { code, until, verdict } of all)
    expect([verdict, Object.hasOwn(errorCatalog, code ?? ""), until === undefined]).toEqual([verdict, true, false]);
  expect(firstHeld(all)).toBe(all[0]);
});
