// Prints drizzle.config.ts with another output folder, to see whether anything is left to generate.
import { join, relative } from "node:path";

const root = join(import.meta.dirname, "..");
const { default: config } = await import("../drizzle.config.ts");
// drizzle-kit puts "./" before whatever it is given.
const out = relative(process.cwd(), process.argv[2]);
const schema = [config.schema].flat().map((path) => join(root, path));
console.log(`export default ${JSON.stringify({ ...config, schema, out })};`);
