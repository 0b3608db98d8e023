import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { ControlPlane, jsonOf, type Said, turnup } from "./control-plane.ts";
import { Cable, LocalRun } from "./local-run.ts";
import { writeSmallSite } from "./small-site.ts";

const SERVERS = ["compute-01", "compute-02", "compute-03", "compute-04", "compute-05", "compute-06"];

interface Shown {
  site: { generation: number; hold: { waitingOn: string } | null };
  devices: { name: string; state: "active" | "failed" | "waiting" }[];
}

/** The commands of the drill, in their order, with simulated machines and an old object that lives on. */
describe("the disaster drill", { timeout: 360_000 }, () => {
  const run = new LocalRun();
  let cable: Cable | undefined;
  let plane: ControlPlane | undefined;
  afterEach(async () => {
    await cable?.remove();
    await Promise.all([run.end(), plane?.end()]);
  });

  /** Asks until an answer is as wished, for a minute or more. */
  async function until<T>(what: string, ask: () => Promise<T>, holds: (answer: T) => boolean, minutes = 1): Promise<T> {
    let answer = await ask();
    for (let n = 0; n < 120 * minutes && !holds(answer); n++) {
      await sleep(500);
      answer = await ask();
    }
    expect(holds(answer), `${what}: ${JSON.stringify(answer)}\n${run.said.slice(-2_000)}`).toBe(true);
    return answer;
  }
  const agentLog = () => readFileSync(run.path("logs/agent.log"), "utf8");

  it("[L2][J4] the object is lost amid work: an older export, a new control plane, and nothing is done twice", async () => {
    const file = join(run.dir, "site.yaml");
    // Two machines at a time, so that there is something of everything at any moment, however fast the computer is.
    writeSmallSite(file, SERVERS, { steps: 2 });
    const line = await Cable.lay(run);
    cable = line;
    run.stay("--fresh", "--site", file, "--via", line.url).catch(() => undefined);
    await run.until("power.on", 2);
    const old = join(run.dir, "export");
    expect(await turnup(run.dir, ["site", "export", "ams01"], { file: old })).toMatchObject({ code: 0 });
    const active = ({ devices }: Shown) => devices.filter(({ state }) => state === "active");
    const shown = async () => jsonOf<Shown>(await turnup(run.dir, ["site", "show", "ams01", "--json"]));
    await run.until("first-boot");
    await until("one is in service", shown, (s) => active(s).length > 0);
    line.unplug();
    const unplugged = Date.now();
    const verified = () => run.witness().filter(({ event }) => event === "disk.write.verified").length;
    expect(verified()).toBeLessThan(SERVERS.length);
    const next = await ControlPlane.start();
    plane = next;
    expect(await next.turnup("site", "restore", old)).toMatchObject({ code: 0 });
    const again = join(next.dir, "again");
    expect(await next.turnupTo(again, "site", "export", "ams01")).toMatchObject({ code: 0 });
    expect(readFileSync(again).equals(readFileSync(old))).toBe(true);
    const refused = (said: Said, code: string) => said.code === 2 && said.err.includes(`${code}: `);
    const release = (...more: string[]) => next.turnup("site", "release", "ams01", ...more);
    expect(refused(await release(), "agents_missing")).toBe(true);

    const before = run.witness().length;
    line.plug(next.endpoint);
    const told = await until("the agent has told", release, (said) => !refused(said, "agents_missing"));
    expect(refused(told, "ledger_behind"), told.err).toBe(true);
    const commands = ["power.on", "power.off", "disk.write.start", "ram-boot.start"];
    expect(
      run
        .witness()
        .slice(before)
        .filter((r) => commands.includes(r.event)),
    ).toEqual([]);
    const held = jsonOf<Shown>(await next.turnup("site", "show", "ams01", "--json"));
    expect(held.site.hold?.waitingOn).toContain("turnup site release ams01");
    const released = await release("--accept-loss", "the newest export that there is");
    expect(released, released.err).toMatchObject({ code: 0 });

    // The old object is not lost after all, and would go on with the same job.
    // Its leases have run out by then, so nothing but an agent could move it.
    await sleep(Math.max(0, unplugged + 70_000 - Date.now()));
    line.plug(run.path("control-plane.json"));
    const oldJobs = () => turnup(run.dir, ["jobs", "--json"]);
    const [job] = jsonOf<{ id: string; version: number }[]>(await oldJobs());
    await until(
      "the agent refuses the old one",
      async () => agentLog(),
      (log) => log.includes("site_fenced"),
    );
    expect(jsonOf<{ id: string; version: number }[]>(await oldJobs())[0]).toMatchObject(job ?? {});

    line.plug(next.endpoint);
    const show = async () => jsonOf<Shown>(await next.turnup("site", "show", "ams01", "--json"));
    const servers = ({ devices }: Shown) => devices.filter((d) => SERVERS.includes(d.name));
    // It waits for calls of before the restore to end, two and a half minutes at most.
    const end = await until("all are in service", show, (s) => servers(s).every((d) => d.state === "active"), 4);
    expect(servers(end)).toHaveLength(SERVERS.length);
    expect(end.site).toMatchObject({ generation: 2, hold: null });
    const machines = servers(end).map(({ name, state }) => ({ device: name, state }));
    expect(run.violations({ machines })).toEqual([]);
    expect(run.leaks()).toEqual([]);
    expect(jsonOf(await next.turnup("findings", "--json"))).toEqual([]);
  });
});
