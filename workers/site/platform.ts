/** What the core may not take from the platform, taken from it here. */
import { Buffer } from "node:buffer";
import { createHash, createPublicKey, verify } from "node:crypto";
import type { Random, Sha256 } from "../../shared/deps.ts";
import type { VerifySignature } from "../../shared/model/approval.ts";

/** Synchronous, in Worker and Node alike (E1). */
export const sha256: Sha256 = (text) => createHash("sha256").update(text, "utf8").digest("hex");

export const platformRandom: Random = { uint32: () => crypto.getRandomValues(new Uint32Array(1))[0] ?? 0 };

/** Synchronous, too (docs/decisions/0011). A key or signature that is none has signed nothing. */
export const verifyEd25519: VerifySignature = (text, signature, keyX) => {
  try {
    const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: keyX }, format: "jwk" });
    return verify(null, Buffer.from(text, "utf8"), key, Buffer.from(signature, "base64url"));
  } catch {
    return false;
  }
};
