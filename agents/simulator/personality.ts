/**
 * How vendors' BMCs differ, as data: ids, link shapes, what must be sent along, what cannot be read while a machine is
 * off, how long POST takes. Compact ones of our own making, shaped like the real ones.
 */
export interface Personality {
  system: string;
  chassis: string;
  manager: string;
  /** iLO ends its links with a slash. */
  slash: boolean;
  product: string;
  redfishVersion: string;
  /** Where the identity of the machine stands; elsewhere is the board's own serial. */
  identity: "SKU" | "SerialNumber";
  /** Allowable reset types inline, or behind an ActionInfo resource. */
  actionInfo: boolean;
  resetTypes: readonly string[];
  etag: "strong" | "weak" | "none";
  /** A PATCH without If-Match is refused with 428. */
  needsIfMatch: boolean;
  /** Leaving out Enabled resets it to Once, leaving out Mode resets the mode to Legacy (Supermicro). */
  fullBootPatch: boolean;
  /** Drives, and adapters' ports, are told only while the machine is on. */
  drivesWhenOnOnly: boolean;
  /** A drive's bay stands in its location; elsewhere it is its name alone. */
  serviceLabel: boolean;
  /** Status of "already in this state". */
  already: 204 | 400 | 409;
  sessionLimit: number;
  sessionTimeoutSeconds: number;
  storageId: string;
  /** Ms of one call, and seconds of POST, RAM boot and OS boot on real hardware. */
  latencyMs: number;
  postSeconds: number;
}

const common = {
  slash: false,
  redfishVersion: "1.15.0",
  identity: "SerialNumber",
  actionInfo: false,
  resetTypes: ["On", "ForceOff", "GracefulShutdown", "ForceRestart"],
  etag: "none",
  needsIfMatch: false,
  fullBootPatch: false,
  drivesWhenOnOnly: false,
  serviceLabel: true,
  already: 204,
  sessionLimit: 16,
  sessionTimeoutSeconds: 1800,
  storageId: "1",
  latencyMs: 120,
  postSeconds: 75,
} as const;

const dell: Personality = {
  ...common,
  system: "System.Embedded.1",
  chassis: "System.Embedded.1",
  manager: "iDRAC.Embedded.1",
  product: "Integrated Dell Remote Access Controller",
  redfishVersion: "1.11.0",
  identity: "SKU",
  resetTypes: [
    "On",
    "ForceOff",
    "ForceRestart",
    "GracefulRestart",
    "GracefulShutdown",
    "PushPowerButton",
    "Nmi",
    "PowerCycle",
  ],
  etag: "none",
  serviceLabel: false,
  already: 409,
  sessionLimit: 8,
  storageId: "RAID.Integrated.1-1",
  latencyMs: 250,
  postSeconds: 110,
};

const hpe: Personality = {
  ...common,
  system: "1",
  chassis: "1",
  manager: "1",
  slash: true,
  product: "ProLiant",
  redfishVersion: "1.6.0",
  resetTypes: ["On", "ForceOff", "GracefulShutdown", "ForceRestart", "Nmi", "PushPowerButton", "GracefulRestart"],
  etag: "weak",
  drivesWhenOnOnly: true,
  already: 400,
  storageId: "DE00C000",
  latencyMs: 150,
  postSeconds: 100,
};

const lenovo: Personality = {
  ...common,
  system: "1",
  chassis: "1",
  manager: "1",
  product: "Lenovo XClarity Controller",
  resetTypes: ["On", "ForceOff", "GracefulShutdown", "GracefulRestart", "ForceRestart", "Nmi", "ForceOn"],
  etag: "strong",
  needsIfMatch: true,
  sessionTimeoutSeconds: 300,
  storageId: "RAID_Slot1",
  latencyMs: 200,
  postSeconds: 120,
};

const supermicro: Personality = {
  ...common,
  system: "1",
  chassis: "1",
  manager: "1",
  product: "Supermicro BMC",
  redfishVersion: "1.11.0",
  actionInfo: true,
  etag: "weak",
  fullBootPatch: true,
  serviceLabel: false,
  storageId: "SATAEmbedded",
  latencyMs: 90,
  postSeconds: 70,
};

const generic: Personality = {
  ...common,
  system: "Self",
  chassis: "Self",
  manager: "Self",
  product: "BMC",
  etag: "strong",
  actionInfo: true,
};

const vendors: readonly [RegExp, Personality][] = [
  [/\bdell\b/i, dell],
  [/\bhpe?\b|hewlett/i, hpe],
  [/\blenovo\b/i, lenovo],
  [/supermicro/i, supermicro],
];

/** The personality of a manufacturer; one that is not known gets the standard's plain shape. */
export const personalityOf = (manufacturer: string): Personality =>
  vendors.find(([match]) => match.test(manufacturer))?.[1] ?? generic;
