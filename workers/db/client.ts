import { type DrizzleD1Database, drizzle } from "drizzle-orm/d1";
import * as fleet from "./fleet.ts";

export type FleetDb = DrizzleD1Database<typeof fleet>;

export const fleetDb = (db: D1Database): FleetDb => drizzle(db, { schema: fleet });
