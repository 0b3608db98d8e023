import { describe, expect, it } from "vitest";
import { table } from "./table.ts";
import { bytes, clip, duration, left, percentile, plural } from "./words.ts";

describe("words", () => {
  it("durations, in the unit that a person would use", () => {
    expect(
      [-5, 0, 440, 12_340, 59_940, 59_960, 125_000, 3_599_600, 11_520_000, 172_800_000, 2_588_400_000].map(duration),
    ).toEqual([
      "0.0 s",
      "0.0 s",
      "0.4 s",
      "12.3 s",
      "59.9 s",
      "1 min 00 s",
      "2 min 05 s",
      "1 h 00 min",
      "3 h 12 min",
      "2 d 0 h",
      "29 d 23 h",
    ]);
  });

  it("what is left until a limit", () => {
    expect([left(null, 0), left(90_000, 0), left(5, 5)]).toEqual(["", "1 min 30 s", "over"]);
  });

  it("bytes", () => {
    expect([0, 1023, 1024, 67_108_864, 5e12].map(bytes)).toEqual(["0 B", "1023 B", "1.0 KiB", "64.0 MiB", "4.5 TiB"]);
  });

  it("plural and clip", () => {
    expect([plural(1, "row"), plural(0, "row"), plural(2, "entry", "entries")]).toEqual([
      "1 row",
      "0 rows",
      "2 entries",
    ]);
    expect([clip("abc", 3), clip("abcd", 3)]).toEqual(["abc", "ab…"]);
  });

  it("percentiles by nearest rank", () => {
    const values = [5, 1, 4, 2, 3];
    expect([percentile(values, 0.5), percentile(values, 0.95), percentile([], 0.5), percentile([7], 0.01)]).toEqual([
      3, 5, 0, 7,
    ]);
  });
});

describe("table", () => {
  it("aligns by the widest cell", () => {
    expect(
      table(
        [{ title: "machine" }, { title: "s", right: true }],
        [
          ["r01-u10", "12"],
          ["x", "3"],
        ],
      ),
    ).toEqual(["machine   s", "───────  ──", "r01-u10  12", "x         3"]);
  });

  it("of nothing is its head", () => {
    expect(table([{ title: "a" }], [])).toHaveLength(2);
  });
});
