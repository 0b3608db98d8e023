/** Device types, taken from NetBox's library format as it is. */
import { gt, sql } from "drizzle-orm";
import { z } from "zod";
import { typeName } from "../../shared/model/device-type/device-type.ts";
import { checkInstallable } from "../../shared/model/device-type/installable.ts";
import { type ReadDeviceType, readDeviceType } from "../../shared/model/device-type/read.ts";
import { pageOf } from "../../shared/model/views.ts";
import { fleetDb } from "../db/client.ts";
import { deviceTypes as table } from "../db/fleet.ts";
import { PageQuery } from "./input.ts";
import { body, json, needs, needsFleet, newApi, route, unwrap } from "./route.ts";

const tags = ["Device types"];
/** One request's files; the whole library is sent in several. */
const MAX_TYPES = 200;
/** D1's largest row is 2 MB. */
const MAX_TYPE_CHARS = 1_000_000;

const Report = z.object({ tolerated: z.array(z.string()), missing: z.array(z.string()) });
const Summary = z.object({
  name: z.string(),
  manufacturer: z.string(),
  model: z.string(),
  updatedAt: z.number(),
  report: Report,
});
const Gap = z.looseObject({});
const Fault = z.object({ code: z.string(), pointer: z.string(), text: z.string(), write: z.string().optional() });
const Taken = z.object({
  index: z.number().int(),
  name: z.string().nullable(),
  report: Report.nullable(),
  faults: z.array(Fault),
});
const Imported = z.object({ imported: z.number().int(), refused: z.number().int(), results: z.array(Taken) });
const Document = z.record(z.string(), z.unknown());

export const deviceTypes = () =>
  newApi()
    .openapi(
      route(
        {
          method: "get",
          path: "/v1/device-types",
          auth: needs("viewer"),
          tags,
          summary: "The device types, by name",
          request: { query: PageQuery },
        },
        { 200: json(pageOf(Summary), "One page.") },
      ),
      async (c) => {
        const { limit, cursor } = c.req.valid("query");
        const { key, manufacturer, model, updatedAt, report } = table;
        const rows = await fleetDb(c.env.DB)
          .select({ name: key, manufacturer, model, updatedAt, report })
          .from(table)
          .where(cursor === undefined ? undefined : gt(key, cursor))
          .orderBy(key)
          .limit(limit + 1);
        const items = rows.slice(0, limit).map((row) => Summary.parse(row));
        return c.json({ items, next: rows.length > limit ? (items.at(-1)?.name ?? null) : null }, 200);
      },
    )
    .openapi(
      route(
        {
          method: "post",
          path: "/v1/device-types",
          auth: needsFleet("operator"),
          tags,
          summary: "Import device types: each is taken or refused by itself",
          request: { body: body(z.strictObject({ types: z.array(Document).min(1).max(MAX_TYPES) })) },
        },
        { 200: json(Imported, "What became of each, in order.") },
      ),
      async (c) => {
        const now = c.var.deps.clock.now();
        const results: z.infer<typeof Taken>[] = [];
        const taken: ReadDeviceType[] = [];
        for (const [index, document] of c.req.valid("json").types.entries()) {
          const read = readDeviceType(document);
          const long = read.ok && JSON.stringify(read.value.type).length > MAX_TYPE_CHARS;
          if (read.ok && !long) taken.push(read.value);
          results.push({
            index,
            name: read.ok ? typeName(read.value.type) : null,
            report: read.ok ? read.value.report : null,
            faults: read.ok ? (long ? [tooLong] : []) : (read.problem.errors ?? []),
          });
        }
        if (taken.length > 0)
          await c.env.DB.prepare(UPSERT)
            .bind(JSON.stringify(taken.map(rowOf)), now)
            .run();
        return c.json({ imported: taken.length, refused: results.length - taken.length, results }, 200);
      },
    )
    .openapi(
      route(
        {
          method: "post",
          path: "/v1/device-types/check",
          auth: needs("viewer"),
          tags,
          summary: "What is missing before a machine of this type could be installed; stores nothing",
          request: { body: body(z.strictObject({ type: Document })) },
        },
        {
          200: json(
            z.object({ name: z.string(), report: Report, gaps: z.array(Gap) }),
            "The gaps; none means nothing is missing.",
          ),
        },
      ),
      (c) => {
        const { type, report } = unwrap(readDeviceType(c.req.valid("json").type));
        return c.json({ name: typeName(type), report, gaps: checkInstallable(type).map((gap) => ({ ...gap })) }, 200);
      },
    )
    .openapi(
      route(
        {
          method: "get",
          path: "/v1/device-types/{manufacturer}/{model}",
          auth: needs("viewer"),
          tags,
          summary: "One device type, whole",
          request: { params: z.object({ manufacturer: z.string().max(200), model: z.string().max(200) }) },
        },
        { 200: json(Document, "The device type in the library's format.") },
      ),
      async (c) => {
        const { manufacturer, model } = c.req.valid("param");
        const row = await fleetDb(c.env.DB).query.deviceTypes.findFirst({
          where: sql`${table.key} = ${typeName({ manufacturer, model })}`,
        });
        return c.json(
          unwrap(row ? { ok: true, value: Document.parse(row.document) } : missing(manufacturer, model)),
          200,
        );
      },
    );

const missing = (manufacturer: string, model: string) => ({
  ok: false as const,
  problem: { code: "not_found" as const, detail: `The catalog has no ${manufacturer}/${model}.` },
});

const tooLong = { code: "too_long", pointer: "", text: `the type has more than ${MAX_TYPE_CHARS} characters as JSON` };

const rowOf = ({ type, report }: ReadDeviceType) => ({
  key: typeName(type),
  manufacturer: type.manufacturer,
  model: type.model,
  document: type,
  report,
});

/** One statement for all: they travel as one JSON text. An unchanged type costs no row. */
const UPSERT = `INSERT INTO device_type (key, manufacturer, model, document, report, updated_at)
  SELECT value ->> 'key', value ->> 'manufacturer', value ->> 'model', value -> 'document', value -> 'report', ?2 FROM json_each(?1) WHERE true
  ON CONFLICT (key) DO UPDATE SET document = excluded.document, report = excluded.report, updated_at = excluded.updated_at
  WHERE document <> excluded.document`;
