import type { Client, DeviceTypesTaken } from "../client/client.ts";

/** One request takes 200 types and 1 MiB; a type of the library has some 4 kB, the largest 300 kB. */
const MAX_TYPES = 200;
const MAX_CHARS = 700_000;

/** Splits a list so that each part fits into one request; an item too large for any stands alone and is refused there. */
export function batches<T>(items: readonly T[]): T[][] {
  const out: T[][] = [];
  let batch: T[] = [];
  let chars = 0;
  for (const item of items) {
    const size = JSON.stringify(item).length + 1;
    if (batch.length > 0 && (batch.length >= MAX_TYPES || chars + size > MAX_CHARS)) {
      out.push(batch);
      batch = [];
      chars = 0;
    }
    batch.push(item);
    chars += size;
  }
  if (batch.length > 0) out.push(batch);
  return out;
}

/** Sends device types in as many requests as it takes; the results are in the order of the types. */
export async function sendDeviceTypes(
  client: Pick<Client, "importDeviceTypes">,
  types: readonly unknown[],
): Promise<DeviceTypesTaken["results"]> {
  const results: DeviceTypesTaken["results"] = [];
  for (const batch of batches(types)) {
    const before = results.length;
    const taken = await client.importDeviceTypes(batch);
    results.push(...taken.results.map((result) => ({ ...result, index: before + result.index })));
  }
  return results;
}
