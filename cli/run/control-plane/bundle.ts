import { join } from "node:path";
import { build } from "esbuild";

/** The Worker as one module, as wrangler would bundle it. */
export async function bundleWorker(root: string, main: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(root, main)],
    absWorkingDir: root,
    bundle: true,
    write: false,
    format: "esm",
    target: "es2024",
    conditions: ["workerd", "worker", "browser"],
    external: ["cloudflare:*", "node:*"],
    legalComments: "none",
    logLevel: "error",
  });
  const [file] = outputFiles;
  if (!file) throw new Error("esbuild made no bundle");
  return file.text;
}
