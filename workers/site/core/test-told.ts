/** What agents tell a restored site of a test, and its release. */
import type { Lease, SyncRequest, ToldAttempt } from "../../../shared/protocol/agent.ts";
import type { World } from "./test-world.ts";

export type Head = NonNullable<SyncRequest["head"]>;

export const told = (lease: Lease, outcome: ToldAttempt["outcome"] = "succeeded"): ToldAttempt => ({
  lease: lease.id,
  epoch: lease.epoch,
  job: lease.job,
  step: lease.step,
  device: lease.target.device,
  outcome,
});

/** The agent comes until the restored site has all of its journal, of which `epoch` is the highest. */
export function tell(
  w: World,
  attempts: readonly ToldAttempt[],
  { head, agent = w.agent, epoch }: { head?: Head; agent?: string; epoch?: number } = {},
): void {
  const known = { ...(head && { head }) };
  let reply = w.sync(known, agent);
  if (!reply.hold || reply.leases.length + reply.renewed.length + reply.revoked.length > 0)
    throw new Error("a site on hold gives nothing and takes nothing");
  for (let n = 0; reply.journal && n < 100; n++) {
    const { from, after } = reply.journal;
    const place = (a: { epoch: number; lease: string }) => `${String(a.epoch).padStart(9, "0")} ${a.lease}`;
    const rest = attempts
      .filter((a) => a.epoch >= from && (!after || place(a) > place(after)))
      .sort((a, b) => (place(a) < place(b) ? -1 : 1));
    const journal = {
      ...reply.journal,
      epoch: epoch ?? Math.max(0, ...attempts.map((a) => a.epoch)),
      attempts: rest.slice(0, 2),
      complete: rest.length <= 2,
    };
    reply = w.sync({ generation: 2, ...known, journal }, agent);
  }
  if (reply.journal) throw new Error("the site goes on asking");
}

export const release = (w: World, more: { acceptLoss?: string; without?: string[] } = {}) =>
  w.do("site.release", { actor: "token:admin", without: [], ...more });

/** Releases the site and turns the clock to when no call of before the restore can be under way. */
export function releaseAndSettle(w: World, more: Parameters<typeof release>[1] = {}) {
  const released = release(w, more);
  const verdict = w.ask("site", {});
  if (verdict.hold !== null) throw new Error("not released");
  w.now += 150_000;
  w.do("tick", {});
  w.permit();
  return released;
}
