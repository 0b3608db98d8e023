import type { Fault } from "../../shared/errors.ts";
import type { DeviceType } from "../../shared/model/device-type/device-type.ts";
import { type ReadReport, readDeviceType } from "../../shared/model/device-type/read.ts";
import { type LocatedFault, type Reading, readYamlFile, refuseFile } from "./yaml-file.ts";

/** The largest file of the library has 20 kB. */
const MAX_BYTES = 2 ** 20;

export interface DeviceTypeFile {
  file: string;
  type: DeviceType;
  /** What was tolerated or is missing, for people. */
  report: ReadReport;
  /** The document as it was read, for the control plane to read again. */
  document: unknown;
  /** The place in the file of a fault that others find in the document. */
  locate(fault: Fault): LocatedFault;
}

/** Reads one file of the NetBox device-type library; refusals as of `readYamlFile` and `readDeviceType`. */
export async function readDeviceTypeFile(file: string): Promise<Reading<DeviceTypeFile>> {
  const yaml = await readYamlFile(file, MAX_BYTES);
  if (!yaml.ok) return yaml;
  const { value: document, locate, faults } = yaml.value;
  const read = readDeviceType(document);
  if (!read.ok) return refuseFile(read.problem, [...faults, ...(read.problem.errors ?? []).map(locate)]);
  const { type, report } = read.value;
  const doubled = faults.map((fault) => `line ${fault.line}: ${fault.text}; the last one counts`);
  return {
    ok: true,
    value: { file, type, report: { ...report, tolerated: [...doubled, ...report.tolerated] }, document, locate },
  };
}
