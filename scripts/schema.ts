// Writes docs/schema/ from the schemas in the code; with --check says whether they are current and writes nothing.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { policyJsonSchema } from "../shared/model/policy/json-schema.ts";
import { siteFileJsonSchema } from "../shared/model/site-file/json-schema.ts";

const dir = join(import.meta.dirname, "../docs/schema");
const schemas = { "site-v1.json": siteFileJsonSchema(), "policy-v1.json": policyJsonSchema() };

mkdirSync(dir, { recursive: true });
for (const [name, text] of Object.entries(schemas)) {
  const file = join(dir, name);
  if (!process.argv.includes("--check")) writeFileSync(file, text);
  else if (!existsSync(file) || readFileSync(file, "utf8") !== text) {
    console.error(`docs/schema/${name} is not current: run \`npm run schema\` and commit it.`);
    process.exitCode = 1;
  }
}
