import { describe, expect, it } from "vitest";
import { plot } from "./plot.ts";
import { costTable, median, quantile, type Sized, verdicts } from "./report.ts";

const sized = (size: number, cpu: number[], rows = 100): Sized => ({
  size,
  runs: cpu.map((cpuMs) => ({ cpuMs, rows })),
});
const kept = (sizes: Sized[], syncs: number[]) => verdicts(sizes, syncs).map((verdict) => verdict.kept);

describe("the bench's report", () => {
  it("takes medians and quantiles of what was measured", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(quantile([5, 1, 4, 2, 3], 0.5)).toBe(3);
    expect(quantile([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 0.95)).toBe(10);
  });

  it("keeps each limit up to its edge and no further", () => {
    const good = [sized(10, [1, 2, 9]), sized(10_000, [1, 3, 3], 110)];
    expect(kept(good, [100])).toEqual([true, true, true]);
    expect(kept([sized(10, [2]), sized(100, [2], 111), sized(10_000, [2])], [100])).toEqual([false, true, true]);
    expect(kept([sized(10, [2]), sized(10_000, [3.01])], [100])).toEqual([true, false, true]);
    expect(kept([sized(10, [2]), sized(10_000, [2])], [1, 101])).toEqual([true, true, false]);
  });

  it("does not take what was not measured for kept", () => {
    expect(kept([], [])).toEqual([false, false, false]);
  });

  it("shows every size in the table and in the plot", () => {
    const sizes = [sized(10, [2, 3, 4]), sized(10_000, [3, 3, 3])];
    expect(costTable(sizes)).toHaveLength(4);
    expect(costTable(sizes)[2]).toBe("      10          3.00       2.00–4.00      100.0");
    const svg = plot(sizes);
    for (const text of ["10,000", "3.00", "100"]) expect(svg).toContain(`>${text}</text>`);
    expect(svg.match(/<circle/g)).toHaveLength(4);
  });
});
