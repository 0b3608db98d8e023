import { appendFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { hardwareTime, judge, readWitness, Witness, type WitnessRecord } from "./witness.ts";

const at = (at: number, event: string, more: Partial<WitnessRecord> = {}): WitnessRecord => ({
  at,
  machine: "a",
  event,
  ...more,
});

it("cuts off half a line that a killed process left, and goes on after it", () => {
  const dir = mkdtempSync(join(tmpdir(), "turnup-witness-"));
  const path = join(dir, "witness.ndjson");
  new Witness(path, () => 1).record("a", "power.on");
  appendFileSync(path, '{"at":2,"mach');
  expect(readWitness(readFileSync(path, "utf8"))).toHaveLength(1);
  new Witness(path, () => 3).record("a", "power.off", { nonce: "n", ms: 4, detail: "d" });
  expect(readWitness(readFileSync(path, "utf8"))).toEqual([
    at(1, "power.on"),
    at(3, "power.off", { nonce: "n", ms: 4, detail: "d" }),
  ]);
  rmSync(dir, { recursive: true });
});

it("counts overlapping hardware time once, and only within the two moments", () => {
  const records = [
    at(100, "post.start"),
    at(180, "bmc.call", { ms: 30 }),
    at(200, "post.end"),
    at(310, "bmc.call", { ms: 20 }),
    at(320, "post.start", { machine: "b" }),
    at(400, "os-boot.start"),
  ];
  expect(hardwareTime(records, "a", 0, 1_000)).toBe(100 + 20 + 600);
  expect(hardwareTime(records, "a", 150, 300)).toBe(50 + 10);
});

it("ends what a power loss cut off", () => {
  expect(hardwareTime([at(100, "command.start"), at(130, "power.off")], "a", 0, 1_000)).toBe(30);
});

it("counts no outage of the simulator as hardware: what it cut off ends with the last record before", () => {
  const restart = at(5_000, "simulator.start", { machine: "*" });
  const cut = [at(100, "post.start"), at(150, "bmc.call", { machine: "b", ms: 10 }), restart];
  expect(hardwareTime(cut, "a", 0, 10_000)).toBe(50);
  expect(hardwareTime([at(100, "post.start"), restart], "a", 0, 10_000)).toBe(0);
  expect(hardwareTime([...cut, at(5_010, "post.start"), at(5_030, "post.end")], "a", 0, 10_000)).toBe(50 + 20);
  // An outage that begins before the time in question and ends within it.
  expect(hardwareTime(cut, "a", 1_000, 10_000)).toBe(0);
});

it("[T5] finds two writes in a boot, a write after a verified one, and a write that a planted fault forbids", () => {
  const start = (nonce: string, machine = "a") => at(1, "disk.write.start", { nonce, machine });
  const resume = at(2, "disk.write.resume", { nonce: "1" });
  const verified = at(3, "disk.write.verified", { nonce: "1" });
  expect(judge([start("1"), resume, verified, start("2", "b")])).toEqual([]);
  expect(judge([start("1"), start("1")])).toEqual(["a in boot 1: 2 disk.write.start"]);
  expect(judge([start("1"), verified, start("2")])).toEqual(["a was written again after a verified write"]);
  expect(judge([start("1"), verified, resume])).toEqual(["a was written again after a verified write"]);
  const planted = at(0, "fault.planted", { detail: "wrong-serial" });
  expect(judge([planted, start("1")])).toEqual(["a was written although a planted fault forbids it"]);
});

it("counts commands that overlap from the first start to the last end", () => {
  const records = [at(100, "command.start"), at(150, "command.start"), at(200, "command.end"), at(260, "command.end")];
  expect(hardwareTime(records, "a", 0, 1_000)).toBe(160);
  // A kill loses both ends.
  const killed = [...records.slice(0, 2), at(170, "simulator.start", { machine: "*" }), at(300, "command.start")];
  expect(hardwareTime([...killed, at(310, "command.end")], "a", 0, 1_000)).toBe(60);
});

it("reads every whole line and nothing else", () => {
  const text =
    '{"at":1,"machine":"a","event":"x"}\n\nno json\n{"at":"1","machine":"a","event":"x"}\n{"at":2,"machine":"a","event":"y"}\n{"at":3,';
  expect(readWitness(text).map((r) => r.event)).toEqual(["x", "y"]);
});
