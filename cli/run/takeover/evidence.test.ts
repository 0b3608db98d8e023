import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, expect, it } from "vitest";
import { harm, lookAt } from "./evidence.ts";

const root = mkdtempSync(join(tmpdir(), "turnup-evidence-"));
afterAll(() => rmSync(root, { recursive: true }));
const where = { disks: join(root, "disks"), witness: join(root, "witness.ndjson") };
const felt = (event: string) => `${JSON.stringify({ at: 1, machine: "m1", event })}\n`;

beforeEach(() => {
  rmSync(where.disks, { recursive: true, force: true });
  mkdirSync(join(where.disks, "m1"), { recursive: true });
  writeFileSync(join(where.disks, "m1.img"), Buffer.alloc(9 << 20, 1));
  writeFileSync(join(where.disks, "m1", "Bay_0.img"), "data");
  writeFileSync(where.witness, felt("power.on"));
});

it("takes reads of a BMC for no harm", () => {
  const before = lookAt(where);
  expect(before.disks.size).toBe(2);
  appendFileSync(where.witness, felt("bmc.call"));
  expect(harm(before, where)).toEqual([]);
});

it("sees one byte, a drive that is gone, and whatever a machine felt", () => {
  const before = lookAt(where);
  const bytes = Buffer.alloc(9 << 20, 1);
  bytes[(9 << 20) - 1] = 2;
  writeFileSync(join(where.disks, "m1.img"), bytes);
  rmSync(join(where.disks, "m1", "Bay_0.img"));
  appendFileSync(where.witness, felt("power.off") + felt("boot.fetch"));
  expect(harm(before, where)).toEqual([
    "the drive m1.img is not as it was",
    "the drive m1/Bay_0.img is not as it was",
    "m1 felt power.off",
    "m1 felt boot.fetch",
  ]);
});
