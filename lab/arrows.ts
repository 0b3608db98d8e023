/** The import arrows between the rooms, and what the rooms without a platform may not call. Held by arrows.test.ts. */
import { globSync, readFileSync } from "node:fs";
import { dirname, join, normalize, sep } from "node:path";
import { parseSync, Visitor } from "oxc-parser";

export interface Violation {
  file: string;
  line: number;
  text: string;
}

const ROOMS = ["shared", "workers", "agents", "cli"];
/** Composition roots: they alone may import across the rooms, and only they import each other. */
const ROOTS = ["cli/run/", "lab/", "bench/", "scripts/"];
/** Decisions: only `shared` and each other, no platform. */
const DECISIONS = ["workers/site/core/", "workers/workflows/"];
/** Packages without clock, randomness, network or platform. */
const PURE_PACKAGES = ["zod", "ipaddr.js", "yaml", "rrule-temporal"];

const isRoot = (path: string) =>
  ROOTS.some((root) => path.startsWith(root)) || path.endsWith(".system.test.ts") || !path.includes("/");
const isDecision = (path: string) => DECISIONS.some((dir) => path.startsWith(dir));
const isPure = (path: string) => path.startsWith("shared/") || isDecision(path);
/** Tests and what only they use (`test-world.ts`). */
const isTest = (path: string) => path.endsWith(".test.ts") || /(^|\/)test-[^/]+\.ts$/.test(path);
const roomOf = (path: string) => path.slice(0, path.indexOf("/"));

/** Whether `from` may import `to`; both are paths from the project root. Undefined is yes, else the reason. */
function refusal(from: string, to: string): string | undefined {
  if (isRoot(from)) return undefined;
  if (isRoot(to)) return `imports the composition root ${to}; nothing but a root may`;
  if (to.startsWith("shared/")) return undefined;
  if (!ROOMS.includes(roomOf(from))) return undefined;
  if (isTest(to) && !isTest(from)) return `imports ${to}; only tests may`;
  if (isDecision(from) && !isTest(from) && !isDecision(to)) return `imports ${to}; decisions import only shared`;
  if (roomOf(from) !== roomOf(to)) return `imports ${to}; ${roomOf(from)} and ${roomOf(to)} never import each other`;
  return undefined;
}

const BANNED_CALLS = [
  "fetch",
  "queueMicrotask",
  "setImmediate",
  "setInterval",
  "setTimeout",
  "structuredClone",
  "Date",
];
const BANNED_OBJECTS = ["crypto", "performance", "process", "globalThis", "navigator", "console"];
const BANNED_MEMBERS = ["Date.now", "Math.random"];

function platformUses(file: string, source: string, lineAt: (offset: number) => number): Violation[] {
  const found: Violation[] = [];
  const add = (offset: number, what: string) =>
    found.push({ file, line: lineAt(offset), text: `uses ${what}; clock, randomness and platform are passed in` });
  new Visitor({
    CallExpression(node) {
      const { callee } = node;
      if (callee.type === "Identifier" && BANNED_CALLS.includes(callee.name)) add(node.start, `${callee.name}()`);
    },
    NewExpression(node) {
      if (node.callee.type === "Identifier" && node.callee.name === "Date" && node.arguments.length === 0)
        add(node.start, "new Date()");
    },
    MemberExpression(node) {
      if (node.object.type !== "Identifier") return;
      const name = node.object.name;
      const member = node.property.type === "Identifier" ? `${name}.${node.property.name}` : name;
      if (BANNED_OBJECTS.includes(name) || BANNED_MEMBERS.includes(member)) add(node.start, member);
    },
  }).visit(parseSync(file, source).program);
  return found;
}

function imports(file: string, source: string): { specifier: string; start: number }[] {
  const { module } = parseSync(file, source);
  const out = module.staticImports.map((i) => ({ specifier: i.moduleRequest.value, start: i.start }));
  for (const exported of module.staticExports)
    for (const entry of exported.entries)
      if (entry.moduleRequest) out.push({ specifier: entry.moduleRequest.value, start: exported.start });
  for (const { moduleRequest } of module.dynamicImports)
    out.push({ specifier: source.slice(moduleRequest.start + 1, moduleRequest.end - 1), start: moduleRequest.start });
  return out;
}

/** Every violation in the TypeScript files below `root`, sorted by place. */
export function arrowViolations(root: string): { files: number; violations: Violation[] } {
  const files = globSync("{shared,workers,agents,cli,lab,bench,scripts}/**/*.ts", { cwd: root })
    .map((path) => path.split(sep).join("/"))
    .filter((path) => !path.includes("node_modules/"))
    .sort();
  const violations: Violation[] = [];
  for (const file of files) {
    const source = readFileSync(join(root, file), "utf8");
    const lineAt = (offset: number) => source.slice(0, offset).split("\n").length;
    for (const { specifier, start } of imports(file, source)) {
      const local = specifier.startsWith(".");
      const text = local
        ? refusal(
            file,
            normalize(join(dirname(file), specifier))
              .split(sep)
              .join("/"),
          )
        : isPure(file) && !isTest(file) && !PURE_PACKAGES.includes(specifier)
          ? `imports ${specifier}; here only ${PURE_PACKAGES.join(", ")} may be used`
          : undefined;
      if (text) violations.push({ file, line: lineAt(start), text });
    }
    if (isPure(file) && !isTest(file)) violations.push(...platformUses(file, source, lineAt));
  }
  return { files: files.length, violations };
}
