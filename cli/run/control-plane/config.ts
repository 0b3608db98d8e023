/** The local runtime's options, taken from wrangler.toml: what runs here is what would be deployed. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { V4MiniflareOptions } from "miniflare";
import { parse } from "smol-toml";
import { z } from "zod";

/** The parts of wrangler.toml that a local run needs. */
const Wrangler = z.object({
  name: z.string(),
  main: z.string(),
  compatibility_date: z.string(),
  compatibility_flags: z.array(z.string()).default([]),
  assets: z.object({ directory: z.string(), binding: z.string(), run_worker_first: z.array(z.string()) }),
  durable_objects: z.object({ bindings: z.array(z.object({ name: z.string(), class_name: z.string() })) }),
  d1_databases: z.array(z.object({ binding: z.string(), migrations_dir: z.string() })).length(1),
  triggers: z.object({ crons: z.array(z.string()) }),
});
export type Wrangler = z.infer<typeof Wrangler>;

export async function readWrangler(root: string): Promise<Wrangler> {
  return Wrangler.parse(parse(await readFile(join(root, "wrangler.toml"), "utf8")));
}

export interface LocalOptions {
  wrangler: Wrangler;
  root: string;
  /** Where everything that must outlive the process lies. */
  persist: string;
  script: string;
  port: number;
  secret: string;
}

export function runtimeOptions({ wrangler, root, persist, script, port, secret }: LocalOptions): V4MiniflareOptions {
  const { binding } = wrangler.d1_databases[0] ?? { binding: "DB" };
  return {
    name: wrangler.name,
    host: "127.0.0.1",
    port,
    // Nothing is fetched from or told to anyone outside.
    cf: false,
    telemetry: { enabled: false },
    resourcePersistencePath: persist,
    modules: [{ type: "ESModule", path: "index.js", contents: script }],
    compatibilityDate: wrangler.compatibility_date,
    compatibilityFlags: wrangler.compatibility_flags,
    durableObjects: Object.fromEntries(
      wrangler.durable_objects.bindings.map(({ name, class_name }) => [
        name,
        { className: class_name, useSQLite: true },
      ]),
    ),
    d1Databases: { [binding]: "turnup" },
    assets: {
      directory: join(root, wrangler.assets.directory),
      binding: wrangler.assets.binding,
      run_worker_first: wrangler.assets.run_worker_first,
      routerConfig: { has_user_worker: true },
    },
    bindings: { TURNUP_ADMIN_TOKEN: secret, TURNUP_LOCAL: "1" },
  };
}
