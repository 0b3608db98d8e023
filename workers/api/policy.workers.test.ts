import { beforeAll, expect, it } from "vitest";
import type { PolicyVersion, PolicyView } from "../../shared/model/policy.ts";
import type { Page } from "../../shared/model/views.ts";
import { call, did, makeSite, prepare } from "../test-fleet.ts";

beforeAll(prepare);

const textOf = (site: string, least: number) =>
  `# What protects it.\nschema: turnup/policy/v1\nsite: ${site}\nroles: { compute: { count: ${least} } }\n`;

it("a policy is compared, applied, shown, listed; held and released", async () => {
  await makeSite("pol", 2);
  const path = "/v1/sites/pol/policy";
  expect(await call("GET", path)).toMatchObject({ status: 404, body: { code: "policy_unknown" } });
  expect(await did("POST", `${path}/diff`, { body: { text: textOf("pol", 1) } })).toEqual({
    base: 0,
    changes: ["role compute: new (floor 1)"],
    same: false,
  });
  const faulty = await call("PUT", path, { body: { base: 0, text: textOf("pol", 3) } });
  expect(faulty).toMatchObject({ status: 422, body: { code: "validation_failed" } });
  expect(faulty.body.errors).toMatchObject([{ code: "floor_above_pool", pointer: "/roles/compute/count" }]);
  const applied = await did<{ policy: PolicyView }>("PUT", path, {
    body: { base: 0, text: textOf("pol", 1), reason: "first" },
  });
  expect(applied.policy).toMatchObject({ version: 1, reason: "first", actor: "token:first-admin" });
  expect(await call("PUT", path, { body: { base: 0, text: textOf("pol", 2) } })).toMatchObject({
    status: 409,
    body: { code: "policy_moved" },
  });
  const hold = await did<PolicyView>("POST", `${path}/hold`, { body: { on: "device:node-1", reason: "data rescue" } });
  expect(hold.text).toBe(
    `${textOf("pol", 1)}holds:\n  - { on: device:node-1, owner: first-admin, reason: data rescue }\n`,
  );
  expect(await call("PUT", path, { body: { base: 2, text: textOf("pol", 2) } })).toMatchObject({
    status: 409,
    body: { code: "hold_would_end" },
  });
  expect((await did<PolicyView>("POST", `${path}/unhold`, { body: { on: "device:node-1" } })).text).toBe(
    textOf("pol", 1),
  );
  const history = await did<Page<PolicyVersion>>("GET", `${path}/history?limit=2`);
  expect(history.items.map((one) => one.version)).toEqual([3, 2]);
  expect((await did<Page<PolicyVersion>>("GET", `${path}/history?cursor=${history.next}`)).items).toMatchObject([
    { version: 1, reason: "first" },
  ]);
  expect(await did<PolicyView>("GET", `${path}?version=2`)).toMatchObject({ version: 2, text: hold.text });
});

it("windows are judged in this runtime as in Node", async () => {
  await makeSite("win");
  const text = (more: object) =>
    JSON.stringify({
      schema: "turnup/policy/v1",
      site: "win",
      windows: [{ name: "n", rrule: "FREQ=DAILY;BYHOUR=22", timeZone: "Europe/Amsterdam", minutes: 60, ...more }],
    });
  const codes = async (more: object) => {
    const { body } = await call<{ errors?: { code: string }[] }>("POST", "/v1/sites/win/policy/diff", {
      body: { text: text(more) },
    });
    return body.errors?.map((fault) => fault.code);
  };
  expect(await codes({})).toBeUndefined();
  expect(await codes({ timeZone: "Europe/Amsterdm" })).toEqual(["time_zone_unknown"]);
  expect(await codes({ rrule: "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30" })).toEqual(["window_never_opens"]);
  expect(await codes({ rrule: "FREQ=DAILY;BYHOUR=25" })).toEqual(["window_rule_malformed"]);
});

it("[S1] a policy needs an admin, a hold an operator", async () => {
  await makeSite("who");
  const { token } = await did<{ token: string }>("POST", "/v1/tokens", {
    body: { name: "op-policy", role: "operator" },
  });
  const text = textOf("who", 1);
  expect(await call("PUT", "/v1/sites/who/policy", { token, body: { base: 0, text } })).toMatchObject({ status: 403 });
  const body = { on: "site", reason: "x" };
  expect(await call("POST", "/v1/sites/who/policy/hold", { token, body })).toMatchObject({ status: 200 });
});
