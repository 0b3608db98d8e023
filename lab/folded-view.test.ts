/** A watcher carries a job forward by its events: what it then shows must be what the site itself says. */
import { describe, expect, it } from "vitest";
import { foldJob, type StepOrder, stepOrder } from "../cli/output/fold-job.ts";
import { isFinal, type JobEvent, type JobView } from "../shared/model/job.ts";
import type { Lease, Report } from "../shared/protocol/agent.ts";
import { seeded } from "../shared/seeded.ts";
import type { CommandKind, Commands } from "../workers/site/core/commands.ts";
import { World } from "../workers/site/core/test-world.ts";

const ROUNDS = 120;

/** A job of two servers, and a watcher that is told each event once. */
class Watched {
  readonly w = new World(2);
  readonly job = this.w.install(["srv00000", "srv00001"]);
  readonly #order: StepOrder = stepOrder(this.w.ask("plan", { plan: this.fresh().plan }).plan);
  view = this.fresh();
  /** Kinds of events that were folded, and those that made the watcher ask. */
  readonly folded = new Set<JobEvent["kind"]>();
  asked = 0;

  fresh(): JobView {
    return this.w.ask("job", { job: this.job });
  }

  /** Runs a command, taken or refused, and compares. */
  try<K extends CommandKind>(kind: K, input: Commands[K]["in"]): Commands[K]["out"] | undefined {
    const { reply, effects } = this.w.core.apply({ now: this.w.now, random: this.w.random }, kind, input);
    for (const event of effects.flatMap((effect) => (effect.kind === "events" ? effect.events : []))) {
      const next = foldJob(this.view, event, this.#order);
      if (next) this.folded.add(event.kind);
      else this.asked += 1;
      this.view = next ?? this.fresh();
    }
    const fresh = this.fresh();
    expect(toldByEvents(this.view, fresh)).toEqual(toldByEvents(fresh, this.view));
    return reply.ok ? reply.value : undefined;
  }
}

/**
 * All of it, but of open targets when their step is due, and the count of seconds until the next try: these are not in
 * any event, and what they say changes with the clock alone.
 */
function toldByEvents(view: JobView, other: JobView): JobView {
  const targets = view.targets.map((target, i) => {
    const open = target.state === "queued" || target.state === "running";
    const words = [target.waitingOn, other.targets[i]?.waitingOn];
    const waitingOn = words.some((said) => said?.startsWith("the next try")) ? "the next try" : target.waitingOn;
    return { ...target, waitingOn, dueAt: open ? null : target.dueAt };
  });
  return { ...view, targets };
}

const failures = ["bmc_unreachable", "lease_expired", "disk_not_blank", "identity_mismatch", "write_failed"];

describe("a job's view, carried forward by its events", () => {
  const folded = new Set<JobEvent["kind"]>();
  let asked = 0;

  it.each(Array.from({ length: 12 }, (_, seed) => seed + 1))("is the view that the site gives: seed %i", (seed) => {
    const { uint32 } = seeded(seed);
    const chance = (share: number) => uint32() / 2 ** 32 < share;
    const pick = <T>(list: readonly T[]): T => list[uint32() % list.length] as T;
    const watched = new Watched();
    const { w, job } = watched;
    let held: Lease[] = [];

    const answer = (lease: Lease): Report => {
      if (!chance(0.1)) return w.report(lease);
      if (chance(0.2)) return w.report(lease, { outcome: "unknown", result: undefined });
      return w.report(lease, {
        outcome: "failed",
        result: undefined,
        failure: { code: pick(failures), detail: "seen by the test" },
      });
    };
    const person = () => {
      const actor = "token:ann";
      const device = pick(["srv00000", "srv00001"]);
      if (chance(0.3)) watched.try("job.retry", { job, actor, ...(chance(0.5) && { device }) });
      else if (chance(0.5)) watched.try("job.pause", { job, actor, reason: chance(0.5) ? "a test of the power" : "" });
      else
        watched.try("job.skip", { job, device, step: pick(["inventory", "inventory-inside"]), reason: "known", actor });
      if (chance(0.7)) watched.try("job.resume", { job, actor });
    };

    for (let round = 0; round < ROUNDS; round++) {
      const done = held.filter(() => chance(0.6));
      const going = held.filter((lease) => !done.includes(lease));
      const progress = going.map(({ id, ...rest }) => ({ ...rest, lease: id, percent: uint32() % 100 }));
      const reply = watched.try("agent.sync", {
        agent: w.agent,
        request: {
          v: 1,
          instance: "i",
          version: "1",
          free: 2,
          holding: held.map(({ id }) => id),
          reports: done.map(answer),
          progress,
        },
      });
      held = [...going.filter(({ id }) => !reply?.revoked.includes(id)), ...(reply?.leases ?? [])];
      if (chance(0.2)) person();
      w.now += chance(0.05) ? 120_000 : 2_000;
      watched.try("tick", {});
    }
    if (!isFinal.job(watched.fresh().state)) watched.try("job.cancel", { job, actor: "token:ann", reason: "enough" });
    for (const kind of watched.folded) folded.add(kind);
    asked += watched.asked;
  });

  it("and every kind of event was among them", () => {
    const kinds: JobEvent["kind"][] = ["job.state", "target.state", "step.leased", "step.running", "step.progress"];
    const ends: JobEvent["kind"][] = ["step.succeeded", "step.failed", "step.retry", "step.unknown"];
    expect([...folded]).toEqual(expect.arrayContaining([...kinds, ...ends]));
    expect(asked).toBeGreaterThan(20);
  });
});
