import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { describe, expect, it } from "vitest";
import { ok, refuse } from "../../shared/errors.ts";
import { claimedAgent, verifyAgentToken } from "./agent-token.ts";

const AGENT = "agt_0123456789_0123456789abcdef";
const SITE = "st_0123456789";
const NOW = 1_800_000_000_000;
const at = NOW / 1000;
const keys = generateKeyPairSync("ed25519");
const jwk = keys.publicKey.export({ format: "jwk" });
const keyOf = (agent: string) =>
  agent === AGENT
    ? ok({ publicKey: { kty: "OKP" as const, crv: "Ed25519" as const, x: String(jwk.x) }, site: SITE })
    : refuse("agent_revoked", "revoked");

function token(claims: object = {}, header: object = {}, key: KeyObject = keys.privateKey): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const text = `${part({ alg: "EdDSA", kid: AGENT, ...header })}.${part({ iss: AGENT, sub: SITE, aud: "turnup", iat: at, exp: at + 300, jti: "0123456789", ...claims })}`;
  return `${text}.${sign(null, Buffer.from(text), key).toString("base64url")}`;
}
const codeOf = (text: string, now = NOW) => {
  const result = verifyAgentToken(text, now, keyOf);
  return result.ok ? result.value : result.problem.code;
};

describe("[S2] an agent's token", () => {
  it("is proven by the agent's own key, for this site, while it is fresh", () => {
    expect(codeOf(token())).toBe(AGENT);
    expect(claimedAgent(token())).toBe(AGENT);
  });

  it.each([
    ["another key", token({}, {}, generateKeyPairSync("ed25519").privateKey), "unauthenticated"],
    ["another site", token({ sub: "st_abcdefghjk" }), "wrong_site"],
    ["another audience", token({ aud: "else" }), "unauthenticated"],
    ["another agent's name in the claims", token({ iss: "agt_x" }), "unauthenticated"],
    ["a life beyond five minutes", token({ exp: at + 301 }), "unauthenticated"],
    ["no algorithm", token({}, { alg: "none" }), "unauthenticated"],
    ["another algorithm", token({}, { alg: "HS256" }), "unauthenticated"],
    ["a revoked agent", token({}, { kid: "agt_gone" }), "agent_revoked"],
    ["no id of its own", token({ jti: "" }), "unauthenticated"],
    ["nonsense", "a.b.c", "unauthenticated"],
    ["four parts", `${token()}.x`, "unauthenticated"],
    ["too long", `${"a".repeat(3000)}.b.c`, "unauthenticated"],
  ])("with %s is refused", (_, text, code) => {
    expect(codeOf(text)).toBe(code);
  });

  it("is refused when a byte of its claims was changed", () => {
    const [head, body, signature] = token().split(".");
    const claims = JSON.parse(Buffer.from(body ?? "", "base64url").toString()) as object;
    const changed = Buffer.from(JSON.stringify({ ...claims, exp: at + 299 })).toString("base64url");
    expect(codeOf(`${head}.${changed}.${signature}`)).toBe("unauthenticated");
  });

  it("ends, and has not begun before its time", () => {
    expect(codeOf(token(), NOW + 299_000)).toBe(AGENT);
    expect(codeOf(token(), NOW + 361_000)).toBe("unauthenticated");
    expect(codeOf(token(), NOW - 61_000)).toBe("unauthenticated");
  });
});
