import { z } from "zod";
import { Policy } from "../policy.ts";

/** The policy's schema as text, for editors: `docs/schema/policy-v1.json`, which policies name in their first line. */
export const policyJsonSchema = (): string => `${JSON.stringify(z.toJSONSchema(Policy, { io: "input" }), null, 2)}\n`;
