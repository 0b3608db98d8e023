import { describe, expect, it } from "vitest";
import { readOptions } from "./options.ts";

describe("options of npm start", () => {
  it("have defaults", () => {
    expect(readOptions([], "site.yaml")).toMatchObject({
      ok: true,
      value: { once: false, fresh: false, json: false, chaos: false, seed: 1, speed: 60, site: "site.yaml" },
    });
  });

  it("are read", () => {
    const read = readOptions(["--once", "--fresh", "--chaos", "--seed", "7", "--speed", "0.5", "--json"], "x");
    expect(read).toMatchObject({
      ok: true,
      value: { once: true, fresh: true, chaos: true, seed: 7, speed: 0.5, json: true },
    });
  });

  it.each([["--bogus"], ["--seed", "x"], ["--seed", "-1"], ["--speed", "0"], ["--speed", "NaN"], ["extra"]])(
    "refuse %s %s",
    (...args) => {
      expect(readOptions(args, "x")).toMatchObject({ ok: false, problem: { code: "usage" } });
    },
  );
});
