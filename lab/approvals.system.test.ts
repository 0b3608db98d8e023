import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import type { ApproverChanges, PlanView } from "../shared/model/views.ts";
import { jsonOf, turnup } from "./control-plane.ts";
import { LocalRun } from "./local-run.ts";
import { writeSmallSite } from "./small-site.ts";

const servers = Array.from({ length: 6 }, (_, n) => `compute-0${n + 1}`);

describe("a server in service is installed anew", { timeout: 300_000 }, () => {
  const run = new LocalRun();
  afterEach(() => run.end());

  it("[G4][T5] once people have approved the plan, by the keys and tokens that `npm start` has made", async () => {
    const site = `${run.dir}/site.yaml`;
    writeSmallSite(site, servers);
    const { machines } = await run.stay("--fresh", "--site", site, "--cron", "0 0 29 2 *");
    expect(machines.map(({ state }) => state)).toEqual(servers.map(() => "active"));
    const operator = (...args: string[]) => turnup(run.dir, args);
    const plan = async (...targets: string[]) =>
      jsonOf<PlanView>(
        await operator("plan", "server.reinstall", ...targets, "--params", '{"mode":"keep-data"}', "--json"),
      );
    const apply = ({ plan: { id }, hash }: PlanView, ...more: string[]) =>
      operator("apply", id, "--hash", hash, ...more);
    const approve = (person: string, { plan: { id } }: PlanView, input: string, ...more: string[]) => {
      const token = readFileSync(run.path("approvers", `${person}.token`), "utf8").trim();
      const key = run.path("approvers", `${person}.key`);
      return turnup(run.dir, ["approve", id, "--key", key, ...more], { token, input });
    };

    const one = await plan("compute-01");
    expect(one.approvalsNeeded).toMatchObject([{ code: "approval_missing", people: 1 }]);
    expect(await apply(one)).toMatchObject({ code: 2, err: expect.stringContaining("approval_missing") });
    const own = await operator("approve", one.plan.id, "--key", run.path("approvers/anna.key"));
    expect(own).toMatchObject({ code: 2, err: expect.stringContaining("approver_is_requester") });
    expect(await approve("anna", one, "6\n")).toMatchObject({
      code: 2,
      err: expect.stringContaining("not the number"),
    });
    expect(await approve("anna", one, "1\n")).toMatchObject({ code: 0, out: expect.stringContaining("It ends data") });
    const again = await approve("anna", one, "1\n");
    expect(again).toMatchObject({ code: 2, err: expect.stringContaining("approver_repeated") });
    expect(await approve("anna", one, "", "--revoke")).toMatchObject({ code: 0 });
    expect(await apply(one)).toMatchObject({ code: 2, err: expect.stringContaining("approval_missing") });
    expect(await approve("ben", one, "1\n")).toMatchObject({ code: 0 });

    const all = await plan(...servers);
    expect(all.approvalsNeeded.map(({ code }) => code)).toEqual(["approval_missing", "cap_needs_approval"]);
    expect(await approve("anna", all, "", "--yes")).toMatchObject({ code: 0 });
    expect(await apply(all)).toMatchObject({ code: 2, err: expect.stringContaining("cap_needs_approval") });

    const done = await apply(one, "--watch");
    expect(done, done.err).toMatchObject({ code: 0 });
    const written = run.witness().filter(({ event }) => event === "disk.write.verified");
    expect(written.filter(({ machine }) => machine === "compute-01")).toHaveLength(2);
    expect(written).toHaveLength(servers.length + 1);
    // The witness knows of no approvals; to it a second write is one too many.
    const rewritten = "compute-01 was written again after a verified write";
    expect(run.violations({ machines }).filter((said) => said !== rewritten)).toEqual([]);
    expect(await approve("anna", one, "", "--revoke")).toMatchObject({
      code: 2,
      err: expect.stringContaining("plan_used"),
    });

    // The agent's own list, from afar: two people on it sign, and the agent has another one.
    const lists = async () => jsonOf<ApproverChanges>(await operator("approver", "changes", "ams01", "--json"));
    const [before] = (await lists()).agents;
    const made = await operator("approver", "keygen", "--person", "cem", "--out", `${run.dir}/cem.key`);
    const file = `${run.dir}/change.json`;
    expect(
      await operator("approver", "change", "ams01", "--add", `cem=${made.out.trim()}`, "--out", file),
    ).toMatchObject({
      code: 0,
    });
    for (const person of ["anna", "ben"])
      await operator("approver", "sign", file, "--key", run.path("approvers", `${person}.key`));
    expect(await operator("approver", "send", file)).toMatchObject({ code: 0 });
    let [now] = (await lists()).agents;
    for (let n = 0; n < 100 && now?.list === before?.list; n++) {
      await sleep(100);
      [now] = (await lists()).agents;
    }
    expect(now).toMatchObject({ list: expect.not.stringMatching(before?.list ?? ""), refused: null });
  });
});
