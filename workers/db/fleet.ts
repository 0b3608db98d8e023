/** Fleet truth: what belongs to no single site and can be rebuilt from nothing else (E3). No rebuild touches it. */
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";

/** API tokens, by the SHA-256 of their text (S3). */
export const tokens = sqliteTable("token", {
  id: text("id").primaryKey(),
  hash: text("hash").notNull().unique(),
  name: text("name").notNull(),
  role: text("role", { enum: ["viewer", "operator", "approver", "admin"] }).notNull(),
  /** JSON list of site ids, or null: every site. */
  sites: text("sites", { mode: "json" }).$type<string[]>(),
  createdBy: text("created_by").notNull(),
  createdAt: integer("created_at").notNull(),
  expiresAt: integer("expires_at"),
  revokedAt: integer("revoked_at"),
  /** The human being whose token it is; null: a machine's, or not said (G4). */
  person: text("person"),
});

/** Device types as their library gives them, whole; keyed by manufacturer and model without case. */
export const deviceTypes = sqliteTable("device_type", {
  key: text("key").primaryKey(),
  manufacturer: text("manufacturer").notNull(),
  model: text("model").notNull(),
  document: text("document", { mode: "json" }).$type<unknown>().notNull(),
  report: text("report", { mode: "json" }).$type<unknown>().notNull(),
  updatedAt: integer("updated_at").notNull(),
});

/** Which sites there are, and what was fixed when each was made. The object is found by id, generation and jurisdiction. */
export const sites = sqliteTable("site", {
  id: text("id").primaryKey(),
  name: text("name").notNull().unique(),
  locationHint: text("location_hint").notNull(),
  jurisdiction: text("jurisdiction").notNull(),
  createdAt: integer("created_at").notNull(),
  /** Grows by each restore. From 2 on it is part of the object's name, and older objects write nothing here any more. */
  generation: integer("generation").notNull().default(1),
});

/** Answers already given to an Idempotency-Key of one caller, so that a repeat gets the same. */
export const idempotency = sqliteTable(
  "idempotency",
  {
    actor: text("actor").notNull(),
    key: text("key").notNull(),
    /** SHA-256 over method, path and body. */
    bodyHash: text("body_hash").notNull(),
    /** Null while the first request still runs. */
    status: integer("status"),
    body: text("body"),
    createdAt: integer("created_at").notNull(),
  },
  (t) => [primaryKey({ columns: [t.actor, t.key] })],
);

/** People who may approve plans, with a public key of theirs that approvals are signed by. A key that was revoked never comes back. */
export const approvers = sqliteTable(
  "approver",
  {
    id: text("id").primaryKey(),
    person: text("person").notNull(),
    publicKey: text("public_key").notNull(),
    createdAt: integer("created_at").notNull(),
    revokedAt: integer("revoked_at"),
  },
  (t) => [index("approver_person").on(t.person), uniqueIndex("approver_key").on(t.publicKey)],
);

/** What the fleet was set to, and by whom: a note for people; the budget object alone decides (workers/fleet). */
export const fleetSettings = sqliteTable("fleet_setting", {
  key: text("key").primaryKey(),
  value: text("value", { mode: "json" }).$type<unknown>().notNull(),
  actor: text("actor").notNull(),
  at: integer("at").notNull(),
});
