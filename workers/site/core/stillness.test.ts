import { describe, expect, it } from "vitest";
import type { Queries } from "./commands.ts";
import { exported } from "./test-export.ts";
import { World } from "./test-world.ts";

type Place = Queries["export.page"]["in"]["after"];

/** Somebody who reads an export in small pages. */
class Reader {
  readonly lines: string[] = [];
  readonly #w: World;
  readonly #token: string;
  #after: Place;
  done = false;

  constructor(w: World, token = "r") {
    this.#w = w;
    this.#token = token;
  }
  /** Reads the next page, or the code with which that is refused. */
  read(): string | undefined {
    const reply = this.#w.core.query(this.#w.now, "export.page", {
      token: this.#token,
      after: this.#after,
      maxChars: 1,
    });
    if (!reply.ok) return reply.problem.code;
    this.lines.push(...reply.value.lines);
    this.#after = reply.value.next ?? undefined;
    this.done = reply.value.next === null;
    return undefined;
  }
  rest(): string | undefined {
    let code: string | undefined;
    while (!this.done && code === undefined) code = this.read();
    return code;
  }
}

const plan = { workflow: "server.install", targets: ["srv00000"], params: {}, actor: "token:t" };

/** A site with more rows than a page, and a reader who has its first page. */
function reading() {
  const w = new World(300);
  const reader = new Reader(w);
  expect(reader.read()).toBeUndefined();
  expect(reader.done).toBe(false);
  return { w, reader };
}

describe("while an export of several pages is read", () => {
  it("[C7][J10] a clock that is set back by a day does not bar the site for a day", () => {
    const { w } = reading();
    w.now -= 86_400_000;
    expect(w.sync().acks).toEqual([]);
    expect(w.refusal("plan.create", plan)).toBeUndefined();
  });

  it("the site asks to come again for what would change it, for 15 s", () => {
    const { w, reader } = reading();
    expect(w.refusal("plan.create", plan)).toBe("unavailable");
    expect(() => w.sync()).toThrow("unavailable");
    w.now += 14_999;
    expect(w.refusal("plan.create", plan)).toBe("unavailable");
    expect(reader.rest()).toBeUndefined();
    expect(reader.lines).toEqual(exported(w));
    expect(w.refusal("plan.create", plan)).toBeUndefined();
  });

  it("a reader that is slow, or gone, holds nothing up after that; the export counts if nothing has changed", () => {
    const { w, reader } = reading();
    w.now += 15_000;
    expect(w.refusal("job.cancel", { job: "job_x", actor: "t", reason: "" })).toBe("job_unknown");
    expect(reader.rest()).toBeUndefined();
    const other = new Reader(w);
    other.read();
    w.now += 15_000;
    w.do("plan.create", plan);
    expect(other.rest()).toBe("export_moved");
  });

  it("another reader reads beside it, and an eviction ends both with export_moved", () => {
    const { w, reader } = reading();
    const other = new Reader(w, "other");
    other.read();
    expect(reader.rest()).toBeUndefined();
    expect(w.refusal("plan.create", plan)).toBe("unavailable");
    expect(other.rest()).toBeUndefined();
    expect(other.lines).toEqual(reader.lines);
    expect(w.refusal("plan.create", plan)).toBeUndefined();
    const [third, fourth] = [new Reader(w, "third"), new Reader(w, "fourth")];
    third.read();
    fourth.read();
    w.evict();
    expect([third.read(), fourth.read()]).toEqual(["export_moved", "export_moved"]);
  });

  it("[J10] readers who follow each other hold the site up for 15 s of each minute, and no lease runs out", () => {
    const w = new World(300);
    w.install(["srv00000"]);
    const [held] = w.sync().leases;
    if (!held) throw new Error("no lease");
    const step = () => w.ask("steps", { job: held.job })[held.step]?.state;
    const barred: number[] = [];
    for (let second = 0; second < 600; second++) {
      w.now += 1_000;
      w.core.query(w.now, "export.page", { token: `r${second % 7}`, maxChars: 1 });
      const request = { v: 1, instance: "i", version: "1", free: 0, holding: [held.id], reports: [], progress: [] };
      if (w.refusal("agent.sync", { agent: w.agent, request }) === "unavailable") barred.push(second);
      w.refusal("tick", {});
      expect(step()).toBe("leased");
    }
    for (const from of barred) expect(barred.filter((s) => s >= from && s < from + 60).length).toBeLessThanOrEqual(15);
    expect(barred.length).toBeGreaterThan(60);
  });

  it("[C7] nor does a clock that is set back let them hold it up for longer", () => {
    const { w } = reading();
    w.now -= 3_600_000;
    const other = new Reader(w, "other");
    other.read();
    w.now += 15_000;
    expect(w.refusal("plan.create", plan)).toBeUndefined();
  });

  it("says when the site stands still for an export again", () => {
    const { w } = reading();
    w.now += 20_000;
    const late = new Reader(w, "late");
    late.read();
    w.do("plan.create", plan);
    const reply = w.core.query(w.now, "export.page", {
      token: "late",
      after: { table: "event", key: [] },
      maxChars: 1,
    });
    expect(reply).toMatchObject({
      problem: { code: "export_moved", detail: expect.stringContaining("again in 55 s") },
    });
    w.now += 55_000;
    expect(new Reader(w, "again").read()).toBeUndefined();
    expect(w.refusal("plan.create", plan)).toBe("unavailable");
  });

  it("the read model and the budget are served on, and move nothing", () => {
    const { w, reader } = reading();
    w.now += 5_000;
    expect(w.drain().length).toBeGreaterThan(300);
    w.permit();
    w.do("fleet.poke", { frozen: true });
    w.do("outbox.rebuild", { actor: "t" });
    w.do("outbox.failed", { entries: [], reason: "away", outage: true });
    w.do("outbox.dropped", {});
    expect(reader.rest()).toBeUndefined();
    expect(reader.lines).toEqual(exported(w));
  });

  it("a row that is given up meanwhile is a finding, and moves it", () => {
    const { w, reader } = reading();
    w.now += 5_000;
    const entries = w.ask("outbox.next", { limit: 1 });
    for (let n = 1; n <= 9; n++) w.do("outbox.failed", { entries, reason: "too big" });
    w.now += 5_000;
    const again = new Reader(w);
    again.read();
    w.do("outbox.failed", { entries, reason: "too big" });
    expect(again.read()).toBe("export_moved");
    expect(reader.read()).toBe("export_moved");
  });
});

it("an export of one page is of one moment by itself", () => {
  const w = new World(1);
  w.ask("export.page", { token: "r", maxChars: 1_000_000 });
  expect(w.refusal("plan.create", plan)).toBeUndefined();
});
