import type { Clock, Random } from "../../../shared/deps.ts";
import { AGENT_TOKEN_TTL_S, type EnrollRequest } from "../../../shared/protocol/agent.ts";

/** The agent's Ed25519 key. Signing is synchronous, so that a simulation stays one deterministic thread. */
export interface AgentKey {
  publicKey: EnrollRequest["publicKey"];
  sign(data: Uint8Array): Uint8Array;
}

/** A token is made anew when less than this of its life is left, ms. */
const MARGIN_MS = 60_000;

export interface Tokens {
  /** A signed token that is valid now by the coordinator's clock. */
  bearer(agent: string, site: string): string;
  /** Learns the coordinator's clock from what it said and forgets tokens made by the old one (S2). */
  learn(coordinatorNow: number): void;
  /** The next token is made anew. */
  forget(): void;
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

/** Offsets below this are no reason to sign anew; the coordinator allows more, ms. */
const TOLERANCE_MS = 5000;

export function tokens(key: AgentKey, clock: Clock, random: Random): Tokens {
  let offset = 0;
  let made: { token: string; until: number } | undefined;
  return {
    bearer(agent, site) {
      const now = clock.now() + offset;
      if (made && made.until - MARGIN_MS > now) return made.token;
      // Backdated by the tolerance: a token from an agent whose offset is a moment old is not from the future.
      const iat = Math.floor((now - TOLERANCE_MS) / 1000);
      const exp = iat + AGENT_TOKEN_TTL_S;
      const jti = [random.uint32(), random.uint32(), random.uint32(), random.uint32()]
        .map((n) => n.toString(16).padStart(8, "0"))
        .join("");
      const head = encode({ alg: "EdDSA", typ: "JWT", kid: agent });
      const body = encode({ iss: agent, sub: site, aud: "turnup", iat, exp, jti });
      const signature = Buffer.from(key.sign(Buffer.from(`${head}.${body}`))).toString("base64url");
      made = { token: `${head}.${body}.${signature}`, until: exp * 1000 };
      return made.token;
    },
    learn(coordinatorNow) {
      const fresh = coordinatorNow - clock.now();
      if (Math.abs(fresh - offset) > TOLERANCE_MS) made = undefined;
      offset = fresh;
    },
    forget() {
      made = undefined;
    },
  };
}
