import { z } from "zod";

/**
 * A device type as the NetBox device-type library describes it: chassis, bays and ports, hardly ever parts. Fields
 * that this schema does not know are kept as they are, so that an export gives back what came in.
 */

const component = { name: z.string().min(1), label: z.string().optional(), description: z.string().optional() };

export const PortTemplate = z.looseObject({
  ...component,
  type: z.string().min(1),
  /** Marked by whoever wrote the file; some mark none, some mark too many (see `checkInstallable`). */
  mgmt_only: z.boolean().optional(),
  enabled: z.boolean().optional(),
  bridge: z.string().optional(),
  poe_mode: z.string().optional(),
  poe_type: z.string().optional(),
  rf_role: z.string().optional(),
});
export type PortTemplate = z.infer<typeof PortTemplate>;

const ConsolePort = z.looseObject({ ...component, type: z.string().min(1), poe: z.boolean().optional() });
const PowerPort = z.looseObject({
  ...component,
  type: z.string().min(1),
  /** Watts. */
  maximum_draw: z.number().nonnegative().optional(),
  allocated_draw: z.number().nonnegative().optional(),
});
const PowerOutlet = z.looseObject({
  ...component,
  type: z.string().min(1),
  power_port: z.string().optional(),
  feed_leg: z.string().optional(),
  color: z.string().optional(),
});
const FrontPort = z.looseObject({
  ...component,
  type: z.string().min(1),
  color: z.string().optional(),
  rear_port: z.string().optional(),
  rear_port_position: z.number().int().positive().optional(),
});
const RearPort = z.looseObject({
  ...component,
  type: z.string().min(1),
  color: z.string().optional(),
  positions: z.number().int().positive().optional(),
  poe: z.boolean().optional(),
});
const ModuleBay = z.looseObject({ ...component, position: z.string().optional() });
const DeviceBay = z.looseObject(component);
const InventoryItem = z.looseObject({
  ...component,
  manufacturer: z.string().optional(),
  part_id: z.string().optional(),
});

/** The lists of a device type and what one entry of each looks like. */
export const componentLists = {
  interfaces: PortTemplate,
  "console-ports": ConsolePort,
  "console-server-ports": ConsolePort,
  "power-ports": PowerPort,
  "power-outlets": PowerOutlet,
  "front-ports": FrontPort,
  "rear-ports": RearPort,
  "module-bays": ModuleBay,
  "device-bays": DeviceBay,
  "inventory-items": InventoryItem,
} as const;
export type ComponentList = keyof typeof componentLists;
export const componentListNames = Object.keys(componentLists) as ComponentList[];

/** No more entries than this in one list; the largest real file has a few hundred (S4). */
export const MAX_COMPONENTS = 2000;
const list = <T extends z.ZodType>(item: T) => z.array(item).max(MAX_COMPONENTS).optional();

export const DeviceType = z.looseObject({
  manufacturer: z.string().trim().min(1),
  model: z.string().trim().min(1),
  /** Absent in most files of the library; derived where it is. */
  slug: z.string().regex(/^[-a-z0-9_]+$/),
  part_number: z.string().optional(),
  /** Rack units, in halves; 0 for what hangs beside the units or sits in a chassis. */
  u_height: z.number().nonnegative().multipleOf(0.5),
  is_full_depth: z.boolean(),
  airflow: z.string().optional(),
  weight: z.number().nonnegative().optional(),
  weight_unit: z.string().optional(),
  subdevice_role: z.string().optional(),
  is_powered: z.boolean().optional(),
  front_image: z.boolean().optional(),
  rear_image: z.boolean().optional(),
  description: z.string().optional(),
  comments: z.string().optional(),
  interfaces: list(PortTemplate),
  "console-ports": list(ConsolePort),
  "console-server-ports": list(ConsolePort),
  "power-ports": list(PowerPort),
  "power-outlets": list(PowerOutlet),
  "front-ports": list(FrontPort),
  "rear-ports": list(RearPort),
  "module-bays": list(ModuleBay),
  "device-bays": list(DeviceBay),
  "inventory-items": list(InventoryItem),
});
export type DeviceType = z.infer<typeof DeviceType>;

/** How a device type is named everywhere: `Dell/PowerEdge R650`. */
export const typeName = (type: { manufacturer: string; model: string }): string => `${type.manufacturer}/${type.model}`;

/** Names of the bays that can take a module or a sled. */
export const bayNames = (type: DeviceType): string[] =>
  [...(type["module-bays"] ?? []), ...(type["device-bays"] ?? [])].map((bay) => bay.name);
