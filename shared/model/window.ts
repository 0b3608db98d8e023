import { RRuleTemporal } from "rrule-temporal";
import type { Millis } from "../deps.ts";

/**
 * Windows: when work that takes something out of service may start and must have ended (G3). A window opens at each
 * moment of its recurrence rule, by the clock of its own time zone, and stays open for its minutes. On a night in which
 * that clock is changed it closes by whichever comes first: its minutes, or the hour at which it closes on other days. A
 * window that would open in the hour that is left out does not open that night.
 */
export interface Window {
  /** RFC 5545, the value of RRULE alone: `FREQ=DAILY;BYHOUR=22;BYMINUTE=0`. */
  rrule: string;
  /** IANA name. */
  timeZone: string;
  minutes: number;
  /** The day, `2026-11-30`, that INTERVAL is counted from, and before which it never opens. */
  from?: string | undefined;
}

/** Open from, and until just before. */
export interface Span {
  from: Millis;
  until: Millis;
}

/** What does not open within this time is taken never to open. */
export const HORIZON_MS = 2 * 366 * 86_400_000;

const MINUTE_MS = 60_000;
/** Periods that are looked through for one that a rule names: more than the days of the horizon. */
const MAX_PERIODS = 1_500;
/** A Monday and the first of a year, so that rules which take a day from their beginning take one of these. */
const ANCHOR = "2024-01-01";

interface Rule {
  rule: RRuleTemporal;
  window: Window;
}
/** A rule is read once for each window. */
const rules = new WeakMap<Window, Rule>();

/** The rule as the library reads it. Throws, in the library's words, what cannot be read. */
export const readRule = ({ rrule, timeZone, from = ANCHOR }: Window): RRuleTemporal =>
  new RRuleTemporal({
    rruleString: `DTSTART;TZID=${timeZone}:${from.replaceAll("-", "")}T000000\nRRULE:${rrule}`,
    strict: true,
    maxIterations: MAX_PERIODS,
  });

function ruleOf(window: Window): Rule {
  let known = rules.get(window);
  if (!known) {
    known = { rule: readRule(window), window };
    rules.set(window, known);
  }
  return known;
}

/** The first span that opens after a moment, or undefined. */
function spanAfter({ rule, window }: Rule, at: Millis): Span | undefined {
  let opens: ReturnType<RRuleTemporal["next"]>;
  try {
    opens = rule.next(new Date(at));
  } catch {
    // It gives up after so many periods in which a rule names no day, as the 30th of February.
    return undefined;
  }
  if (!opens) return undefined;
  const { minutes, timeZone } = window;
  const byClock = opens.toPlainDateTime().add({ minutes }).toZonedDateTime(timeZone, { disambiguation: "earlier" });
  const from = opens.epochMilliseconds;
  return { from, until: Math.min(from + minutes * MINUTE_MS, byClock.epochMilliseconds) };
}

/** The spans that end after a moment, in order, as far as the horizon. */
function* spansFrom(window: Window, at: Millis): Generator<Span> {
  const rule = ruleOf(window);
  let after = at - window.minutes * MINUTE_MS;
  for (;;) {
    const span = spanAfter(rule, after);
    if (!span || span.from > at + HORIZON_MS) return;
    if (span.until > at) yield span;
    after = span.from;
  }
}

/** Whether the window is open at a moment. */
export function isOpen(window: Window, at: Millis): boolean {
  const [first] = spansFrom(window, at);
  return first !== undefined && first.from <= at;
}

/**
 * The times that end after a moment and in which one of the windows is open, in order. Windows that overlap or touch make
 * one time, for whoever may work in both may work through: such a time comes again, longer, with each of them.
 */
export function* openTimes(windows: readonly Window[], at: Millis): Generator<Span> {
  const queues = windows.map((window) => spansFrom(window, at));
  const heads = queues.map((spans) => spans.next().value as Span | undefined);
  let open: Span | undefined;
  for (;;) {
    let least = -1;
    heads.forEach((span, i) => {
      if (span && span.from < (heads[least]?.from ?? Number.POSITIVE_INFINITY)) least = i;
    });
    const span = heads[least];
    if (!span) return;
    heads[least] = queues[least]?.next().value as Span | undefined;
    const goesOn = open !== undefined && span.from <= open.until;
    if (open && goesOn && span.until <= open.until) continue;
    open = open && goesOn ? { from: open.from, until: span.until } : span;
    yield open;
  }
}

/**
 * The earliest moment, not before `at`, from which so many milliseconds fit into the time in which one of the windows is
 * open; null if none comes within two years. Without any window everything is open.
 */
export function nextOpening(windows: readonly Window[], at: Millis, needsMs: number): Millis | null {
  if (windows.length === 0) return at;
  for (const { from, until } of openTimes(windows, at)) {
    const start = Math.max(at, from);
    if (start > at + HORIZON_MS) break;
    if (start + needsMs <= until) return start;
  }
  return null;
}
