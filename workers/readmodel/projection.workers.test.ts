import { beforeAll, describe, expect, it } from "vitest";
import type { OutboxEntry } from "../site/core/commands.ts";
import { env, prepare } from "../test-fleet.ts";
import { forget, project } from "./projection.ts";
import { BadCursor, list } from "./queries.ts";

beforeAll(prepare);

const of = (id: string, generation = 1) => ({ id, generation });

const device = (id: string, version: number, state: string | null): OutboxEntry => ({
  kind: "device",
  id,
  version,
  row: state === null ? null : { id, name: `name-${id}`, state, version },
});
const rows = async (site: string) =>
  (await list<{ id: string; state: string }>(env.DB, "rm_device", { sites: [site], limit: 100 })).items;

describe("the projection", () => {
  it("[C3] takes the newest version whatever the order, and a repeat writes nothing", async () => {
    const site = "st_order00000";
    expect(await project(env.DB, of(site), [device("a", 2, "active")])).toBe(1);
    expect(await project(env.DB, of(site), [device("a", 1, "planned")])).toBe(0);
    expect(await project(env.DB, of(site), [device("a", 2, "active")])).toBe(0);
    expect(await rows(site)).toMatchObject([{ id: "a", state: "active" }]);
    expect(await project(env.DB, of(site), [device("a", 3, null)])).toBe(1);
    expect(await project(env.DB, of(site), [device("a", 2, "active")])).toBe(0);
    expect(await rows(site)).toEqual([]);
  });

  it("[C4] costs one row for each row, first and later; a job one more at its first, for the index by time", async () => {
    const site = "st_cost000000";
    const many = Array.from({ length: 150 }, (_, n) => device(`d${n}`, 1, "planned"));
    expect(await project(env.DB, of(site), many)).toBe(150);
    expect(
      await project(
        env.DB,
        of(site),
        many.map((e) => ({ ...e, version: 2 })),
      ),
    ).toBe(150);
    const job = (version: number): OutboxEntry => ({
      kind: "job",
      id: "j",
      version,
      row: { id: "j", state: "running", createdAt: 7 },
    });
    expect(await project(env.DB, of(site), [job(1)])).toBe(2);
    expect(await project(env.DB, of(site), [job(2)])).toBe(1);
  });

  it("[L2] takes nothing from the object of an older generation, nor lets it throw anything away", async () => {
    const site = "st_fenced00000";
    await env.DB.prepare(
      "INSERT INTO site (id, name, location_hint, jurisdiction, created_at, generation) VALUES (?, 'fenced', 'weur', 'none', 0, 2)",
    )
      .bind(site)
      .run();
    expect(await project(env.DB, of(site, 2), [device("a", 1, "planned")])).toBe(1);
    expect(await project(env.DB, of(site, 1), [device("a", 9, "active")])).toBe(0);
    expect(await forget(env.DB, of(site, 1))).toBe(0);
    expect(await rows(site)).toMatchObject([{ id: "a", state: "planned" }]);
    expect(await forget(env.DB, of(site, 2))).toBe(1);
    expect(await rows(site)).toEqual([]);
  });

  it("keeps the same id of two sites apart", async () => {
    await project(env.DB, of("st_one0000000"), [device("a", 1, "active")]);
    await project(env.DB, of("st_two0000000"), [device("a", 1, "planned")]);
    expect(await rows("st_one0000000")).toMatchObject([{ state: "active" }]);
  });

  it("pages without loss or repeat, in a stable order", async () => {
    const site = "st_pages00000";
    const jobs = Array.from(
      { length: 7 },
      (_, n): OutboxEntry => ({
        kind: "job",
        id: `j${n}`,
        version: 1,
        row: { id: `j${n}`, state: "running", createdAt: 100 - (n >> 1) },
      }),
    );
    await project(env.DB, of(site), jobs);
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await list<{ id: string }>(env.DB, "rm_job", { sites: [site], limit: 2, cursor });
      seen.push(...page.items.map((job) => job.id));
      cursor = page.next ?? undefined;
    } while (cursor !== undefined);
    expect(seen).toEqual(["j1", "j0", "j3", "j2", "j5", "j4", "j6"]);
  });

  it("[S4] refuses a cursor that it did not give", async () => {
    for (const cursor of ["x", btoa("[1]"), btoa('{"a":1}'), btoa("[null,null]")]) {
      await expect(list(env.DB, "rm_device", { sites: null, limit: 1, cursor })).rejects.toThrow(BadCursor);
    }
  });
});
