/**
 * While an export of several pages is read the site stands still, so that all pages are of one moment: what would change
 * it is asked to come again, as after any short outage. That lasts well below the time to live of a lease; an export that
 * takes longer succeeds only if nothing changes. In memory only: an object that forgets it says that the site has moved.
 */
import type { Millis } from "../../../shared/deps.ts";
import type { Problem } from "../../../shared/errors.ts";
import type { CommandKind } from "./commands.ts";

/** Agents renew their leases from half a minute before they run out. */
const STILL_MS = 15_000;

/** These go on: they write nothing that an export holds, but for a finding. */
const BESIDE: ReadonlySet<CommandKind> = new Set([
  "outbox.delivered",
  "outbox.failed",
  "outbox.dropped",
  "outbox.rebuild",
  "permit.set",
  "fleet.poke",
  "site.fence",
]);

/** These mark rows as they are. */
const REMARKS: ReadonlySet<CommandKind> = new Set(["outbox.rebuild", "outbox.dropped"]);

export class Stillness {
  #reading: { token: string; until: Millis } | undefined;

  begin(token: string, now: Millis): void {
    this.#reading = { token, until: now + STILL_MS };
  }
  /** Nothing has changed since this reader began, and no other one has begun. */
  goesOn(token: string): boolean {
    return this.#reading?.token === token;
  }
  end(token: string): void {
    if (this.#reading?.token === token) this.#reading = undefined;
  }

  /** The site has changed, by whatever kind of command. */
  moved(): void {
    this.#reading = undefined;
  }

  bars(kind: CommandKind, now: Millis): Problem | undefined {
    const until = BESIDE.has(kind) ? undefined : this.#reading?.until;
    // An end further ahead than any is of before the clock was set back.
    if (until === undefined || until <= now || until > now + STILL_MS) return undefined;
    return { code: "unavailable", detail: "The site is just being exported, for some seconds." };
  }
  /** `marked`: it has marked a row for the read model, which beside a rebuild means that the row is another one. */
  wrote(kind: CommandKind, rows: number, marked: boolean): void {
    const changed = BESIDE.has(kind) ? marked && !REMARKS.has(kind) : rows > 0;
    if (changed) this.#reading = undefined;
  }
}
