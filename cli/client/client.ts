import { z } from "zod";
import type { Approval, Approver } from "../../shared/model/approval.ts";
import type { ApproversChange } from "../../shared/model/approver-list.ts";
import { AuditRun, Finding } from "../../shared/model/finding.ts";
import { JobEvent, type JobState, JobSummary, JobView, StepView } from "../../shared/model/job.ts";
import { PlanStep } from "../../shared/model/plan.ts";
import { PolicyDiff, PolicyVersion, PolicyView } from "../../shared/model/policy.ts";
import type { ExportHeader } from "../../shared/model/site-export.ts";
import {
  AgentView,
  ApproverChanges,
  ApproverView,
  AssetView,
  DeviceView,
  Explanation,
  LedgerEvent,
  Meter,
  OutboxState,
  type Page,
  PlanView,
  pageOf,
  ReadModelState,
  SiteView,
} from "../../shared/model/views.ts";
import { download } from "./download.ts";
import { type Ask, createHttp, type Http, type HttpDeps } from "./http.ts";

const Report = z.object({ tolerated: z.array(z.string()), missing: z.array(z.string()) });
const TypeFault = z.object({ code: z.string(), pointer: z.string(), text: z.string(), write: z.string().optional() });
export const DeviceTypesTaken = z.object({
  imported: z.number(),
  refused: z.number(),
  results: z.array(
    z.object({
      index: z.number().int(),
      name: z.string().nullable(),
      report: Report.nullable(),
      faults: z.array(TypeFault),
    }),
  ),
});
export type DeviceTypesTaken = z.infer<typeof DeviceTypesTaken>;
const DeviceTypeName = z.object({ name: z.string() });

export const tokenRoles = ["viewer", "operator", "approver", "admin"] as const;
export const TokenView = z.object({
  id: z.string(),
  name: z.string(),
  role: z.string(),
  person: z.string().nullable().default(null),
  sites: z.array(z.string()).nullable(),
  createdAt: z.number(),
  expiresAt: z.number().nullable(),
  revokedAt: z.number().nullable(),
});
export type TokenView = z.infer<typeof TokenView>;

const Caller = z.object({ actor: z.string(), role: z.string(), person: z.string().nullable() });
const Imported = z.object({ site: SiteView, added: z.number(), changed: z.number(), unchanged: z.number() });
const Invited = z.object({ token: z.string(), site: z.string(), siteName: z.string(), expiresAt: z.number() });
const Health = z.object({ status: z.literal("ok"), version: z.string() });
export const FleetStatus = z.object({ frozen: z.boolean(), maxSites: z.number(), working: z.number() });
export type FleetStatus = z.infer<typeof FleetStatus>;

export const Released = z.object({
  site: SiteView,
  resolved: z.number(),
  unread: z.array(z.string()),
  lost: z.array(z.object({ agent: z.string(), name: z.string(), seq: z.number(), hash: z.string() })),
});

const itemsOf = <T extends z.ZodType>(item: T) => z.object({ items: z.array(item) });
const path = (strings: TemplateStringsArray, ...values: string[]): string =>
  String.raw({ raw: strings.raw }, ...values.map((value) => encodeURIComponent(value)));

export interface Intent {
  site: string;
  workflow: string;
  targets: string[];
  params: Record<string, unknown>;
}

/** The control plane's API, typed. Every method throws `ApiError`. */
export type Client = ReturnType<typeof createClient>;

export function createClient(deps: HttpDeps) {
  const http = createHttp(deps);
  return {
    url: deps.url,
    token: deps.token,
    health: () => http("GET", "/v1/health", Health),

    sites: async (): Promise<SiteView[]> => (await http("GET", "/v1/sites", pageOf(SiteView))).items,
    site: (site: string) => http("GET", path`/v1/sites/${site}`, SiteView),
    createSite: (body: Pick<SiteView, "name" | "locationHint" | "jurisdiction">) =>
      http("POST", "/v1/sites", SiteView, { body }),
    /** Refuses what an import of a site that is not there yet would be refused for. */
    checkSite: (document: unknown) =>
      http("POST", "/v1/sites/check", z.object({ name: z.string() }), { body: document }),
    importSite: (site: string, document: unknown) =>
      http("PUT", path`/v1/sites/${site}/document`, Imported, { body: document }),
    exportSite: (site: string) => download(deps, path`/v1/sites/${site}/export`),
    beginRestore: (body: { header: ExportHeader; lines: number; sha256: string; replace?: string }) =>
      http("POST", "/v1/restores", z.object({ restore: z.string(), generation: z.number() }), { body }),
    restoreLines: (body: { restore: string; from: number; lines: string[] }) =>
      http("PUT", "/v1/restores/lines", z.object({ loaded: z.number() }), { body }),
    finishRestore: (restore: string) =>
      http("POST", "/v1/restores/finish", SiteView, { body: { restore }, timeoutMs: COMPARE_MS }),
    releaseSite: (site: string, body: { acceptLoss?: string; without: string[] }) =>
      http("POST", path`/v1/sites/${site}/release`, Released, { body }),
    outbox: (site: string) => http("GET", path`/v1/sites/${site}/outbox`, OutboxState),
    readModel: (site: string) => http("GET", path`/v1/sites/${site}/read-model`, ReadModelState),
    rebuildReadModel: (site: string) =>
      http("POST", path`/v1/sites/${site}/read-model/rebuild`, z.object({ rows: z.number() })),
    meter: (site: string) => http("GET", path`/v1/sites/${site}/meter`, Meter),
    ledger: async (site: string, after: number) =>
      (await http("GET", path`/v1/sites/${site}/ledger`, itemsOf(LedgerEvent), { query: { after } })).items,

    policy: (site: string, version?: number) =>
      http("GET", path`/v1/sites/${site}/policy`, PolicyView, { query: { version } }),
    policyHistory: (site: string) => all(http, path`/v1/sites/${site}/policy/history`, PolicyVersion),
    policyDiff: (site: string, text: string) =>
      http("POST", path`/v1/sites/${site}/policy/diff`, PolicyDiff, { body: { text } }),
    applyPolicy: (site: string, body: { base: number; text: string; reason: string; endHolds?: true }) =>
      http("PUT", path`/v1/sites/${site}/policy`, z.object({ policy: PolicyView, created: z.boolean() }), { body }),
    hold: (site: string, body: { on: string; owner?: string; reason: string; until?: string }) =>
      http("POST", path`/v1/sites/${site}/policy/hold`, PolicyView, { body }),
    unhold: (site: string, body: { on: string; owner?: string; reason: string }) =>
      http("POST", path`/v1/sites/${site}/policy/unhold`, PolicyView, { body }),

    deviceTypeNames: async () => (await all(http, "/v1/device-types", DeviceTypeName)).map((type) => type.name),
    importDeviceTypes: (types: unknown[]) => http("POST", "/v1/device-types", DeviceTypesTaken, { body: { types } }),

    devices: (site?: string) => all(http, "/v1/devices", DeviceView, { site }),
    assets: (site?: string) => all(http, "/v1/assets", AssetView, { site }),
    explain: (device: string, site?: string) =>
      http("GET", path`/v1/devices/${device}/explain`, Explanation, { query: { site } }),

    plan: async (intent: Intent) => whole(http, await http("POST", "/v1/plans", PlanView, { body: intent })),
    getPlan: async (plan: string) => whole(http, await http("GET", path`/v1/plans/${plan}`, PlanView)),
    apply: (
      plan: string,
      hash: string,
      { key, priority }: { key?: string | undefined; priority?: number | undefined } = {},
    ) => http("POST", "/v1/jobs", JobView, { body: { plan, hash, priority }, ...(key !== undefined && { key }) }),

    approve: (plan: string, body: Approval) => http("POST", path`/v1/plans/${plan}/approvals`, PlanView, { body }),
    unapprove: (plan: string, person?: string) =>
      http("DELETE", path`/v1/plans/${plan}/approvals`, PlanView, { query: { person } }),

    jobs: async (input: { site?: string; state?: JobState; limit: number }) =>
      (await http("GET", "/v1/jobs", pageOf(JobSummary), { query: input })).items,
    job: (job: string) => http("GET", path`/v1/jobs/${job}`, JobView),
    steps: (job: string) => allSteps(http, path`/v1/jobs/${job}/steps`, StepView),
    events: async (job: string, after: number) =>
      (await http("GET", path`/v1/jobs/${job}/events`, itemsOf(JobEvent), { query: { after } })).items,
    pause: (job: string, reason: string) => http("POST", path`/v1/jobs/${job}/pause`, JobView, { body: { reason } }),
    resume: (job: string) => http("POST", path`/v1/jobs/${job}/resume`, JobView),
    retry: (job: string, device?: string) => http("POST", path`/v1/jobs/${job}/retry`, JobView, { body: { device } }),
    skip: (job: string, body: { device: string; step: string; reason: string }) =>
      http("POST", path`/v1/jobs/${job}/skip`, JobView, { body }),
    cancel: (job: string, reason: string) => http("POST", path`/v1/jobs/${job}/cancel`, JobView, { body: { reason } }),

    findings: (query: { site?: string; state?: "open" | "closed" }) => all(http, "/v1/findings", Finding, query),
    runAudit: (site: string) => http("POST", path`/v1/sites/${site}/audits`, AuditRun),
    audits: async (site: string) => (await http("GET", path`/v1/sites/${site}/audits`, itemsOf(AuditRun))).items,

    agents: (site?: string) => all(http, "/v1/agents", AgentView, { site }),
    enrolToken: (site: string, ttlSeconds: number) =>
      http("POST", path`/v1/sites/${site}/enrolment-tokens`, Invited, { body: { ttlSeconds } }),
    revokeAgent: (agent: string) => http("POST", path`/v1/agents/${agent}/revoke`, AgentView),

    whoami: () => http("GET", "/v1/whoami", Caller),
    createToken: (body: { name: string; role: string; person?: string; sites?: string[]; ttlSeconds?: number }) =>
      http("POST", "/v1/tokens", TokenView.extend({ token: z.string() }), { body }),
    tokens: () => all(http, "/v1/tokens", TokenView),
    revokeToken: (token: string) => http("DELETE", path`/v1/tokens/${token}`, TokenView),

    addApprover: (body: Approver) => http("POST", "/v1/approvers", ApproverView, { body }),
    approvers: () => all(http, "/v1/approvers", ApproverView),
    revokeApprover: (approver: string) => http("DELETE", path`/v1/approvers/${approver}`, ApproverView),

    approverChanges: (site: string) => http("GET", path`/v1/sites/${site}/approver-changes`, ApproverChanges),
    offerApproverChange: (site: string, body: ApproversChange) =>
      http("POST", path`/v1/sites/${site}/approver-changes`, ApproverChanges, { body }),

    fleet: () => http("GET", "/v1/fleet", FleetStatus),
    freeze: () => http("POST", "/v1/fleet/freeze", FleetStatus),
    thaw: () => http("POST", "/v1/fleet/thaw", FleetStatus),
    limit: (maxSites: number) => http("POST", "/v1/fleet/limit", FleetStatus, { body: { maxSites } }),
  };
}

/** The whole of a restored site is read back before the answer: hundreds of megabytes take some ten seconds. */
const COMPARE_MS = 280_000;

/** Most pages that are read of one list: 500,000 entries; beyond that something goes in circles. */
const MAX_PAGES = 1_000;

const STEPS_AT_ONCE = 5_000;
/** All steps behind `after`, page by page. */
async function allSteps<T extends { n: number }>(
  http: Http,
  route: string,
  item: z.ZodType<T>,
  after = -1,
): Promise<T[]> {
  const steps: T[] = [];
  for (let n = 0; n < MAX_PAGES; n++) {
    const query = { after: steps.at(-1)?.n ?? after, limit: STEPS_AT_ONCE };
    const { items } = await http("GET", route, itemsOf(item), { query });
    steps.push(...items);
    if (items.length < STEPS_AT_ONCE) break;
  }
  return steps;
}

/** A large plan is shown with its first steps; the others are asked for. */
async function whole(http: Http, view: PlanView): Promise<PlanView> {
  const { plan, impact } = view;
  if (plan.steps.length >= impact.steps) return view;
  const rest = await allSteps(http, path`/v1/plans/${plan.id}/steps`, PlanStep, plan.steps.at(-1)?.n);
  return { ...view, plan: { ...plan, steps: [...plan.steps, ...rest] } };
}

/** All pages of a list. */
async function all<T extends z.ZodType>(
  http: Http,
  route: string,
  item: T,
  query: NonNullable<Ask["query"]> = {},
): Promise<z.infer<T>[]> {
  const items: z.infer<T>[] = [];
  let cursor: string | undefined;
  for (let n = 0; n < MAX_PAGES; n++) {
    const page: Page<z.infer<T>> = await http("GET", route, pageOf(item), { query: { ...query, limit: 500, cursor } });
    items.push(...page.items);
    if (page.next === null) break;
    cursor = page.next;
  }
  return items;
}
