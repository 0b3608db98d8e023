import type { SiteView } from "../../shared/model/views.ts";
import type { Client } from "../client/client.ts";
import { usageError } from "../context.ts";

/**
 * The site that was named, or the only one there is. A list of one site is as it is now; one across sites comes from the
 * read model, some seconds behind. Undefined: there are several, or none.
 */
export async function siteOrOnly(
  client: Pick<Client, "sites">,
  named: string | undefined,
): Promise<string | undefined> {
  return named ?? onlyOf(await client.sites())?.name;
}

/** As `siteOrOnly`, for what is always of one site; refused in words when that is not clear. */
export async function oneSite(client: Pick<Client, "sites">, named: string | undefined): Promise<string> {
  if (named !== undefined) return named;
  const sites = await client.sites();
  const only = onlyOf(sites);
  if (only) return only.name;
  const there = sites.length === 0 ? "is none" : `are ${sites.map((site) => site.name).join(", ")}`;
  throw usageError(
    `Say which site by --site: there ${there}.`,
    sites.length === 0
      ? "`turnup site import FILE` makes one."
      : `Say it again with --site ${sites[0]?.name}, or another.`,
  );
}

const onlyOf = (sites: readonly SiteView[]): SiteView | undefined => (sites.length === 1 ? sites[0] : undefined);
