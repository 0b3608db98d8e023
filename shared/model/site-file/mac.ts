/** A MAC in its one form, six lower-case pairs with colons, or undefined. Labels print capitals, so those are read. */
export function parseMac(text: string): string | undefined {
  return /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(text) ? text.toLowerCase() : undefined;
}

/** What the writer probably meant, in our form: other separators and none are understood. */
export function macInstead(text: string): string {
  const digits = text.toLowerCase().replace(/[^0-9a-f]/g, "");
  const onlyThose = /^[0-9a-f:.\s-]*$/i.test(text);
  if (onlyThose && digits.length === 12) return digits.match(/../g)?.join(":") ?? "";
  return "six pairs of hex digits with colons, as 3c:ec:ef:00:10:01";
}

/** The lowest bit of the first byte marks a group; no port has such an address. */
export const isGroupMac = (mac: string): boolean => (Number.parseInt(mac.slice(0, 2), 16) & 1) === 1;
