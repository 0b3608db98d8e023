import type { Command } from "commander";
import { type Cli, clientOf } from "../context.ts";
import { table } from "../output/table.ts";
import { moment } from "../output/words.ts";
import { seconds } from "./access.ts";
import { does, type Exit, text } from "./command.ts";
import { siteOrOnly } from "./which-site.ts";

/** Agents as the control plane knows them. Running one is a matter of cli/run. */
export function agentCommands(agent: Command, use: { cli: Cli; exit: Exit }): void {
  const { cli } = use;

  does(
    agent.command("list").description("the agents").option("--site <site>", "only of this site"),
    use,
    async (_, options) => {
      const client = clientOf(cli);
      const agents = await client.agents(await siteOrOnly(client, text(options, "site")));
      const rows = agents.map((a) => [
        a.id,
        a.name,
        a.version,
        moment(a.enrolledAt),
        a.lastSeenAt === null ? "" : moment(a.lastSeenAt),
        a.doorbell === null ? "unknown" : a.doorbell ? "yes" : "no",
        a.revokedAt === null ? "" : moment(a.revokedAt),
      ]);
      const titles = ["id", "name", "version", "enrolled (UTC)", "last seen (UTC)", "doorbell", "revoked"];
      return {
        json: agents,
        lines: table(
          titles.map((title) => ({ title })),
          rows,
        ),
      };
    },
  );

  does(
    agent
      .command("enrol-token <site>")
      .description("make a one-time token by which one agent enrols; it is shown this once")
      .option("--ttl <duration>", "how long it is good: 30m, 12h", "1h"),
    use,
    async ([site = ""], options) => {
      const made = await clientOf(cli).enrolToken(site, seconds(options, "ttl"));
      return {
        json: made,
        lines: [made.token],
        notes: [`For one agent of ${made.siteName}, once, until ${moment(made.expiresAt)} UTC.`],
      };
    },
  );

  does(
    agent.command("revoke <id>").description("revoke an agent; its next request is refused"),
    use,
    async ([id = ""]) => {
      const revoked = await clientOf(cli).revokeAgent(id);
      return { json: revoked, lines: [`Revoked ${revoked.name} (${revoked.id}).`] };
    },
  );
}
