import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { join, relative } from "node:path";
import { stringify } from "yaml";
import { z } from "zod";
import { DEMO_IMAGE_SHA256, writeDemoImage } from "../../../agents/simulator/demo-image.ts";
import { type Outcome, ok, refuse } from "../../../shared/errors.ts";
import type { ResolvedSite } from "../../../shared/model/site.ts";
import { readText, writeAtomic } from "../control-plane/processes.ts";
import type { RunPaths } from "./paths.ts";

const Secrets = z.record(z.string(), z.object({ username: z.string(), password: z.string() }));
const Ports = z.object({ netboot: z.number().int(), metrics: z.number().int() });
export type Ports = z.infer<typeof Ports>;

/** The images that the site names: the demo's is made, any other must lie there already. */
export async function prepareImages(paths: RunPaths, site: ResolvedSite): Promise<Outcome<null>> {
  await mkdir(paths.images, { recursive: true });
  for (const image of site.images) {
    const file = join(paths.images, image.name);
    if (image.sha256 === DEMO_IMAGE_SHA256) await writeDemoImage(file);
    else if (!existsSync(file))
      return refuse(
        "image_unavailable",
        `The site installs ${image.name}; put that file at ${relative(process.cwd(), file)}.`,
      );
  }
  return ok(null);
}

/** BMC users, made up once: one side is the agent's vault, the other what the simulated BMCs accept. Mode 0600. */
export async function prepareSecrets(paths: RunPaths, site: ResolvedSite): Promise<void> {
  const kept = Secrets.safeParse(parseJson(await readText(paths.agent.vault)));
  const secrets: z.infer<typeof Secrets> = kept.success ? kept.data : {};
  for (const { install } of site.devices) {
    const ref = install?.bmc.secret;
    if (ref !== undefined) secrets[ref] ??= { username: "turnup", password: randomBytes(18).toString("base64url") };
  }
  const text = `${JSON.stringify(secrets, null, 2)}\n`;
  await writeAtomic(paths.agent.vault, text, 0o600);
  await writeAtomic(paths.sim.secrets, text, 0o600);
}

/** Ports of the agent, chosen once: machines under way know them. */
export async function preparePorts(paths: RunPaths): Promise<Ports> {
  const kept = Ports.safeParse(parseJson(await readText(paths.agent.ports)));
  if (kept.success) return kept.data;
  const [netboot, metrics] = await freePorts(2);
  const ports = { netboot: netboot ?? 0, metrics: metrics ?? 0 };
  await writeAtomic(paths.agent.ports, `${JSON.stringify(ports)}\n`);
  return ports;
}

export const netbootUrl = (ports: Ports): string => `http://127.0.0.1:${ports.netboot}`;

/** The agent's own configuration file, as a person would write it. */
export async function prepareAgent(
  paths: RunPaths,
  input: { controlPlane: string; name: string; ports: Ports; speed: number },
): Promise<void> {
  const { controlPlane, name, ports, speed } = input;
  const from = (file: string) => relative(paths.agent.dir, file);
  const config = {
    controlPlane,
    name,
    stateDir: ".",
    enrolTokenFile: from(paths.agent.enrolToken),
    vault: from(paths.agent.vault),
    images: from(paths.images),
    netboot: { host: "127.0.0.1", port: ports.netboot, publicUrl: netbootUrl(ports) },
    metrics: { host: "127.0.0.1", port: ports.metrics },
    // Simulated BMCs answer faster than real ones by the same factor.
    bmc: { connectTo: from(paths.sim.connectTo), pollMs: Math.max(10, Math.round(1_000 / speed)) },
    // The simulated machines POST within two minutes; one that has not asked after five will not.
    timing: { speed, bootFetchSeconds: 300 },
    drainMs: 3_000,
  };
  await writeAtomic(paths.agent.config, stringify(config));
}

/** Forgets an agent that the control plane does not know (any more). */
export async function forgetAgent(paths: RunPaths): Promise<void> {
  for (const file of [paths.agent.key, paths.agent.journal, `${paths.agent.journal}-wal`, `${paths.agent.journal}-shm`])
    await rm(file, { force: true });
}

export function parseJson(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : (JSON.parse(text) as unknown);
  } catch {
    return undefined;
  }
}

export async function readJsonFile<T extends z.ZodType>(file: string, schema: T): Promise<z.infer<T> | undefined> {
  const text = await readFile(file, "utf8").catch(() => undefined);
  const parsed = schema.safeParse(parseJson(text));
  return parsed.success ? parsed.data : undefined;
}

/** Ports that are free now; held together, so that no two are the same. */
async function freePorts(n: number): Promise<number[]> {
  const servers = Array.from({ length: n }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve, reject) => {
          server.once("error", reject);
          server.listen(0, "127.0.0.1", () => {
            const address = server.address();
            resolve(typeof address === "object" && address ? address.port : 0);
          });
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
