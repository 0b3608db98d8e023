import { describe, expect, it } from "vitest";
import { LoadedSite } from "./load.ts";

async function rowsEach(machines: number): Promise<number> {
  const site = await LoadedSite.make(machines);
  const { rows } = await site.install();
  site.close();
  return rows / machines;
}

describe("the rows written for each machine", () => {
  // 10,000 are measured by `npm run bench:coordinator`, which holds the same limit.
  it("[C4] are equal within 10 % from 10 to 1,000 machines, and at most 400", { timeout: 120_000 }, async () => {
    const rows = [await rowsEach(10), await rowsEach(100), await rowsEach(1_000)];
    expect(Math.max(...rows)).toBeLessThanOrEqual(400);
    expect(Math.max(...rows) / Math.min(...rows), `rows each: ${rows.join(", ")}`).toBeLessThanOrEqual(1.1);
  });
});
