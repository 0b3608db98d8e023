import { createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Command } from "commander";
import type { Client } from "../client/client.ts";
import { ApiError } from "../client/http.ts";
import { type Cli, clientOf, fileError, problemError } from "../context.ts";
import { exitCode } from "../exit.ts";
import { chunksOf, linesOf, readExport } from "../input/export-file.ts";
import { table } from "../output/table.ts";
import { moment, plural } from "../output/words.ts";
import { type Answer, does, type Exit, type Options, text } from "./command.ts";

/** The way out of a site and back in, and its rows in the read model. */
export function siteExportCommands(site: Command, use: { cli: Cli; exit: Exit }): void {
  const { cli } = use;

  does(
    site.command("export <site>").description("all that is true of a site, as lines of JSON on standard output"),
    use,
    async ([name = ""]) => exportSite(cli, name),
  );

  does(
    site
      .command("restore <file>")
      .description("restore an export: all of it, or nothing; the site is then on hold")
      .option("--replace <name>", "put it in the place of the site of this name, which is fenced"),
    use,
    ([file = ""], options) => restore(cli, file, text(options, "replace")),
  );

  does(
    site
      .command("release <site>")
      .description("end the hold of a restored site, once its agents have told what they did since the export")
      .option("--without <agent...>", "go on without these agents, which are revoked")
      .option(
        "--accept-loss <reason>",
        "go on although the agents know of later ledger events; the reason is recorded",
      ),
    use,
    ([name = ""], options) => release(cli, name, options),
  );

  does(
    site.command("outbox <site>").description("what has not reached the read model, and what was given up and why"),
    use,
    async ([name = ""]) => {
      const state = await clientOf(cli).outbox(name);
      const rows = state.items.map((row) => [
        row.kind,
        row.id,
        row.parked === null
          ? `next try ${moment(row.at)}`
          : `parked after ${plural(row.fails, "try", "tries")}: ${row.parked}`,
      ]);
      const titles = ["kind", "id", "state (UTC)"].map((title) => ({ title }));
      return {
        json: state,
        lines: [`${state.waiting} waiting, ${state.parked} parked`, ...(rows.length > 0 ? table(titles, rows) : [])],
      };
    },
  );

  does(
    site
      .command("rebuild-readmodel <site>")
      .description("throw the site's rows out of the read model and send them anew from its own tables"),
    use,
    ([name = ""]) => rebuildReadModel(cli, name),
  );
}

/** Times an export is tried at a site that changes meanwhile. */
const TRIES = 3;

/** It reaches standard output only when it is whole: what was cut is never in the file it is written to. */
async function exportSite(cli: Cli, name: string) {
  const client = clientOf(cli);
  const dir = await mkdtemp(join(tmpdir(), "turnup-export-"));
  const file = join(dir, "export");
  try {
    for (let n = 1; ; n++) {
      const fault = await fetchExport(client, name, file);
      if (!fault) break;
      if (n === TRIES) throw fault;
      cli.err(`${fault.code}: ${fault.detail} Trying again.`);
      await cli.sleep(1_000 * n);
    }
    for await (const line of linesOf(file)) cli.out(line);
    return exitCode.done;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Why the export did not come whole, where trying again may help. */
async function fetchExport(client: Client, name: string, file: string): Promise<ApiError | undefined> {
  try {
    await pipeline(client.exportSite(name), createWriteStream(file, { mode: 0o600 }));
  } catch (error) {
    if (error instanceof ApiError && error.status < 500 && error.code !== "export_moved") throw error;
    return error instanceof ApiError
      ? error
      : problemError({ code: "export_moved", detail: `The export of ${name} broke off.` });
  }
  const read = await readExport(file);
  return read.ok ? undefined : problemError({ code: "export_moved", detail: `The export of ${name} broke off.` });
}

async function restore(cli: Cli, file: string, replace: string | undefined): Promise<Answer> {
  const read = await readExport(file);
  if (!read.ok) throw read.problem.code === "file_unreadable" ? fileError(read.problem) : problemError(read.problem);
  const { header, end } = read.value;
  const client = clientOf(cli);
  const begun = await client.beginRestore({
    header,
    lines: end.lines,
    sha256: end.sha256,
    ...(replace !== undefined && { replace }),
  });
  for await (const part of chunksOf(read.value)) await client.restoreLines({ restore: begun.restore, ...part });
  const site = await client.finishRestore(begun.restore);
  return {
    json: site,
    lines: [
      `${site.name}: ${plural(end.lines, "line")} restored as generation ${site.generation}, on hold.`,
      `It waits for ${site.hold?.waitingOn ?? "nothing"}.`,
    ],
  };
}

async function release(cli: Cli, name: string, options: Options): Promise<Answer> {
  const without = Array.isArray(options.without) ? (options.without as string[]) : [];
  const acceptLoss = text(options, "acceptLoss");
  const done = await clientOf(cli).releaseSite(name, { without, ...(acceptLoss !== undefined && { acceptLoss }) });
  const { site, resolved, unread, lost } = done;
  return {
    json: done,
    lines: [
      `${site.name} is released as generation ${site.generation}.`,
      "Steps start once no call of before the restore can be under way: within three minutes.",
      `${plural(resolved, "step")} will read the machine before anything else is done.`,
      ...(unread.length > 0 ? [`Nothing starts before an audit has read: ${unread.join(", ")}.`] : []),
      ...lost.map((l) => `Lost: ledger events up to ${l.seq}, known to ${l.name}.`),
    ],
  };
}

/** How long the read model may take to hear of all, ms: as long as something arrives it is waited for. */
const STALLED_MS = 60_000;

/** Whether the hashes are equal tells only of a site that did not change meanwhile; so both are said. */
async function rebuildReadModel(cli: Cli, name: string): Promise<Answer> {
  const client = clientOf(cli);
  const before = await drained(cli, client, name);
  await client.rebuildReadModel(name);
  const after = await drained(cli, client, name);
  const equal = before.hash === after.hash;
  const changedMeanwhile = before.changes !== after.changes;
  const words = equal
    ? "equal to those before"
    : changedMeanwhile
      ? "others than before, as the site changed meanwhile"
      : "not equal to those before";
  return {
    json: {
      site: name,
      hashBefore: before.hash,
      hashAfter: after.hash,
      equal,
      changedMeanwhile,
      rows: after.rows,
      rowsBefore: before.rows,
      parkedBefore: before.parked,
    },
    lines: [`${name}: ${plural(after.rows, "row")} rebuilt; ${words} (${after.hash}).`],
    ...(!equal &&
      !changedMeanwhile && {
        notes: ["Rows had been parked or lost before, and are there now."],
        exit: exitCode.partly,
      }),
  };
}

/** The state of the read model once nothing waits any more. */
async function drained(cli: Cli, client: Client, name: string) {
  let least = Number.POSITIVE_INFINITY;
  let since = cli.now();
  for (;;) {
    const state = await client.readModel(name);
    if (state.waiting === 0) return state;
    if (state.waiting < least) {
      least = state.waiting;
      since = cli.now();
      cli.err(`${plural(state.waiting, "row")} to go`);
    } else if (cli.now() - since > STALLED_MS)
      throw problemError({
        code: "unavailable",
        detail: `${plural(state.waiting, "row")} of ${name} do not reach the read model.`,
      });
    await cli.sleep(300);
  }
}
