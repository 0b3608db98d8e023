import type { Command } from "commander";
import type { Client } from "../client/client.ts";
import { ApiError } from "../client/http.ts";
import { type Cli, clientOf, usageError } from "../context.ts";
import { exitCode } from "../exit.ts";
import { heldLine } from "../output/held.ts";
import { table } from "../output/table.ts";
import { left, moment, plural } from "../output/words.ts";
import { does, type Exit, text } from "./command.ts";
import { siteOrOnly } from "./which-site.ts";

/** How often, and for how long, `audit run` looks whether the run has ended. */
const AUDIT_POLL_MS = 250;
const AUDIT_MAX_MS = 60_000;

export function deviceCommands(program: Command, use: { cli: Cli; exit: Exit }): void {
  const { cli } = use;

  does(
    program
      .command("explain <device>")
      .description("what state a device is in, since when, what it waits for, and what would change it")
      .option("--site <site>", "where several sites have a device of this name"),
    use,
    async ([device = ""], options) => {
      const site = text(options, "site");
      const told = await clientOf(cli)
        .explain(device, site)
        .catch((error: unknown) => {
          // The API says it by its query parameter.
          if (!(error instanceof ApiError && error.code === "conflict" && site === undefined)) throw error;
          throw usageError(
            `Several sites have a device ${device}; say which by --site.`,
            `turnup explain ${device} --site SITE; \`turnup site list\` shows the sites.`,
          );
        });
      const { name, manufacturer, model, serial, rack, u } = told.device;
      const lines = [
        `${name}: ${manufacturer} ${model}, serial ${serial ?? "none"}, rack ${rack} U${u}`,
        `State: ${told.state}`,
      ];
      if (told.step) lines.push(`Step: ${told.step}`);
      if (told.job) lines.push(`Job: ${told.job}`);
      lines.push(`Waits for: ${told.waitingOn ?? "nothing"}`);
      if (told.heldBy) lines.push(heldLine(told.heldBy, cli.now()));
      if (told.dueAt !== null) lines.push(`Limit: ${moment(told.dueAt)} UTC, in ${left(told.dueAt, cli.now())}`);
      if (told.failure)
        lines.push(`Failed: ${told.failure.code}: ${told.failure.detail}`, `Next: ${told.failure.next}`);
      // What the failure asks for is said above.
      const changes = told.wouldChange.filter((change) => change !== told.failure?.next);
      for (const change of changes) lines.push(`Would change it: ${change}`);
      for (const finding of told.findings) lines.push(`Finding: ${finding}`);
      for (const event of told.lastEvents) lines.push(`${moment(event.at)}  ${event.text}`);
      return { json: told, lines };
    },
  );

  does(
    program
      .command("findings")
      .description("what audits saw that should not be")
      .option("--site <site>", "only of this site")
      .option("--all", "closed ones too"),
    use,
    async (_, options) => {
      const client = clientOf(cli);
      const site = await siteOrOnly(client, text(options, "site"));
      const findings = await client.findings({
        ...(site !== undefined && { site }),
        ...(options.all !== true && { state: "open" }),
      });
      const rows = findings.map((f) => [
        f.severity,
        f.check,
        f.objectName,
        f.state,
        moment(f.openedAt),
        String(f.times),
        f.text,
        f.next,
      ]);
      const titles = ["severity", "check", "object", "state", "since (UTC)", "seen", "what", "next"];
      return {
        json: findings,
        lines:
          findings.length === 0
            ? ["No findings."]
            : table(
                titles.map((title) => ({ title })),
                rows,
              ),
      };
    },
  );

  const audit = program.command("audit").description("compare what is with what should be");
  does(audit.command("run <site>").description("run an audit now and wait for its end"), use, async ([site = ""]) => {
    const client = clientOf(cli);
    const begun = await client.runAudit(site);
    let run = begun;
    for (let waited = 0; run.state === "running" && waited < AUDIT_MAX_MS; waited += AUDIT_POLL_MS) {
      await cli.sleep(AUDIT_POLL_MS);
      run = (await client.audits(site)).find((one) => one.window === begun.window) ?? run;
    }
    const said = {
      "no-data": "no data, nothing was read",
      running: `still running, ${run.read} of ${plural(run.expected, "device")} read`,
      done: `read ${run.read} of ${plural(run.expected, "device")}; ${plural(run.opened, "finding")} opened, ${run.closed} closed`,
    };
    return {
      json: run,
      lines: [
        `Audit ${run.window}: ${said[run.state]}.`,
        ...(run.state !== "done" && run.read === 0 ? [await whyNoData(client, site)] : []),
      ],
      exit: run.state === "done" ? exitCode.done : exitCode.failed,
    };
  });
}

/** The control plane knows only that no reading came; who should have sent them is the first to look at. */
async function whyNoData(client: Client, site: string): Promise<string> {
  const there = (await client.agents(site)).filter((agent) => agent.revokedAt === null);
  const connected = there.filter((agent) => agent.doorbell !== false);
  if (connected.length === 0) return `It has no agent of ${site} to ask: see \`turnup agent list --site ${site}\`.`;
  const names = connected.map((agent) => agent.name).join(", ");
  return `${names} sent no readings: \`turnup findings --site ${site}\` and the log of the agent say why.`;
}
