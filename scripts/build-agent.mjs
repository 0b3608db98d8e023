// Makes dist/agent.mjs: the site agent in one file that runs with Node alone (node dist/agent.mjs --config agent.yaml).
import { mkdirSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const outfile = process.argv[2] ?? join(root, "dist", "agent.mjs");
mkdirSync(dirname(outfile), { recursive: true });

await build({
  entryPoints: [join(root, "agents/site/main.ts")],
  outfile,
  bundle: true,
  platform: "node",
  format: "esm",
  // The oldest Node with node:sqlite without a flag is 22.13.
  target: "node22.13",
  // Names in stack traces are worth more than a smaller file.
  minifySyntax: true,
  legalComments: "eof",
  logLevel: "warning",
  banner: {
    // Packages in CommonJS call require() for Node's own modules.
    js: '#!/usr/bin/env node\nimport { createRequire as makeRequire } from "node:module";\nconst require = makeRequire(import.meta.url);',
  },
});
console.log(`${relative(process.cwd(), outfile)}: ${Math.round(statSync(outfile).size / 1024)} KiB`);
