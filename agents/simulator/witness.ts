/**
 * The witness log: what happened to the hardware, by the hardware's own account. How long hardware took and whether
 * anything was done twice are judged from it, never from what the product says of itself.
 */
import { appendFileSync, existsSync, readFileSync, truncateSync } from "node:fs";
import { z } from "zod";

/** Phases that take hardware time; each has a start and an end. */
const spans = ["post", "netboot", "ram-boot", "command", "os-boot"] as const;
export type Span = (typeof spans)[number];

export const WitnessRecord = z.object({
  /** Unix ms. */
  at: z.number(),
  machine: z.string(),
  event: z.string(),
  nonce: z.string().optional(),
  /** For bmc.call: how long it took, ms. */
  ms: z.number().optional(),
  detail: z.string().optional(),
});
export type WitnessRecord = z.infer<typeof WitnessRecord>;

export class Witness {
  readonly #path: string;
  readonly #now: () => number;

  /** Opens the log; half a line that a killed process left is cut off. */
  constructor(path: string, now: () => number) {
    this.#path = path;
    this.#now = now;
    if (!existsSync(path)) return;
    const bytes = readFileSync(path);
    const end = bytes.lastIndexOf(10) + 1;
    if (end < bytes.length) truncateSync(path, end);
  }

  /** Written before it returns, so that a process killed right after has told. */
  record(machine: string, event: string, more: Pick<WitnessRecord, "nonce" | "ms" | "detail"> = {}): void {
    appendFileSync(this.#path, `${JSON.stringify({ at: this.#now(), machine, event, ...more })}\n`);
  }
}

/** Every whole line of a log. */
export function readWitness(text: string): WitnessRecord[] {
  return text.split("\n").flatMap((line) => {
    if (line === "") return [];
    try {
      const parsed = WitnessRecord.safeParse(JSON.parse(line));
      return parsed.success ? [parsed.data] : [];
    } catch {
      return [];
    }
  });
}

/**
 * Time in which the machine's hardware was busy between two moments, ms: the union of BMC calls, POST, netboot, the RAM
 * environment's start and commands, and the system's start. A span that a power loss cut off ends there. One that was cut
 * off by the end of the simulator's process ends with the last record of any machine before the next start: hardware
 * was seen to work until then, and an outage of the simulator is nobody's hardware time.
 */
export function hardwareTime(records: readonly WitnessRecord[], machine: string, from: number, to: number): number {
  const intervals: [number, number][] = [];
  /** Two commands may run at once: a span is open from the first start until as many ends. */
  const open = new Map<string, { since: number; depth: number }>();
  const close = (span: string, at: number) => {
    const one = open.get(span);
    if (one) intervals.push([one.since, at]);
    open.delete(span);
  };
  let lastSign = 0;
  for (const { at, machine: of, event, ms } of records) {
    const alive = lastSign;
    lastSign = at;
    if (of !== machine && of !== "*") continue;
    const [span, edge] = split(event);
    if (event === "bmc.call") intervals.push([at - (ms ?? 0), at]);
    else if (edge === "start") {
      const one = open.get(span);
      if (one) one.depth += 1;
      else open.set(span, { since: at, depth: 1 });
    } else if (edge === "end") {
      const one = open.get(span);
      if (one && one.depth > 1) one.depth -= 1;
      else close(span, at);
    } else if (event === "power.off" || event === "simulator.start")
      for (const each of [...open.keys()]) close(each, event === "power.off" ? at : alive);
  }
  for (const span of [...open.keys()]) close(span, to);
  return union(intervals, from, to);
}

function split(event: string): [string, string] {
  const dot = event.lastIndexOf(".");
  const span = event.slice(0, dot);
  return (spans as readonly string[]).includes(span) ? [span, event.slice(dot + 1)] : [event, ""];
}

function union(intervals: [number, number][], from: number, to: number): number {
  let sum = 0;
  let reached = from;
  for (const [start, end] of intervals.sort((a, b) => a[0] - b[0])) {
    const a = Math.max(start, reached);
    const b = Math.min(end, to);
    if (b > a) sum += b - a;
    reached = Math.max(reached, Math.min(end, to));
  }
  return sum;
}

/** What may never be seen, in words; empty when all is well. */
export function judge(records: readonly WitnessRecord[]): string[] {
  const out: string[] = [];
  const writes = new Map<string, number>();
  const verified = new Set<string>();
  const barred = new Set(
    records
      .filter((r) => r.event === "fault.planted" && (r.detail === "wrong-serial" || r.detail === "disk-not-blank"))
      .map((r) => r.machine),
  );
  for (const { machine, event, nonce } of records) {
    if (event !== "disk.write.start" && event !== "disk.write.resume" && event !== "disk.write.verified") continue;
    if (event === "disk.write.verified") {
      verified.add(machine);
      continue;
    }
    if (barred.has(machine)) out.push(`${machine} was written although a planted fault forbids it`);
    if (verified.has(machine)) out.push(`${machine} was written again after a verified write`);
    if (event === "disk.write.resume") continue;
    const boot = `${machine} in boot ${nonce ?? "?"}`;
    const count = (writes.get(boot) ?? 0) + 1;
    writes.set(boot, count);
    if (count > 1) out.push(`${boot}: ${count} disk.write.start`);
  }
  return out;
}
