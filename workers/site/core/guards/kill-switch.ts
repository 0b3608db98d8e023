/** G6: the fleet's kill switch, as last heard. */
import type { Verdict } from "../../../../shared/model/guard.ts";
import { type GuardWorld, pass, wait } from "./guard.ts";

export const killSwitch = ({ permit }: GuardWorld): Verdict =>
  permit?.frozen
    ? wait("kill switch", "frozen", "an admin to turn off the fleet's kill switch")
    : pass("kill switch", "off");
