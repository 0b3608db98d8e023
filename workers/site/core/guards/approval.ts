/** G4: a plan starts when as many people have approved it as it asks for. */
import type { Verdict } from "../../../../shared/model/guard.ts";
import { pass, wait } from "./guard.ts";

export interface Approvals {
  plan: string;
  needed: number;
  /** Who has approved it. */
  given: readonly string[];
}

export function approval({ plan, needed, given }: Approvals): Verdict {
  const missing = needed - given.length;
  if (missing <= 0) return pass("approval", needed === 0 ? "none is needed" : "approved");
  const by = given.length === 0 ? "" : `; approved by ${given.join(", ")}`;
  const text = `${missing} more ${missing === 1 ? "person" : "people"} to approve the plan ${plan}${by}`;
  return wait("approval", "approval_missing", text);
}
