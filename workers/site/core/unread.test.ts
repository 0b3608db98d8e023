import { describe, expect, it } from "vitest";
import type { Lease, Observation } from "../../../shared/protocol/agent.ts";
import { exported, restored } from "./test-export.ts";
import { releaseAndSettle, tell, told } from "./test-told.ts";
import { server, siteOf, World } from "./test-world.ts";

/** A restored and settled site of two machines; of what was done on the first one its export knows nothing. */
function unread() {
  const old = new World(2);
  const lines = exported(old);
  old.install(["srv00000"]);
  const leases: Lease[] = [];
  old.work((lease) => {
    leases.push(lease);
    return lease.action === "bmc.power" ? undefined : {};
  });
  const w = restored(lines, old);
  tell(
    w,
    leases.map((lease) => told(lease)),
  );
  expect(releaseAndSettle(w).unread).toEqual(["srv00000"]);
  return w;
}

/** The agent answers the audit under way; `seen` may change what it read. */
function audit(w: World, seen: (serial: string) => Partial<Observation> = () => ({})): void {
  const { window = "", targets = [] } = w.sync({ free: 0 }).audit ?? {};
  expect(targets.length).toBeGreaterThan(0);
  const observations = targets.map((t) => ({ device: t.device, serial: t.serial, power: "Off", ...seen(t.serial) }));
  w.sync({ free: 0, audit: { window, observations } });
}
const leased = (w: World) => w.sync({ free: 5 }).leases.map((lease) => lease.target.serial);
const findings = (w: World) => w.ask("findings", { limit: 20, state: "open" }).items;

describe("[J4] a machine on which unknown work was done starts nothing before an audit has read it", () => {
  it("under the name that an import gives it", () => {
    const w = unread();
    const site = siteOf(2);
    site.devices[0] = { ...server(0), name: "web1" };
    w.do("site.import", { site, actor: "t" });
    w.install(["web1"]);
    expect(leased(w)).toEqual([]);
    expect(findings(w)).toMatchObject([{ check: "unknown-work", objectName: "web1" }]);
    audit(w);
    expect(findings(w)).toEqual([]);
    expect(leased(w)).toEqual(["SN0"]);
  });

  it("in the place of the one that it was exchanged with, where that one is free to start", () => {
    const w = unread();
    const site = siteOf(2);
    const [x, y] = [server(0), server(1)];
    site.devices = [
      { ...y, name: x.name },
      { ...x, name: y.name },
    ];
    w.do("site.import", { site, actor: "t" });
    w.install([x.name, y.name]);
    expect(leased(w)).toEqual(["SN1"]);
    audit(w);
    expect(leased(w)).toContain("SN0");
  });

  it("when it comes back after it was in store", () => {
    const w = unread();
    w.do("site.import", { site: { ...siteOf(2), devices: [server(1)] }, actor: "t" });
    expect(findings(w)).toMatchObject([{ check: "unknown-work", objectName: "SN0" }]);
    w.do("site.import", { site: siteOf(2), actor: "t" });
    w.install(["srv00000"]);
    expect(leased(w)).toEqual([]);
    audit(w);
    expect(leased(w)).toEqual(["SN0"]);
  });

  it.each([
    ["nothing was read", { serial: undefined, power: undefined }],
    ["no serial was read", { serial: undefined }],
    ["another machine was read", { serial: "other" }],
    ["it could not be read", { failure: { code: "bmc_unreachable" as const, detail: "" } }],
  ])("and it was not read where %s", (_, seen) => {
    const w = unread();
    audit(w, (serial) => (serial === "SN0" ? seen : {}));
    w.install(["srv00000"]);
    expect(leased(w)).toEqual([]);
    expect(w.ask("job", { job: w.ask("jobs", { limit: 1 }).items[0]?.id ?? "" }).targets[0]?.waitingOn).toContain(
      "an audit to read the machine",
    );
  });

  it("nor does any other one where the work was on devices that are not here; they are one finding, however many", () => {
    const old = new World(2);
    const w = restored(exported(old), old);
    const made = Array.from({ length: 50 }, (_, n) => ({
      ...{ lease: `lse_${n}`, epoch: 5 + n, job: "job_x", step: 0, device: `dev_${n}`, outcome: "in flight" as const },
    }));
    tell(w, made);
    expect(releaseAndSettle(w).unread).toEqual(["srv00000", "srv00001"]);
    expect(findings(w)).toMatchObject([{ check: "unknown-work", objectName: "ams01" }]);
    expect(findings(w)[0]?.text).toContain("50 devices that are not here");
    w.install(["srv00000", "srv00001"]);
    expect(leased(w)).toEqual([]);
    audit(w, (serial) => (serial === "SN0" ? {} : { serial: undefined }));
    expect(leased(w)).toEqual(["SN0"]);
    expect(findings(w)).toHaveLength(1);
    w.now += 200_000;
    w.do("tick", {});
    w.do("audit.start", { window: "next", actor: "cron" });
    audit(w);
    expect(findings(w)).toEqual([]);
  });
});
