/** Puts one seeded defect into the modules that are loaded from now on, in this thread. */
import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Mutant, mutants } from "./mutants.ts";

const ROOT = join(import.meta.dirname, "../..");

export const mutantNamed = (name: string): Mutant | undefined => mutants.find((m) => m.name === name);

/** The file's text with the defect in it. Throws when its place is not there exactly once: the list must follow the code. */
export function mutated({ name, file, from, to }: Mutant, source = readFileSync(join(ROOT, file), "utf8")): string {
  const places = source.split(from).length - 1;
  if (places !== 1) throw new Error(`The place of the mutant ${name} occurs ${places} times in ${file}.`);
  return source.replace(from, () => to);
}

export function mutate(name: string): void {
  const mutant = mutantNamed(name);
  if (!mutant) throw new Error(`There is no mutant ${name}.`);
  plant(mutant);
}

/** Puts this defect into its file when that is loaded. */
export function plant(mutant: Mutant): void {
  const text = mutated(mutant);
  const url = pathToFileURL(join(ROOT, mutant.file)).href;
  registerHooks({
    load(target, context, next) {
      return target === url ? { format: "module-typescript", source: text, shortCircuit: true } : next(target, context);
    },
  });
}
