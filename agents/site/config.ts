import { dirname, resolve } from "node:path";
import { LineCounter, parseDocument } from "yaml";
import { z } from "zod";
import { actions, isActionName } from "../../shared/actions/index.ts";
import { type Outcome, ok, refuse } from "../../shared/errors.ts";
import { Faults } from "../../shared/model/site-file/faults.ts";
import { readShape } from "../../shared/model/site-file/shape.ts";

const agentActions = Object.keys(actions).filter(isActionName);

const Port = z
  .number()
  .int()
  .min(0)
  .max(65535)
  .meta({ examples: [8080] });
const path = (example: string) =>
  z
    .string()
    .min(1)
    .meta({ examples: [example] });
const Seconds = z.number().positive();

export const AgentConfig = z.strictObject({
  /** Base URL of the control plane; https except on a loopback address. */
  controlPlane: z
    .url({ protocol: /^https?$/, error: "a URL, as https://turnup.example.com" })
    .refine(secure, "an https URL, or an http one on a loopback address")
    .meta({ examples: ["https://turnup.example.com"] }),
  /** A name for people, unique among the site's agents. */
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, "1 to 63 lower-case letters, digits and hyphens, as ams01-a")
    .meta({ examples: ["ams01-a"] }),
  /** Holds journal.sqlite and key.json. */
  stateDir: path("/var/lib/turnup-agent"),
  /** File with the one-time token; read while the agent is not enrolled. */
  enrolTokenFile: z.string().min(1).optional(),
  /** JSON of mode 0600: `vault:` reference → {username, password}. */
  vault: path("/etc/turnup/vault.json"),
  /** Folder with the images by name. */
  images: path("/srv/turnup/images"),
  netboot: z.strictObject({
    host: z.string().default("0.0.0.0"),
    port: Port,
    /** As machines reach it; the address that DHCP hands out. Defaults to host and port. */
    publicUrl: z.url({ protocol: /^https?$/, error: "a URL, as http://10.30.0.5:8080" }).optional(),
  }),
  metrics: z.strictObject({ host: z.string().default("127.0.0.1"), port: Port }).prefault({ port: 9470 }),
  bmc: z
    .strictObject({
      /** JSON file, "address:port" → "address:port" to connect to instead; with it, no other address is reached. */
      connectTo: z.string().min(1).optional(),
      /** For one request, ms. It must fit into a lease (L3). */
      timeoutMs: z.number().int().min(100).max(28_000).default(20_000),
      /** Between two looks at a power state, ms. */
      pollMs: z.number().int().min(10).max(60_000).default(1000),
      /** Least time between two requests to one BMC, ms. */
      gapMs: z.number().int().min(0).max(10_000).default(100),
      /** A session without requests is logged out after this, ms. */
      sessionIdleMs: z.number().int().min(100).max(600_000).default(10_000),
      /** CA file for BMCs that speak https. */
      caFile: z.string().min(1).optional(),
    })
    .prefault({}),
  /** Steps at work at the same time. */
  maxParallel: z.number().int().min(1).max(10_000).default(64),
  /** Power commands per machine within an hour (A4). */
  powerBudgetPerHour: z.number().int().min(1).max(1000).default(12),
  /** How many people must have approved what ends data or a service; the control plane cannot lower it (G4). */
  approvals: z
    .strictObject({
      least: z.number().int().min(1).max(5).default(1),
      /** In a plan that wipes. */
      wipe: z.number().int().min(2).max(5).default(2),
      /** By action, as ramdisk.overwrite. */
      actions: z.partialRecord(z.enum(agentActions), z.number().int().min(1).max(5)).prefault({}),
    })
    .prefault({}),
  timing: z
    .strictObject({
      /** Divides what is expected of hardware (POST, boot); for simulated hardware only. */
      speed: z.number().positive().max(10_000).default(1),
      /** Seconds of real hardware until a power command shows. */
      powerSeconds: Seconds.default(60),
      /** From the request to shut down to power off: a system that stops its services in order. */
      shutdownSeconds: Seconds.default(240),
      /** From power-on to the request for the boot script: POST of a large machine. */
      bootFetchSeconds: Seconds.default(600),
      /** From the boot script to the RAM environment's phone-home. */
      ramdiskSeconds: Seconds.default(600),
      /** From the restart to the installed system's phone-home. */
      firstBootSeconds: Seconds.default(1500),
    })
    .prefault({}),
  /** How long a drain may take on SIGTERM, ms. */
  drainMs: z.number().int().min(0).max(600_000).default(20_000),
  logLevel: z.enum(["debug", "info", "warn", "error", "silent"]).default("info"),
});
export type AgentConfig = z.infer<typeof AgentConfig>;

function secure(url: string): boolean {
  // That it is no URL at all is said already.
  if (!URL.canParse(url)) return true;
  const { protocol, hostname } = new URL(url);
  return protocol === "https:" || hostname === "localhost" || hostname === "[::1]" || /^127\./.test(hostname);
}

/** Reads agent.yaml; relative paths count from its folder. Every fault is a line of the refusal, in plain words. */
export function parseConfig(text: string, file: string): Outcome<AgentConfig> {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [broken] = document.errors;
  if (broken) {
    const { line, col } = lines.linePos(broken.pos[0]);
    return refuse("validation_failed", `${file}:${line}:${col} is not YAML: ${broken.message}`);
  }
  let value: unknown;
  try {
    value = document.toJS();
  } catch (error) {
    // An alias without its anchor, or aliases that come to too much.
    return refuse("validation_failed", `${file} is not YAML: ${error instanceof Error ? error.message : ""}`);
  }
  const faults = new Faults();
  const config = readShape(AgentConfig, value, faults);
  if (!config || faults.total > 0) {
    const said = faults.list.map(({ code, pointer, text, write }) => {
      const place = pointer.slice(1).replaceAll("/", ".");
      return `\n${file}: ${place ? `${place}: ` : ""}${code} ${text}. Write: ${write}`;
    });
    const count = faults.total === 1 ? "1 fault" : `${faults.total} faults`;
    return refuse("validation_failed", `${file} has ${count}.${said.join("")}`, faults.list);
  }
  const base = dirname(resolve(file));
  const at = (path: string) => resolve(base, path);
  return ok({
    ...config,
    stateDir: at(config.stateDir),
    vault: at(config.vault),
    images: at(config.images),
    ...(config.enrolTokenFile && { enrolTokenFile: at(config.enrolTokenFile) }),
    bmc: {
      ...config.bmc,
      ...(config.bmc.connectTo && { connectTo: at(config.bmc.connectTo) }),
      ...(config.bmc.caFile && { caFile: at(config.bmc.caFile) }),
    },
  });
}

/** Ms that hardware may take for what takes `seconds` in reality; software's own time is not divided. */
export const hardwareMs = (timing: Pick<AgentConfig["timing"], "speed">, seconds: number, softwareMs = 3000): number =>
  (seconds * 1000) / timing.speed + softwareMs;
