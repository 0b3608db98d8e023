// Makes dist/agent.mjs: the site agent in one file that runs with Node alone (node dist/agent.mjs --config agent.yaml).
import { mkdirSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const outfile = process.argv[2] ?? join(root, "dist", "agent.mjs");
mkdirSync(dirname(outfile), { recursive: true });

/**
 * Imports stand first in a module, and a Node without node:sqlite ends there with a stack trace. Required, it is loaded
 * where main.ts has looked at the version before.
 */
const lateSqlite = {
  name: "late-sqlite",
  setup(plugins) {
    plugins.onResolve({ filter: /^node:sqlite$/ }, ({ path, namespace }) =>
      namespace === "late" ? { path, external: true } : { path, namespace: "late" },
    );
    plugins.onLoad({ filter: /.*/, namespace: "late" }, ({ path }) => ({
      contents: `module.exports = require(${JSON.stringify(path)});`,
    }));
  },
};

await build({
  entryPoints: [join(root, "agents/site/main.ts")],
  outfile,
  bundle: true,
  platform: "node",
  format: "esm",
  // It runs on 22.13; an older one must be able to read it, to say that it is too old.
  target: "node18",
  plugins: [lateSqlite],
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
