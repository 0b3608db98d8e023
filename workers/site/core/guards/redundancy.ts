/** What the cables say of a machine that goes: which devices hang on it, and by how many others besides. */
import type { ResolvedSite } from "../../../../shared/model/site.ts";
import type { Sql } from "../../../../shared/sql.ts";

type Cable = ResolvedSite["cables"][number];

/** Devices named in a line at most. */
const MOST_NAMED = 5;

/** For each of these devices, in words, what hangs on it. Cables are read only here: no guard asks for them. */
export function cabledRedundancy(sql: Sql, names: readonly string[]): string[] {
  const rows = sql.all<{ cables: string }>("SELECT cables FROM device WHERE cables <> '[]'");
  return hangingOn(
    rows.flatMap((row) => JSON.parse(row.cables) as Cable[]),
    names,
  );
}

/**
 * Of two devices that a cable joins, the one with fewer neighbours hangs on the other: a server on its switch, a switch on
 * its router. Two cables between the same two are one: both end where the device goes.
 */
export function hangingOn(cables: readonly Cable[], names: readonly string[]): string[] {
  const neighbours = new Map<string, Set<string>>();
  const join = (from: string, to: string) => neighbours.set(from, (neighbours.get(from) ?? new Set()).add(to));
  for (const { a, b } of cables) {
    join(a.device, b.device);
    join(b.device, a.device);
  }
  const size = (name: string) => neighbours.get(name)?.size ?? 0;
  return names.flatMap((name) => {
    const hanging = [...(neighbours.get(name) ?? [])].filter((one) => size(one) < size(name)).sort();
    // By how many others each hangs on the network: none, one, more.
    const byRest = Map.groupBy(hanging, (one) => {
      const upward = [...(neighbours.get(one) ?? [])].filter((other) => size(other) > size(one));
      return upward.length - 1;
    });
    return [...byRest].sort(([a], [b]) => a - b).map(([rest, those]) => line(name, rest, those));
  });
}

function line(name: string, rest: number, those: readonly string[]): string {
  const more = those.length - MOST_NAMED;
  const who = `${those.slice(0, MOST_NAMED).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
  const [hangs, keeps] = those.length === 1 ? ["hangs", "keeps"] : ["hang", "keep"];
  return rest === 0
    ? `${who} ${hangs} on ${name} alone`
    : `without ${name}, ${who} ${keeps} ${rest} of ${rest + 1} connections`;
}
