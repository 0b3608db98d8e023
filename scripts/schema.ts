// Writes docs/schema/site-v1.json from the schema in the code; with --check says whether it is current and writes nothing.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { siteFileJsonSchema } from "../shared/model/site-file/json-schema.ts";

const file = join(import.meta.dirname, "../docs/schema/site-v1.json");
const text = siteFileJsonSchema();

if (!process.argv.includes("--check")) {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
} else if (!existsSync(file) || readFileSync(file, "utf8") !== text) {
  console.error("docs/schema/site-v1.json is not current: run `npm run schema` and commit it.");
  process.exitCode = 1;
}
