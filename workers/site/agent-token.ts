/** The agent's short-lived signed token (S2): a JWT, EdDSA, checked synchronously so that it fits into one turn of the object. */
import { Buffer } from "node:buffer";
import { createPublicKey, verify } from "node:crypto";
import { z } from "zod";
import type { Millis } from "../../shared/deps.ts";
import { type Outcome, ok, refuse } from "../../shared/errors.ts";
import { AGENT_TOKEN_TTL_S, type EnrollRequest } from "../../shared/protocol/agent.ts";

/** How far an agent's clock may be off the coordinator's although it has learnt the offset: one slow round trip. */
const LEEWAY_S = 60;
const MAX_TOKEN = 2048;

const Header = z.object({ alg: z.literal("EdDSA"), kid: z.string().max(64) });
const Claims = z.object({
  iss: z.string(),
  sub: z.string(),
  aud: z.literal("turnup"),
  iat: z.number(),
  exp: z.number(),
  jti: z.string().min(8).max(64),
});

type PublicKey = EnrollRequest["publicKey"];
const unauthenticated = (detail: string): Outcome<never> => refuse("unauthenticated", detail);

function part<T extends z.ZodType>(text: string | undefined, schema: T): z.infer<T> | undefined {
  try {
    return schema.parse(JSON.parse(Buffer.from(text ?? "", "base64url").toString("utf8")));
  } catch {
    return undefined;
  }
}

/** The agent that a token says it is from, unproven: only good for finding the key, and the site that holds it. */
export function claimedAgent(token: string): string | undefined {
  return token.length > MAX_TOKEN ? undefined : part(token.split(".")[0], Header)?.kid;
}

/**
 * Proves a token: signature by the agent's key, for this site, of now. Returns the agent's id. `now` is the
 * coordinator's clock; the agent follows it by the offset learnt from replies.
 */
export function verifyAgentToken(
  token: string,
  now: Millis,
  keyOf: (agent: string) => Outcome<{ publicKey: PublicKey; site: string }>,
): Outcome<string> {
  const [head, body, signature, ...rest] = token.split(".");
  const agent = claimedAgent(token);
  if (agent === undefined || !body || !signature || rest.length > 0)
    return unauthenticated("The agent's token is no JWT signed by EdDSA.");
  const key = keyOf(agent);
  if (!key.ok) return key;
  if (
    !verify(null, Buffer.from(`${head}.${body}`), importKey(key.value.publicKey), Buffer.from(signature, "base64url"))
  ) {
    return unauthenticated("The signature is not by this agent's key.");
  }
  const claims = part(body, Claims);
  if (claims?.iss !== agent) return unauthenticated("The token's claims are not as the protocol says.");
  if (claims.sub !== key.value.site) return refuse("wrong_site", "The token is for another site (T3).");
  const seconds = now / 1000;
  if (claims.exp - claims.iat > AGENT_TOKEN_TTL_S)
    return unauthenticated(`The token is valid for more than ${AGENT_TOKEN_TTL_S} s.`);
  if (claims.exp <= seconds - LEEWAY_S || claims.iat > seconds + LEEWAY_S) {
    return unauthenticated("The token is not of now by the coordinator's clock; see `now` in this answer.");
  }
  return ok(agent);
}

const importKey = ({ kty, crv, x }: PublicKey) => createPublicKey({ key: { kty, crv, x }, format: "jwk" });
