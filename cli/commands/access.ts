import { type Command, Option } from "commander";
import { type FleetStatus, tokenRoles } from "../client/client.ts";
import { type Cli, clientOf, usageError } from "../context.ts";
import { table } from "../output/table.ts";
import { moment } from "../output/words.ts";
import { personOf } from "./approvers.ts";
import { type Answer, does, type Exit, type Options, text } from "./command.ts";

/** Who may ask for what: API tokens, and the fleet's kill switch. */
export function accessCommands(program: Command, use: { cli: Cli; exit: Exit }): void {
  const { cli } = use;
  const token = program.command("token").description("API tokens");

  does(
    token
      .command("create <name>")
      .description("make a token; it is shown this once")
      .addOption(new Option("--role <role>", "what it may do").choices([...tokenRoles]).default("viewer"))
      .option("--person <name>", "whose it is: this person then approves no plan that it asked for")
      .option("--site <site...>", "only for these sites")
      .option("--ttl <duration>", "how long it is good: 90m, 12h, 30d", "365d"),
    use,
    async ([name = ""], options) => {
      const sites = Array.isArray(options.site) ? (options.site as string[]) : undefined;
      const made = await clientOf(cli).createToken({
        name,
        role: text(options, "role") ?? "viewer",
        ttlSeconds: seconds(options, "ttl"),
        ...(text(options, "person") !== undefined && { person: personOf(options) }),
        ...(sites && { sites }),
      });
      const until = made.expiresAt === null ? "for good" : `until ${moment(made.expiresAt)} UTC`;
      const where = sites ? sites.join(", ") : "all sites";
      return {
        json: made,
        lines: [made.token],
        notes: [
          `Token ${made.id}: ${made.role} at ${where}, ${until}. It is not shown again; \`turnup token revoke ${made.id}\` ends it.`,
        ],
      };
    },
  );

  does(token.command("list").description("the tokens, without their secrets"), use, async () => {
    const client = clientOf(cli);
    const [tokens, sites] = await Promise.all([client.tokens(), client.sites()]);
    const nameOf = new Map(sites.map((site) => [site.id, site.name]));
    const rows = tokens.map((t) => [
      t.id,
      t.name,
      t.role,
      t.person ?? "",
      t.sites?.map((id) => nameOf.get(id) ?? id).join(" ") ?? "all",
      moment(t.createdAt),
      t.revokedAt !== null
        ? `revoked ${moment(t.revokedAt)}`
        : t.expiresAt !== null
          ? `until ${moment(t.expiresAt)}`
          : "",
    ]);
    return {
      json: tokens,
      lines: table(
        ["id", "name", "role", "person", "sites", "created (UTC)", "good"].map((title) => ({ title })),
        rows,
      ),
    };
  });

  does(token.command("revoke <id>").description("revoke a token by its id"), use, async ([id = ""]) => {
    const revoked = await clientOf(cli).revokeToken(id);
    return { json: revoked, lines: [`Revoked ${revoked.name} (${revoked.id}).`] };
  });

  const fleet = program.command("fleet").description("the kill switch over all sites, and how many may work at once");
  for (const [name, ask, description] of [
    ["status", "fleet", "whether anything may start, and how many sites are at work"],
    ["freeze", "freeze", "no step starts anywhere until it is thawed"],
    ["thaw", "thaw", "turn the kill switch off"],
  ] as const) {
    does(fleet.command(name).description(description), use, async () => fleetAnswer(await clientOf(cli)[ask]()));
  }
  does(
    fleet.command("limit <sites>").description("how many sites may work at once; 0: none starts"),
    use,
    async ([sites = ""]) => {
      if (!/^\d{1,9}$/.test(sites)) throw usageError("`fleet limit` takes a whole number of sites, from 0.");
      return fleetAnswer(await clientOf(cli).limit(Number(sites)));
    },
  );
}

const fleetAnswer = (status: FleetStatus): Answer => ({
  json: status,
  lines: [
    `${status.frozen ? "Frozen: nothing starts" : "Not frozen"}; ${status.working} of at most ${status.maxSites} sites at work.`,
  ],
});

const UNIT_S = { s: 1, m: 60, h: 3600, d: 86_400 } as const;

/** Seconds of an option like `90m`; refused in words if it is something else. */
export function seconds(options: Options, name: string): number {
  const match = /^(\d{1,6})([smhd])$/.exec(text(options, name) ?? "");
  const unit = match?.[2] as keyof typeof UNIT_S | undefined;
  if (!match || !unit) throw usageError(`--${name} takes a number and s, m, h or d, as in 12h.`);
  return Number(match[1]) * UNIT_S[unit];
}
