/** What the core may not take from the platform, taken from it here. */
import { createHash } from "node:crypto";
import type { Random, Sha256 } from "../../shared/deps.ts";

/** Synchronous, in Worker and Node alike (E1). */
export const sha256: Sha256 = (text) => createHash("sha256").update(text, "utf8").digest("hex");

export const platformRandom: Random = { uint32: () => crypto.getRandomValues(new Uint32Array(1))[0] ?? 0 };
