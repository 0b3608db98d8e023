/** Faults by name: what can be wrong with a machine, planted in a file or by a seed. */
import { z } from "zod";
import type { Random } from "../../shared/deps.ts";

/** `persists`: it stays for ever. Otherwise it strikes `count` times (1 if neither is given), or each time with `probability`, or both: at most `count` times. */
export const faultCatalog = {
  "wrong-serial": {
    persists: true,
    fatal: true,
    text: "another machine stands there: BMC and firmware tell another serial",
  },
  "disk-not-blank": { persists: true, fatal: true, text: "the planned drive holds data" },
  "dead-nic": { persists: true, fatal: true, text: "the last network port is missing" },
  "failing-drive": { persists: true, fatal: true, text: "the planned drive fails in the middle of the write" },
  "lying-drive": { persists: true, fatal: true, text: "the planned drive gives back other bytes than were written" },
  "slow-bmc": { persists: true, fatal: false, text: "each answer of the BMC takes two seconds more" },
  "bmc-503": { persists: false, fatal: false, text: "the BMC answers 503 for a while" },
  "bmc-reboot": {
    persists: false,
    fatal: false,
    text: "the BMC restarts: it breaks connections and forgets its sessions",
  },
  "lost-power": { persists: false, fatal: false, text: "a power command is accepted and has no effect" },
  "ignored-boot-override": { persists: false, fatal: false, text: "the boot override is accepted and not used" },
  "flapping-link": { persists: false, fatal: false, text: "the link drops while the image is loaded" },
} as const;
export type FaultName = keyof typeof faultCatalog;
export const faultNames = Object.keys(faultCatalog) as [FaultName, ...FaultName[]];

export const PlantedFault = z.strictObject({
  machine: z.string(),
  fault: z.enum(faultNames),
  count: z.number().int().min(1).max(1000).optional(),
  probability: z.number().min(0).max(1).optional(),
});
export type PlantedFault = z.infer<typeof PlantedFault>;
export const FaultPlan = z.strictObject({ faults: z.array(PlantedFault).max(10_000) });
export type FaultPlan = z.infer<typeof FaultPlan>;

/** Whether a machine with this fault cannot become active. */
export const isFatal = (fault: FaultName): boolean => faultCatalog[fault].fatal;

/** The faults of one machine. What has been used up is in `used`, which the machine keeps over a restart. */
export class Faults {
  readonly #planted: readonly PlantedFault[];
  readonly #used: Partial<Record<FaultName, number>>;
  readonly #random: Random;

  constructor(planted: readonly PlantedFault[], used: Partial<Record<FaultName, number>>, random: Random) {
    this.#planted = planted;
    this.#used = used;
    this.#random = random;
  }

  has(fault: FaultName): boolean {
    return this.#planted.some((p) => p.fault === fault);
  }

  /** Whether it strikes now; a strike is counted. */
  strikes(fault: FaultName): boolean {
    const planted = this.#planted.find((p) => p.fault === fault);
    if (!planted) return false;
    const { probability, count = probability === undefined ? 1 : Number.POSITIVE_INFINITY } = planted;
    const used = this.#used[fault] ?? 0;
    if (used >= count) return false;
    if (probability !== undefined && this.#random.uint32() / 2 ** 32 >= probability) return false;
    this.#used[fault] = used + 1;
    return true;
  }
}

/** xorshift128: small, seeded by a number, and its low bits are good enough to choose by. */
export function seededRandom(seed: number): Random {
  let [x, y, z0, w] = [seed ^ 0x6c078965, 362436069, 521288629, 88675123];
  const uint32 = () => {
    const t = x ^ (x << 11);
    x = y;
    y = z0;
    z0 = w;
    w = w ^ (w >>> 19) ^ t ^ (t >>> 8);
    return w >>> 0;
  };
  // The first values of neighbouring seeds resemble each other.
  for (let i = 0; i < 20; i++) uint32();
  return { uint32 };
}

const recoverable: readonly PlantedFault[] = [
  { machine: "", fault: "bmc-503", count: 6 },
  { machine: "", fault: "lost-power", count: 1 },
  { machine: "", fault: "ignored-boot-override", count: 1 },
  { machine: "", fault: "flapping-link", count: 2 },
  { machine: "", fault: "bmc-reboot", count: 1 },
  { machine: "", fault: "slow-bmc" },
];

/** The same seed and names give the same faults: one of each unrecoverable kind that is planted here, and each recoverable kind twice. */
export function chaosPlan(seed: number, machines: readonly string[]): FaultPlan {
  const random = seededRandom(seed);
  const order = [...machines].sort();
  for (let i = order.length - 1; i > 0; i--) {
    const j = random.uint32() % (i + 1);
    [order[i], order[j]] = [order[j] as string, order[i] as string];
  }
  const kinds: PlantedFault[] = [
    { machine: "", fault: "wrong-serial" },
    { machine: "", fault: "disk-not-blank" },
    ...recoverable,
    ...recoverable,
  ];
  return { faults: kinds.slice(0, order.length).map((kind, i) => ({ ...kind, machine: order[i] as string })) };
}
