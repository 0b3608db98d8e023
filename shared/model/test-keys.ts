/** Ed25519 for tests: keys that sign, and the platform's check of what they signed. */
import { createPublicKey, generateKeyPairSync, sign, verify } from "node:crypto";
import type { SigningKey, VerifySignature } from "./approval.ts";

export function newTestKey(): SigningKey {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const { x = "" } = publicKey.export({ format: "jwk" });
  return { x, sign: (text) => sign(null, Buffer.from(text), privateKey).toString("base64url") };
}

export const verifyEd25519: VerifySignature = (text, signature, x) =>
  verify(
    null,
    Buffer.from(text),
    createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" }),
    Buffer.from(signature, "base64url"),
  );
