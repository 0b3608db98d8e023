import { expect, it } from "vitest";
import { siteOf, World } from "./test-world.ts";

const ask = (w: World, device: string, heard = true) => {
  const presence = heard ? [{ agent: w.agent, lastSeenAt: w.now - 1_000, doorbell: true }] : [];
  return w.ask("explain", { device, agents: presence });
};

it("suggests a command that can be run as it stands", () => {
  expect(ask(new World(1), "srv00000").wouldChange).toEqual([
    expect.stringContaining("`turnup plan server.install srv00000 --site ams01`"),
  ]);
});

it("suggests no install for what has no hardware class", () => {
  const w = new World(2);
  const site = siteOf(2);
  const [first, second] = site.devices;
  if (!first || !second) throw new Error("two devices");
  const { install: _, hardwareClass: __, ...rest } = first;
  w.do("site.import", { site: { ...site, devices: [{ ...rest, role: "switch" }, second] }, actor: "token:t" });
  expect(ask(w, "srv00000").wouldChange).toEqual([expect.stringContaining("no hardware class")]);
});

it("lists no move of an active device that no command offers", () => {
  const w = new World(1);
  w.install(["srv00000"]);
  w.work();
  expect(w.state("srv00000")).toBe("active");
  expect(ask(w, "srv00000").wouldChange).toEqual([
    expect.stringContaining(`turnup plan server.reinstall srv00000 --site ams01 --params '{"mode":"keep-data"}'`),
  ]);
});

it("tells who waits for a person only what that person can do today", () => {
  const w = new World(1);
  const job = w.install(["srv00000"]);
  w.work((lease) =>
    lease.action === "ramdisk.proveBlank"
      ? { outcome: "failed", failure: { code: "disk_not_blank", detail: "GPT" } }
      : {},
  );
  const { waitingOn, wouldChange } = ask(w, "srv00000");
  expect(waitingOn).toContain("blank it by hand and retry, or cancel");
  expect(wouldChange).toContain(`\`turnup retry ${job} srv00000\` tries again, \`turnup cancel ${job}\` gives it up.`);
  expect([waitingOn, ...wouldChange].join(" ")).not.toMatch(/plan a (reinstall|wipe)/);
});

it("says who has to resume a paused job, by which command, and until when the step may wait", () => {
  const w = new World(1);
  const job = w.install(["srv00000"]);
  w.do("job.pause", { job, actor: "token:ann", reason: "" });
  const { waitingOn, wouldChange, dueAt } = ask(w, "srv00000");
  expect(waitingOn).toContain("token:ann to resume the job");
  expect(wouldChange).toEqual([`\`turnup resume ${job}\` lets it go on, \`turnup cancel ${job}\` gives it up.`]);
  // Nothing can take the step now, so it is only the job's time that runs.
  expect(dueAt).toBe(w.ask("job", { job }).dueAt);
});

it("says of what failed how to try it again, from which step", () => {
  const w = new World(1);
  const job = w.install(["srv00000"]);
  w.work(() => ({ outcome: "failed", failure: { code: "identity_mismatch", detail: "S2" } }));
  expect(ask(w, "srv00000").wouldChange).toContain(`\`turnup retry ${job} srv00000\` goes on from identify.`);
});

it("says that a site has no agent, in the job too, and how to enrol one", () => {
  const w = new World(1);
  w.do("agent.revoke", { agent: w.agent, actor: "token:t" });
  const job = w.install(["srv00000"]);
  const text = "site ams01 has no agent: `turnup agent enrol-token ams01`";
  expect(w.ask("job", { job }).targets[0]?.waitingOn).toContain(text);
  expect(ask(w, "srv00000", false).waitingOn).toContain(text);
});

it("says that no agent has been heard from lately, also while a step is at work", () => {
  const w = new World(1);
  const job = w.install(["srv00000"]);
  const text = "no agent of site ams01 has been heard from lately";
  const nobody = { job, agents: [] };
  expect(w.ask("job", nobody).targets[0]?.waitingOn).toContain(text);
  expect(w.ask("steps", nobody)[0]?.waitingOn).toContain(text);
  expect(w.ask("job", { job }).targets[0]?.waitingOn).not.toContain(text);
  expect(ask(w, "srv00000", false).waitingOn).toContain(text);
  expect(ask(w, "srv00000").waitingOn).not.toContain(text);
  w.sync();
  const { waitingOn, wouldChange } = ask(w, "srv00000", false);
  expect(waitingOn).not.toContain(text);
  expect(wouldChange.join(" ").toLowerCase()).toContain(text);
  expect(ask(w, "srv00000").wouldChange.join(" ").toLowerCase()).not.toContain(text);
});

it("[G5][G6] names the guard that holds the next step by its code, and until when, where that is known", () => {
  const w = new World(1, { permit: false });
  w.install(["srv00000"]);
  expect(ask(w, "srv00000").heldBy).toMatchObject({ guard: "fleet budget", code: "budget_unreachable", until: null });
  const expiresAt = w.now + 5_000;
  w.do("permit.set", { permit: { granted: false, frozen: false, expiresAt, reason: "5 of 5 sites are at work" } });
  const held = ask(w, "srv00000");
  expect(held.heldBy).toMatchObject({ code: "budget_refused", until: expiresAt });
  expect(held.waitingOn).toBe(held.heldBy?.text);
  w.do("fleet.poke", { frozen: true });
  expect(ask(w, "srv00000").heldBy).toMatchObject({ guard: "kill switch", code: "frozen" });
  w.permit();
  expect(ask(w, "srv00000").heldBy).toBeUndefined();
});
