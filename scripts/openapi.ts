// Writes docs/openapi.json from the routes themselves; with --check says whether it is current and writes nothing.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createApp } from "../workers/api/app.ts";
import { openApiHead } from "../workers/api/docs.ts";

const file = join(import.meta.dirname, "../docs/openapi.json");
/** Nothing is asked here, only described. */
const unused = () => {
  throw new Error("not for use");
};
const app = createApp({ clock: { now: () => 0 }, random: { uint32: () => 0 }, budget: unused });
const text = `${JSON.stringify(app.getOpenAPI31Document(openApiHead), null, 2)}\n`;

if (process.argv.includes("--check")) {
  const current = (() => {
    try {
      return readFileSync(file, "utf8");
    } catch {
      return "";
    }
  })();
  if (current !== text) {
    console.error("docs/openapi.json is not current: run `npm run openapi` and commit it.");
    process.exitCode = 1;
  }
} else {
  writeFileSync(file, text);
}
