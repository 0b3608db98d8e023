import { describe, expect, it } from "vitest";
import { ok } from "../../shared/errors.ts";
import type { OutboxEntry } from "./core/commands.ts";
import { BATCH, type DrainDeps, drainOutbox, MAX_BATCHES } from "./outbox-drain.ts";

const entry = (n: number): OutboxEntry => ({ kind: "device", id: `dev${n}`, version: 1, row: { n } });
const view = {
  id: "st_0123456789",
  name: "x",
  locationHint: "weur",
  jurisdiction: "none",
  createdAt: 0,
  revision: 0,
  racks: 0,
  devices: 0,
  version: 1,
  atOnce: {},
  generation: 1,
  hold: null,
} as const;

/** An outbox of so many rows, and a read model that takes what `takes` lets it. */
function world(rows: number, takes: (entries: readonly OutboxEntry[]) => void = () => undefined) {
  const waiting = new Map(Array.from({ length: rows }, (_, n) => [`dev${n}`, entry(n)]));
  const failed: string[] = [];
  const outages: boolean[] = [];
  let calls = 0;
  const deps: DrainDeps = {
    next: (limit) => ok([...waiting.values()].slice(0, limit)),
    site: () => ok(view),
    drop: () => ok(false),
    forget: async () => 0,
    dropped: () => undefined,
    deliver: async (_, entries) => {
      calls += 1;
      takes(entries);
      return entries.length;
    },
    delivered: (entries) => entries.forEach(({ id }) => void waiting.delete(id)),
    failed: (entries, _, outage) => {
      outages.push(outage);
      for (const { id } of entries) {
        waiting.delete(id);
        failed.push(id);
      }
    },
  };
  return { deps, waiting, failed, outages, calls: () => calls };
}

describe("the outbox", () => {
  it("is sent in batches until it is empty", async () => {
    const w = world(BATCH * 2 + 1);
    expect(await drainOutbox(w.deps)).toBe(false);
    expect(w.waiting.size).toBe(0);
    expect(w.calls()).toBe(3);
  });

  it("[C1] stops at its bound and says that more is waiting", async () => {
    const w = world(BATCH * (MAX_BATCHES + 1));
    expect(await drainOutbox(w.deps)).toBe(true);
    expect(w.waiting.size).toBe(BATCH);
  });

  it("[C3] a row that is refused holds up no other", async () => {
    const w = world(50, (entries) => {
      if (entries.some(({ id }) => id === "dev17"))
        throw new Error("D1_ERROR: NOT NULL constraint failed: SQLITE_CONSTRAINT");
    });
    await drainOutbox(w.deps);
    expect(w.failed).toEqual(["dev17"]);
    expect(w.outages).toEqual([false]);
    expect(w.waiting.size).toBe(0);
  });

  it("[C3] an outage costs one try, and marks all for a later one", async () => {
    const w = world(50, () => {
      throw new Error("D1_ERROR: Network connection lost.");
    });
    expect(await drainOutbox(w.deps)).toBe(false);
    expect(w.calls()).toBe(1);
    expect(w.failed).toHaveLength(50);
    expect(w.outages).toEqual([true]);
  });

  it("[E3] sends nothing before the rows of before are gone, and an outage there is one like any", async () => {
    const w = world(50);
    let away = true;
    const order: string[] = [];
    const deps: DrainDeps = {
      ...w.deps,
      drop: () => ok(true),
      forget: async () => {
        if (away) throw new Error("D1_ERROR: Network connection lost.");
        order.push("forgotten");
        return 50;
      },
      dropped: () => void order.push("dropped"),
      deliver: async (site, entries) => {
        order.push("sent");
        return w.deps.deliver(site, entries);
      },
    };
    expect(await drainOutbox(deps)).toBe(false);
    expect([w.outages, w.calls(), order]).toEqual([[true], 0, []]);
    away = false;
    await drainOutbox(deps);
    expect(order).toEqual(["forgotten", "dropped", "sent"]);
  });
});
