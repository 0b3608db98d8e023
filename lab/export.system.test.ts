import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ControlPlane, jsonOf, type Said } from "./control-plane.ts";

const root = join(import.meta.dirname, "..");
const done = (said: Said) => expect(said, said.err).toMatchObject({ code: 0 });

describe("a site's export, by the commands that people use", { timeout: 90_000 }, () => {
  let here: ControlPlane;
  let empty: ControlPlane;
  beforeAll(async () => {
    [here, empty] = await Promise.all([ControlPlane.start(), ControlPlane.start()]);
    done(await here.turnup("device-type", "import", join(root, "examples/device-types")));
    done(await here.turnup("site", "import", join(root, "examples/sites/ams01.yaml")));
    const planned = await here.turnup("plan", "server.install", "compute-01", "compute-02", "--json");
    const { plan, hash } = jsonOf<{ plan: { id: string }; hash: string }>(planned);
    done(await here.turnup("apply", plan.id, "--hash", hash));
    done(await here.turnup("plan", "server.install", "compute-03"));
    done(await here.turnup("agent", "enrol-token", "ams01"));
    done(await here.turnup("token", "create", "looker"));
  }, 90_000);
  afterAll(async () => {
    await Promise.all([here.end(), empty.end()]);
  });

  it("gives the same bytes when it was restored into an empty control plane", async () => {
    const [a, b] = [join(here.dir, "a"), join(empty.dir, "b")];
    done(await here.turnupTo(a, "site", "export", "ams01"));
    expect(readFileSync(a, "utf8").split("\n").length).toBeGreaterThan(100);
    const restored = await empty.turnup("site", "restore", a);
    expect(restored.out).toMatch(
      /^ams01: \d+ lines restored as generation 2, on hold\.\nIt waits for .*turnup site release ams01/,
    );
    done(await empty.turnupTo(b, "site", "export", "ams01"));
    expect(readFileSync(a).equals(readFileSync(b))).toBe(true);
    expect(await empty.turnup("site", "restore", a)).toMatchObject({
      code: 2,
      err: expect.stringContaining("site_exists"),
    });
  });

  it("[E3] rebuilds the read model to the same hash, and touches no fleet truth", async () => {
    const fleet = ["token", "device_type", "site", "approver"];
    for (const plane of [here, empty]) {
      const before = plane.fleet(...fleet);
      const rebuilt = jsonOf<{ hashBefore: string; hashAfter: string; rows: number }>(
        await plane.turnup("site", "rebuild-readmodel", "ams01", "--json"),
      );
      expect(rebuilt.hashAfter).toBe(rebuilt.hashBefore);
      expect(rebuilt.rows).toBeGreaterThan(50);
      expect(plane.fleet(...fleet)).toEqual(before);
    }
    expect(here.fleet(...fleet)).toMatchObject({
      token: [{ name: "looker" }],
      site: [{ name: "ams01", generation: 1 }],
    });
    expect(here.fleet("device_type").device_type?.length).toBeGreaterThan(5);
  });
});
