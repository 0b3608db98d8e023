/** The way out of a site and back in: its export, its restore into a new object, and the release of a restored site. */

import { eq, or } from "drizzle-orm";
import type { Context } from "hono";
import { z } from "zod";
import { TurnupError } from "../../shared/errors.ts";
import { newSecret } from "../../shared/ids.ts";
import { Jurisdiction, LocationHint } from "../../shared/model/site.ts";
import { ExportHeader } from "../../shared/model/site-export.ts";
import { SiteView } from "../../shared/model/views.ts";
import { fleetDb } from "../db/client.ts";
import { sites as siteTable } from "../db/fleet.ts";
import { forgetting } from "../readmodel/projection.ts";
import { siteObject } from "../site/rpc.ts";
import { ExportReader } from "./export-lines.ts";
import { setUpBudget } from "./fleet.ts";
import { Reason, Ref } from "./input.ts";
import { type AppEnv, body, json, needs, needsFleet, newApi, route, unwrap } from "./route.ts";
import { forgetSites, type SiteRow, siteFor } from "./site-lookup.ts";

const tags = ["Export and restore"];
const SiteParam = z.object({ site: Ref });
const Sha = z.string().regex(/^[0-9a-f]{64}$/);

const Begin = z.strictObject({
  header: ExportHeader,
  /** Of the export's last line. */
  lines: z.number().int().min(1),
  sha256: Sha,
  /** The name of the site that is there now, to say that it is to be replaced. */
  replace: z.string().max(64).optional(),
});
const RestoreRef = z.string().min(1).max(1_000);
const Begun = z.object({ restore: RestoreRef, generation: z.number().int(), loaded: z.number().int() });
const Lines = z.strictObject({
  restore: RestoreRef,
  /** How many lines came before, the header among them. */
  from: z.number().int().min(1),
  lines: z.array(z.string()).min(1).max(10_000),
});
const Loaded = z.object({ loaded: z.number().int() });
const Release = z.strictObject({
  acceptLoss: Reason.min(1).optional(),
  without: z.array(Ref).max(100).default([]),
});
const Released = z.object({
  site: SiteView,
  resolved: z.number().int(),
  unread: z.array(z.string()),
  lost: z.array(z.object({ agent: z.string(), name: z.string(), seq: z.number().int(), hash: z.string() })),
});

/** A restore under way, as its reference carries it: where its object is, and which file it is of. */
const Restore = z.object({
  id: z.string(),
  name: z.string(),
  generation: z.number().int(),
  jurisdiction: Jurisdiction,
  locationHint: LocationHint,
  sha256: Sha,
  token: z.string(),
});
type Restore = z.infer<typeof Restore>;

export const siteExports = () =>
  newApi()
    .openapi(
      route(
        {
          method: "get",
          path: "/v1/sites/{site}/export",
          auth: needs("admin"),
          tags,
          summary: "The site's tables as lines of JSON, proven by the last one",
          request: { params: SiteParam },
        },
        { 200: { description: "The export, as application/x-ndjson; one without its last line is cut." } },
      ),
      async (c) => {
        const { object } = await siteFor(c, c.req.valid("param").site);
        const reader = new ExportReader(object, newSecret(c.var.deps.random));
        const first = await reader.next();
        return new Response(streamOf(reader, first), { headers: { "content-type": "application/x-ndjson" } });
      },
    )
    .openapi(
      route(
        {
          method: "post",
          path: "/v1/restores",
          auth: needsFleet("admin"),
          tags,
          summary: "Begin to restore an export; nothing is changed before it is finished",
          request: { body: body(Begin) },
        },
        { 201: json(Begun, "What the lines are sent to.") },
      ),
      async (c) => {
        const input = c.req.valid("json");
        const { header, lines, sha256 } = input;
        const generation = 1 + Math.max(header.generation, (await replaced(c, header, input.replace))?.generation ?? 0);
        const { site: id, name, jurisdiction, locationHint } = header;
        const restore: Restore = {
          id,
          name,
          generation,
          jurisdiction,
          locationHint,
          sha256,
          token: newSecret(c.var.deps.random),
        };
        const begun = await siteObject(c.env, restore).tell("restore.begin", {
          restore: restore.token,
          header,
          generation,
          sha256,
          lines,
        });
        return c.json({ restore: refOf(restore), generation, ...unwrap(begun) }, 201);
      },
    )
    .openapi(
      route(
        {
          method: "put",
          path: "/v1/restores/lines",
          auth: needsFleet("admin"),
          tags,
          summary: "The next lines of the export, as they stand there; the same again changes nothing",
          request: { body: body(Lines) },
        },
        { 200: json(Loaded, "How many lines are in.") },
      ),
      async (c) => {
        const { restore: ref, from, lines } = c.req.valid("json");
        const restore = restoreOf(ref);
        const loaded = await siteObject(c.env, restore).tell("restore.load", { restore: restore.token, from, lines });
        return c.json(unwrap(loaded), 200);
      },
    )
    .openapi(
      route(
        {
          method: "post",
          path: "/v1/restores/finish",
          auth: needsFleet("admin"),
          tags,
          summary:
            "Compare what was loaded with the export; then the site is there, on hold, and an older object is fenced",
          request: { body: body(z.strictObject({ restore: RestoreRef })) },
        },
        { 200: json(SiteView, "The restored site.") },
      ),
      async (c) => c.json(await finish(c, restoreOf(c.req.valid("json").restore)), 200),
    )
    .openapi(
      route(
        {
          method: "post",
          path: "/v1/sites/{site}/release",
          auth: needs("admin"),
          tags,
          summary: "End the hold of a restored site, once its agents have told what they did since the export",
          request: { params: SiteParam, body: body(Release) },
        },
        { 200: json(Released, "What was found to be read, held back or lost.") },
      ),
      async (c) => {
        const { object } = await siteFor(c, c.req.valid("param").site);
        const input = { ...c.req.valid("json"), actor: c.var.principal.actor };
        return c.json(unwrap(await object.tell("site.release", input)), 200);
      },
    );

/** What breaks off here ends without its last line, by which every reader sees it. */
function streamOf(reader: ExportReader, first: string): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let text = first;
  return new ReadableStream({
    async pull(controller) {
      controller.enqueue(encoder.encode(text));
      if (reader.done) {
        controller.enqueue(encoder.encode(`${JSON.stringify(reader.end())}\n`));
        controller.close();
      } else text = await reader.next();
    },
  });
}

/** The record of the site that the restore replaces, if there is one: only by its name, said again. */
async function replaced(
  c: Context<AppEnv>,
  header: ExportHeader,
  replace: string | undefined,
): Promise<SiteRow | undefined> {
  const found = await fleetDb(c.env.DB).query.sites.findMany({
    where: or(eq(siteTable.id, header.site), eq(siteTable.name, header.name)),
  });
  const same = found.find((row) => row.id === header.site);
  const namesake = found.find((row) => row.id !== header.site);
  if (namesake)
    throw new TurnupError({ code: "conflict", detail: `Another site has the name ${header.name}: ${namesake.id}.` });
  if (same && replace !== same.name)
    throw new TurnupError({
      code: "site_exists",
      detail: `The site ${same.name} is here; to replace it say its name (\`--replace ${same.name}\`).`,
    });
  if (!same && replace !== undefined)
    throw new TurnupError({ code: "site_unknown", detail: `There is no site ${header.name} here to replace.` });
  return same;
}

async function finish(c: Context<AppEnv>, restore: Restore): Promise<SiteView> {
  const object = siteObject(c.env, restore);
  const before = await fleetDb(c.env.DB).query.sites.findFirst({ where: eq(siteTable.id, restore.id) });
  // Registered already: the answer to the first try was lost, and the site may have gone on since.
  if ((before?.generation ?? 0) < restore.generation) await compare(c, restore);
  const view = unwrap(await object.tell("restore.finish", { restore: restore.token }));
  await setUpBudget(c);
  await register(c.env.DB, view);
  forgetSites();
  unwrap(await object.tell("outbox.rebuild", { actor: c.var.principal.actor }));
  if (before && before.generation < view.generation) {
    // The old object may be what was lost; then it is fenced by its agents and by the read model alone.
    const told = await Promise.allSettled([
      siteObject(c.env, before).tell("site.fence", { generation: view.generation }),
    ]);
    for (const result of told)
      if (result.status === "rejected")
        console.warn(JSON.stringify({ at: "restore", site: view.name, fence: String(result.reason) }));
  }
  return view;
}

/** Reads back what was loaded: the same bytes, or it is not the export. */
async function compare(c: Context<AppEnv>, restore: Restore): Promise<void> {
  const object = siteObject(c.env, restore);
  unwrap(await object.tell("restore.check", { restore: restore.token }));
  const reader = new ExportReader(object, newSecret(c.var.deps.random));
  while (!reader.done) await reader.next();
  if (reader.end().end.sha256 !== restore.sha256)
    throw new TurnupError({
      code: "export_broken",
      detail: "What was loaded is not what the file's last line proves.",
    });
}

/** The newest generation's record, and none of the rows that an older one has sent, in one transaction. */
async function register(db: D1Database, view: SiteView): Promise<void> {
  const record = db
    .prepare(
      `INSERT INTO site (id, name, location_hint, jurisdiction, created_at, generation) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET generation = excluded.generation WHERE excluded.generation > site.generation`,
    )
    .bind(view.id, view.name, view.locationHint, view.jurisdiction, view.createdAt, view.generation);
  await db.batch([record, ...forgetting<D1PreparedStatement>(db, view)]);
}

const refOf = (restore: Restore): string => Buffer.from(JSON.stringify(restore)).toString("base64url");

function restoreOf(ref: string): Restore {
  try {
    return Restore.parse(JSON.parse(Buffer.from(ref, "base64url").toString()));
  } catch {
    throw new TurnupError({
      code: "restore_unknown",
      detail: "The reference is not one that a restore was begun with.",
    });
  }
}
