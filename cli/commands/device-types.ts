import { readdir, stat } from "node:fs/promises";
import { extname, join } from "node:path";
import type { Command } from "commander";
import { typeName } from "../../shared/model/device-type/device-type.ts";
import { checkInstallable, type Gap } from "../../shared/model/device-type/installable.ts";
import type { ReadReport } from "../../shared/model/device-type/read.ts";
import { type Cli, clientOf, fileError } from "../context.ts";
import { exitCode, exitOfMany } from "../exit.ts";
import { type DeviceTypeFile, readDeviceTypeFile } from "../input/device-type-file.ts";
import { printFaults } from "../input/print-faults.ts";
import type { LocatedFault } from "../input/yaml-file.ts";
import { plural } from "../output/words.ts";
import { type Answer, does, type Exit } from "./command.ts";
import { sendDeviceTypes } from "./device-type-batches.ts";

export function deviceTypeCommands(program: Command, use: { cli: Cli; exit: Exit }): void {
  const { cli } = use;
  const types = program.command("device-type").description("device types in the format of NetBox's library");

  does(
    types
      .command("import <path...>")
      .description("import files, or all files below folders; each is taken or refused by itself"),
    use,
    (paths) => importPaths(cli, paths),
  );

  does(
    types.command("check <file>").description("what is missing before such a machine could be installed"),
    use,
    async ([file = ""]) => checkFile(file),
  );

  does(types.command("list").description("the device types of the catalog"), use, async () => {
    const names = await clientOf(cli).deviceTypeNames();
    return { json: names, lines: names };
  });
}

/** What became of one file. */
interface FileReport {
  file: string;
  name: string | null;
  taken: boolean;
  report: ReadReport | null;
  faults: LocatedFault[];
}

async function importPaths(cli: Cli, paths: readonly string[]): Promise<Answer> {
  const client = clientOf(cli);
  const files = (await Promise.all(paths.map(yamlFiles))).flat();
  const reports: FileReport[] = [];
  const readable: DeviceTypeFile[] = [];
  for (const file of files) {
    const read = await readDeviceTypeFile(file);
    const faults: LocatedFault[] = read.ok ? [] : read.faults;
    if (read.ok) readable.push(read.value);
    else if (faults.length === 0)
      faults.push({ code: read.problem.code, pointer: "", text: read.problem.detail, file, line: 1, col: 1 });
    const name = read.ok ? typeName(read.value.type) : null;
    reports.push({ file, name, taken: read.ok, report: read.ok ? read.value.report : null, faults });
  }
  const results = await sendDeviceTypes(
    client,
    readable.map((one) => one.document),
  );
  for (const [i, { file, locate }] of readable.entries()) {
    const report = reports.find((one) => one.file === file);
    const refused = results[i]?.faults ?? [];
    if (!report || refused.length === 0) continue;
    report.taken = false;
    report.faults.push(...refused.map(locate));
  }
  const taken = reports.filter((report) => report.taken).length;
  const refused = reports.length - taken;
  return {
    json: { imported: taken, refused, files: reports },
    lines: [...reports.flatMap(reportLines), `${plural(taken, "device type")} imported, ${refused} refused`],
    exit: reports.length === 0 ? exitCode.refused : exitOfMany(taken, refused),
  };
}

function reportLines({ file, name, taken, report, faults }: FileReport): string[] {
  const notes = [
    ...(report?.tolerated ?? []).map((text) => `  tolerated ${text}`),
    ...(report?.missing ?? []).map((text) => `  missing   ${text}`),
  ];
  return [`${file}: ${taken ? name : "refused"}`, ...notes, ...faultLines(faults)];
}

function faultLines(faults: readonly LocatedFault[]): string[] {
  const lines: string[] = [];
  printFaults(faults, (line) => lines.push(line));
  return lines;
}

/** YAML files at or below a path, sorted: a folder is a library. */
export async function yamlFiles(path: string): Promise<string[]> {
  const info = await stat(path).catch(() => undefined);
  if (!info) throw fileError({ code: "not_found", detail: `There is no file or folder ${path}.` });
  if (!info.isDirectory()) return [path];
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && [".yaml", ".yml"].includes(extname(entry.name)))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

async function checkFile(file: string): Promise<Answer> {
  const read = await readDeviceTypeFile(file);
  if (!read.ok) {
    if (read.faults.length === 0) throw fileError(read.problem);
    return { json: { error: read.problem }, lines: faultLines(read.faults), exit: exitCode.refused };
  }
  const { type, report } = read.value;
  const gaps = checkInstallable(type);
  const level = { blocks: "not to be installed", class: "the hardware class must say it", note: "note" } as const;
  const blocked = gaps.some((gap) => gap.level === "blocks");
  return {
    json: { name: typeName(type), installable: !blocked, report, gaps },
    lines: [
      ...reportLines({ file, name: typeName(type), taken: true, report, faults: [] }),
      ...gaps.map((gap) => `${gap.code}: ${gap.text} (${level[gap.level]}). Write: ${gap.write}`),
      verdict(gaps),
    ],
    exit: blocked ? exitCode.refused : exitCode.done,
  };
}

function verdict(gaps: readonly Gap[]): string {
  const has = (code: string) => gaps.some((gap) => gap.code === code);
  if (has("network_gear")) return "This is network gear, which Turnup records and does not install.";
  if (has("not_a_machine")) return "This is no server: Turnup records it and does not install it.";
  if (gaps.some((gap) => gap.level === "blocks")) return "A machine of this type cannot be installed.";
  return "A machine of this type can be installed, with a hardware class that says the rest.";
}
