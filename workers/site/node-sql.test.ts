import { describe } from "vitest";
import { NodeSql } from "./node-sql.ts";
import { sqlContract } from "./sql-contract.ts";

describe("node:sqlite", () => {
  sqlContract((body) => body(new NodeSql()));
});
