import { z } from "zod";
import { actions } from "../../actions/index.ts";
import { DEADLINE_MAX_S, Jurisdiction, LocationHint } from "../site.ts";

/**
 * The site file, `turnup/site/v1`: the product's front door. This schema holds the shape; the forms of MACs, addresses
 * and hashes stand here as patterns for editors only, because `validateSiteFile` says about each what to write instead.
 */

/** Upper bounds of the lists (S4). */
export const limits = {
  devices: 20_000,
  cables: 200_000,
  racks: 5_000,
  small: 500,
  perDevice: 200,
  text: 200,
} as const;

/** A text; the example stands in advice and in editors, and every key that must be there has one. */
const text = (description: string, example?: string) =>
  z
    .string()
    .min(1)
    .max(limits.text)
    .meta({ description, ...(example === undefined ? {} : { examples: [example] }) });
/** A text whose form editors check by the pattern and we by code, with a better answer. */
const formed = (description: string, pattern: string, example?: string) => text(description, example).meta({ pattern });
const bounded = <T extends z.ZodType>(item: T, max: number, description: string) =>
  z.array(item).max(max).describe(description);

const NAME = "^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$";
export const nameForm = new RegExp(NAME);
const name = (of: string, example: string) =>
  formed(`Name of the ${of}: lower-case letters, digits, dots and hyphens`, NAME, example);
const mac = formed("MAC address as on the label, with colons", "^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$");
const serial = (of: string) => text(`Serial number of the ${of}, exactly as on its label; put it in quotes`, "4XK0QW3");
const bytes = (description: string, example: number) =>
  z
    .number()
    .int()
    .positive()
    .max(Number.MAX_SAFE_INTEGER)
    .meta({ description, examples: [example] });
const typeRef = formed(
  "A device type of the library, as Manufacturer/Model: Dell/PowerEdge R650",
  "^[^/]+/.+$",
  "Dell/PowerEdge R650",
);
const DRIVE_BAY = "^[A-Za-z0-9][A-Za-z0-9 ._:-]{0,62}$";
export const driveBayForm = new RegExp(DRIVE_BAY);

const Port = z.strictObject({
  name: text("Name of the port, as cables will call it", "OCP 1"),
  type: text("Type in NetBox's words, as 25gbase-x-sfp28", "25gbase-x-sfp28"),
});

/** A number for some actions; editors offer their names, and `checkActions` says which one was meant. */
const perAction = (least: number, most: number, description: string) =>
  z
    .record(z.string().min(1).max(limits.text), z.number().int().min(least).max(most))
    .meta({ description, propertyNames: { enum: Object.keys(actions) } });
const places = (most: number, description: string) => z.number().int().min(1).max(most).describe(description);

export const SiteHead = z.strictObject({
  name: formed("Name of the site: 2 to 31 lower-case letters, digits and hyphens", "^[a-z][a-z0-9-]{1,30}$", "ams01"),
  locationHint: LocationHint.meta({
    description: "Where the site's object should live; fixed once the site exists",
    examples: ["weur"],
  }),
  jurisdiction: Jurisdiction.meta({
    description: "Where its data may live; fixed once the site exists",
    examples: ["eu"],
  }),
});

export const ImageEntry = z.strictObject({
  name: text("File name in the agent's image folder", "ubuntu-24.04.img"),
  sha256: formed("SHA-256 of the whole file, 64 lower-case hex digits", "^[0-9a-f]{64}$", "0123456789abcdef".repeat(4)),
  sizeBytes: bytes("Size of the file in bytes", 2361393152),
});

export const HardwareClass = z.strictObject({
  name: name("hardware class", "compute"),
  deviceType: typeRef,
  cpus: z
    .strictObject({
      count: z
        .number()
        .int()
        .min(1)
        .max(64)
        .meta({ description: "Sockets filled", examples: [2] }),
      model: text("Model as the CPU names itself").optional(),
      coresEach: z.number().int().min(1).max(1024).optional().describe("Cores per socket"),
    })
    .describe("CPUs"),
  memory: z
    .strictObject({
      modules: z
        .number()
        .int()
        .min(1)
        .max(1024)
        .meta({ description: "Memory modules fitted", examples: [8] }),
      sizeMiBEach: z
        .number()
        .int()
        .positive()
        .meta({ description: "MiB per module", examples: [32768] }),
    })
    .describe("Memory"),
  drives: bounded(
    z.strictObject({
      bay: formed("Bay, as printed on the chassis", DRIVE_BAY, "Bay 0"),
      sizeBytes: bytes("Exact size in bytes, as the drive reports it (480 GB: 480103981056)", 480103981056),
      protocol: z.enum(["NVMe", "SATA", "SAS"]).describe("How it is attached"),
      mediaType: z.enum(["SSD", "HDD"]).describe("What it is"),
      model: text("Model as the drive names itself").optional(),
    }),
    limits.perDevice,
    "Drives by bay; their serials stand with each device",
  ),
  nics: bounded(
    z.strictObject({
      bay: text("A module bay or device bay of the device type", "OCP"),
      model: text("Model of the card").optional(),
      ports: bounded(Port, 64, "Its network ports"),
    }),
    64,
    "Network cards in named bays",
  ).optional(),
  ports: bounded(Port, 64, "Ports on the board that the device type does not list").optional(),
  bmcPort: text("The BMC's port; may be left out when the type marks exactly one as mgmt_only").optional(),
  bootPort: text("The port that boots from the network", "OCP 1"),
  systemDrive: text("Bay of the drive that takes the image", "Bay 0"),
  image: text("One of `images`", "ubuntu-24.04.img"),
  deadlines: perAction(
    60,
    DEADLINE_MAX_S,
    "Seconds that an action may take on this hardware, where its own deadline does not fit",
  ).optional(),
});
export type HardwareClass = z.infer<typeof HardwareClass>;

const AtOnceEntry = z.strictObject({
  steps: places(10_000, "Steps in all").optional(),
  disruptive: places(1_000, "Steps that take a machine out of service").optional(),
  actions: perAction(1, 10_000, "Steps of one action, by its name").optional(),
});

export const Vlan = z.strictObject({
  name: name("VLAN", "management"),
  vid: z
    .number()
    .int()
    .min(1)
    .max(4094)
    .meta({ description: "VLAN id", examples: [10] }),
});

export const Prefix = z.strictObject({
  prefix: text("IPv4 or IPv6 network, as 10.20.0.0/24 or fd00:20:6::/64", "10.20.0.0/24"),
  gateway: text("Address of its router; must lie in the prefix").optional(),
  vlan: text("One of `vlans`").optional(),
  role: text("What it is for: management, production …").optional(),
});

export const Rack = z.strictObject({
  name: name("rack", "r01"),
  heightU: z
    .number()
    .int()
    .min(1)
    .max(100)
    .meta({
      description: "Rack units, counted from 1 at the bottom",
      examples: [42],
    }),
});

export const Device = z.strictObject({
  name: name("device", "web-01"),
  role: text("What it is there for: compute, tor-switch …", "compute"),
  rack: text("One of `racks`", "r01"),
  u: z
    .number()
    .min(1)
    .max(100)
    .multipleOf(0.5)
    .meta({
      description: "Lowest rack unit it fills",
      examples: [10],
    }),
  face: z.enum(["front", "rear"]).optional().describe("Side it is mounted at, for half-depth gear; front if left out"),
  deviceType: typeRef.optional().describe("For gear that Turnup does not install, as switches: Manufacturer/Model"),
  hardwareClass: text("For machines to install: one of `hardwareClasses`").optional(),
  asset: z
    .strictObject({
      serial: serial("machine"),
      assetTag: text("Your own tag on it").optional(),
      aliases: bounded(serial("machine before a repair"), 20, "Other serials that are this same article").optional(),
    })
    .describe("The physical article in this place"),
  media: z.record(text("Bay"), serial("drive")).optional().describe("Serial of the drive in each bay of the class"),
  interfaces: bounded(
    z.strictObject({
      name: text("A port of the device type or of the hardware class", "OCP 1"),
      mac: mac.optional(),
      addresses: bounded(text("Address with its prefix length, as 10.20.20.11/24"), 64, "Addresses").optional(),
    }),
    limits.perDevice,
    "Ports with a MAC or addresses; the BMC's stands under `bmc`",
  ).optional(),
  bmc: z
    .strictObject({
      address: text("IPv4 or IPv6 address, without prefix length", "10.20.0.11"),
      scheme: z.enum(["http", "https"]).optional().describe("https if left out"),
      port: z.number().int().min(1).max(65535).optional().describe("443 for https and 80 for http if left out"),
      secret: formed(
        "Where the agent's vault keeps user and password; never the password itself",
        "^vault:[a-z0-9][a-z0-9/_.-]*$",
        "vault:ams01/bmc/web-01",
      ),
      mac: mac.optional(),
    })
    .optional()
    .describe("How the agent reaches the machine's BMC; required with a hardware class"),
});
export type Device = z.infer<typeof Device>;

/** Which of the optional keys a device needs depends on what it is; a switch needs the least. */
const exampleDevice = {
  name: "tor-a",
  role: "tor-switch",
  rack: "r01",
  u: 42,
  deviceType: "Arista/DCS-7050SX3-48YC8-F",
  asset: { serial: "JPE21140001" },
};

const END = "^[a-z0-9][a-z0-9.-]*:.+$";
export const Cable = z.strictObject({
  a: formed("One end, as device:port", END, "web-01:OCP 1"),
  b: formed("The other end, as device:port", END, "tor-a:Ethernet1"),
});
export type Cable = z.infer<typeof Cable>;

export const SiteFile = z
  .strictObject({
    schema: z.literal("turnup/site/v1").describe("Version of this format"),
    site: SiteHead.describe("The site itself"),
    deviceTypeLibrary: bounded(
      text("Folder, relative to this file"),
      20,
      "Folders in NetBox's library format",
    ).optional(),
    images: bounded(ImageEntry, limits.small, "Images that can be installed").optional(),
    hardwareClasses: bounded(
      HardwareClass,
      limits.small,
      "What machines are made of: device type plus parts",
    ).optional(),
    atOnce: AtOnceEntry.optional().describe("How much may be at work at once at the site"),
    vlans: bounded(Vlan, 4094, "VLANs").optional(),
    prefixes: bounded(Prefix, 5_000, "Networks; every address must lie in one").optional(),
    racks: bounded(Rack, limits.racks, "Racks"),
    devices: bounded(
      Device,
      limits.devices,
      "Devices: a named place in the network, and the article that fills it",
    ).meta({ examples: [[exampleDevice]] }),
    cables: bounded(Cable, limits.cables, "Network cables").optional(),
  })
  .meta({ title: "Turnup site file", description: "One data center as Turnup should bring it into service" });
export type SiteFile = z.infer<typeof SiteFile>;
