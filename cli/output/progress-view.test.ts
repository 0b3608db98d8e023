import { describe, expect, it } from "vitest";
import type { JobView, TargetView } from "../../shared/model/job.ts";
import { ProgressView } from "./progress-view.ts";

const target = (n: number, over: Partial<TargetView> = {}): TargetView => ({
  device: `dev_${n}`,
  name: `m${n}`,
  serial: "S",
  state: "running",
  step: "in-ram",
  stepsDone: 5,
  stepsTotal: 12,
  skipped: [],
  percent: null,
  waitingOn: null,
  dueAt: null,
  failure: null,
  retries: 0,
  startedAt: 0,
  endedAt: null,
  ...over,
});
const job = (targets: TargetView[]): JobView => ({
  id: "job_1",
  site: "st_1",
  siteName: "ams01",
  workflow: "server.install",
  plan: "pln_1",
  planHash: "h",
  requester: "token:x",
  priority: 5,
  state: "running",
  paused: null,
  waitingOn: null,
  dueAt: null,
  createdAt: 0,
  endedAt: null,
  version: 1,
  lastEvent: 1,
  targets,
});

function view(columns: number | undefined, rows?: number) {
  const clock = { now: 1_000 };
  const out: string[] = [];
  const drawn: string[] = [];
  const screen = new ProgressView({
    columns,
    rows,
    now: () => clock.now,
    out: (line) => void out.push(line),
    draw: (text) => void drawn.push(text),
  });
  return { clock, out, drawn, screen };
}

describe("progress without a terminal", () => {
  it("is a line of totals now and then, and one line for each machine that ends", () => {
    const { screen, out, clock } = view(undefined);
    screen.update(job([target(1), target(2), target(3, { step: "write-image" })]));
    clock.now = 1_500;
    screen.update(job([target(1, { state: "succeeded", endedAt: 1_500 }), target(2), target(3)]));
    screen.update(job([target(1, { state: "succeeded", endedAt: 1_500 }), target(2), target(3)]));
    clock.now = 4_000;
    screen.tick();
    screen.note("agent restarted");
    screen.update(job([target(1, { state: "succeeded", endedAt: 1_500 }), target(2), target(3)]));
    expect(out.map((line) => line.trim())).toEqual([
      "1.0 s  0 active, 0 failed, 0 waiting, 3 at work: 2 in-ram, 1 write-image",
      expect.stringMatching(/^✓ m1 .* 1\.5 s {2}active$/),
      "agent restarted",
      "4.0 s  1 active, 0 failed, 0 waiting, 2 at work: 2 in-ram",
    ]);
  });
});

describe("the end of a job without a terminal", () => {
  it("tells the machines in the order in which they ended, each by its own clock, and the totals by the job's", () => {
    const { screen, out, clock } = view(undefined);
    clock.now = 3_600_000;
    const ended = [
      target(1, { state: "succeeded", startedAt: 1_000, endedAt: 9_000 }),
      target(2, { state: "failed", startedAt: 1_000, endedAt: 5_000 }),
      target(3, {
        state: "cancelled",
        startedAt: null,
        endedAt: 7_000,
        failure: { code: "cancelled", detail: "by ann" },
      }),
    ];
    screen.end({ ...job(ended), state: "partly", endedAt: 9_000 });
    expect(out.map((line) => line.trim())).toEqual([
      expect.stringMatching(/^✗ m2 .* 4\.0 s {2}/),
      expect.stringMatching(/^– m3 .*cancelled: by ann$/),
      expect.stringMatching(/^✓ m1 .* 8\.0 s {2}active$/),
      "9.0 s  1 active, 1 failed, 0 waiting, 1 cancelled",
    ]);
  });

  it("says the totals once more, however short ago they were said", () => {
    const { screen, out } = view(undefined);
    screen.update(job([target(1)]));
    screen.end(job([target(1, { state: "succeeded", endedAt: 1_000 })]));
    expect(out.at(-1)?.trim()).toBe("1.0 s  1 active, 0 failed, 0 waiting");
  });
});

describe("a paused job", () => {
  const by = { by: "token:ann", at: 1, reason: "" };
  const paused = { ...job([target(1)]), paused: by, waitingOn: "token:ann to resume the job" };

  it("says who has to resume it, after where its machines are", () => {
    const { screen, out } = view(undefined);
    screen.update(paused);
    expect(out[0]?.trim()).toBe(
      "1.0 s  0 active, 0 failed, 0 waiting, 1 at work: 1 in-ram; paused, for token:ann to resume the job",
    );
  });

  it("makes no line wider than the terminal, which could not be drawn again", () => {
    const { screen, drawn } = view(40, 10);
    screen.update(paused);
    for (const line of drawn.join("").split("\n")) expect(line.replace("\r\x1b[2K", "").length).toBeLessThanOrEqual(40);
    expect(drawn.join("")).toContain("0 active");
  });
});

describe("progress on a terminal", () => {
  it("has one line per machine and the totals", () => {
    const { screen, drawn } = view(80, 50);
    screen.update(job([target(1), target(2)]));
    expect(drawn.join("").split("\n")).toHaveLength(4);
  });

  it("never has more lines than the terminal has rows; those at work come first", () => {
    const { screen, drawn } = view(80, 6);
    const done = [1, 2, 3, 4, 5, 6, 7].map((n) => target(n, { state: "succeeded", endedAt: 500 }));
    screen.update(job([...done, target(8)]));
    const lines = drawn.join("").trimEnd().split("\n");
    expect(lines.length).toBeLessThan(6);
    expect(lines[0]).toContain("m8");
    expect(lines.at(-1)).toContain("5 not shown");
  });
});
