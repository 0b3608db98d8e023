#!/usr/bin/env node
// `npx turnup`: works in a fresh clone too, under any Node >= 20.
import { join } from "node:path";
import { ensureInstalled, nodeOf, root, runChild } from "../scripts/install.mjs";

await ensureInstalled();
process.exitCode = await runChild(nodeOf(), [join(root, "cli", "run", "turnup.ts"), ...process.argv.slice(2)]);
