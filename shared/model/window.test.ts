import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isOpen, nextOpening, openTimes, type Window } from "./window.ts";

const HOUR = 3_600_000;
const at = (iso: string) => Date.parse(iso);
const said = (moment: number | null) => (moment === null ? null : new Date(moment).toISOString());
function first(windows: readonly Window[], from: string, n: number): string[] {
  const out: string[] = [];
  for (const span of openTimes(windows, at(from))) {
    out.push(`${said(span.from)} ${said(span.until)}`);
    if (out.length === n) break;
  }
  return out;
}

const nights: Window = { rrule: "FREQ=DAILY;BYHOUR=22;BYMINUTE=0", timeZone: "Europe/Amsterdam", minutes: 360 };

describe("a window over midnight", () => {
  it.each([
    ["2026-11-25T20:59:59Z", false],
    ["2026-11-25T21:00:00Z", true],
    ["2026-11-26T00:30:00Z", true],
    ["2026-11-26T02:59:59Z", true],
    ["2026-11-26T03:00:00Z", false],
    ["2026-11-26T12:00:00Z", false],
  ])("at %s is open: %s", (moment, open) => {
    expect(isOpen(nights, at(moment))).toBe(open);
  });

  it("takes what fits into the rest of it, and puts off to the next night what does not", () => {
    const late = at("2026-11-26T02:00:00Z");
    expect(nextOpening([nights], late, HOUR)).toBe(late);
    expect(said(nextOpening([nights], late, HOUR + 1))).toBe("2026-11-26T21:00:00.000Z");
    expect(said(nextOpening([nights], at("2026-11-26T12:00:00Z"), 6 * HOUR))).toBe("2026-11-26T21:00:00.000Z");
  });
});

describe("[G3] a night in which the clock is changed", () => {
  it("set forward: it closes at its hour, though its minutes are not over", () => {
    expect(first([nights], "2026-03-28T12:00:00Z", 2)).toEqual([
      "2026-03-28T21:00:00.000Z 2026-03-29T02:00:00.000Z",
      "2026-03-29T20:00:00.000Z 2026-03-30T02:00:00.000Z",
    ]);
    expect(said(nextOpening([nights], at("2026-03-28T12:00:00Z"), 6 * HOUR))).toBe("2026-03-29T20:00:00.000Z");
  });

  it("set back: it closes when its minutes are over, though it is not its hour yet", () => {
    expect(first([nights], "2026-10-24T12:00:00Z", 2)).toEqual([
      "2026-10-24T20:00:00.000Z 2026-10-25T02:00:00.000Z",
      "2026-10-25T21:00:00.000Z 2026-10-26T03:00:00.000Z",
    ]);
    expect(nextOpening([nights], at("2026-10-24T20:00:00Z"), 7 * HOUR)).toBeNull();
  });

  it("in the hour that is left out it does not open, and in the one that comes twice it opens once", () => {
    const early: Window = { rrule: "FREQ=DAILY;BYHOUR=2;BYMINUTE=30", timeZone: "Europe/Amsterdam", minutes: 60 };
    expect(first([early], "2026-03-28T12:00:00Z", 1)).toEqual(["2026-03-30T00:30:00.000Z 2026-03-30T01:30:00.000Z"]);
    expect(first([early], "2026-10-24T12:00:00Z", 2)).toEqual([
      "2026-10-25T00:30:00.000Z 2026-10-25T01:30:00.000Z",
      "2026-10-26T01:30:00.000Z 2026-10-26T02:30:00.000Z",
    ]);
  });

  it("goes by the window's own time zone, also where half an hour is changed", () => {
    const howe: Window = { rrule: "FREQ=DAILY;BYHOUR=22", timeZone: "Australia/Lord_Howe", minutes: 300 };
    expect(first([howe], "2026-10-03T00:00:00Z", 2)).toEqual([
      "2026-10-03T11:30:00.000Z 2026-10-03T16:00:00.000Z",
      "2026-10-04T11:00:00.000Z 2026-10-04T16:00:00.000Z",
    ]);
  });
});

describe("several windows", () => {
  const early: Window = { rrule: "FREQ=DAILY;BYHOUR=4;BYMINUTE=0", timeZone: "Europe/Amsterdam", minutes: 120 };

  it("that touch make one time: what needs both fits", () => {
    expect(said(nextOpening([nights, early], at("2026-11-25T12:00:00Z"), 8 * HOUR))).toBe("2026-11-25T21:00:00.000Z");
    expect(nextOpening([nights, early], at("2026-11-25T12:00:00Z"), 8 * HOUR + 1)).toBeNull();
  });
  it("that have a minute between them do not", () => {
    const later = { ...early, rrule: "FREQ=DAILY;BYHOUR=4;BYMINUTE=1" };
    expect(nextOpening([nights, later], at("2026-11-25T12:00:00Z"), 6 * HOUR + 1)).toBeNull();
  });
  it("one inside the other change nothing", () => {
    const inside = { ...early, rrule: "FREQ=DAILY;BYHOUR=23", minutes: 60 };
    expect(first([inside, nights], "2026-11-25T12:00:00Z", 1)).toEqual([
      "2026-11-25T21:00:00.000Z 2026-11-26T03:00:00.000Z",
    ]);
  });
  it("the earlier one counts, whatever their order", () => {
    const noon = { ...early, rrule: "FREQ=DAILY;BYHOUR=12" };
    for (const windows of [
      [nights, noon],
      [noon, nights],
    ])
      expect(said(nextOpening(windows, at("2026-11-25T06:00:00Z"), HOUR))).toBe("2026-11-25T11:00:00.000Z");
  });
});

describe("what fits nowhere", () => {
  it("needs longer than the window is open: never", () => {
    expect(nextOpening([nights], at("2026-11-25T12:00:00Z"), 6 * HOUR + 1)).toBeNull();
  });
  it.each(["FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "FREQ=DAILY;BYHOUR=2;UNTIL=20260101T000000Z"])(
    "a window that never opens: %s",
    (rrule) => {
      expect(nextOpening([{ ...nights, rrule }], at("2026-11-25T12:00:00Z"), 1)).toBeNull();
      expect(isOpen({ ...nights, rrule }, at("2026-11-25T12:00:00Z"))).toBe(false);
    },
  );
});

it("without any window everything is open", () => {
  expect(nextOpening([], 5, HOUR)).toBe(5);
});

it("is found at once in any year, however long the rule has been going", () => {
  expect(said(nextOpening([nights], at("2060-11-25T12:00:00Z"), 1))).toBe("2060-11-25T21:00:00.000Z");
  const third = { ...nights, rrule: "FREQ=DAILY;INTERVAL=3", from: "2020-01-01" };
  expect(said(nextOpening([third], at("2060-11-24T12:00:00Z"), 1))).toBe("2060-11-25T23:00:00.000Z");
});

it("every second week is counted from its day", () => {
  const weeks = { rrule: "FREQ=WEEKLY;INTERVAL=2;BYDAY=SA;BYHOUR=22", timeZone: "UTC", minutes: 60 };
  expect(said(nextOpening([{ ...weeks, from: "2026-11-02" }], at("2026-11-03T00:00:00Z"), 1))).toBe(
    "2026-11-07T22:00:00.000Z",
  );
  expect(said(nextOpening([{ ...weeks, from: "2026-11-09" }], at("2026-11-03T00:00:00Z"), 1))).toBe(
    "2026-11-14T22:00:00.000Z",
  );
});

/** By the wall clock alone, minute by minute, on days on which it is not changed: what must be true whatever reads the rules. */
describe("against a clock that is read minute by minute", () => {
  const MINUTE = 60_000;
  const hourOf = (timeZone: string) => {
    const format = new Intl.DateTimeFormat("en", { timeZone, hour: "numeric", minute: "numeric", hourCycle: "h23" });
    return (moment: number): number => {
      const [hour = "0", minute = "0"] = format.format(moment).split(":");
      return 60 * Number(hour) + Number(minute);
    };
  };
  const daily = fc.record({
    opens: fc.integer({ min: 0, max: 23 }),
    minute: fc.constantFrom(0, 30),
    minutes: fc.integer({ min: 5, max: 23 * 60 }),
    timeZone: fc.constantFrom("Europe/Amsterdam", "America/New_York", "Asia/Kolkata", "UTC", "Pacific/Auckland"),
  });

  it("a daily window is open exactly then, and the next opening is the first moment that fits", () => {
    fc.assert(
      fc.property(
        fc.array(daily, { minLength: 1, maxLength: 3 }),
        fc.integer({ min: 0, max: 5 * 1440 }),
        fc.integer({ min: 1, max: 10 * 60 }),
        (entries, offset, needs) => {
          const windows = entries.map(({ opens, minute, minutes, timeZone }) => ({
            ...{ timeZone, minutes },
            rrule: `FREQ=DAILY;BYHOUR=${opens};BYMINUTE=${minute}`,
          }));
          const clocks = entries.map(({ timeZone }) => hourOf(timeZone));
          const openAt = (moment: number) =>
            entries.some(({ opens, minute, minutes }, i) => {
              const since = ((clocks[i]?.(moment) ?? 0) - (60 * opens + minute) + 1440) % 1440;
              return since < minutes;
            });
          // In July nobody changes a clock.
          const from = at("2026-07-06T00:00:00Z") + offset * MINUTE;
          expect(windows.some((window) => isOpen(window, from))).toBe(openAt(from));
          let run = 0;
          let wanted: number | null = null;
          for (let minute = 0; minute < 3 * 1440 && wanted === null; minute++) {
            run = openAt(from + minute * MINUTE) ? run + 1 : 0;
            if (run === needs) wanted = from + (minute - needs + 1) * MINUTE;
          }
          expect(nextOpening(windows, from, needs * MINUTE)).toBe(wanted);
        },
      ),
      { seed: 6, numRuns: 60 },
    );
  });
});
