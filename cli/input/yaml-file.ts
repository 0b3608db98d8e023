import { open } from "node:fs/promises";
import type { Fault, Problem } from "../../shared/errors.ts";
import { type PlacedFault, readYaml } from "../../shared/yaml.ts";

/** A fault with its place in a file. */
export interface LocatedFault extends PlacedFault {
  file: string;
}

/** An `Outcome` whose refusal also tells the places; empty when the file could not even be opened. */
export type Reading<T> = { ok: true; value: T } | { ok: false; problem: Problem; faults: LocatedFault[] };

export interface YamlFile {
  file: string;
  /** As it stands in the file. */
  text: string;
  value: unknown;
  /** What is wrong with the YAML and yet let it be read: keys written twice. */
  faults: LocatedFault[];
  locate(fault: Fault): LocatedFault;
}

export const refuseFile = (
  problem: Problem,
  faults: LocatedFault[] = [],
): { ok: false; problem: Problem; faults: LocatedFault[] } => ({
  ok: false,
  problem: faults.length > 0 ? { ...problem, errors: faults } : problem,
  faults,
});

/**
 * Reads a YAML file of at most `maxBytes`. Refuses `not_found`, `bad_request` (not readable as a file),
 * `body_too_large`, and `validation_failed` with the place of every fault in the YAML.
 */
export async function readYamlFile(file: string, maxBytes: number): Promise<Reading<YamlFile>> {
  const bytes = await readBounded(file, maxBytes);
  if (!bytes.ok) return bytes;
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes.value);
  } catch {
    const fault = {
      code: "yaml_not_utf8",
      pointer: "",
      text: "the file is not UTF-8",
      write: "the file saved as UTF-8",
    };
    return faulty(file, [{ ...fault, file, line: 1, col: 1 }]);
  }
  const inFile = (fault: PlacedFault): LocatedFault => ({ ...fault, file });
  const read = readYaml(text);
  if (!read.ok) return faulty(file, read.faults.map(inFile));
  const { value, faults, locate } = read.value;
  return {
    ok: true,
    value: { file, text, value, faults: faults.map(inFile), locate: (fault) => inFile(locate(fault)) },
  };
}

const faulty = (file: string, faults: LocatedFault[]) =>
  refuseFile({ code: "validation_failed", detail: `${file} cannot be read as YAML.` }, faults);

async function readBounded(file: string, maxBytes: number): Promise<Reading<Buffer>> {
  try {
    const handle = await open(file, "r");
    try {
      // Not by the size it names: a pipe or a device names none.
      const chunks: Buffer[] = [];
      let size = 0;
      for await (const chunk of handle.createReadStream({ autoClose: false })) {
        chunks.push(chunk);
        size += chunk.length;
        if (size > maxBytes) {
          return refuseFile({ code: "body_too_large", detail: `${file} has more than the ${maxBytes} bytes allowed.` });
        }
      }
      return { ok: true, value: Buffer.concat(chunks) };
    } finally {
      await handle.close();
    }
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    if (code === "ENOENT") return refuseFile({ code: "not_found", detail: `There is no file ${file}.` });
    if (code === "") throw error;
    return refuseFile({ code: "bad_request", detail: `${file} cannot be read: ${code}.` });
  }
}
