// Copies the API reference's browser script out of the package into the static files: /docs then needs no network.
import { copyFileSync, existsSync, mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

const from = new URL("./browser/standalone.js", import.meta.resolve("@scalar/api-reference"));
const to = fileURLToPath(new URL("../workers/assets/docs/scalar.js", import.meta.url));

if (!existsSync(to) || statSync(to).size !== statSync(from).size) {
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to);
}
