import type { Command } from "commander";
import { typeName } from "../../shared/model/device-type/device-type.ts";
import type { SiteView } from "../../shared/model/views.ts";
import type { Client } from "../client/client.ts";
import { ApiError } from "../client/http.ts";
import { type Cli, clientOf, fileError } from "../context.ts";
import { exitCode } from "../exit.ts";
import { printFaults, readSiteFile, type SiteReading } from "../input/site-file.ts";
import { table } from "../output/table.ts";
import { moment, plural } from "../output/words.ts";
import { type Answer, does, type Exit } from "./command.ts";
import { sendDeviceTypes } from "./device-type-batches.ts";

/** Returns the command `site`, for more below it. */
export function siteCommands(program: Command, use: { cli: Cli; exit: Exit }): Command {
  const { cli } = use;
  const site = program.command("site").description("sites and their files");

  does(
    site.command("import <file>").description("import a site file: all of it, or every fault and nothing"),
    use,
    ([file = ""]) => importFile(cli, file),
  );

  does(site.command("list").description("the sites"), use, async () => {
    const sites = await clientOf(cli).sites();
    return { json: sites, lines: siteTable(sites) };
  });

  does(site.command("show <site>").description("one site and its devices"), use, async ([name = ""]) => {
    const client = clientOf(cli);
    const [view, devices] = await Promise.all([client.site(name), client.devices(name)]);
    const rows = devices.map((d) => [
      d.name,
      d.role,
      d.rack,
      String(d.u),
      `${d.manufacturer} ${d.model}`,
      d.serial ?? "",
      d.state,
      moment(d.since),
    ]);
    const titles = ["device", "role", "rack", "U", "type", "serial", "state", "since (UTC)"].map((title) => ({
      title,
    }));
    return {
      json: { site: view, devices },
      lines: [...siteTable([view]), atOnceLine(view), ...holdLine(view), "", ...table(titles, rows)],
    };
  });
  return site;
}

const holdLine = ({ hold }: SiteView): string[] =>
  hold ? [`On hold since ${moment(hold.since)} UTC: it waits for ${hold.waitingOn}.`] : [];

/** `At once: 2000 steps, 1 disruptive; 40 bmc.power, 20 ramdisk.writeImage`. */
function atOnceLine({ atOnce: { steps, disruptive, actions } }: SiteView): string {
  const each = Object.entries(actions ?? {}).map(([name, n]) => `${n} ${name}`);
  return `At once: ${steps} steps, ${disruptive} disruptive${each.length > 0 ? `; ${each.join(", ")}` : ""}`;
}

function siteTable(sites: readonly SiteView[]): string[] {
  const columns = [
    { title: "site" },
    { title: "racks", right: true },
    { title: "devices", right: true },
    { title: "imports", right: true },
    { title: "location" },
    { title: "jurisdiction" },
    { title: "id" },
  ];
  const rows = sites.map((s) => [
    s.name,
    String(s.racks),
    String(s.devices),
    String(s.revision),
    s.locationHint,
    s.jurisdiction,
    s.id,
  ]);
  return table(columns, rows);
}

/** File faults are found here, without a control plane; the control plane checks again against its own device types. */
async function importFile(cli: Cli, file: string): Promise<Answer> {
  const read = await readSiteFile(file);
  if (!read.ok) {
    // A file that could not even be opened has no faults with a place.
    if (read.faults.length === 0) throw fileError(read.problem);
    const lines: string[] = [];
    printFaults(read.faults, (line) => lines.push(line));
    return { json: { error: read.problem }, lines, exit: exitCode.refused };
  }
  const client = clientOf(cli);
  const { site, added, changed, unchanged } = await importSite(client, read.value);
  return {
    json: { site, added, changed, unchanged },
    lines: [
      `${site.name}: ${plural(site.devices, "device")} in ${plural(site.racks, "rack")}; ${added} added, ${changed} changed, ${unchanged} unchanged`,
    ],
  };
}

/** Makes the site if there is none of this name, sends the device types that the catalog lacks, and imports the file. */
export async function importSite(client: Client, { site, document, deviceTypes }: SiteReading) {
  const known = new Set(await client.deviceTypeNames());
  const missing = deviceTypes.filter(({ type }) => !known.has(typeName(type)));
  if (missing.length > 0)
    await sendDeviceTypes(
      client,
      missing.map((one) => one.document),
    );
  const { name, locationHint, jurisdiction } = site;
  const there = (await client.sites()).find((one) => one.name === name);
  // A file that is refused leaves nothing behind, not even an empty site.
  if (!there) await client.checkSite(document);
  if (!there || there.revision === 0) await makeSite(client, { name, locationHint, jurisdiction });
  return client.importSite(name, document);
}

/** One that was made before, but not finished, is finished. */
async function makeSite(client: Client, site: Parameters<Client["createSite"]>[0]): Promise<void> {
  try {
    await client.createSite(site);
  } catch (error) {
    if (!(error instanceof ApiError && error.code === "site_exists")) throw error;
  }
}
