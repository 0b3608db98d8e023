import { defineConfig } from "drizzle-kit";

export default defineConfig({
  dialect: "sqlite",
  schema: ["./workers/db/fleet.ts", "./workers/readmodel/schema.ts"],
  out: "./migrations",
});
