/**
 * The typed door to the cross-site budget. Whatever goes wrong behind it (an error, silence, an answer that does not
 * fit), the site hears the safe answer: no permit (G5). Requests and answers are checked on both sides.
 */
import type { z } from "zod";
import { type Outcome, ok, refuse } from "../../shared/errors.ts";
import type { Permit } from "../site/core/commands.ts";
import { type FleetStatus, PermitIn, PermitOut, ReleaseIn, SetIn, StatusOut } from "./permits.ts";

/** Arguments travel in a header there, so they stay small and ASCII; local runtimes do not hold one to it. */
const MAX_JSON = 2048;
/** Longest wait for an answer, ms: silence is a refusal. */
export const ANSWER_MS = 5_000;

/** How a method of the budget object is called; the one thing that would change with another kind of object. */
export type BudgetCall = (method: "permit" | "release" | "configure" | "status", input: unknown) => Promise<unknown>;

export interface FleetBudgetClient {
  /** Never throws: what is no clear yes is a no, and null means that it did not answer at all. */
  permit(site: string, working: boolean): Promise<Permit | null>;
  /** Frees the site's place; losing it costs only the rest of the permit's life. */
  release(site: string): Promise<void>;
  configure(input: SetIn): Promise<Outcome<FleetStatus>>;
  status(): Promise<Outcome<FleetStatus>>;
}

export function fleetBudget(call: BudgetCall): FleetBudgetClient {
  async function ask<I extends z.ZodType, O extends z.ZodType>(
    method: Parameters<BudgetCall>[0],
    input: z.input<I>,
    schemas: { in: I; out: O },
  ): Promise<z.output<O>> {
    const checked = schemas.in.parse(input);
    const text = JSON.stringify(checked);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the whole ASCII range is meant
    if (text.length > MAX_JSON || !/^[\x00-\x7f]*$/.test(text)) throw new RangeError("not a small ASCII message");
    return schemas.out.parse(await withLimit(call(method, checked)));
  }
  const answer = async (run: () => Promise<FleetStatus>): Promise<Outcome<FleetStatus>> => {
    try {
      return ok(await run());
    } catch (cause) {
      return refuse("unavailable", `The fleet budget did not answer (${text(cause)}); sites keep to no permit.`);
    }
  };
  return {
    async permit(site, working) {
      try {
        return await ask("permit", { site, working }, { in: PermitIn, out: PermitOut });
      } catch (cause) {
        console.error(JSON.stringify({ at: "fleet.permit", site, error: text(cause) }));
        return null;
      }
    },
    async release(site) {
      await ask("release", { site }, { in: ReleaseIn, out: StatusOut }).catch(() => undefined);
    },
    configure: (input) => answer(() => ask("configure", input, { in: SetIn, out: StatusOut })),
    status: () => answer(() => ask("status", {}, { in: SetIn, out: StatusOut })),
  };
}

async function withLimit<T>(answer: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`silent for ${ANSWER_MS} ms`)), ANSWER_MS);
  });
  try {
    return await Promise.race([answer, limit]);
  } finally {
    clearTimeout(timer);
  }
}

const text = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause)).slice(0, 160);
