/** J3: whatever is not final says in words what it waits for, and until when. */
import { expect, it } from "vitest";
import { isFinal, jobStates, stepStates, targetStates } from "../../../shared/model/job.ts";
import type { Lease } from "../../../shared/protocol/agent.ts";
import { siteOf, World } from "./test-world.ts";

const actor = "token:op";
const name = (n: number) => `srv${String(n).padStart(5, "0")}`;
const FAR = 10 * 365 * 86_400_000;

/** Jobs in every open state that there is, of jobs, targets and steps alike. */
function everyOpenState(): { w: World; jobs: string[] } {
  const w = new World(6);
  const start = (n: number, priority = 5) => w.start("server.install", [name(n)], { key: `k${n}`, priority });
  const queued = start(0, 0);
  const paused = start(1);
  const waiting = start(2);
  const lost = start(3);
  const leased = start(4);
  const running = start(5);
  const mine = new Map<string, Lease>();
  const job = (l: Lease) => l.job;
  w.do("job.pause", { job: paused, actor, reason: "the feed is tested" });
  w.do("job.pause", { job: queued, actor, reason: "" });
  w.work((l) => {
    mine.set(job(l), l);
    if (l.job === waiting)
      return l.name === "power-on"
        ? { outcome: "failed", failure: { code: "machine_powered_on", detail: "as the test says" } }
        : {};
    return undefined;
  });
  const at = (of: string) => {
    const lease = mine.get(of);
    if (!lease) throw new Error("no lease");
    return lease;
  };
  const holding = [leased, running].map((of) => at(of).id);
  const { id, epoch, step } = at(running);
  w.sync({
    holding,
    reports: [w.report(at(lost), { outcome: "unknown" })],
    progress: [{ lease: id, epoch, job: running, step, percent: 10 }],
    free: 0,
  });
  w.do("job.resume", { job: queued, actor });
  return { w, jobs: [queued, paused, waiting, lost, leased, running] };
}

it("[J3] every open state of jobs, targets and steps says in words what it waits for, and until when; final ones say nothing", () => {
  const { w, jobs } = everyOpenState();
  const seen = { job: new Set<string>(), target: new Set<string>(), step: new Set<string>() };
  const look = (kind: keyof typeof seen, it: { state: string; waitingOn: string | null; dueAt: number | null }) => {
    seen[kind].add(it.state);
    const final = (isFinal[kind] as (state: string) => boolean)(it.state);
    expect([kind, it.state, it.dueAt === null, it.waitingOn === null]).toEqual([kind, it.state, final, final]);
    if (final) return;
    expect(it.dueAt).toBeLessThan(w.now + FAR);
    // A phrase that reads on after "waits for".
    expect(it.waitingOn).toMatch(/^[a-zA-Z][^.]{7,}/);
    expect(it.waitingOn).not.toMatch(/undefined|null|NaN| {2}|:$/);
  };
  for (const job of jobs) {
    const view = w.ask("job", { job });
    look("job", view);
    for (const target of view.targets) look("target", target);
    for (const step of w.ask("steps", { job })) look("step", step);
  }
  const open = <S extends string>(states: readonly S[], final: (s: S) => boolean) => states.filter((s) => !final(s));
  expect([...seen.job].sort()).toEqual(open(jobStates, isFinal.job).sort());
  for (const state of open(targetStates, isFinal.target)) expect([...seen.target]).toContain(state);
  for (const state of open(stepStates, isFinal.step)) expect([...seen.step]).toContain(state);
});

it("[J3] a step that could start says for which of all guards it waits", () => {
  const w = new World(3, { permit: false });
  const job = w.start("server.install", [name(0)]);
  const words = () =>
    w.ask("steps", { job, agents: [{ agent: w.agent, lastSeenAt: w.now, doorbell: true }] })[0]?.waitingOn;
  const permit = (more: object) =>
    w.do("permit.set", { permit: { granted: true, frozen: false, expiresAt: w.now + FAR, reason: "", ...more } });
  const said: Record<string, string | null | undefined> = { silence: words() };
  permit({ granted: false, reason: "5 of 5 sites are at work" });
  said.budget = words();
  w.do("fleet.poke", { frozen: true });
  said.frozen = words();
  permit({});
  said.agent = words();
  said.silent = w.ask("steps", {
    job,
    agents: [{ agent: w.agent, lastSeenAt: w.now - 600_000, doorbell: false }],
  })[0]?.waitingOn;
  w.do("job.pause", { job, actor, reason: "the feed is tested" });
  said.paused = words();
  w.do("job.resume", { job, actor });
  w.do("site.import", { site: { ...siteOf(3), atOnce: { steps: 1 } }, actor });
  w.start("server.install", [name(1)], { key: "k2", priority: 9 });
  const [first] = w.sync({ free: 1 }).leases;
  said.full = words();
  w.do("job.cancel", { job: first?.job ?? "", actor, reason: "" });
  w.work((l) => (l.job === job ? { outcome: "failed", failure: { code: "bmc_unavailable", detail: "503" } } : {}));
  said.backoff = words();
  w.do("agent.revoke", { agent: w.agent, actor });
  w.now += 60_000;
  said.gone = words();
  expect(said).toEqual({
    silence: "the fleet budget to answer",
    budget: "the fleet budget: 5 of 5 sites are at work",
    frozen: "an admin to turn off the fleet's kill switch",
    agent: "an agent of the site to take the step identify",
    silent:
      "an agent (no agent of site ams01 has been heard from lately: `turnup agent list --site ams01`) to take the step identify",
    paused: `token:op to resume the job (\`turnup resume ${job}\`): the feed is tested`,
    full: "a free place: 1 step is at work at the site",
    backoff: expect.stringMatching(/^the next try in [12] s, after bmc_unavailable$/),
    gone: "an agent (site ams01 has no agent: `turnup agent enrol-token ams01`) to take the step identify",
  });
});
