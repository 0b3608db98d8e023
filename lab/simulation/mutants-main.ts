/** `npm run sim:mutants`: seeds each defect in turn, and tells which seed found it by which rule. */
import { mutants } from "./mutants.ts";
import { runPool } from "./pool.ts";

/** Seeds that each defect gets; the harmless runs find nothing in many times as many. */
const SEEDS = 400;

const row = (cells: readonly string[]): string =>
  cells
    .map((cell, i) => cell.padEnd([38, 6, 6][i] ?? 0))
    .join("  ")
    .trimEnd();

const [unknown] = process.argv.slice(2);
if (unknown !== undefined) {
  console.error(
    "Usage: npm run -s sim:mutants\n\nSeeds each defect in turn, a minute or so in all; it takes no options.",
  );
  process.exit(unknown === "--help" ? 0 : 2);
}

console.log(row(["defect", "seed", "rule"]));
let found = 0;
for (const { name } of mutants) {
  const { failed } = await runPool({ first: 1, seeds: SEEDS, mutant: name, stopAtFirst: true });
  const [first] = failed;
  if (first?.violation) found += 1;
  console.log(row(first?.violation ? [name, String(first.seed), first.violation.rule] : [name, "-", "not found"]));
}
console.log(`${found}/${mutants.length} found`);
process.exitCode = found === mutants.length ? 0 : 1;
