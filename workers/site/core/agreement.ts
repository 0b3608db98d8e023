/**
 * Whether the rows of a restored site agree with each other, as the core leaves them after every command. Each question
 * is one statement over the tables, answered by the first row that is wrong: what each row may hold by itself is told
 * before (row-rules.ts).
 */

import { canonicalJson } from "../../../shared/canonical.ts";
import type { Sha256 } from "../../../shared/deps.ts";
import { type JobState, jobStateOf, type StepState, type TargetState } from "../../../shared/model/job.ts";
import { lifecycle, type Subject } from "../../../shared/model/lifecycle.ts";
import { Plan, planHash } from "../../../shared/model/plan.ts";
import { ResolvedSite } from "../../../shared/model/site.ts";
import type { ExportHeader } from "../../../shared/model/site-export.ts";
import type { Sql } from "../../../shared/sql.ts";
import { exportHeader } from "./export.ts";
import type { PlanRow } from "./plan-rows.ts";
import { isPolicy, type PolicyRow } from "./policy.ts";
import { readMeta, readText, type SiteRecord } from "./tx.ts";

/**
 * What each column names that names a row: of which table, by its key. `free`: what it names may have gone since, or is
 * told by a question of its own.
 */
export const references: Readonly<Record<string, string>> = {
  "approval.plan": "plan.id",
  "device.asset": "asset.id",
  "event.job": "job.id",
  "event.device": "free",
  "event.step": "free",
  "idempotency.job": "job.id",
  "job.plan": "plan.id",
  "job_target.job": "job.id",
  // A device may leave the site file when its jobs have ended; those of open targets are locked.
  "job_target.device": "free",
  "job_target.agent": "agent.id",
  "ledger.job": "job.id",
  "lock.device": "device.id",
  "lock.job": "job.id",
  "medium.asset": "asset.id",
  "plan.job": "job.id",
  "step.job": "job.id",
  // Its target's, told with the target's range.
  "step.device": "free",
  "step.agent": "agent.id",
  "step.lease": "free",
  "step_need.job": "job.id",
  "unread.device": "free",
};

/** The states that the steps of a target may have while it is in each of its own. */
const stepsFit: Readonly<Record<TargetState, readonly StepState[]>> = {
  // Lost while queued: an agent of a restored site told of an attempt after the export.
  queued: ["blocked", "ready", "unknown", "skipped"],
  running: ["blocked", "ready", "leased", "running", "unknown", "succeeded", "skipped"],
  waiting: ["blocked", "succeeded", "failed", "skipped"],
  succeeded: ["succeeded", "skipped"],
  failed: ["succeeded", "failed", "skipped", "cancelled"],
  cancelled: ["succeeded", "failed", "skipped", "cancelled"],
};

const listed = (values: readonly string[]): string => values.map((value) => `'${value}'`).join(", ");
const OPEN = listed(["queued", "running", "waiting"]);
const AT_WORK = listed(["leased", "running", "unknown"]);

const dangling = Object.entries(references).flatMap(([from, to]) => {
  const [table = "", column = ""] = from.split(".");
  const [other = "", key = ""] = to.split(".");
  const fault = `'a row of ${table} names the ${other} ' || x.${column} || ', which is not here'`;
  return to === "free"
    ? []
    : [
        `SELECT ${fault} FROM ${table} x WHERE x.${column} IS NOT NULL AND NOT EXISTS (SELECT 1 FROM ${other} o WHERE o.${key} = x.${column})`,
      ];
});

const unfit = Object.entries(stepsFit).map(
  ([state, steps]) =>
    `SELECT 'step ' || s.job || ' ' || s.n || ' is ' || s.state || ', and its target ${state}' FROM job_target t JOIN step s
       ON s.job = t.job AND s.n BETWEEN t.from_n AND t.to_n AND s.device = t.device
       WHERE t.state = '${state}' AND s.state NOT IN (${listed(steps)})`,
);

/** E1: the ledger, whose chain was told before, says what became of each thing last; a row that is gone shows here too. */
const asLedger = (Object.keys(lifecycle) as Subject[]).flatMap((subject) => {
  const kinds = [...Object.keys(lifecycle[subject]), "removed"].map((state) => `${subject}.${state}`);
  const said = `WITH said AS (SELECT id, kind, max(seq) FROM ledger WHERE subject = '${subject}' AND kind IN (${listed(kinds)}) GROUP BY id)`;
  return [
    `${said} SELECT '${subject} ' || l.id || ' is ' || coalesce(x.state, 'not here') || ', and the ledger says ' || l.kind
       FROM said l LEFT JOIN ${subject} x ON x.id = l.id WHERE coalesce(x.state, 'removed') <> substr(l.kind, ${subject.length + 2})`,
    `${said} SELECT '${subject} ' || id || ' is not in the ledger' FROM ${subject} WHERE id NOT IN (SELECT id FROM said)`,
  ];
});

/** Each step with each of its needs, in this order: chosen freely, SQLite once looked through all steps for each step. */
const needs = `FROM step s CROSS JOIN json_each(s.body, '$.needs') e CROSS JOIN step d ON d.job = s.job AND d.n = e.value`;
const ofStep = "'step ' || s.job || ' ' || s.n";

/** Each selects, in words, what is wrong. */
const questions: readonly string[] = [
  ...dangling,
  // Jobs
  `SELECT 'job ' || id || ' has no target' FROM job WHERE id NOT IN (SELECT job FROM job_target)`,
  `SELECT 'job ' || id || ' has ended, and is paused or has a deadline' FROM job
     WHERE ended_at IS NOT NULL AND (paused IS NOT NULL OR due_at IS NOT NULL)`,
  `SELECT 'job ' || j.id || ' is of another plan than ' || p.id FROM job j JOIN plan p ON p.id = j.plan
     WHERE p.hash <> j.plan_hash OR p.job IS NOT j.id`,
  `SELECT 'plan ' || p.id || ' was used by ' || p.job || ', which is of ' || j.plan FROM plan p JOIN job j ON j.id = p.job WHERE j.plan <> p.id`,
  `SELECT 'an approval of ' || a.plan || ' is of another hash or site' FROM approval a JOIN plan p ON p.id = a.plan
     WHERE json_extract(a.statement, '$.hash') <> p.hash
       OR json_extract(a.statement, '$.site') <> (SELECT json_extract(value, '$.id') FROM meta WHERE key = 'site')`,
  // A watcher goes on from a number, and the newest one is the job's version.
  `SELECT 'an event of ' || job || ' is missing' FROM event GROUP BY job HAVING min(seq) <> 1 OR max(seq) <> count(*)`,
  `SELECT 'job ' || id || ' has no event' FROM job WHERE id NOT IN (SELECT job FROM event)`,
  // Targets
  `SELECT 'a target of ' || job || ' is missing' FROM job_target GROUP BY job HAVING min(ord) <> 0 OR max(ord) + 1 <> count(*)`,
  `SELECT 'target ' || t.job || ' ' || t.device || ' lacks its first or last step' FROM job_target t
     WHERE (SELECT count(*) FROM step s WHERE s.job = t.job AND s.device = t.device AND s.n IN (t.from_n, t.to_n)) <> 1 + (t.from_n <> t.to_n)`,
  // L7
  `SELECT 'target ' || job || ' ' || device || ' is ' || state || ' and holds no lock' FROM job_target t
     WHERE state IN (${OPEN}) AND NOT EXISTS (SELECT 1 FROM lock l WHERE l.device = t.device AND l.job = t.job)`,
  `SELECT 'lock ' || device || ' is held by ' || job || ', which does not work on it' FROM lock l
     WHERE NOT EXISTS (SELECT 1 FROM job_target t WHERE t.job = l.job AND t.device = l.device AND t.state IN (${OPEN}))`,
  `SELECT 'device ' || id || ' is installing, and no job holds it' FROM device WHERE state = 'installing' AND id NOT IN (SELECT device FROM lock)`,
  // J10: one that nothing is left to do for would never end.
  `SELECT 'target ' || job || ' ' || device || ' is ' || state || ' and has no open step' FROM job_target t
     WHERE state IN ('queued', 'running') AND NOT EXISTS (SELECT 1 FROM step s WHERE s.job = t.job AND s.n BETWEEN t.from_n AND t.to_n
       AND s.device = t.device AND s.state IN ('blocked', 'ready', 'leased', 'running', 'unknown'))`,
  // Steps
  `SELECT 'a step of ' || job || ' is missing' FROM step GROUP BY job HAVING min(n) <> 0 OR max(n) + 1 <> count(*)`,
  `SELECT ${ofStep} || ' is of no target' FROM step s
     WHERE NOT EXISTS (SELECT 1 FROM job_target t WHERE t.job = s.job AND t.device = s.device AND s.n BETWEEN t.from_n AND t.to_n)`,
  ...unfit,
  // L1
  `SELECT 'two steps of ' || device || ' are at work or lost' FROM step WHERE state IN (${AT_WORK}) GROUP BY device HAVING count(*) > 1`,
  `SELECT ${ofStep} || ' needs step ' || e.value || ', which is not there' FROM step s CROSS JOIN json_each(s.body, '$.needs') e
     WHERE s.state <> 'succeeded' AND NOT EXISTS (SELECT 1 FROM step d WHERE d.job = s.job AND d.n = e.value)`,
  `SELECT ${ofStep} || ' is ' || s.state || ' before step ' || d.n || ', which it needs' ${needs}
     WHERE s.state IN ('ready', ${AT_WORK}) AND d.device = s.device AND d.state NOT IN ('succeeded', 'skipped')`,
  // By these rows a step's end finds who waits for it in another target.
  `SELECT ${ofStep} || ' needs step ' || d.n || ' of another target, and no step_need says so' ${needs}
     WHERE s.state <> 'succeeded' AND d.device <> s.device
       AND NOT EXISTS (SELECT 1 FROM step_need x WHERE x.job = s.job AND x.need = d.n AND x.n = s.n)`,
  ...asLedger,
  // The others
  `SELECT 'two agents have the name ' || name FROM agent WHERE revoked_at IS NULL GROUP BY name HAVING count(*) > 1`,
  `SELECT 'two audits are under way' FROM audit WHERE state = 'running' GROUP BY state HAVING count(*) > 1`,
  `SELECT 'a part of the text ' || key || ' is missing' FROM text_part GROUP BY key HAVING min(n) <> 0 OR max(n) + 1 <> count(*)`,
  `SELECT 'the text ' || key || ' is of no plan' FROM text_part WHERE key <> 'site' AND key NOT IN (SELECT id FROM plan)`,
];

/** The first thing in which the tables, of the newest version, disagree with each other or with the export's header; in words. */
export function disagreement(sql: Sql, header: ExportHeader, sha256: Sha256): string | undefined {
  const other = headerFault(sql, header);
  if (other !== undefined) return other;
  for (const question of questions) {
    const row = sql.get<Record<string, string>>(`${question} LIMIT 1`);
    if (row) return Object.values(row)[0];
  }
  return jobFault(sql) ?? siteTextFault(sql) ?? planTextFault(sql, sha256) ?? policyFault(sql, sha256);
}

/** The export says at its beginning what its rows say; the fences rest on it (L2). */
function headerFault(sql: Sql, header: ExportHeader): string | undefined {
  const site = readMeta<SiteRecord>(sql, "site");
  if (!site) return "its lines hold no site";
  const { schema: _, ...own } = exportHeader(sql, site);
  const wrong = (Object.keys(own) as (keyof typeof own)[]).find(
    (key) => JSON.stringify(own[key]) !== JSON.stringify(header[key]),
  );
  return wrong && `its header says another ${wrong} than its rows`;
}

/** A job's state follows from its targets', and nothing else. */
function jobFault(sql: Sql): string | undefined {
  const rows = sql.all<{ id: string; state: JobState; paused: string | null; targets: string }>(
    `SELECT j.id, j.state, j.paused, (SELECT group_concat(DISTINCT t.state) FROM job_target t INDEXED BY target_state WHERE t.job = j.id)
       AS targets FROM job j`,
  );
  for (const { id, state, paused, targets } of rows) {
    const wanted = jobStateOf(targets.split(",") as TargetState[], paused !== null);
    if (wanted !== state) return `job ${id} is ${state}, and its targets say ${wanted}`;
  }
  return undefined;
}

function siteTextFault(sql: Sql): string | undefined {
  const text = readText(sql, "site");
  if (text === undefined) return sql.get("SELECT 1 FROM device LIMIT 1") && "the text of the site file is missing";
  const read = ResolvedSite.omit({ devices: true, cables: true }).safeParse(parsed(text));
  return read.success ? undefined : `the text of the site file: ${read.error.issues[0]?.path.join(".")} does not fit`;
}

/** What was applied is what the ledger says was, and the newest version can still be read. */
function policyFault(sql: Sql, sha256: Sha256): string | undefined {
  const rows = sql.all<PolicyRow & { said: string | null }>(
    `SELECT p.*, (SELECT json_extract(l.data, '$.sha256') FROM ledger l
       WHERE l.kind = 'policy.applied' AND json_extract(l.data, '$.version') = p.version) AS said FROM policy p ORDER BY p.version`,
  );
  const applied = sql.get<{ n: number }>("SELECT count(*) AS n FROM ledger WHERE kind = 'policy.applied'")?.n;
  if (applied !== rows.length)
    return `the ledger says that ${applied} policies were applied, and ${rows.length} are here`;
  for (const [i, { version, text, sha, said }] of rows.entries()) {
    if (version !== i + 1) return `policy ${i + 1} is missing`;
    if (sha256(text) !== sha || sha !== said) return `policy ${version} is not the one that was applied`;
  }
  const newest = rows.at(-1);
  return newest && !isPolicy(newest.text) ? `policy ${newest.version} cannot be read` : undefined;
}

/** A plan is the one that was reviewed (J7), and a used one has become its job's rows as it is (J5). */
function planTextFault(sql: Sql, sha256: Sha256): string | undefined {
  for (const row of sql.all<PlanRow>("SELECT * FROM plan")) {
    const text = parsed(readText(sql, row.id) ?? "") as Plan | undefined;
    if (text?.id !== row.id) return `the text of plan ${row.id} is not its own`;
    const read = Plan.safeParse(text);
    if (!read.success || planHash(read.data, sha256) !== row.hash) return `plan ${row.id} is not the one with its hash`;
    if (text.approvals !== row.approvals || text.expiresAt !== row.expires_at)
      return `plan ${row.id} is another one than its row says`;
    const fault = row.job === null ? undefined : jobRowsFault(sql, row.job, text);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** Steps of a plan may be many: so many are read at once. */
const STEPS_AT_ONCE = 500;

function jobRowsFault(sql: Sql, job: string, { steps, targets }: Plan): string | undefined {
  const differs = (body: string, planned: unknown) => canonicalJson(parsed(body)) !== canonicalJson(planned ?? null);
  for (const { ord, body } of sql.all<{ ord: number; body: string }>(
    "SELECT ord, body FROM job_target WHERE job = ?",
    job,
  ))
    if (differs(body, targets[ord])) return `target ${ord} of ${job} is not as its plan has it`;
  let count = 0;
  for (let from = 0; from < steps.length; from += STEPS_AT_ONCE)
    for (const { n, body } of sql.all<{ n: number; body: string }>(
      "SELECT n, body FROM step WHERE job = ? AND n >= ? AND n < ?",
      job,
      from,
      from + STEPS_AT_ONCE,
    )) {
      count += 1;
      if (differs(body, steps[n])) return `step ${n} of ${job} is not as its plan has it`;
    }
  return count === steps.length ? undefined : `${job} has other steps than its plan`;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
