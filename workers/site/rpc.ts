/** What the Worker may call on a site's object, typed by the core's commands; and how it finds the object. */
import { type Outcome, TurnupError } from "../../shared/errors.ts";
import type { ApprovedPlan } from "../../shared/model/approval.ts";
import type { SyncReply, SyncRequest } from "../../shared/protocol/agent.ts";
import type { CommandKind, Commands, Queries, QueryKind } from "./core/commands.ts";

export interface SiteRpc {
  /** A question; writes nothing. Presence of agents is filled in by the object. */
  ask<K extends QueryKind>(kind: K, input: Queries[K]["in"]): Promise<Outcome<Queries[K]["out"]>>;
  /** A command; durable when it returns. */
  tell<K extends CommandKind>(kind: K, input: Commands[K]["in"]): Promise<Outcome<Commands[K]["out"]>>;
  /** A sync with the agent's own token, checked here against the key that the site holds (S2). */
  sync(token: string, request: SyncRequest): Promise<Outcome<SyncReply>>;
  /** A plan of the agent's own site with its approvals, asked with the agent's own token (G4). */
  approvedPlan(token: string, plan: string): Promise<Outcome<ApprovedPlan>>;
  /** WebSockets: `/doorbell` with the agent's token, `/watch?job=&after=` for callers already authorised. */
  fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
}

/** What of a site decides where its object is found; all but the generation are fixed when the site is created. */
export interface SiteKey {
  id: string;
  generation: number;
  jurisdiction: string;
  locationHint: string;
}

/** A restored site lives in a new object, so that what the old one still does cannot touch it. */
export const objectName = ({ id, generation }: Pick<SiteKey, "id" | "generation">): string =>
  generation === 1 ? id : `${id}#${generation}`;

/**
 * The object of a site. The hint counts only for the very first call, which is the one that creates the site; later it
 * is ignored by the platform. A jurisdiction is part of the id. Throws `jurisdiction_unavailable`.
 */
export function siteObject(env: { SITE: DurableObjectNamespace; TURNUP_LOCAL?: string }, site: SiteKey): SiteRpc {
  // workerd on one's own machine has no jurisdictions; there all data lies in one place anyway.
  const bound = site.jurisdiction !== "none" && env.TURNUP_LOCAL !== "1";
  const namespace = bound ? within(env.SITE, site.jurisdiction) : env.SITE;
  const stub: unknown = namespace.get(namespace.idFromName(objectName(site)), {
    locationHint: site.locationHint as DurableObjectLocationHint,
  });
  // The platform's own stub type cannot carry generic methods; this is the one place where it is given ours.
  return stub as SiteRpc;
}

/** Never falls back to an object outside: where data may lie is a promise. Throws `jurisdiction_unavailable`. */
function within(namespace: DurableObjectNamespace, jurisdiction: string): DurableObjectNamespace {
  try {
    return namespace.jurisdiction(jurisdiction as DurableObjectJurisdiction);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const detail = `The runtime of this control plane cannot keep a site within the jurisdiction ${jurisdiction}: ${why}`;
    throw new TurnupError({ code: "jurisdiction_unavailable", detail }, { cause: error });
  }
}
