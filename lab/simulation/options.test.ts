import { expect, it } from "vitest";
import { simOptions } from "./options.ts";

it("takes one seed, a number of seeds, or a time", () => {
  expect(simOptions(["--seed", "42", "--log", "a"])).toMatchObject({ first: 42, seeds: 1, single: true, log: "a" });
  expect(simOptions(["--seeds", "200", "--first", "7"])).toMatchObject({ first: 7, seeds: 200, single: false });
  expect(simOptions(["--minutes", "0.5"])).toMatchObject({ first: 1, minutes: 0.5 });
  expect(simOptions([])).toMatchObject({ first: 1, seeds: 20 });
});

const whole = "wants a whole number from 1 on, of 15 digits at most, not";
it.each([
  [["--seeds", "0"], `--seeds ${whole} 0.`],
  [["--seed", "x"], `--seed ${whole} x.`],
  [["--seed", "-1"], `--seed ${whole} -1.`],
  [["--seed=-1"], `--seed ${whole} -1.`],
  [["--first", ""], `--first ${whole} nothing.`],
  [["--seed", "1".repeat(16)], `--seed ${whole} ${"1".repeat(16)}.`],
  [["--minutes", "-1"], "--minutes wants a number above 0, 10000 at most, not -1."],
  [["--minutes", "10001"], "--minutes wants a number above 0, 10000 at most, not 10001."],
  [["--seed"], "--seed wants a value."],
  [["--seeds", "--first", "3"], "--seeds wants a value."],
  [["--seed", "1", "--seeds", "2"], "--seed runs one seed alone; leave out --seeds, --first and --minutes."],
  [["--seeds", "1", "--minutes", "2"], "Give --seeds or --minutes, not both."],
  [["--log", "a"], "--log wants --seed: it is the log of one run."],
  [["--what", "a"], "There is no option --what."],
  [["-1"], "There is no option -1."],
])("says in one line what is wrong with %j", (args, said) => {
  expect(simOptions(args)).toBe(said);
});
