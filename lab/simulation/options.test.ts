import { expect, it } from "vitest";
import { simOptions } from "./options.ts";

it("takes one seed, a number of seeds, or a time", () => {
  expect(simOptions(["--seed", "42", "--log", "a"])).toMatchObject({ first: 42, seeds: 1, single: true, log: "a" });
  expect(simOptions(["--seeds", "200", "--first", "7"])).toMatchObject({ first: 7, seeds: 200, single: false });
  expect(simOptions(["--minutes", "0.5"])).toMatchObject({ first: 1, minutes: 0.5 });
  expect(simOptions([])).toMatchObject({ first: 1, seeds: 20 });
});

it.each([
  [["--seeds", "0"]],
  [["--seed", "x"]],
  [["--minutes", "-1"]],
  [["--seed", "1", "--seeds", "2"]],
  [["--seeds", "1", "--minutes", "2"]],
  [["--log", "a"]],
  [["--what", "a"]],
])("says what is wrong with %j", (args) => {
  expect(simOptions(args)).toEqual(expect.any(String));
});
