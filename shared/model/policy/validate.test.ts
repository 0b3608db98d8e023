import { describe, expect, it } from "vitest";
import type { Policy } from "../policy.ts";
import { policyFits, validatePolicy } from "./validate.ts";
import type { PolicySite } from "./world.ts";

const NOW = Date.parse("2026-11-25T12:00:00Z");
const device = (name: string, role: string, rack: string, machine = true) => ({ name, role, rack, machine });
const site: PolicySite = {
  name: "ams01",
  racks: ["r01", "r02"],
  devices: [
    device("tor-a", "tor-switch", "r01", false),
    device("tor-b", "tor-switch", "r02", false),
    device("web-01", "web", "r01"),
    device("web-02", "web", "r01"),
    device("web-03", "web", "r02"),
    device("db-01", "db", "r02"),
  ],
};
const context = { site, workflows: ["server.install"] };
const good = {
  schema: "turnup/policy/v1",
  site: "ams01",
  pools: [
    { name: "web", members: { roles: ["web"] }, floor: { count: 2 }, drain: { hook: "traffic" } },
    { name: "web-r01", members: { roles: ["web"], racks: ["r01"], devices: ["db-01"] }, floor: { percent: 50 } },
  ],
  racks: { floor: { percent: 50 } },
  roles: { db: { count: 1 } },
  groups: [{ name: "tor", kind: "switch-pair", members: ["tor-a", "tor-b"] }],
  windows: [
    {
      name: "nights",
      rrule: "FREQ=DAILY;BYHOUR=22;BYMINUTE=00",
      timeZone: "Europe/Amsterdam",
      minutes: 360,
      pools: ["web"],
    },
    { name: "days", rrule: "FREQ=WEEKLY;BYDAY=WE,MO;BYHOUR=9", timeZone: "UTC", minutes: 60 },
    { name: "ends", rrule: "FREQ=MONTHLY;BYDAY=+1SA,-1SU;UNTIL=20280101T000000Z", timeZone: "UTC", minutes: 60 },
    { name: "odd", rrule: "FREQ=WEEKLY;INTERVAL=2;BYDAY=SA", timeZone: "UTC", minutes: 60, from: "2026-11-02" },
  ],
  freezes: [{ name: "peak", from: "2026-11-27T00:00:00+01:00", until: "2026-11-30T00:00:00+01:00", reason: "peak" }],
  caps: { disruptive: 4, perRack: 1, perWave: 10 },
  holds: [
    { on: "device:web-03", owner: "anna", reason: "data rescue" },
    { on: "rack:r01", owner: "anna", reason: "power", until: "2026-11-26T00:00:00Z" },
    { on: "pool:web", owner: "bo", reason: "launch" },
    { on: "site", owner: "bo", reason: "launch" },
  ],
  errorBudgets: [{ workflow: "server.install", consecutive: 2, percent: 10, ofLast: 50 }],
  approvals: { "server.install": 1 },
  waves: { sizes: [1, "10%", "rest"], soakMinutes: 30, stop: { consecutive: 2, percent: 10, bootTimePercent: 50 } },
  hooks: [
    { name: "traffic", url: "https://traffic.example.net/turnup", secret: "env:TRAFFIC_HOOK", timeoutMinutes: 30 },
  ],
} satisfies Policy;

const faultsOf = (document: unknown): string[] => {
  const judged = validatePolicy(document, context, NOW);
  return judged.ok ? [] : (judged.problem.errors ?? []).map(({ code, pointer }) => `${code} ${pointer}`);
};

it("a policy with every key has no fault", () => {
  expect(faultsOf(good)).toEqual([]);
  expect(faultsOf({ schema: "turnup/policy/v1", site: "ams01" })).toEqual([]);
});

describe("a fault is named with its place", () => {
  const window = good.windows[0];
  const pool = good.pools[0];
  it.each<[string, Record<string, unknown>]>([
    ["site_other /site", { site: "fra01" }],
    ["unknown_key /pool", { pool: [] }],
    ["missing_key /pools/0/members", { pools: [{ name: "web" }], windows: [], holds: [] }],
    ["name_duplicate /pools/1/name", { pools: [pool, pool] }],
    ["role_missing /pools/0/members/roles/0", { pools: [{ ...pool, members: { roles: ["wbe"] } }] }],
    ["rack_missing /pools/0/members/racks/0", { pools: [{ ...pool, members: { racks: ["r03"] } }] }],
    ["device_missing /pools/0/members/devices/1", { pools: [{ ...pool, members: { devices: ["web-01", "x"] } }] }],
    ["pool_empty /pools/0/members", { pools: [{ ...pool, members: { roles: ["db"], racks: ["r01"] } }] }],
    ["pool_empty /pools/0/members", { pools: [{ ...pool, members: {} }] }],
    ["floor_above_pool /pools/0/floor/count", { pools: [{ ...pool, floor: { count: 4 } }] }],
    ["floor_unclear /pools/0/floor", { pools: [{ ...pool, floor: {} }] }],
    ["floor_unclear /pools/0/floor", { pools: [{ ...pool, floor: { count: 1, percent: 10 } }] }],
    ["value_out_of_range /pools/0/floor/percent", { pools: [{ ...pool, floor: { percent: 101 } }] }],
    ["floor_without_machines /pools/0/floor", { pools: [{ ...pool, members: { roles: ["tor-switch"] } }] }],
    ["hook_missing /pools/0/drain/hook", { pools: [{ ...pool, drain: { hook: "trafic" } }] }],
    ["floor_above_pool /roles/db/count", { roles: { db: { count: 2 } } }],
    ["role_missing /roles/bd", { roles: { bd: { count: 1 } } }],
    ["floor_above_pool /racks/floor/count", { racks: { floor: { count: 3 } } }],
    ["device_missing /groups/0/members/1", { groups: [{ ...good.groups[0], members: ["tor-a", "tor-c"] }] }],
    ["member_twice /groups/0/members/1", { groups: [{ ...good.groups[0], members: ["tor-a", "tor-a"] }] }],
    ["group_protects_nothing /groups/0/mayBeOut", { groups: [{ ...good.groups[0], mayBeOut: 2 }] }],
    ["value_out_of_range /groups/0/members", { groups: [{ ...good.groups[0], members: ["tor-a"] }] }],
    ["pool_missing /windows/0/pools/0", { windows: [{ ...window, pools: ["wbe"] }] }],
    ["time_zone_unknown /windows/0/timeZone", { windows: [{ ...window, timeZone: "Europe/Amsterdm" }] }],
    ["time_zone_unknown /windows/0/timeZone", { windows: [{ ...window, timeZone: "+01:00" }] }],
    ["window_never_opens /windows/0/rrule", { windows: [{ ...window, rrule: "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30" }] }],
    ["window_never_opens /windows/0/rrule", { windows: [{ ...window, rrule: "FREQ=DAILY;UNTIL=20260101T000000Z" }] }],
    ["window_anchor_missing /windows/0/from", { windows: [{ ...window, rrule: "FREQ=WEEKLY;INTERVAL=2" }] }],
    ["value_out_of_range /windows/0/minutes", { windows: [{ ...window, minutes: 20_000 }] }],
    ["value_out_of_range /windows/0/from", { windows: [{ ...window, from: "2026-02-30" }] }],
    ["freeze_ends_before_start /freezes/0/until", { freezes: [{ ...good.freezes[0], until: "2026-11-26T23:00:00Z" }] }],
    ["value_out_of_range /freezes/0/from", { freezes: [{ ...good.freezes[0], from: "2026-11-27" }] }],
    ["hold_unclear /holds/0/on", { holds: [{ ...good.holds[0], on: "web-03" }] }],
    ["hold_twice /holds/1/on", { holds: [good.holds[0], good.holds[0]] }],
    ["device_missing /holds/0/on", { holds: [{ ...good.holds[0], on: "device:web-09" }] }],
    ["rack_missing /holds/0/on", { holds: [{ ...good.holds[0], on: "rack:r09" }] }],
    ["pool_missing /holds/0/on", { holds: [{ ...good.holds[0], on: "pool:wbe" }] }],
    ["workflow_missing /errorBudgets/0/workflow", { errorBudgets: [{ workflow: "server.instal", consecutive: 1 }] }],
    ["budget_without_limit /errorBudgets/0", { errorBudgets: [{ workflow: "server.install", ofLast: 5 }] }],
    ["budget_twice /errorBudgets/1/workflow", { errorBudgets: [good.errorBudgets[0], good.errorBudgets[0]] }],
    ["workflow_missing /approvals/server.wipe", { approvals: { "server.wipe": 2 } }],
    ["value_out_of_range /approvals/server.install", { approvals: { "server.install": 3 } }],
    ["wave_size_malformed /waves/sizes/0", { waves: { sizes: ["ten"] } }],
    ["value_out_of_range /waves/sizes/0", { waves: { sizes: [0] } }],
    ["wave_after_rest /waves/sizes/0", { waves: { sizes: ["rest", 1] } }],
    ["hook_url_malformed /hooks/0/url", { hooks: [{ ...good.hooks[0], url: "ftp://x" }] }],
    ["hook_url_malformed /hooks/0/url", { hooks: [{ ...good.hooks[0], url: "https://a:b@x/" }] }],
    ["hook_secret_malformed /hooks/0/secret", { hooks: [{ ...good.hooks[0], secret: "hunter2" }] }],
  ])("%s", (fault, change) => {
    expect(faultsOf({ ...good, ...change })).toContain(fault);
  });

  it.each([
    "",
    "BYHOUR=2",
    "FREQ=HOURLY",
    "FREQ=DAILY;BYHOUR=25",
    "FREQ=DAILY;BYMINUTE=",
    "FREQ=DAILY;BYHOUR=2;BYHOUR=3",
    "FREQ=DAILY;BYSECOND=5",
    "FREQ=DAILY;BYDAY=XX",
    "RRULE:FREQ=DAILY",
    "FREQ=DAILY\nDTSTART:20200101T000000Z",
    "RSCALE=HEBREW;FREQ=YEARLY",
    "FREQ=MONTHLY;BYMONTHDAY=32",
    "FREQ=MONTHLY;BYMONTHDAY=1,32",
    "FREQ=DAILY;INTERVAL=0",
    "FREQ=DAILY;COUNT=5",
    "FREQ=DAILY;BYHOUR=1,2,3,4,5;BYMINUTE=0,10,20,30,40",
    "FREQ=DAILY;UNTIL=20280101",
  ])("a rule that cannot be read, or would be read as less than it says: %j", (rrule) => {
    const found = faultsOf({ ...good, windows: [{ ...window, rrule, from: "2026-11-02" }] });
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(/^(window_rule_malformed|value_out_of_range|missing_key) \/windows\/0\/rrule$/);
  });
});

it("[S4] rules that are made to cost time cost little", () => {
  const [window] = good.windows;
  const hours = Array.from({ length: 24 }, (_, hour) => hour).join();
  const costly = [
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=DAILY;BYSETPOS=366;BYHOUR=1",
    `FREQ=YEARLY;BYYEARDAY=366;BYMONTH=1;BYHOUR=${hours}`,
    `FREQ=DAILY;BYSETPOS=24;BYHOUR=${hours};BYMONTH=2;BYMONTHDAY=30`,
    "FREQ=DAILY;INTERVAL=9999;BYMONTH=2;BYMONTHDAY=30",
  ];
  const windows = Array.from({ length: 50 }, (_, n) => ({
    ...{ ...window, name: `w${n}`, from: "1900-01-01" },
    rrule: costly[n % costly.length],
  }));
  const began = process.cpuUsage();
  expect(faultsOf({ ...good, windows })).toHaveLength(50);
  const { user } = process.cpuUsage(began);
  // Some 1 s; COUNT alone once took 20 s for one rule.
  expect(user).toBeLessThan(10_000_000);
});

it("[S4] thousands of names that are not there cost little", () => {
  const devices = Array.from({ length: 10_000 }, (_, n) => device(`server-${n}`, "web", "r01"));
  const members = { devices: Array.from({ length: 5_000 }, (_, n) => `srever-${n}`) };
  const context = { site: { ...site, devices }, workflows: [] };
  const document = { schema: "turnup/policy/v1", site: "ams01", pools: [{ name: "p", members }] };
  const began = process.cpuUsage();
  const judged = validatePolicy(document, context, NOW);
  const { user } = process.cpuUsage(began);
  expect(judged).toMatchObject({
    ok: false,
    problem: { detail: "The policy has 5000 faults, of which the first 1000 are listed." },
  });
  // Half a second; a nearest name for each would take a minute.
  expect(user).toBeLessThan(10_000_000);
});

it("all faults are told at once", () => {
  expect(
    faultsOf({
      ...good,
      site: "x",
      roles: { bd: { count: 1 } },
      groups: [{ name: "A B", kind: "pair", members: ["tor-a", "tor-x"] }],
    }).sort(),
  ).toEqual([
    "device_missing /groups/0/members/1",
    "name_malformed /groups/0/name",
    "role_missing /roles/bd",
    "site_other /site",
    "value_not_allowed /groups/0/kind",
  ]);
});

it("what cannot be read in one entry hides nothing in the others", () => {
  const [freeze] = good.freezes;
  const [window] = good.windows;
  expect(
    faultsOf({
      ...good,
      pools: [...good.pools, { name: "x", members: { roles: [] } }],
      groups: [
        { name: "g", kind: "other", members: ["tor-a"] },
        { name: "h", kind: "other", members: ["tor-a", "tor-x"] },
      ],
      windows: [
        { ...window, minutes: 1 },
        { ...window, name: "m", from: "x" },
        { ...window, name: "n", pools: ["x", "y"] },
      ],
      freezes: [
        { ...freeze, from: "soon" },
        { ...freeze, name: "p", until: freeze?.from },
      ],
      errorBudgets: [{ workflow: "x", ofLast: 1 }],
    }).sort(),
  ).toEqual([
    "budget_without_limit /errorBudgets/0",
    "device_missing /groups/1/members/1",
    "freeze_ends_before_start /freezes/1/until",
    "pool_missing /windows/2/pools/1",
    "value_out_of_range /errorBudgets/0/ofLast",
    "value_out_of_range /freezes/0/from",
    "value_out_of_range /groups/0/members",
    "value_out_of_range /pools/2/members/roles",
    "value_out_of_range /windows/0/minutes",
    "value_out_of_range /windows/1/from",
    "workflow_missing /errorBudgets/0/workflow",
  ]);
});

it("no secret that stands in the wrong place is repeated", () => {
  const judged = validatePolicy({ ...good, hooks: [{ ...good.hooks[0], secret: "hunter2" }] }, context, NOW);
  expect(JSON.stringify(judged)).not.toContain("hunter2");
});

describe("when the site has changed", () => {
  const without = (name: string): PolicySite => ({ ...site, devices: site.devices.filter((d) => d.name !== name) });
  const said = (changed: PolicySite): string[] => {
    const fits = policyFits(good, changed, NOW);
    return fits.ok ? [] : (fits.problem.errors ?? []).map(({ code, pointer }) => `${code} ${pointer}`);
  };
  it("a policy that names what is gone, or asks for more than is left, does not fit any more", () => {
    expect(said(site)).toEqual([]);
    expect(said(without("web-01"))).toEqual([]);
    expect(said(without("web-03"))).toEqual(["device_missing /holds/0/on"]);
    expect(said(without("db-01")).sort()).toEqual([
      "device_missing /pools/1/members/devices/0",
      "role_missing /roles/db",
    ]);
    expect(said({ ...site, devices: site.devices.filter((d) => !/^web-0[12]$/.test(d.name)) })).toEqual([
      "floor_above_pool /pools/0/floor/count",
    ]);
  });
  it("a hold that is over keeps nothing", () => {
    const over = { ...good, holds: [{ on: "device:gone", owner: "anna", reason: "x", until: "2026-11-25T12:00:00Z" }] };
    expect(policyFits(over, site, NOW).ok).toBe(true);
    expect(policyFits(over, site, NOW - 1).ok).toBe(false);
  });
  it("time alone never makes it wrong", () => {
    const past = { name: "past", rrule: "FREQ=DAILY;UNTIL=20200101T000000Z", timeZone: "UTC", minutes: 60 };
    expect(policyFits({ ...good, windows: [past] }, site, NOW).ok).toBe(true);
  });
});
