import { z } from "zod";
import { Bom } from "./inventory.ts";

/**
 * The resolved site: what the site file and the device types together say, checked, with every name resolved. The
 * importer (shared/model/site-file.ts) makes it; the site object stores it. It holds no secret, only `vault:` references.
 */

/** Where Cloudflare should place the site's object; fixed when the site is created (a best-effort hint). */
export const locationHints = [
  "wnam",
  "enam",
  "sam",
  "weur",
  "eeur",
  "apac",
  "apac-ne",
  "apac-se",
  "oc",
  "afr",
  "me",
] as const;
export const LocationHint = z.enum(locationHints);
/** Where the data may live; `none` leaves it open. Fixed when the site is created. */
export const Jurisdiction = z.enum(["none", "eu", "fedramp", "us"]);

export const SiteName = z
  .string()
  .regex(/^[a-z][a-z0-9-]{1,30}$/, "2 to 31 lower-case letters, digits and hyphens, starting with a letter");
export const Mac = z.string().regex(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/, "a MAC address like 3c:ec:ef:00:10:01");
export const SecretRef = z.string().regex(/^vault:[a-z0-9][a-z0-9/_.-]*$/, "a reference like vault:ams01/bmc/r01u10");

export const Image = z.object({
  name: z.string(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  sizeBytes: z.number().int().positive(),
});
export type Image = z.infer<typeof Image>;

/** How the agent reaches and recognises the machine's BMC. */
export const BmcAddress = z.object({
  /** IPv4 or IPv6, without brackets. */
  address: z.string(),
  port: z.number().int().min(1).max(65535),
  scheme: z.enum(["http", "https"]),
  secret: SecretRef,
  mac: Mac.optional(),
});
export type BmcAddress = z.infer<typeof BmcAddress>;

export const ResolvedMedium = z.object({
  bay: z.string(),
  serial: z.string(),
  model: z.string().optional(),
  sizeBytes: z.number().int().positive(),
  protocol: z.enum(["NVMe", "SATA", "SAS"]),
  mediaType: z.enum(["SSD", "HDD"]),
});

/** The longest that an action may take on some hardware, seconds. */
export const DEADLINE_MAX_S = 86_400;

export const ResolvedDevice = z.object({
  name: z.string(),
  role: z.string(),
  rack: z.string(),
  /** Lowest rack unit it fills, counted from 1 at the bottom. */
  u: z.number().positive(),
  uHeight: z.number().nonnegative(),
  deviceType: z.object({ manufacturer: z.string(), model: z.string() }),
  hardwareClass: z.string().optional(),
  asset: z.object({
    serial: z.string(),
    aliases: z.array(z.string()),
    assetTag: z.string().optional(),
    media: z.array(ResolvedMedium),
  }),
  interfaces: z.array(
    z.object({ name: z.string(), mac: Mac.optional(), mgmtOnly: z.boolean(), addresses: z.array(z.string()) }),
  ),
  /** Absent on gear that Turnup does not install (switches, for now). */
  install: z
    .object({
      bmc: BmcAddress,
      boot: z.object({ interface: z.string(), mac: Mac }),
      /** Serial of the drive that takes the image. */
      systemDrive: z.string(),
      image: z.string(),
      bom: Bom,
      /** Seconds that an action may take on this hardware, where its own deadline is too short. */
      deadlines: z.record(z.string(), z.number().int().positive().max(DEADLINE_MAX_S)).optional(),
    })
    .optional(),
});
export type ResolvedDevice = z.infer<typeof ResolvedDevice>;

/** How much may be at work at once at a site; what is left out has the product's default (workers/site/core/caps.ts). */
export const AtOnce = z.object({
  /** Steps in all. */
  steps: z.number().int().positive().optional(),
  /** Steps that take capacity out of service (G5). */
  disruptive: z.number().int().positive().optional(),
  /** Steps of one action, by its name. */
  actions: z.record(z.string(), z.number().int().positive()).optional(),
});
export type AtOnce = z.infer<typeof AtOnce>;

export const ResolvedSite = z.object({
  name: SiteName,
  locationHint: LocationHint,
  jurisdiction: Jurisdiction,
  racks: z.array(z.object({ name: z.string(), heightU: z.number().int().positive() })),
  vlans: z.array(z.object({ name: z.string(), vid: z.number().int().min(1).max(4094) })),
  prefixes: z.array(
    z.object({
      prefix: z.string(),
      gateway: z.string().optional(),
      vlan: z.string().optional(),
      role: z.string().optional(),
    }),
  ),
  images: z.array(Image),
  atOnce: AtOnce.optional(),
  devices: z.array(ResolvedDevice),
  cables: z.array(
    z.object({
      a: z.object({ device: z.string(), port: z.string() }),
      b: z.object({ device: z.string(), port: z.string() }),
    }),
  ),
});
export type ResolvedSite = z.infer<typeof ResolvedSite>;
