import { Buffer } from "node:buffer";
import { createHash, createPublicKey, verify } from "node:crypto";
import type { Sha256 } from "../../../shared/deps.ts";
import type { VerifySignature } from "../../../shared/model/approval.ts";

export const sha256: Sha256 = (text) => createHash("sha256").update(text).digest("hex");

/** Whether the text was signed by this key; a key that is none has signed nothing. */
export const verifySignature: VerifySignature = (text, signature, x) => {
  try {
    const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
    return verify(null, Buffer.from(text), key, Buffer.from(signature, "base64url"));
  } catch {
    return false;
  }
};
