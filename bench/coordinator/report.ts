/** What the runs say: a table, and a verdict for each limit. */
import { table } from "../../cli/output/table.ts";

/** Most that the rows written for each machine may differ between sizes: 10 %. */
const ROWS_RATIO = 1.1;
/** Most that a machine of the largest site may cost of one of the smallest, in processor time. */
const CPU_RATIO = 1.5;
/** Longest that 95 % of the syncs may take, ms. */
const SYNC_P95_MS = 100;

/** Per machine, in one run. */
export interface Run {
  cpuMs: number;
  rows: number;
}
export interface Sized {
  size: number;
  runs: Run[];
}

export interface Verdict {
  kept: boolean;
  line: string;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length / 2;
  const [low, high] = [sorted[Math.ceil(half) - 1], sorted[Math.floor(half)]];
  return ((low ?? Number.NaN) + (high ?? Number.NaN)) / 2;
}

/** The smallest value that so large a part of all does not exceed. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? Number.NaN;
}

export const cpuOf = ({ runs }: Sized): number => median(runs.map((run) => run.cpuMs));
export const rowsOf = ({ runs }: Sized): number => median(runs.map((run) => run.rows));
/** Lowest and highest processor time of a size's runs. */
export const spreadOf = ({ runs }: Sized): [number, number] => {
  const all = runs.map((run) => run.cpuMs);
  return [Math.min(...all), Math.max(...all)];
};

export const thousands = (n: number): string => n.toLocaleString("en-US");

export function costTable(sizes: readonly Sized[]): string[] {
  const titles = ["machines", "CPU each, ms", "lowest–highest", "rows each"].map((title) => ({ title, right: true }));
  const rows = sizes.map((sized) => {
    const [low, high] = spreadOf(sized);
    return [
      thousands(sized.size),
      cpuOf(sized).toFixed(2),
      `${low.toFixed(2)}–${high.toFixed(2)}`,
      rowsOf(sized).toFixed(1),
    ];
  });
  return table(titles, rows);
}

export function syncTable(times: readonly number[]): string[] {
  const titles = ["syncs", "p50, ms", "p95, ms", "p99, ms"].map((title) => ({ title, right: true }));
  const at = [0.5, 0.95, 0.99].map((part) => quantile(times, part).toFixed(0));
  return table(titles, [[String(times.length), ...at]]);
}

const percent = (ratio: number): string => Number(((ratio - 1) * 100).toFixed(1)).toString();

/** A limit that was not measured is not kept. */
export function verdicts(sizes: readonly Sized[], syncMs: readonly number[]): Verdict[] {
  const rows = sizes.map(rowsOf);
  const spread = Math.max(...rows) / Math.min(...rows);
  const [small, large] = [sizes[0], sizes.at(-1)];
  const ratio = small && large ? cpuOf(large) / cpuOf(small) : Number.NaN;
  const p95 = quantile(syncMs, 0.95);
  const of = small && large ? `${thousands(large.size)} : ${thousands(small.size)}` : "-";
  return [
    {
      kept: spread <= ROWS_RATIO,
      line: `rows within ${percent(spread)} % (limit ${percent(ROWS_RATIO)} %)`,
    },
    { kept: ratio <= CPU_RATIO, line: `CPU ${of} = ${ratio.toFixed(2)} (limit ${CPU_RATIO})` },
    { kept: p95 <= SYNC_P95_MS, line: `sync p95 ${p95.toFixed(0)} ms (limit ${SYNC_P95_MS})` },
  ].map(({ kept, line }) => ({ kept, line: `${kept ? "ok  " : "MISS"}  ${line}` }));
}
