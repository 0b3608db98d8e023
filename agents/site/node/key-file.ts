import { createPrivateKey, generateKeyPairSync, type JsonWebKey, sign } from "node:crypto";
import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { z } from "zod";
import { type Outcome, ok, refuse } from "../../../shared/errors.ts";
import type { AgentKey } from "../link/token.ts";

const Jwk = z.object({ kty: z.literal("OKP"), crv: z.literal("Ed25519"), x: z.string(), d: z.string() });

/** The agent's Ed25519 key in a file of mode 0600; made here, on site, at the first start (S2). */
export function fileKey(path: string): Outcome<AgentKey> {
  if (!existsSync(path)) {
    const jwk = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
    // Renamed into place, so that a crash leaves no half a key.
    writeFileSync(`${path}.new`, JSON.stringify(jwk), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }
  if ((statSync(path).mode & 0o077) !== 0)
    return refuse(
      "secret_missing",
      `The key file ${path} can be read by others: chmod 600 it, or remove it and enrol again.`,
    );
  const unreadable = () =>
    refuse("secret_missing", `The key file ${path} holds no Ed25519 key: remove it and enrol again.`);
  try {
    const parsed = Jwk.safeParse(JSON.parse(readFileSync(path, "utf8")));
    if (!parsed.success) return unreadable();
    const { kty, crv, x } = parsed.data;
    const key = createPrivateKey({ key: parsed.data as JsonWebKey, format: "jwk" });
    return ok({ publicKey: { kty, crv, x }, sign: (data) => sign(null, data, key) });
  } catch {
    return unreadable();
  }
}
