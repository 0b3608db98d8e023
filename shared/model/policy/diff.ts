import type { FloorEntry, Policy } from "../policy.ts";

/** What a policy says, in words: of each thing by its name, each field. */
type Said = Map<string, Map<string, string>>;
type Fields = Record<string, string | number | readonly (string | number)[] | undefined>;

/**
 * What another policy changes, in words, one line for each change: `pool web: floor 4 → 5`. Empty when both say the same.
 */
export function policyChanges(before: Policy | undefined, after: Policy): string[] {
  const was = before ? said(before) : new Map<string, Map<string, string>>();
  const is = said(after);
  const lines: string[] = [];
  for (const [thing, fields] of is) {
    const old = was.get(thing);
    if (!old) lines.push(`${thing}: new${listed(fields)}`);
    else lines.push(...changesOf(thing, old, fields));
  }
  for (const [thing, fields] of was) if (!is.has(thing)) lines.push(`${thing}: gone${listed(fields)}`);
  return lines;
}

function changesOf(thing: string, old: ReadonlyMap<string, string>, fields: ReadonlyMap<string, string>): string[] {
  const lines: string[] = [];
  for (const field of new Set([...old.keys(), ...fields.keys()])) {
    const [a, b] = [old.get(field), fields.get(field)];
    if (a === b) continue;
    if (a === undefined) lines.push(`${thing}: ${field} ${b}, where nothing was said`);
    else if (b === undefined) lines.push(`${thing}: ${field} no longer said; it was ${a}`);
    else lines.push(`${thing}: ${field} ${a} → ${b}`);
  }
  return lines;
}

const listed = (fields: ReadonlyMap<string, string>): string =>
  fields.size === 0 ? "" : ` (${[...fields].map(([field, value]) => `${field} ${value}`).join("; ")})`;

function said(policy: Policy): Said {
  const out: Said = new Map();
  const add = (thing: string, fields: Fields) => {
    const given = Object.entries(fields).filter(([, value]) => value !== undefined);
    out.set(
      thing,
      new Map(given.map(([field, value]) => [field, Array.isArray(value) ? value.join(", ") : String(value)])),
    );
  };
  for (const { name, members, floor, drain } of policy.pools ?? [])
    add(`pool ${name}`, { floor: floorWords(floor), ...members, hook: drain?.hook });
  if (policy.racks) add("each rack", { floor: floorWords(policy.racks.floor) });
  for (const [role, floor] of Object.entries(policy.roles ?? {})) add(`role ${role}`, { floor: floorWords(floor) });
  for (const { name, ...fields } of policy.groups ?? []) add(`group ${name}`, fields);
  for (const { name, ...fields } of policy.windows ?? []) add(`window ${name}`, fields);
  for (const { name, ...fields } of policy.freezes ?? []) add(`freeze ${name}`, fields);
  for (const [cap, n] of Object.entries(policy.caps ?? {})) add(`cap ${cap}`, { at: n });
  for (const { on, owner, ...fields } of policy.holds ?? []) add(`hold of ${owner} on ${on}`, fields);
  for (const { workflow, ...fields } of policy.errorBudgets ?? []) add(`error budget of ${workflow}`, fields);
  for (const [workflow, people] of Object.entries(policy.approvals ?? {})) add(`approvals of ${workflow}`, { people });
  if (policy.waves) {
    const { stop, ...fields } = policy.waves;
    const stops = Object.entries(stop ?? {}).map(([key, value]) => [`stop.${key}`, value]);
    add("waves", { ...fields, ...Object.fromEntries(stops) });
  }
  for (const { name, ...fields } of policy.hooks ?? []) add(`hook ${name}`, fields);
  return out;
}

const floorWords = (floor: FloorEntry | undefined): string | undefined =>
  floor && (floor.percent === undefined ? String(floor.count) : `${floor.percent} %`);
