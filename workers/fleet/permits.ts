/** The cross-site budget as a pure decision: who may work now, for how long, and whether anyone may. */
import { z } from "zod";
import type { Millis } from "../../shared/deps.ts";

/** How long a permit counts. The site renews at half of it; a site that falls silent frees its place after it. */
export const PERMIT_TTL_MS = 5 * 60_000;
/** After a refusal a site asks again in this time; the end of a freeze is told to it at once besides. */
export const REFUSED_MS = 10_000;
/** Sites that may work at once until an admin says otherwise. */
export const DEFAULT_MAX_SITES = 10;
/** Permits that the object remembers at most: its whole state is one value, which must stay small. */
export const MAX_SITES_CEILING = 500;

/**
 * What the object remembers. The default is the safe one: a budget that has never been set up, or has forgotten,
 * is frozen and gives no permit until an admin thaws it.
 */
export interface BudgetState {
  configured: boolean;
  frozen: boolean;
  maxSites: number;
  /** Site id → when its permit ends. */
  permits: Record<string, Millis>;
}
export const emptyBudget = (): BudgetState => ({
  configured: false,
  frozen: true,
  maxSites: DEFAULT_MAX_SITES,
  permits: {},
});

const SiteId = z.string().regex(/^st_[0-9a-z]{10}$/);
/** Messages between façade and object, checked on both sides; ASCII only, since they travel in a header. */
export const PermitIn = z.object({ site: SiteId, working: z.boolean() });
export const PermitOut = z.object({
  granted: z.boolean(),
  expiresAt: z.number().int(),
  frozen: z.boolean(),
  reason: z.string().max(200),
});
export const ReleaseIn = z.object({ site: SiteId });
export const SetIn = z.object({
  frozen: z.boolean().optional(),
  maxSites: z.number().int().min(1).max(MAX_SITES_CEILING).optional(),
});
export const StatusOut = z.object({
  configured: z.boolean(),
  frozen: z.boolean(),
  maxSites: z.number().int(),
  working: z.number().int(),
});
export type PermitOut = z.infer<typeof PermitOut>;
export type SetIn = z.infer<typeof SetIn>;
export type FleetStatus = z.infer<typeof StatusOut>;

/** Gives or renews a site's permit. `working` false asks without taking a place: only for the kill switch's state. */
export function permit(
  state: BudgetState,
  input: z.infer<typeof PermitIn>,
  now: Millis,
): { state: BudgetState; reply: PermitOut } {
  const permits = Object.fromEntries(Object.entries(state.permits).filter(([, until]) => until > now));
  const next = { ...state, permits };
  const no = (reason: string): { state: BudgetState; reply: PermitOut } => ({
    state: next,
    reply: { granted: false, expiresAt: now + REFUSED_MS, frozen: state.frozen, reason },
  });
  if (!state.configured) return no("The fleet budget has not been set up: an admin thaws it once.");
  if (state.frozen) return no("The kill switch is on.");
  if (!input.working) return no("Not asked for.");
  const held = permits[input.site] !== undefined;
  const others = Object.keys(permits).length - (held ? 1 : 0);
  if (others >= state.maxSites) return no(`${others} of at most ${state.maxSites} sites are working.`);
  const expiresAt = now + PERMIT_TTL_MS;
  return {
    state: { ...next, permits: { ...permits, [input.site]: expiresAt } },
    reply: { granted: true, expiresAt, frozen: false, reason: "" },
  };
}

/** Frees a site's place at once. */
export function release(state: BudgetState, input: z.infer<typeof ReleaseIn>): BudgetState {
  const { [input.site]: _, ...permits } = state.permits;
  return { ...state, permits };
}

/** An admin's word. Freezing takes every permit back: a site must ask again after the thaw. */
export function configure(state: BudgetState, input: SetIn): BudgetState {
  const frozen = input.frozen ?? state.frozen;
  return {
    configured: state.configured || input.frozen !== undefined,
    frozen,
    maxSites: input.maxSites ?? state.maxSites,
    permits: frozen ? {} : state.permits,
  };
}

export function status(state: BudgetState, now: Millis): FleetStatus {
  const { configured, frozen, maxSites, permits } = state;
  return { configured, frozen, maxSites, working: Object.values(permits).filter((until) => until > now).length };
}
