import { expect, it } from "vitest";
import { freeze } from "./freeze.ts";
import { askOf, policyWorld } from "./test-policy.ts";
import { window } from "./window.ts";

const nights = {
  ...{ name: "nights", rrule: "FREQ=DAILY;BYHOUR=22;BYMINUTE=0", timeZone: "Europe/Amsterdam", minutes: 360 },
};
const at = (iso: string) => Date.parse(iso);
const machines = { a: "active", b: "active" } as const;
const asked = (now: string, minutes = 60, windows: object[] = [nights], state: "active" | "maintenance" = "active") => {
  const world = policyWorld({ ...machines, a: state }, { windows: windows as (typeof nights)[] }, { now: at(now) });
  return window(world, askOf(world, "a", minutes));
};

it("[G3] outside the window a step waits for it to open, and says when", () => {
  expect(asked("2026-11-25T12:00Z")).toEqual({
    ...{ guard: "window", verdict: "wait", code: "window_closed", until: at("2026-11-25T21:00Z") },
    text: "the window nights of ams01 to open (2026-11-25T21:00Z)",
  });
  expect(asked("2026-11-25T21:00Z").verdict).toBe("pass");
});

it("[G3] inside it, also past midnight, what does not fit before its end waits for the next one", () => {
  expect(asked("2026-11-26T02:00Z", 60).verdict).toBe("pass");
  expect(asked("2026-11-26T02:00Z", 61)).toMatchObject({
    ...{ verdict: "wait", code: "window_too_short", until: at("2026-11-26T21:00Z") },
    text: expect.stringContaining("1 h 01 min that its steps are expected to take do not fit"),
  });
});

it("[G3] on the night in which the clock is put forward the window is an hour shorter", () => {
  // 28 March 2026, 22:00 in Amsterdam is 21:00 UTC; 04:00 there is 02:00 UTC, not 03:00.
  expect(asked("2026-03-29T01:30Z", 30).verdict).toBe("pass");
  expect(asked("2026-03-29T01:31Z", 30)).toMatchObject({ code: "window_too_short", until: at("2026-03-29T20:00Z") });
});

it("[G3] a window that no steps fit into is refused: waiting mends nothing", () => {
  expect(asked("2026-11-25T12:00Z", 361)).toMatchObject({ verdict: "refuse", code: "window_too_short" });
  const over = { ...nights, rrule: "FREQ=DAILY;UNTIL=20260101T000000Z" };
  expect(asked("2026-11-25T12:00Z", 5, [over])).toMatchObject({ verdict: "refuse", code: "window_closed" });
});

it("[G3] a machine that is down already is not kept out of service until the next window", () => {
  expect(asked("2026-11-25T12:00Z", 60, [nights], "maintenance").verdict).toBe("pass");
});

it("[G3] windows of other pools do not count, and without one it is always open", () => {
  expect(asked("2026-11-25T12:00Z", 60, []).verdict).toBe("pass");
  const pools = ["b-only"].map((name) => ({ name, members: { devices: ["b"] } }));
  const world = policyWorld(machines, { pools, windows: [{ ...nights, pools: ["b-only"] }] });
  expect(window(world, askOf(world, "a")).verdict).toBe("pass");
  expect(window(world, askOf(world, "b")).code).toBe("window_closed");
});

const frozen = (now: string, minutes = 60, state: "active" | "maintenance" = "active") => {
  const freezes = [
    { name: "black-friday", from: "2026-11-27T00:00:00+01:00", until: "2026-11-30T00:00:00+01:00", reason: "peak" },
  ];
  const world = policyWorld({ ...machines, a: state }, { freezes }, { now: at(now) });
  return freeze(world, askOf(world, "a", minutes));
};

it("[G3] in a freeze nothing disruptive starts, also on what is down, and nothing goes that is not back before it", () => {
  const until = at("2026-11-29T23:00Z");
  expect(frozen("2026-11-26T22:00Z", 60).verdict).toBe("pass");
  expect(frozen("2026-11-26T22:01Z", 60)).toMatchObject({ verdict: "wait", code: "freeze_on", until });
  expect(frozen("2026-11-26T22:01Z", 60, "maintenance").verdict).toBe("pass");
  expect(frozen("2026-11-26T23:00Z", 0, "maintenance")).toMatchObject({
    ...{ verdict: "wait", code: "freeze_on", until, text: "the freeze black-friday to end: peak" },
  });
  expect(frozen("2026-11-29T23:00Z").verdict).toBe("pass");
});
