import { expect, it } from "vitest";
import { look } from "./check.ts";

/** A few seconds of one core; TURNUP_SEED looks elsewhere. */
const SEED = Number(process.env.TURNUP_SEED ?? 1);
const LISTS = 300;

it(`[J1][J3][J4][J6][J8][J10][L1][L2][L4][L6][L7][G5][G6][G8] the core does what the rules foretell (seed ${SEED})`, () => {
  const found = look(SEED, LISTS);
  expect(found, `TURNUP_SEED=${SEED}: ${found?.what}\n${found?.commands.join("\n")}`).toBeUndefined();
}, 60_000);
