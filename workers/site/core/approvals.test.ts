import { expect, it } from "vitest";
import { planHash } from "../../../shared/model/plan.ts";
import { newTestKey } from "../../../shared/model/test-keys.ts";
import { exported, restored } from "./test-export.ts";
import { wipe } from "./test-workflows.ts";
import { sha256, World } from "./test-world.ts";
import { readText } from "./tx.ts";

const actor = "token:t";
const names = (n: number) => Array.from({ length: n }, (_, i) => `srv${String(i).padStart(5, "0")}`);
const HOUR = 3_600_000;

function world(approvals: number, servers = 2) {
  const w = new World(servers, { workflows: [wipe(approvals)] });
  const view = w.do("plan.create", {
    workflow: "test.wipe",
    targets: names(servers),
    params: {},
    actor,
    person: "olga",
  });
  const { plan, hash } = view;
  let key = 0;
  type More = Parameters<World["approval"]>[2];
  return {
    w,
    view,
    approve: (
      person: string,
      over: More = {},
      more: Partial<ReturnType<World["approval"]> & { person: string }> = {},
    ) => w.refusal("plan.approve", { ...w.approval(view, person, over), ...more }) ?? "approved",
    unapprove: (person: string) =>
      w.refusal("plan.unapprove", { plan: plan.id, person, actor: "token:x", approvers: w.approvers }) ?? "taken back",
    apply: (approvers = w.approvers) => {
      key += 1;
      return w.refusal("job.create", { key: `${key}`, body: "", actor, plan: plan.id, hash, approvers }) ?? "started";
    },
    shown: (approvers = w.approvers) => w.ask("plan", { plan: plan.id, approvers }),
  };
}

it("[J7][G4] nothing of it starts before two different people, neither the requester, approved this very plan", () => {
  const p = world(2);
  expect(p.apply()).toBe("approval_missing");
  expect([p.approve("ann"), p.apply()]).toEqual(["approved", "approval_missing"]);
  const verdict = p.shown().guards.find((g) => g.guard === "approval");
  expect(verdict?.text).toBe(`1 more person to approve the plan ${p.view.plan.id}; approved by ann`);
  expect([p.approve("bob"), p.apply(), p.apply()]).toEqual(["approved", "started", "plan_used"]);
  const events = p.w.ask("ledger", { after: 0, limit: 1000 }).filter((e) => e.kind === "plan.approved");
  expect(events.map((e) => [e.actor, e.data.person, e.data.hash])).toEqual([
    ["token:ann", "ann", p.view.hash],
    ["token:bob", "bob", p.view.hash],
  ]);
  // The direct way, without a plan that people have seen, is closed.
  const direct = { key: "e", body: "", actor, workflow: "test.wipe", targets: names(1), params: {} };
  expect(world(2).w.refusal("job.create", direct)).toBe("approval_missing");
});

it("[G4] the requester does not approve: not by their token, not as a person, not by another token's hand", () => {
  const p = world(1);
  expect(p.approve("ann", {}, { actor })).toBe("approver_is_requester");
  expect(p.approve("ann", {}, { actor: "token:olga-2", person: "olga" })).toBe("approver_is_requester");
  expect(p.approve("olga", {}, { actor: "token:ci" })).toBe("approver_is_requester");
  expect(p.apply()).toBe("approval_missing");
});

it("[G4] one person counts once, whatever keys they have; the same approval again changes nothing", () => {
  const p = world(2);
  const second = newTestKey();
  p.w.approvers.push({ key: second.x, person: "ann" });
  const { approval } = p.w.approval(p.view, "ann");
  expect([p.approve("ann", {}, { approval }), p.approve("ann", {}, { approval })]).toEqual(["approved", "approved"]);
  expect(p.approve("ann", { at: 1 })).toBe("approver_repeated");
  const other = p.w.signed(p.view, "ann", { at: 2 }, second);
  expect(p.approve("ann", {}, { approval: other })).toBe("approver_repeated");
  expect([p.shown().approvals.length, p.apply()]).toEqual([1, "approval_missing"]);
});

it("[G4] an approval ends, before the plan if it says so; the same person may approve again", () => {
  const p = world(1);
  expect(p.approve("ann", { expiresAt: p.w.now })).toBe("approval_expired");
  expect(p.approve("ann", { expiresAt: p.w.now + HOUR })).toBe("approved");
  p.w.now += HOUR;
  expect(p.apply()).toBe("approval_missing");
  expect(p.shown().approvals).toMatchObject([{ person: "ann", counts: false }]);
  expect([p.approve("ann"), p.apply()]).toEqual(["approved", "started"]);
  const late = world(1);
  late.w.now = late.view.plan.expiresAt;
  expect([late.approve("ann"), late.apply()]).toEqual(["plan_expired", "plan_expired"]);
});

it("[G4] an approval of another plan, of another hash, or signed by another key, is none", () => {
  const p = world(1);
  const again = p.w.do("plan.create", { workflow: "test.wipe", targets: names(2), params: {}, actor });
  expect(p.approve("ann", {}, { approval: p.w.signed(again, "ann") })).toBe("approval_invalid");
  expect(p.approve("ann", { hash: "0".repeat(64) })).toBe("plan_stale");
  expect(p.approve("ann", { site: "st_9999999999" })).toBe("approval_invalid");
  expect(p.approve("ann", { person: "bob" })).toBe("approver_unknown");
  const { signature } = p.w.signed(p.view, "bob");
  const forged = { ...p.w.signed(p.view, "ann"), signature };
  expect(p.approve("ann", {}, { approval: forged })).toBe("approval_invalid");
  expect(p.approve("ann", {}, { person: "bob" })).toBe("approval_invalid");
  expect(p.apply()).toBe("approval_missing");
});

it("[G4] a revoked key approves nothing, nor what it had approved before, until the plan is used", () => {
  const p = world(1);
  expect(p.approve("ann", {}, { approvers: [] })).toBe("approver_unknown");
  expect(p.approve("ann")).toBe("approved");
  expect(p.shown([]).approvals).toMatchObject([{ person: "ann", counts: false }]);
  expect(p.apply([])).toBe("approval_missing");
  expect(p.apply()).toBe("started");
  expect(p.shown([])).toMatchObject({ approvals: [{ counts: true }], approvalsNeeded: [{ people: 1, given: 1 }] });
});

it("[G4] is taken back until the plan is used, by any approver, and the ledger says by whom", () => {
  const p = world(1);
  expect(p.unapprove("ann")).toBe("not_found");
  expect([p.approve("ann"), p.unapprove("ann"), p.apply()]).toEqual(["approved", "taken back", "approval_missing"]);
  expect([p.approve("ann"), p.apply(), p.unapprove("ann")]).toEqual(["approved", "started", "plan_used"]);
  expect(p.w.refusal("plan.unapprove", { plan: "pln_x", person: "ann", actor, approvers: [] })).toBe("plan_unknown");
  const [event] = p.w.ask("ledger", { after: 0, limit: 1000 }).filter((e) => e.kind === "plan.unapproved");
  expect(event).toMatchObject({ actor: "token:x", data: { plan: p.view.plan.id, person: "ann" } });
});

it("[T5][G4] with more than five targets the plan names the second approval, and is refused by its code", () => {
  const p = world(1, 6);
  const needs = () => p.shown().approvalsNeeded.map(({ code, people, given }) => [code, people, given]);
  expect(needs()).toEqual([
    ["approval_missing", 1, 0],
    ["cap_needs_approval", 1, 0],
  ]);
  expect(p.apply()).toBe("cap_needs_approval");
  expect([p.approve("ann"), p.apply()]).toEqual(["approved", "cap_needs_approval"]);
  expect(needs()).toEqual([
    ["approval_missing", 1, 1],
    ["cap_needs_approval", 1, 0],
  ]);
  expect([p.approve("bob"), p.apply()]).toEqual(["approved", "started"]);
  expect(
    world(2, 6)
      .shown()
      .approvalsNeeded.map((need) => need.people),
  ).toEqual([1, 1]);
  expect(world(2, 5).shown().approvalsNeeded).toMatchObject([{ code: "approval_missing", people: 2 }]);
});

it("[G4] a site's policy asks for more people than the workflow, never for fewer; and then also of older plans", () => {
  const p = world(1);
  const policy = (people: number) => {
    const text = `schema: turnup/policy/v1\nsite: ams01\napprovals: { test.wipe: ${people}, server.install: 1 }\n`;
    p.w.do("policy.apply", { base: people - 1, text, reason: "", actor });
  };
  const asked = (workflow: string) =>
    p.w.do("plan.create", { workflow, targets: names(1), params: {}, actor }).plan.approvals;
  policy(1);
  expect([asked("test.wipe"), asked("server.install")]).toEqual([1, 1]);
  p.approve("ann");
  policy(2);
  expect([asked("test.wipe"), p.apply()]).toEqual([2, "plan_stale"]);
  const direct = { key: "i", body: "", actor, workflow: "server.install", targets: names(1), params: {} };
  expect(p.w.refusal("job.create", direct)).toBe("approval_missing");
});

it("[G4] a plan that asks for no approval takes none", () => {
  const w = new World(1);
  const view = w.do("plan.create", { workflow: "server.install", targets: names(1), params: {}, actor });
  expect(view.approvalsNeeded).toEqual([]);
  expect(w.refusal("plan.approve", w.approval(view, "ann"))).toBe("approval_refused");
});

it("[G4] an agent gets the whole plan, with the requester's person in its hash, and all that was signed", () => {
  const p = world(2);
  p.approve("ann");
  const { plan, approvals } = p.w.ask("plan.approved", { plan: p.view.plan.id });
  expect(plan.requesterPerson).toBe("olga");
  expect(planHash(plan, sha256)).toBe(p.view.hash);
  expect(plan).toEqual(JSON.parse(readText(p.w.sql, plan.id) ?? ""));
  expect(approvals).toEqual([p.w.signed(p.view, "ann")]);
});

it("[G4] approvals go out and come back with their site; what was approved before a restore runs no more", () => {
  const p = world(2);
  p.approve("ann");
  p.approve("bob");
  const lines = exported(p.w);
  const kept = lines.filter((line) => line.startsWith('{"t":"approval"'));
  expect(kept).toHaveLength(2);
  // It is used after the export, which the restored site cannot know.
  expect(p.apply()).toBe("started");
  const w = restored(lines, p.w);
  expect(exported(w).filter((line) => line.startsWith('{"t":"approval"'))).toEqual(kept);
  expect(w.ask("plan.approved", { plan: p.view.plan.id }).approvals).toHaveLength(2);
  const { journal } = w.sync({ generation: 2 });
  if (!journal) throw new Error("nothing was asked");
  w.sync({ generation: 2, journal: { ...journal, epoch: 50, attempts: [], complete: true } });
  w.do("site.release", { actor, without: [] });
  w.permit();
  const job = { key: "k", body: "", actor, plan: p.view.plan.id, hash: p.view.hash, approvers: p.w.approvers };
  expect(w.refusal("job.create", job)).toBe("plan_stale");
  expect(w.refusal("plan.approve", p.w.approval(p.view, "cem"))).toBe("plan_stale");
});

it.each([
  [
    "of another plan",
    (r: Row) => ({ ...r, statement: r.statement.replace(/pln_\w+/, "pln_0123456789_bbbbbbbbbbbbbbbb") }),
  ],
  ["of another person", (r: Row) => ({ ...r, statement: r.statement.replace('"ann"', '"bob"') })],
  [
    "of another hash",
    (r: Row) => ({ ...r, statement: r.statement.replace(/"hash":"[0-9a-f]+"/, `"hash":"${"0".repeat(64)}"`) }),
  ],
  ["without its signature", (r: Row) => ({ ...r, signature: null })],
])("[G4] a file with an approval %s is no export of a site", (_, spoil) => {
  const p = world(2);
  p.approve("ann");
  const lines = exported(p.w).map((line) => {
    if (!line.startsWith('{"t":"approval"')) return line;
    const { t, r } = JSON.parse(line) as { t: string; r: Row };
    return JSON.stringify({ t, r: spoil(r) });
  });
  expect(() => restored(lines, p.w)).toThrow("export_broken");
});

interface Row {
  statement: string;
  signature: string;
}
