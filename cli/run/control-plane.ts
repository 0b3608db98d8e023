/**
 * The control plane as one local process: the Worker on Miniflare, everything persisted under DIR (default `.turnup`).
 *
 *   npm run control-plane -- [--dir .turnup] [--port N] [--cron PATTERN]
 *
 * It may be killed at any time; started again it goes on, on the same port. When it listens it writes
 * DIR/control-plane.json {url, token}, readable by its owner only, and prints one line of JSON.
 */
import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { Cron } from "croner";
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from "miniflare";
import { bundleWorker } from "./control-plane/bundle.ts";
import { readWrangler, runtimeOptions } from "./control-plane/config.ts";
import { migrate } from "./control-plane/migrate.ts";
import { endOrphan, isRunning, readText, writeAtomic, writeLauncher } from "./control-plane/processes.ts";

const root = join(import.meta.dirname, "../..");
const usage = `Usage: npm run control-plane -- [--dir DIR] [--port N] [--cron PATTERN]

A control plane on 127.0.0.1, kept in DIR (.turnup unless said otherwise); DIR/control-plane.json has its URL and admin
token. Without --port it takes the one that it had before, or any free one.
`;

/** Says what is wrong and ends: nothing has been started yet. */
function wrong(text: string): never {
  process.stderr.write(`${text} \`npm run control-plane -- --help\` shows the options.\n`);
  return process.exit(2);
}

function options(): { dir: string; port?: string; cron?: string } {
  try {
    const { values } = parseArgs({
      options: {
        dir: { type: "string", default: ".turnup" },
        port: { type: "string" },
        /** Instead of the crons in wrangler.toml; it may begin with seconds. */
        cron: { type: "string" },
        help: { type: "boolean" },
      },
    });
    if (values.help) {
      process.stdout.write(usage);
      process.exit(0);
    }
    const { port } = values;
    if (port !== undefined && !(/^\d{1,5}$/.test(port) && Number(port) >= 1024 && Number(port) <= 65_535))
      wrong(`--port wants a number from 1024 to 65535, not ${port || "nothing"}.`);
    return values;
  } catch (error) {
    return wrong(
      error instanceof Error ? `${error.message.split(". To specify")[0]?.replace(/\.$/, "")}.` : String(error),
    );
  }
}
const values = options();
const dir = resolve(values.dir);
const state = join(dir, "control-plane");
const files = {
  pid: join(dir, "pids/control-plane"),
  workerd: join(dir, "pids/workerd"),
  connect: join(dir, "control-plane.json"),
  secret: join(state, "admin-token"),
  port: join(state, "port"),
  launcher: join(state, "workerd"),
};

const say = (event: string, data: Record<string, unknown> = {}): void =>
  console.log(JSON.stringify({ at: "control-plane", event, ...data }));

async function start(): Promise<() => Promise<void>> {
  await writeAtomic(files.pid, `${process.pid}\n`);
  if (await endOrphan(files.workerd)) say("orphan-ended");
  const wrangler = await readWrangler(root);
  // What wrangler's build command does before a deployment.
  await import(new URL("../../scripts/docs-assets.mjs", import.meta.url).href);
  const [script, secret, port] = await Promise.all([bundleWorker(root, wrangler.main), adminSecret(), choosePort()]);
  const workerd: unknown = createRequire(createRequire(import.meta.url).resolve("miniflare"))("workerd");
  await writeLauncher(files.launcher, String((workerd as { default: string }).default), files.workerd);
  process.env.MINIFLARE_WORKERD_PATH = files.launcher;

  const runtime = new Miniflare(
    convertV4MiniflareOptions({
      ...runtimeOptions({ wrangler, root, persist: join(state, "store"), script, port, secret }),
      log: new Log(LogLevel.WARN),
      handleStructuredLogs: ({ level, message }) => console.error(JSON.stringify({ at: "worker", level, message })),
      unsafeHandleRuntimeRestart: () => say("workerd-restarted"),
    }),
  );
  const url = (await runtime.ready).origin;
  const database = wrangler.d1_databases[0];
  if (!database) throw new Error("wrangler.toml binds no database");
  const migrated = await migrate(await runtime.getD1Database(database.binding), join(root, database.migrations_dir));

  // Miniflare fires no cron by itself. Weekday numbers differ between the two (write MON-FRI), times are UTC in both.
  const patterns = values.cron === undefined ? wrangler.triggers.crons : [values.cron];
  const crons = patterns.map(
    (cron) =>
      new Cron(
        cron,
        { timezone: "UTC", catch: (error) => say("cron-failed", { cron, error: String(error) }) },
        async () => {
          const worker = await runtime.getWorker();
          await worker.scheduled({ cron, scheduledTime: new Date() });
        },
      ),
  );
  await writeAtomic(files.port, `${port}\n`);
  await writeAtomic(files.connect, `${JSON.stringify({ url, token: secret }, null, 2)}\n`, 0o600);
  say("listening", { url, migrated });
  return async () => {
    for (const cron of crons) cron.stop();
    await runtime.dispose();
    await Promise.all([files.connect, files.workerd, files.pid].map((file) => rm(file, { force: true })));
    say("stopped");
  };
}

/** Made once and kept: tokens that people have noted stay good over restarts. */
async function adminSecret(): Promise<string> {
  const kept = await readText(files.secret);
  if (kept) return kept;
  const fresh = `tok_${randomBytes(24).toString("hex")}`;
  await writeAtomic(files.secret, `${fresh}\n`, 0o600);
  return fresh;
}

/** The port asked for, else the one used before while it is free (agents know it), else any. */
async function choosePort(): Promise<number> {
  if (values.port !== undefined) return Number(values.port);
  const before = Number(await readText(files.port));
  return (before > 0 ? await freePort(before) : undefined) ?? (await freePort(0)) ?? 0;
}

const freePort = (port: number): Promise<number | undefined> =>
  new Promise((done) => {
    const probe = createServer();
    probe.once("error", () => done(undefined));
    probe.listen(port, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => done(typeof address === "object" ? address?.port : undefined));
    });
  });

if (values.port !== undefined && (await freePort(Number(values.port))) === undefined)
  wrong(`Port ${values.port} is taken.`);
if (await isRunning(files.pid, "control-plane.ts")) {
  say("running-already", { pid: await readText(files.pid) });
  process.exit(2);
}
const stop = await start();
let stopping = false;
for (const signal of ["SIGTERM", "SIGINT"] as const) {
  // Miniflare's own listener would end the process at once, and leave the files that say it is running.
  process.removeAllListeners(signal);
  process.on(signal, () => {
    if (stopping) return;
    stopping = true;
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        say("stop-failed", { error: String(error) });
        process.exit(1);
      },
    );
  });
}
