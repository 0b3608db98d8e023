import { runInDurableObject } from "cloudflare:test";
import { beforeAll, expect, it } from "vitest";
import { type Approval, type ApprovedPlan, signApproval } from "../../shared/model/approval.ts";
import { signApprovers } from "../../shared/model/approver-list.ts";
import { type Plan, planHash } from "../../shared/model/plan.ts";
import { newTestKey } from "../../shared/model/test-keys.ts";
import type { ApproverView, PlanView, SiteView } from "../../shared/model/views.ts";
import { sha256 } from "../site/platform.ts";
import { type Answer, call, did, makeSite, prepare, stubOf, TestAgent } from "../test-fleet.ts";

beforeAll(prepare);

const [ann, bob] = [newTestKey(), newTestKey()];
interface Token {
  id: string;
  token: string;
  person: string | null;
}
const tokenOf = (role: string, person?: string) =>
  did<Token>("POST", "/v1/tokens", { body: { name: person ?? role, role, person } });
const code = ({ status, body }: Answer) => [status, body.code];

/** A plan of this site that asks for so many approvals, as no shipped workflow does of a first install. */
async function planned(site: SiteView, approvals: number, token?: string): Promise<PlanView> {
  const intent = { site: site.name, workflow: "server.install", targets: ["node-1"] };
  const { plan } = await did<PlanView>("POST", "/v1/plans", { body: intent, ...(token && { token }) });
  const asking: Plan = { ...plan, approvals };
  await runInDurableObject(stubOf(site), (_, { storage }) => {
    storage.sql.exec("UPDATE text_part SET text = ? WHERE key = ?", JSON.stringify(asking), plan.id);
    storage.sql.exec(
      "UPDATE plan SET approvals = ?, hash = ? WHERE id = ?",
      approvals,
      planHash(asking, sha256),
      plan.id,
    );
  });
  return did<PlanView>("GET", `/v1/plans/${plan.id}`);
}
function signed({ plan, hash }: PlanView, person: string, key = ann): Approval {
  const { id, site, expiresAt } = plan;
  return signApproval({ v: 1, kind: "turnup/approval", plan: id, hash, site, person, at: Date.now(), expiresAt }, key);
}
const approve = (view: PlanView, token: string, approval: Approval) =>
  call("POST", `/v1/plans/${view.plan.id}/approvals`, { token, body: approval });
const apply = ({ plan, hash }: PlanView, key: string) =>
  call("POST", "/v1/jobs", { key, body: { plan: plan.id, hash } });

it("[G4] keys are added, listed and revoked by an admin; a key is one person's for good", async () => {
  const add = (person: string, key: string) => call("POST", "/v1/approvers", { body: { person, key } });
  const key = newTestKey().x;
  const { body, status } = await add("ann", key);
  expect([status, body]).toMatchObject([201, { person: "ann", key, revokedAt: null }]);
  expect(code(await add("bob", key))).toEqual([409, "conflict"]);
  expect(code(await add("Ann", newTestKey().x))).toEqual([422, "validation_failed"]);
  expect(code(await add("ann", "x"))).toEqual([422, "validation_failed"]);
  const id = String(body.id);
  expect(await did("DELETE", `/v1/approvers/${id}`)).toMatchObject({ id, revokedAt: expect.any(Number) });
  expect(code(await call("DELETE", "/v1/approvers/apr_none"))).toEqual([404, "not_found"]);
  expect(code(await add("ann", key))).toEqual([409, "conflict"]);
  const { items } = await did<{ items: ApproverView[] }>("GET", "/v1/approvers");
  expect(items.find((item) => item.id === id)?.revokedAt).toBeGreaterThan(0);
  const approver = await tokenOf("approver");
  expect(code(await call("GET", "/v1/approvers", { token: approver.token }))).toEqual([403, "forbidden"]);
});

it("[G4] a plan is approved by a person's key through a token that did not ask for it, and runs then", async () => {
  const site = await makeSite("approvals");
  const added = await did<ApproverView>("POST", "/v1/approvers", { body: { person: "ann", key: ann.x } });
  const [annToken, bobToken, viewer] = [
    await tokenOf("approver", "ann"),
    await tokenOf("approver", "bob"),
    await tokenOf("operator"),
  ];
  expect(annToken.person).toBe("ann");

  const own = await planned(site, 1, annToken.token);
  expect(own.plan).toMatchObject({ requester: "token:ann", requesterPerson: "ann" });
  expect(code(await approve(own, annToken.token, signed(own, "ann")))).toEqual([409, "approver_is_requester"]);

  const view = await planned(site, 1);
  expect(view.approvalsNeeded).toMatchObject([{ code: "approval_missing", people: 1, given: 0 }]);
  expect(code(await apply(view, "a"))).toEqual([409, "approval_missing"]);
  expect(code(await approve(view, viewer.token, signed(view, "ann")))).toEqual([403, "forbidden"]);
  expect(code(await approve(view, bobToken.token, signed(view, "bob", bob)))).toEqual([409, "approver_unknown"]);
  expect(code(await approve(view, annToken.token, signed(own, "ann")))).toEqual([422, "approval_invalid"]);
  const odd = { ...signed(view, "ann"), more: 1 };
  expect(code(await approve(view, annToken.token, odd))).toEqual([422, "validation_failed"]);

  expect((await approve(view, annToken.token, signed(view, "ann"))).body).toMatchObject({
    approvals: [{ person: "ann", counts: true }],
    approvalsNeeded: [{ given: 1 }],
  });
  const back = (token: string, query = "") => call("DELETE", `/v1/plans/${view.plan.id}/approvals${query}`, { token });
  expect(code(await back(bobToken.token))).toEqual([404, "not_found"]);
  expect((await back(bobToken.token, "?person=ann")).body).toMatchObject({ approvals: [] });
  expect(code(await back(viewer.token))).toEqual([403, "forbidden"]);
  const nobody = await tokenOf("admin");
  expect(code(await back(nobody.token))).toEqual([400, "bad_request"]);

  await approve(view, annToken.token, signed(view, "ann"));
  await did("DELETE", `/v1/approvers/${added.id}`);
  expect((await did<PlanView>("GET", `/v1/plans/${view.plan.id}`)).approvals).toMatchObject([{ counts: false }]);
  expect(code(await apply(view, "b"))).toEqual([409, "approval_missing"]);
  expect(code(await approve(view, annToken.token, signed(view, "ann")))).toEqual([409, "approver_unknown"]);

  // The lost key is replaced by another one of hers.
  const fresh = newTestKey();
  await did("POST", "/v1/approvers", { body: { person: "ann", key: fresh.x } });
  await approve(view, annToken.token, signed(view, "ann", fresh));
  expect((await apply(view, "c")).status).toBe(201);
  expect(code(await back(annToken.token))).toEqual([409, "plan_used"]);
});

it("[G4][T3] an agent gets plans of its own site, whole and with what was signed, and of no other", async () => {
  const [site, other] = [await makeSite("approvals-a"), await makeSite("approvals-b")];
  await did("POST", "/v1/approvers", { body: { person: "bob", key: bob.x } });
  const agent = await TestAgent.enrol(site);
  const stranger = await TestAgent.enrol(other);
  const view = await planned(site, 1);
  const approval = signed(view, "bob", bob);
  await approve(view, (await tokenOf("approver")).token, approval);
  const path = `/agent/v1/plans/${view.plan.id}`;
  const { plan, approvals } = await did<ApprovedPlan>("GET", path, { token: agent.token() });
  expect(planHash(plan, sha256)).toBe(view.hash);
  expect(approvals).toEqual([approval]);
  expect(code(await call("GET", path, { token: stranger.token() }))).toEqual([403, "wrong_site"]);
  expect(code(await call("GET", `${path.slice(0, -1)}!`, { token: agent.token() }))).toEqual([
    422,
    "validation_failed",
  ]);
  const none = view.plan.id.replace(/.{4}$/, "0000");
  expect(code(await call("GET", `/agent/v1/plans/${none}`, { token: agent.token() }))).toEqual([404, "plan_unknown"]);
  expect(code(await call("GET", path))).toEqual([401, "unauthenticated"]);
});

it("[G4] a change of the agents' own lists is carried to them, signed by two people, and by no one below an approver", async () => {
  const site = await makeSite("approvals-c");
  const agent = await TestAgent.enrol(site);
  const hash = "c".repeat(64);
  await agent.sync({ approvers: { hash } });
  const path = `/v1/sites/${site.name}/approver-changes`;
  expect(await did("GET", path)).toMatchObject({
    waiting: [],
    agents: [{ agent: agent.id, list: hash, refused: null }],
  });
  const statement = {
    ...({ v: 1, kind: "turnup/approvers", site: site.id, base: hash } as const),
    ...{ add: [], remove: [ann.x], expiresAt: Date.now() + 60_000 },
  };
  const one = signApprovers({ statement, signatures: [] }, ann);
  expect(code(await call("POST", path, { body: one }))).toEqual([409, "approval_missing"]);
  const two = signApprovers(one, bob);
  const operator = await tokenOf("operator");
  expect(code(await call("POST", path, { body: two, token: operator.token }))).toEqual([403, "forbidden"]);
  expect(await did("POST", path, { body: two })).toMatchObject({ waiting: [{ change: two }] });
  expect((await agent.sync({ approvers: { hash } })).approvers).toEqual(two);
  expect((await agent.sync({ approvers: { hash: "d".repeat(64) } })).approvers).toBeUndefined();
});
