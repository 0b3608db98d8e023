/** How often each action is tried, after which waits, and how long one try may take: by its table, and by the hardware's. */
import { expect, it } from "vitest";
import type { ActionSpec } from "../../../shared/actions/action.ts";
import { actions } from "../../../shared/actions/index.ts";
import type { Lease } from "../../../shared/protocol/agent.ts";
import { seeded } from "../../../shared/seeded.ts";
import { DEADLINE_GRACE_MS } from "./leases.ts";
import { backoff, LONGEST_BACKOFF_MS } from "./steps.ts";
import { siteOf, World } from "./test-world.ts";

const specs: [string, ActionSpec][] = Object.entries(actions);
const jobs = (w: World) => w.ask("jobs", { limit: 10 }).items;
const job = (w: World) => jobs(w).find((j) => j.workflow === "server.reinstall")?.id ?? jobs(w)[0]?.id ?? "";

/** Starts the job that has this action: an install, or the reinstall of what was installed. */
function begin(w: World, action: string, targets: string[]): void {
  w.install(targets);
  if (action !== "ramdisk.overwrite") return;
  w.work();
  w.reinstall(targets, "wipe");
}

it.each(specs)(
  "[J10] %s is tried as often as its table says, each time later, and no two machines in step",
  (name, spec) => {
    const w = new World(2);
    begin(w, name, ["srv00000", "srv00001"]);
    const code = spec.retryOn[0] ?? "";
    const leases: Lease[] = [];
    for (let round = 0; round < 2 * spec.retry.tries; round++) {
      w.work((l) => {
        if (l.action !== name) return {};
        leases.push(l);
        return { outcome: "failed", failure: { code, detail: "as the test says" } };
      });
      w.now += LONGEST_BACKOFF_MS;
    }
    expect(leases).toHaveLength(2 * spec.retry.tries);
    expect(w.ask("job", { job: job(w) }).targets.map((t) => t.failure?.code)).toEqual([code, code]);
    const retries = w.ask("events", { job: job(w), after: 0, limit: 1000 }).filter((e) => e.kind === "step.retry");
    const waits = (device: string | null) =>
      retries.filter((e) => e.device === device).map((e) => Number(e.data.notBefore) - e.at);
    const { baseSeconds, maxSeconds } = spec.retry;
    const [first, second] = w.ask("job", { job: job(w) }).targets.map((t) => waits(t.device));
    for (const seen of [first, second])
      for (const [n, wait] of (seen ?? []).entries()) {
        const least = Math.min(baseSeconds * 2 ** n, maxSeconds) * 1000;
        expect([n, wait >= least, wait <= 1.2 * least + 1]).toEqual([n, true, true]);
      }
    expect(first).toHaveLength(spec.retry.tries - 1);
    expect(first).not.toEqual(second);
  },
);

it("[J10] a failure that another try does not mend ends the step at once, whatever its action", () => {
  for (const [name] of specs) {
    const w = new World(1);
    begin(w, name, ["srv00000"]);
    let tries = 0;
    w.work((l) => {
      if (l.action !== name) return {};
      tries += 1;
      return { outcome: "failed", failure: { code: "identity_mismatch", detail: "as the test says" } };
    });
    expect([name, tries, w.ask("job", { job: job(w) }).state]).toEqual([name, 1, "failed"]);
  }
});

it("waits no longer before another try than the longest backoff", () => {
  const random = seeded(3);
  const waits = specs.flatMap(([, spec]) => Array.from({ length: 40 }, (_, n) => backoff(spec, n + 1, random)));
  expect(Math.max(...waits)).toBeLessThanOrEqual(LONGEST_BACKOFF_MS);
});

it.each(specs.flatMap(([name, spec]) => [[name, spec.deadlineSeconds, undefined] as const, [name, 77, 77] as const]))(
  "[J3] an attempt of %s that its agent renews for ever ends after its %s s",
  (name, seconds, own) => {
    const w = new World(1);
    const site = siteOf(1);
    const install = site.devices[0]?.install;
    if (!install) throw new Error("no install");
    if (own !== undefined) install.deadlines = { [name]: own };
    w.do("site.import", { site, actor: "token:t" });
    begin(w, name, ["srv00000"]);
    const held = w.workUpTo(name);
    const over = w.now + seconds * 1000 + DEADLINE_GRACE_MS;
    while (w.now + 30_000 < over) {
      w.now += 30_000;
      expect(w.sync({ holding: [held.id] }).revoked).toEqual([]);
      w.do("tick", {});
    }
    const { job: id, step } = held;
    const state = () => w.ask("steps", { job: id })[step];
    w.now = over - 1;
    w.do("tick", {});
    expect(state()).toMatchObject({ state: "leased", dueAt: over });
    w.now = over;
    w.do("tick", {});
    expect(state()).toMatchObject({ state: "failed", failure: { code: "deadline_exceeded" } });
  },
);
