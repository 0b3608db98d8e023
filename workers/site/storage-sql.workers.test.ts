import { runInDurableObject } from "cloudflare:test";
import { describe } from "vitest";
import { env } from "../test-fleet.ts";
import { sqlContract } from "./sql-contract.ts";
import { StorageSql } from "./storage-sql.ts";

describe("the object's SQLite", () => {
  sqlContract((body) =>
    runInDurableObject(env.SITE.get(env.SITE.newUniqueId()), (_, state) => body(new StorageSql(state.storage))),
  );
});
