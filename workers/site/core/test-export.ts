/** Exports and restores of test worlds, done as the Worker does them. */
import type { ExportHeader } from "../../../shared/model/site-export.ts";
import type { Workflow } from "../../workflows/workflow.ts";
import type { Queries } from "./commands.ts";
import { sha256, World } from "./test-world.ts";

/** The lines of a world's export, without the last one that proves them. */
export function exported(w: World, maxChars = 1_000_000): string[] {
  const lines: string[] = [];
  let after: Queries["export.page"]["in"]["after"];
  do {
    const page = w.ask("export.page", { token: "test", after, maxChars });
    lines.push(...page.lines);
    after = page.next ?? undefined;
  } while (after);
  return lines;
}

export const hashOf = (lines: readonly string[]): string => sha256(lines.map((line) => `${line}\n`).join(""));

/** An empty object with the restore begun. */
export function begun(lines: readonly string[], generation = 2): World {
  const w = new World(0, { empty: true });
  const header = JSON.parse(lines[0] ?? "") as ExportHeader;
  w.do("restore.begin", { restore: "r1", header, generation, sha256: hashOf(lines), lines: lines.length });
  return w;
}

/** A world restored from an export, on hold, at the time of `at`. */
export function restored(lines: readonly string[], at: World, generation = 2): World {
  const w = begun(lines, generation);
  w.now = at.now;
  w.agent = at.agent;
  for (let from = 1; from < lines.length; from += 50)
    w.do("restore.load", { restore: "r1", from, lines: lines.slice(from, from + 50) });
  w.do("restore.finish", { restore: "r1" });
  return w;
}

/** A site with a bit of everything: ended, open and waiting work, findings, an audit, plans, two agents. */
export function busy(workflows: readonly Workflow[] = []): World {
  const w = new World(6, { workflows });
  w.enroll("b", "y".repeat(43));
  w.install(["srv00000"], "done");
  w.work();
  w.install(["srv00001", "srv00002"], "asks");
  w.work((lease) =>
    lease.action === "ramdisk.proveBlank" && lease.target.name === "srv00001"
      ? { outcome: "failed", failure: { code: "disk_not_blank", detail: "it is not" } }
      : {},
  );
  w.do("audit.start", { window: "audit:1", actor: "cron" });
  const asked = w.sync({ free: 0 }).audit;
  const observations = (asked?.targets ?? []).map((t) => ({ device: t.device, serial: "other", power: "On" }));
  w.sync({ free: 0, audit: { window: asked?.window ?? "", observations } });
  w.do("plan.create", { workflow: "server.install", targets: ["srv00003"], params: {}, actor: "token:t" });
  const text = JSON.stringify({ schema: "turnup/policy/v1", site: "ams01", roles: { compute: { count: 1 } } });
  w.do("policy.apply", { base: 0, text, reason: "at first", actor: "token:t" });
  w.install(["srv00004"], "open");
  const [lease] = w.sync().leases;
  if (lease) w.sync({ holding: [lease.id] });
  return w;
}
