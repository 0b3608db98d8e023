/**
 * Defects to be seeded one by one, to prove that the simulation can see: each replaces a piece of the product's source
 * when it is loaded. Nothing in the product knows of them.
 */
export interface Mutant {
  name: string;
  /** The rule that it breaks. */
  rule: string;
  file: string;
  /** Occurs exactly once in the file. */
  from: string;
  to: string;
}

export const mutants: readonly Mutant[] = [
  {
    name: "no-epoch-check",
    rule: "L4",
    file: "workers/site/core/sync.ts",
    from: "step.lease === report.lease && step.epoch === report.epoch && step.agent === agent.id",
    to: "step.agent !== null",
  },
];
