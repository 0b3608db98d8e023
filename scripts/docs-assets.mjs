// Copies the API reference's browser script out of the package into the static files: /docs then needs no network.
import { copyFileSync, existsSync, mkdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const from = join(root, "node_modules/@scalar/api-reference/dist/browser/standalone.js");
const to = join(root, "workers/assets/docs/scalar.js");

if (!existsSync(to) || statSync(to).size !== statSync(from).size) {
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to);
}
