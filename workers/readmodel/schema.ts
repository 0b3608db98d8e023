/**
 * The read model: a projection of the sites' own tables for questions across sites. It can be dropped and rebuilt
 * (E3). Each row is the site's view as JSON beside the few columns that lists filter by, with the version that makes
 * delivery order-free (C3). A row that is gone keeps its key and version with a null document.
 */
import { index, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

const row = {
  site: text("site").notNull(),
  id: text("id").notNull(),
  version: integer("version").notNull(),
  doc: text("doc"),
};

export const siteRows = sqliteTable("rm_site", row, (t) => [primaryKey({ columns: [t.site, t.id] })]);
export const deviceRows = sqliteTable("rm_device", { ...row, name: text("name"), state: text("state") }, (t) => [
  primaryKey({ columns: [t.site, t.id] }),
]);
export const assetRows = sqliteTable("rm_asset", { ...row, serial: text("serial"), state: text("state") }, (t) => [
  primaryKey({ columns: [t.site, t.id] }),
]);
export const jobRows = sqliteTable(
  "rm_job",
  { ...row, state: text("state"), createdAt: integer("created_at") },
  // Never updated, so it costs a row at a job's first delivery only.
  (t) => [primaryKey({ columns: [t.site, t.id] }), index("rm_job_created").on(t.createdAt)],
);
export const findingRows = sqliteTable(
  "rm_finding",
  { ...row, state: text("state"), severity: text("severity") },
  (t) => [primaryKey({ columns: [t.site, t.id] })],
);
export const agentRows = sqliteTable("rm_agent", row, (t) => [primaryKey({ columns: [t.site, t.id] })]);
