import type { Millis } from "../../deps.ts";
import type { Policy, PolicyWindow } from "../policy.ts";
import type { Faults } from "../site-file/faults.ts";
import { instead } from "../site-file/nearest.ts";
import { nextOpening, readRule } from "../window.ts";

/**
 * Parts of a rule that say on which days and at which time. Anything finer or of another calendar is no window, and COUNT
 * would have every opening counted from the first on, however many there were; UNTIL says the same.
 */
const PARTS = ["FREQ", "INTERVAL", "UNTIL", "WKST", "BYSETPOS"].concat(
  ...["BYMONTH", "BYWEEKNO", "BYYEARDAY", "BYMONTHDAY", "BYDAY", "BYHOUR", "BYMINUTE"],
);
const FREQUENCIES = ["DAILY", "WEEKLY", "MONTHLY", "YEARLY"];
/** Openings a day. A guard may have to look through those of two years. */
const MAX_A_DAY = 24;
const EXAMPLE = "FREQ=DAILY;BYHOUR=22;BYMINUTE=0";

/** Judges the rules of the windows, each by itself. `now`: what opens no more within two years never opens. */
export function checkWindows({ windows }: Policy, faults: Faults, now: Millis): void {
  windows?.forEach((window, i) => {
    const at = `/windows/${i}`;
    if (faults.broken(at)) return;
    const zone = checkZone(window, `${at}/timeZone`, faults);
    const rule = checkRule(window, at, faults);
    if (!zone || !rule || faults.broken(`${at}/minutes`) || faults.broken(`${at}/from`)) return;
    if (nextOpening([window], now, 1) === null) {
      const text = `the window ${window.name} does not open within two years`;
      faults.add("window_never_opens", `${at}/rrule`, text, `a rule that names days to come, as ${EXAMPLE}`);
    }
  });
}

function checkZone({ timeZone }: PolicyWindow, pointer: string, faults: Faults): boolean {
  if (faults.broken(pointer)) return false;
  try {
    new Intl.DateTimeFormat("en", { timeZone });
    // An offset is no place: its clock is never changed.
    if (!/^[+-]/.test(timeZone)) return true;
  } catch {
    // Named below.
  }
  const text = `there is no time zone "${timeZone}"`;
  faults.add("time_zone_unknown", pointer, text, instead(timeZone, ["UTC", ...Intl.supportedValuesOf("timeZone")]));
  return false;
}

function checkRule(window: PolicyWindow, at: string, faults: Faults): boolean {
  const pointer = `${at}/rrule`;
  if (faults.broken(pointer)) return false;
  const wrong = (text: string, write: string = EXAMPLE): false => {
    faults.add("window_rule_malformed", pointer, text, write);
    return false;
  };
  const parts = window.rrule
    .toUpperCase()
    .split(";")
    .map((part): [string, string] => {
      const [key = "", value = ""] = part.split("=", 2);
      return [key, value];
    });
  const seen = new Set<string>();
  for (const [key, value] of parts) {
    if (!PARTS.includes(key)) return wrong(`"${key}" is no part of a window's rule`, instead(key, PARTS));
    if (!/^[A-Z0-9,+-]+$/.test(value)) return wrong(`${key} has no value, or one of another form`);
    if (seen.has(key)) return wrong(`${key} stands there twice`, "each part once");
    seen.add(key);
  }
  const frequency = parts.find(([key]) => key === "FREQ")?.[1];
  if (frequency === undefined) return wrong("the rule has no FREQ");
  if (!FREQUENCIES.includes(frequency)) return wrong(`FREQ is ${frequency}`, instead(frequency, FREQUENCIES));
  if (seen.has("INTERVAL") && window.from === undefined && !faults.broken(`${at}/from`)) {
    const text = "INTERVAL is counted from a day, and the window names none";
    faults.add("window_anchor_missing", `${at}/from`, text, "from: 2026-11-30");
    return false;
  }
  const times = (key: string) => parts.find(([name]) => name === key)?.[1].split(",").length ?? 1;
  const aDay = times("BYHOUR") * times("BYMINUTE");
  if (aDay > MAX_A_DAY)
    return wrong(`it would open ${aDay} times a day`, `at most ${MAX_A_DAY} times, for more minutes`);
  let read: string;
  try {
    read = readRule({ ...window, timeZone: "UTC", from: undefined }).toString();
  } catch (error) {
    return wrong(`the rule cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  // The library leaves out what it does not take, as an hour 25; a rule that says less than was written opens more often.
  const taken = new Map(
    (read.split("RRULE:")[1] ?? "").split(";").map((part) => part.split("=", 2) as [string, string]),
  );
  for (const [key, value] of parts) {
    if (["FREQ", "INTERVAL", "UNTIL", "WKST"].includes(key)) continue;
    if (normal(taken.get(key) ?? "") !== normal(value))
      return wrong(`${key}=${value} is not what the rule can have`, `${key} within its bounds`);
  }
  return true;
}

/** The values of a part, each written in one way only, in one order. */
const normal = (values: string): string =>
  values
    .split(",")
    .map((value) => value.replace(/^\+/, "").replace(/^(-?)0+(?=\d)/, "$1"))
    .sort()
    .join();
