/** A person's own key for approvals, in a file that only they can read: a JWK with the person's name in it. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type JsonWebKey, sign } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import { type Outcome, ok, refuse } from "../../shared/errors.ts";
import { Person, type SigningKey } from "../../shared/model/approval.ts";

const KeyFile = z.object({
  kty: z.literal("OKP"),
  crv: z.literal("Ed25519"),
  x: z.string(),
  d: z.string(),
  person: Person.optional(),
});

export interface ApproverKey extends SigningKey {
  /** Whose it is, where the file says so. */
  person: string | undefined;
}

/** Where a person's key lies if nothing else is said. */
export function defaultKeyFile(env: Record<string, string | undefined>): string {
  const config = env.XDG_CONFIG_HOME || join(env.HOME || ".", ".config");
  return join(config, "turnup/approver.key");
}

/** Makes a key and keeps it, mode 0600; never over another one. Returns the public half. */
export function makeKeyFile(file: string, person: string): Outcome<string> {
  const jwk = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(file, `${JSON.stringify({ ...jwk, person })}\n`, { mode: 0o600, flag: "wx" });
    // Whatever mask this process has.
    chmodSync(file, 0o600);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return refuse("conflict", `${file} is there already, and a key is never written over.`);
    return refuse("file_unreadable", `${file} cannot be written: ${code}.`);
  }
  return ok(jwk.x ?? "");
}

/** Reads a key; one that others may read is none any more. */
export function readKeyFile(file: string): Outcome<ApproverKey> {
  try {
    if ((statSync(file).mode & 0o077) !== 0)
      return refuse("file_unreadable", `The key ${file} can be read by others: chmod 600 it, or make another one.`);
    const read = KeyFile.safeParse(JSON.parse(readFileSync(file, "utf8")));
    if (!read.success) return refuse("file_unreadable", `${file} holds no approver's key.`);
    const key = createPrivateKey({ key: read.data as JsonWebKey, format: "jwk" });
    // The public half as it follows from the private one, whatever the file says of it.
    const { x = "" } = createPublicKey(key).export({ format: "jwk" });
    const { person } = read.data;
    return ok({ x, person, sign: (text) => sign(null, Buffer.from(text), key).toString("base64url") });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === "ENOENT"
      ? refuse("file_unreadable", `There is no key ${file}. \`turnup approver keygen\` makes one; --key names another.`)
      : refuse("file_unreadable", `${file} holds no approver's key.`);
  }
}
