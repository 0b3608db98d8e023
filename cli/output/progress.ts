import { isFinal, type JobView, type TargetView } from "../../shared/model/job.ts";
import { clip, duration, moment } from "./words.ts";

const BAR = 20;

/** Steps done, and the current one by its percent, as a bar of 20. */
export function bar(target: Pick<TargetView, "stepsDone" | "stepsTotal" | "percent">): string {
  const share = target.stepsTotal === 0 ? 0 : (target.stepsDone + (target.percent ?? 0) / 100) / target.stepsTotal;
  const full = Math.min(BAR, Math.round(share * BAR));
  return "█".repeat(full) + "░".repeat(BAR - full);
}

const MARK: Record<TargetView["state"], string> = {
  queued: " ",
  running: "▸",
  waiting: "‖",
  succeeded: "✓",
  failed: "✗",
  cancelled: "–",
};

/** One machine in one line: name, bar, elapsed, step or what became of it. */
export function progressLine(target: TargetView, now: number, nameWidth: number, width: number): string {
  const elapsed = target.startedAt === null ? "" : duration((target.endedAt ?? now) - target.startedAt);
  return clip(
    `${MARK[target.state]} ${target.name.padEnd(nameWidth)}  ${bar(target)}  ${elapsed.padStart(10)}  ${saying(target)}`,
    width,
  );
}

function saying(target: TargetView): string {
  switch (target.state) {
    case "succeeded":
      return "active";
    case "failed":
    case "cancelled":
      return target.failure ? `${target.failure.code}: ${target.failure.detail}` : target.state;
    case "waiting":
      return `waits for ${target.waitingOn ?? "a person"}${target.dueAt === null ? "" : `; until ${moment(target.dueAt)} UTC`}`;
    case "queued":
      return "queued";
    case "running": {
      const percent = target.percent === null ? "" : ` ${Math.round(target.percent)} %`;
      const waits = target.waitingOn && target.percent === null ? `, for ${target.waitingOn}` : "";
      return `${target.step ?? "last step"}${percent}${waits}`;
    }
  }
}

/**
 * The machines of a job, and a line of totals. Where the terminal has too few rows for all, those at work come first
 * (lines beyond the top could not be drawn again), and what is left out is counted.
 */
export function progressLines(job: JobView, now: number, width: number, rows = Number.POSITIVE_INFINITY): string[] {
  const nameWidth = Math.max(4, ...job.targets.map((target) => target.name.length));
  const line = (target: TargetView) => progressLine(target, now, nameWidth, width);
  const room = Math.max(1, rows - 2);
  if (job.targets.length + 1 <= room) return [...job.targets.map(line), clip(`${totals(job)}${pause(job)}`, width)];
  const rank = (target: TargetView) => URGENCY.indexOf(target.state);
  const shown = [...job.targets].sort((a, b) => rank(a) - rank(b)).slice(0, Math.max(0, room - 1));
  return [
    ...shown.map(line),
    clip(`${totals(job)} (${job.targets.length - shown.length} not shown)${pause(job)}`, width),
  ];
}

const URGENCY: readonly TargetView["state"][] = ["running", "waiting", "failed", "cancelled", "queued", "succeeded"];

/** Of a paused job, who must let it go on. */
export const pause = ({ paused, waitingOn }: Pick<JobView, "paused" | "waitingOn">): string =>
  paused ? `; paused, for ${waitingOn}` : "";

/** `12 active, 0 failed, 1 waiting, 11 at work`. */
export function totals(job: Pick<JobView, "targets">): string {
  const count = (state: TargetView["state"]) => job.targets.filter((target) => target.state === state).length;
  const open = job.targets.filter((target) => !isFinal.target(target.state) && target.state !== "waiting").length;
  const cancelled = count("cancelled");
  const text = `${count("succeeded")} active, ${count("failed")} failed, ${count("waiting")} waiting`;
  return `${text}${cancelled === 0 ? "" : `, ${cancelled} cancelled`}${open === 0 ? "" : `, ${open} at work`}`;
}
