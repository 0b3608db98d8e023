/** What agents say: the ends of what they hold, reports once more, and reports of no attempt of theirs. */
import fc from "fast-check";
import type { Report } from "../../../shared/protocol/agent.ts";
import type { World } from "../../../workers/site/core/test-world.ts";
import { act, MAX_AGENTS, pick, seldom } from "./act.ts";
import { exchange } from "./exchange.ts";
import { specOf } from "./rules.ts";
import type { Model, ModelAgent } from "./state.ts";

/** How an agent ends what it holds; `keep`: it does not; `later`: it does and does not say so yet. */
const ENDS = ["ok", "keep", "later", "again", "never", "ask", "unknown"] as const;
export type End = (typeof ENDS)[number];
const ends = fc.constantFrom<End>("ok", "ok", "keep", ...ENDS);

function reportOf(w: World, { lease }: { lease: Parameters<World["report"]>[0] }, end: End): Report {
  if (end === "ok" || end === "later") return w.report(lease);
  if (end === "unknown") return w.report(lease, { outcome: "unknown", result: undefined });
  const codes = { again: specOf(lease.action).retryOn[0] ?? "", never: "identity_mismatch", ask: "disk_not_blank" };
  const failure = { code: codes[end as keyof typeof codes], detail: "" };
  return w.report(lease, { outcome: "failed", result: undefined, failure });
}

export function syncOf(m: Model, w: World, agent: ModelAgent, ends: readonly End[], free = 3, lost = false): void {
  const later = new Set<string>();
  [...agent.hands.values()].forEach((hand, n) => {
    const end = ends[n % ends.length] ?? "keep";
    if (end === "later") later.add(hand.lease.id);
    if (hand.report !== undefined || end === "keep") return;
    hand.report = reportOf(w, hand, end);
    // A3: an agent makes one call to a machine at a time, so any before that one are over too.
    if (hand.report.outcome !== "unknown") agent.late = agent.late.filter((c) => c.device !== hand.lease.target.device);
  });
  const reports = [...agent.hands.values()].flatMap((h) => (h.report && !later.has(h.lease.id) ? [h.report] : []));
  agent.sent.push(...reports);
  exchange(m, w, agent, { reports, free, lost });
}

/** Mostly it is the first one who comes, as a target stays with its agent. */
const comers = fc.constantFrom(0, 0, 0, 0, 1, 1, 2, 3);
export const syncs = fc
  .record({
    who: comers,
    ends: fc.array(ends, { minLength: 1, maxLength: 3 }),
    free: fc.constantFrom(3, 3, 3, 3, 1, 0),
    lost: seldom,
  })
  .map(({ who, ends, free, lost }) =>
    act(`sync(${"abcd"[who]}, ${ends.join("+")}, free ${free}${lost ? ", reply lost" : ""})`, (m, w) => {
      const agent = pick(m.agents, who);
      if (agent) syncOf(m, w, agent, ends, free, lost);
    }),
  );

/** L6: what was said once is said twice more. */
export const replays = fc.record({ who: fc.nat(MAX_AGENTS - 1), which: fc.nat(20) }).map(({ who, which }) =>
  act(`replay(${"abcd"[who]}, ${which})`, (m, w) => {
    const agent = pick(m.agents, who);
    const report = agent && pick(agent.sent, which);
    if (report) exchange(m, w, agent, { reports: [report, report], free: 0, lost: true });
  }),
);

const FORGED = [
  "stale epoch",
  "future epoch",
  "unknown step",
  "unknown job",
  "made-up lease",
  "of another agent",
] as const;
/** L4: a report that is of no attempt of this agent. */
export const forgeries = fc
  .record({ what: fc.constantFrom(...FORGED), who: fc.nat(3), which: fc.nat(20) })
  .map(({ what, who, which }) =>
    act(`forge(${what}, ${"abcd"[who]}, ${which})`, (m, w) => {
      const agent = pick(m.agents, who);
      const tried = m.steps().filter((s) => s.newest && (s.newest.agent === agent) !== (what === "of another agent"));
      const step = pick(tried, which);
      if (!agent || !step?.newest) return;
      const { id, epoch } = step.newest;
      const report: Report = {
        lease: id,
        epoch,
        job: step.target.job.id,
        step: step.n,
        outcome: "failed",
        startedAt: 1,
        finishedAt: 1,
      };
      if (what === "stale epoch") report.epoch -= 1;
      if (what === "future epoch") report.epoch += 1000;
      if (what === "unknown step") report.step = 4000;
      if (what === "unknown job") report.job = "no job at all";
      if (what === "made-up lease") report.lease = "lse_made_up";
      exchange(m, w, agent, { reports: [report], free: 0, lost: true });
    }),
  );
