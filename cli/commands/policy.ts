import type { Command } from "commander";
import { MAX_POLICY_CHARS, type PolicyDiff, type PolicyView } from "../../shared/model/policy.ts";
import { ApiError } from "../client/http.ts";
import { type Cli, clientOf, fileError, usageError } from "../context.ts";
import { exitCode } from "../exit.ts";
import { printFaults } from "../input/print-faults.ts";
import { type LocatedFault, readYamlFile, type YamlFile } from "../input/yaml-file.ts";
import { table } from "../output/table.ts";
import { moment, plural } from "../output/words.ts";
import { type Answer, does, type Exit, type Options, text } from "./command.ts";
import { oneSite } from "./which-site.ts";

/** The policy of a site, as a file that people review. */
export function policyCommands(program: Command, use: { cli: Cli; exit: Exit }): void {
  const { cli } = use;
  const policy = program.command("policy").description("what protects the services of a site");

  does(
    policy
      .command("show [site]")
      .description("the policy that holds, as it was applied")
      .option("--at <version>", "one of its versions, as `turnup policy history` lists them"),
    use,
    async ([site], options) => {
      const client = clientOf(cli);
      const view = await client.policy(await oneSite(client, site), versionOf(options, "at"));
      return { json: view, lines: view.text.trimEnd().split("\n"), notes: about(view) };
    },
  );

  does(
    policy.command("diff <file>").description("what applying a file would change; or every fault of it"),
    use,
    ([file = ""]) =>
      withPolicyFile(file, async (read, site) => {
        const diff = await clientOf(cli).policyDiff(site, read.text);
        return { json: diff, lines: [...diffLines(site, diff), ...(diff.same ? [] : [applyHint(file, diff)])] };
      }),
  );

  does(
    policy
      .command("apply <file>")
      .description("apply a file as the next version: all of it, or every fault and nothing")
      .option("--reason <text>", "why, for the record", "")
      .option("--base <version>", "only if this version still is the newest, as `turnup policy diff` named it")
      .option("--end-holds", "also if the file lacks holds that are in force"),
    use,
    ([file = ""], options) =>
      withPolicyFile(file, async (read, site) => {
        const client = clientOf(cli);
        const diff = await client.policyDiff(site, read.text);
        const { policy: view, created } = await client.applyPolicy(site, {
          base: versionOf(options, "base") ?? diff.base,
          text: read.text,
          reason: text(options, "reason") ?? "",
          ...(options.endHolds === true && { endHolds: true }),
        });
        const said = created
          ? `Version ${view.version} of the policy of ${site} holds.`
          : `Version ${view.version} of the policy of ${site} is this text already.`;
        return { json: { policy: view, created, changes: diff.changes }, lines: [...diffLines(site, diff), said] };
      }),
  );

  does(policy.command("history [site]").description("the versions of a policy, newest first"), use, async ([site]) => {
    const client = clientOf(cli);
    const versions = await client.policyHistory(await oneSite(client, site));
    const rows = versions.map((v) => [String(v.version), moment(v.at), v.actor, v.reason, v.sha.slice(0, 12)]);
    const columns = [
      { title: "version", right: true },
      ...["at (UTC)", "by", "reason", "sha256"].map((title) => ({ title })),
    ];
    return { json: versions, lines: versions.length === 0 ? ["no policy yet"] : table(columns, rows) };
  });

  holdCommands(program, use);
}

function holdCommands(program: Command, use: { cli: Cli; exit: Exit }): void {
  const { cli } = use;
  does(
    program
      .command("hold <what>")
      .description("set a device, rack:NAME, pool:NAME or the site aside: nothing automatic touches it")
      .option("--reason <text>", "why (required)")
      .option("--until <time>", "when it ends by itself: 4h, 2d, or a moment as 2026-11-27T12:00:00Z")
      .option("--owner <name>", "who can say when it is over; your token's name, if left out")
      .option("--site <site>", "where, if there are several sites"),
    use,
    async ([what = ""], options) => {
      const reason = text(options, "reason")?.trim();
      if (!reason)
        throw usageError(
          "A hold needs a reason: --reason is missing.",
          `turnup hold ${what} --reason "what it is for"`,
        );
      const until = untilOf(text(options, "until"), cli.now());
      const owner = text(options, "owner");
      const client = clientOf(cli);
      const site = await oneSite(client, text(options, "site"));
      const on = thing(what);
      const view = await client.hold(site, {
        on,
        reason,
        ...(owner !== undefined && { owner }),
        ...(until !== undefined && { until }),
      });
      const end = until === undefined ? "" : ` until ${until}`;
      return held(view, `${words(on)} of ${site} is held${end}. It ends with: turnup unhold ${what}`);
    },
  );

  does(
    program
      .command("unhold <what>")
      .description("end the holds on a device, rack:NAME, pool:NAME or the site")
      .option("--owner <name>", "only this one's")
      .option("--reason <text>", "why, for the record", "")
      .option("--site <site>", "where, if there are several sites"),
    use,
    async ([what = ""], options) => {
      const owner = text(options, "owner");
      const client = clientOf(cli);
      const site = await oneSite(client, text(options, "site"));
      const on = thing(what);
      const body = { on, reason: text(options, "reason") ?? "", ...(owner !== undefined && { owner }) };
      const whose = owner === undefined ? "no longer held" : `no longer held by ${owner}`;
      return held(await client.unhold(site, body), `${words(on)} of ${site} is ${whose}.`);
    },
  );
}

const held = (view: PolicyView, line: string): Answer => ({
  json: view,
  lines: [line, `Version ${view.version} of the policy.`],
});

const thing = (what: string): string => (what === "site" || what.includes(":") ? what : `device:${what}`);
const words = (on: string): string => (on === "site" ? "The whole" : on.replace(":", " "));

const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A moment as a policy has it, from one or from a length of time. */
function untilOf(given: string | undefined, now: number): string | undefined {
  if (given === undefined) return undefined;
  const [, n, unit = ""] = /^(\d{1,4})([mhd])$/.exec(given) ?? [];
  if (n !== undefined) {
    const at = now + Number(n) * (UNITS[unit] ?? 0);
    return new Date(Math.ceil(at / 1000) * 1000).toISOString().replace(".000Z", "Z");
  }
  if (/^\d{4}-\d{2}-\d{2}T.*(Z|[+-]\d{2}:\d{2})$/.test(given) && !Number.isNaN(Date.parse(given))) return given;
  throw usageError(
    `--until ${given} is no time.`,
    "Write 30m, 4h, 2d, or a moment with its offset, as 2026-11-27T12:00:00+01:00.",
  );
}

function versionOf(options: Options, name: string): number | undefined {
  const given = text(options, name);
  if (given === undefined) return undefined;
  if (!/^\d{1,7}$/.test(given))
    throw usageError(`--${name} ${given} is no version.`, "`turnup policy history` lists them.");
  return Number(given);
}

/** What a version is, and what its floors come to; not mixed with its text. */
function about({ version, at, actor, reason, floors }: PolicyView): string[] {
  const why = reason === "" ? "" : `: ${reason}`;
  const lines = [`# Version ${version}, applied ${moment(at)} UTC by ${actor}${why}`];
  for (const { of, machines, least } of floors ?? [])
    lines.push(`# ${of}: ${least} of ${plural(machines, "machine")} stay in service`);
  return lines;
}

function diffLines(site: string, { base, changes, same }: PolicyDiff): string[] {
  if (changes.length > 0) return changes;
  if (same) return [`It is version ${base} of the policy of ${site}, to the letter.`];
  return [base === 0 ? "It says nothing: nothing is protected." : "It says the same in another text."];
}

const applyHint = (file: string, { base }: PolicyDiff): string =>
  `Against ${base === 0 ? "no policy" : `version ${base}`}. Apply it: turnup policy apply ${file} --base ${base}`;

/** Reads the file and does something with it at its site; every fault is told with its line, also those found there. */
async function withPolicyFile(file: string, act: (read: YamlFile, site: string) => Promise<Answer>): Promise<Answer> {
  const read = await readYamlFile(file, MAX_POLICY_CHARS);
  if (!read.ok) {
    if (read.faults.length === 0) throw fileError(read.problem);
    return faulty(read.problem, read.faults);
  }
  const { faults, value, locate } = read.value;
  if (faults.length > 0) return faulty({ code: "validation_failed", detail: `${file} has faults.` }, faults);
  const site = typeof value === "object" && value !== null ? Reflect.get(value, "site") : undefined;
  if (typeof site !== "string" || site === "") {
    const fault = {
      code: "missing_key",
      pointer: "/site",
      text: "the policy does not say of which site it is",
      write: "site: ams01",
    };
    return faulty({ code: "validation_failed", detail: `${file} names no site.` }, [locate(fault)]);
  }
  try {
    return await act(read.value, site);
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== "validation_failed" || error.errors.length === 0) throw error;
    return faulty({ code: error.code, detail: error.detail }, error.errors.map(locate));
  }
}

function faulty(problem: { code: string; detail: string }, faults: readonly LocatedFault[]): Answer {
  const lines: string[] = [];
  printFaults(faults, (line) => lines.push(line));
  return { json: { error: { ...problem, errors: faults } }, lines, exit: exitCode.refused };
}
