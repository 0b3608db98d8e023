import { z } from "zod";

/**
 * The policy of a site, `turnup/policy/v1`: what must stay in service there, and when, how much and with whose consent
 * something may be taken out of it. One file that people review, kept in versions by the site itself. This schema holds
 * the shape; what hangs together with the site is judged by `validatePolicy` (policy/validate.ts).
 */

/** Upper bounds of the lists (S4). */
const limits = { pools: 500, members: 5_000, small: 200, windows: 50, text: 200 } as const;

const text = (description: string, example?: string) =>
  z
    .string()
    .min(1)
    .max(limits.text)
    .meta({ description, ...(example === undefined ? {} : { examples: [example] }) });
const names = (description: string, max: number = limits.small) =>
  z.array(z.string().min(1).max(limits.text)).min(1).max(max).describe(description);
const list = <T extends z.ZodType>(item: T, max: number, description: string) =>
  z.array(item).max(max).describe(description);
const whole = (least: number, most: number, description: string) =>
  z.number().int().min(least).max(most).describe(description);
const name = (of: string, example: string) =>
  text(`Name of the ${of}: lower-case letters, digits, dots and hyphens`, example);
/** By the clock of a place, so that a reader in another one reads the same moment. */
const moment = (description: string, example: string) =>
  z.iso
    .datetime({ offset: true, error: "a moment with its offset, as 2026-11-27T00:00:00+01:00" })
    .meta({ description, examples: [example] });

const Floor = z.strictObject({
  count: whole(1, 100_000, "So many must stay in service").optional(),
  percent: whole(1, 100, "So many of a hundred must stay in service, rounded up").optional(),
});
export type FloorEntry = z.infer<typeof Floor>;

const Pool = z.strictObject({
  name: name("pool", "web"),
  members: z
    .strictObject({
      roles: names("All devices of these roles").optional(),
      racks: names(
        "Of those with the roles, only what stands in these racks; without roles, all that stands there",
      ).optional(),
      devices: names("And these, by name", limits.members).optional(),
    })
    .describe("Who belongs to it; a device may be in several pools"),
  floor: Floor.optional().describe("How many of its machines must stay in service (G1)"),
  drain: z
    .strictObject({ hook: text("One of `hooks`", "traffic") })
    .optional()
    .describe("How its machines are rid of their load before they are taken out"),
});

const Group = z.strictObject({
  name: name("group", "r01-tor"),
  kind: z.enum(["switch-pair", "router-pair", "feed", "other"]).describe("What it is"),
  members: names("")
    .min(2)
    .meta({ description: "Devices of which one stands in for another", examples: [["tor-a", "tor-b"]] }),
  mayBeOut: whole(1, 1_000, "So many may be out at once; 1 if left out").optional(),
});

const PolicyWindow = z.strictObject({
  name: name("window", "nights"),
  rrule: text(
    "When it opens: the value of an RRULE (RFC 5545), from DAILY to YEARLY",
    "FREQ=DAILY;BYHOUR=22;BYMINUTE=0",
  ),
  timeZone: text("By whose clock, as an IANA name", "Europe/Amsterdam"),
  minutes: whole(5, 7 * 24 * 60, "How long it stays open").meta({ examples: [360] }),
  from: z.iso
    .date({ error: "a day, as 2026-11-30" })
    .meta({
      description: "The day that INTERVAL is counted from; it does not open before",
      examples: ["2026-11-30"],
    })
    .optional(),
  pools: names("Pools that it is for; all devices if left out").optional(),
});
export type PolicyWindow = z.infer<typeof PolicyWindow>;

const Freeze = z.strictObject({
  name: name("freeze", "black-friday"),
  from: moment("From when on nothing is taken out of service", "2026-11-27T00:00:00+01:00"),
  until: moment("Until when", "2026-11-30T00:00:00+01:00"),
  reason: text("Why, for whoever is held up by it", "peak"),
});

const Hold = z.strictObject({
  on: text("What is held: device:NAME, rack:NAME, pool:NAME or site", "device:web-03"),
  owner: text("Who can say when it is over", "anna"),
  reason: text("Why", "data rescue"),
  until: moment("When it ends by itself; never if left out", "2026-11-27T12:00:00+01:00").optional(),
});
export type Hold = z.infer<typeof Hold>;

const consecutive = whole(1, 1_000, "So many failures in a row");

const ErrorBudget = z.strictObject({
  workflow: text("Name of the workflow", "server.install"),
  consecutive: consecutive.optional(),
  percent: whole(1, 100, "Or so many failures of a hundred targets").optional(),
  ofLast: whole(2, 10_000, "Among so many targets that ended last; 50 if left out")
    .meta({ examples: [50] })
    .optional(),
});

const Waves = z.strictObject({
  sizes: z
    .array(
      z.union([z.number().int().min(1).max(10_000), z.string().min(1).max(10)], {
        error: 'a number of targets, a share as "10%", or rest',
      }),
    )
    .min(1)
    .max(20)
    .meta({
      description:
        'Targets of each wave: a number, a share of all as "10%", or `rest`; the last one goes on to the end',
      examples: [[1, "10%", "rest"]],
    }),
  soakMinutes: whole(0, 7 * 24 * 60, "How long a wave is watched before the next begins; 0 if left out").optional(),
  stop: z
    .strictObject({
      consecutive: consecutive.optional(),
      percent: whole(1, 100, "Or so many failures of a hundred targets of a wave").optional(),
      bootTimePercent: whole(
        1,
        1_000,
        "Or machines that take so many percent longer to boot than those before",
      ).optional(),
    })
    .optional()
    .describe("What stops a job until a person lets it go on"),
});

const Hook = z.strictObject({
  name: name("hook", "traffic"),
  url: text("Where to, https or http", "https://traffic.example.net/turnup"),
  secret: text(
    "Where the control plane finds the key that signs it: env:NAME; never the key itself",
    "env:TRAFFIC_HOOK",
  ),
  timeoutMinutes: whole(1, 24 * 60, "How long it may take to drain; 30 if left out").optional(),
});

const record = <T extends z.ZodType>(value: T, description: string) =>
  z.record(z.string().min(1).max(limits.text), value).describe(description);

export const Policy = z
  .strictObject({
    schema: z.literal("turnup/policy/v1").describe("Version of this format"),
    site: text("Name of the site", "ams01"),
    pools: list(Pool, limits.pools, "Devices that do the same work").optional(),
    racks: z
      .strictObject({ floor: Floor.describe("In each rack") })
      .optional()
      .describe("What must stay in service in each rack"),
    roles: record(Floor, "What must stay in service of each role, by its name").optional(),
    groups: list(
      Group,
      limits.pools,
      "Devices that stand in for each other, as two switches of a rack (G2)",
    ).optional(),
    windows: list(
      PolicyWindow,
      limits.windows,
      "When something may be taken out of service (G3); always if there is none",
    ).optional(),
    freezes: list(Freeze, limits.small, "When nothing may").optional(),
    caps: z
      .strictObject({
        disruptive: whole(1, 1_000, "Machines taken out of service at once; 1 if left out").optional(),
        perRack: whole(1, 1_000, "In one rack").optional(),
        perWave: whole(1, 1_000, "In one wave of a job").optional(),
      })
      .optional()
      .describe("How much at once (G5)"),
    holds: list(Hold, 1_000, "What people have set aside (G7); `turnup hold` and `turnup unhold` write it").optional(),
    errorBudgets: list(ErrorBudget, limits.small, "When failures end what goes by itself (G6)").optional(),
    approvals: record(
      whole(1, 2, "People"),
      "How many people must approve a workflow, where it asks for fewer",
    ).optional(),
    waves: Waves.optional().describe("In which steps a job with many targets goes ahead (G6)"),
    hooks: list(Hook, limits.small, "Systems that are told").optional(),
  })
  .meta({ title: "Turnup policy", description: "What protects the services of one site" });
export type Policy = z.infer<typeof Policy>;

/** One version of a site's policy. */
export const PolicyView = z.object({
  site: z.string(),
  /** From 1; each apply makes the next. */
  version: z.number().int(),
  at: z.number(),
  /** Who applied it, and why. */
  actor: z.string(),
  reason: z.string(),
  /** SHA-256 of the text. */
  sha: z.string(),
  text: z.string(),
  /** Of the newest version: what its floors come to at the site as it is. Null of an older one. */
  floors: z
    .array(
      z.object({
        /** "pool web", "role compute", "rack r01" */
        of: z.string(),
        machines: z.number().int(),
        least: z.number().int(),
      }),
    )
    .nullable(),
});
export type PolicyView = z.infer<typeof PolicyView>;
/** The same without its text, for lists. */
export const PolicyVersion = PolicyView.omit({ text: true, floors: true });
export type PolicyVersion = z.infer<typeof PolicyVersion>;

/** What another text would change. */
export const PolicyDiff = z.object({
  /** The version that it was compared with; 0: there is none. */
  base: z.number().int(),
  /** In words, one for each change: "pool web: floor 4 → 5". */
  changes: z.array(z.string()),
  /** The text is the one that holds, to the letter. */
  same: z.boolean(),
});
export type PolicyDiff = z.infer<typeof PolicyDiff>;

/** Length of a policy's text, at most (S4). */
export const MAX_POLICY_CHARS = 256 * 1024;
