import ipaddr from "ipaddr.js";

/** An address as a number, so that comparing and counting need no text. */
export interface Address {
  family: 4 | 6;
  value: bigint;
  /** In its canonical form. */
  text: string;
}
export interface Network {
  family: 4 | 6;
  length: number;
  /** Lowest and highest address of it. */
  first: bigint;
  last: bigint;
  text: string;
}

export const bitsOf = (family: 4 | 6): number => (family === 4 ? 32 : 128);

/** An IPv4 address in four decimal parts or an IPv6 address without zone; undefined for anything else. */
export function parseAddress(text: string): Address | undefined {
  // The family is known from the colon: the library throws and catches for the wrong one, which costs.
  if (!text.includes(":")) {
    return ipaddr.IPv4.isValidFourPartDecimal(text) ? fromParsed(ipaddr.IPv4.parse(text), 4) : undefined;
  }
  return text.includes("%") || !ipaddr.IPv6.isValid(text) ? undefined : fromParsed(ipaddr.IPv6.parse(text), 6);
}

function fromParsed(parsed: ipaddr.IPv4 | ipaddr.IPv6, family: 4 | 6): Address {
  let value = 0n;
  for (const byte of parsed.toByteArray()) value = (value << 8n) | BigInt(byte);
  return { family, value, text: parsed.toString() };
}

/** The text of an address given as a number. */
export function addressText(family: 4 | 6, value: bigint): string {
  const bytes: number[] = [];
  for (let shift = bitsOf(family) - 8; shift >= 0; shift -= 8) bytes.push(Number((value >> BigInt(shift)) & 0xffn));
  return ipaddr.fromByteArray(bytes).toString();
}

/** `address/length`, the address not necessarily the network's own. */
export function parseCidr(text: string): { address: Address; length: number } | undefined {
  const match = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(text);
  const address = match?.[1] === undefined ? undefined : parseAddress(match[1]);
  const length = Number(match?.[2]);
  if (!address || length > bitsOf(address.family)) return undefined;
  return { address, length };
}

export function networkOf({ family, value }: Address, length: number): Network {
  const host = (1n << BigInt(bitsOf(family) - length)) - 1n;
  const first = value & ~host;
  return { family, length, first, last: first | host, text: `${addressText(family, first)}/${length}` };
}

export const isIn = (address: Address, network: Network): boolean =>
  address.family === network.family && address.value >= network.first && address.value <= network.last;

/**
 * Why the address cannot belong to one host of the network, or undefined. Networks of one or two addresses have
 * neither a network nor a broadcast address (RFC 3021, RFC 6164).
 */
export function notAHost(address: Address, network: Network): string | undefined {
  if (network.last - network.first < 3n) return undefined;
  if (address.value === network.first)
    return network.family === 4 ? "the network address" : "the routers' anycast address";
  if (network.family === 4 && address.value === network.last) return "the broadcast address";
  return undefined;
}

/** The lowest host address of the network from `from` on that is not taken, within 70,000 tries; undefined if none. */
export function freeAddress(
  network: Network,
  from: bigint,
  taken: (text: string) => boolean,
): { value: bigint; text: string } | undefined {
  const { family } = network;
  const small = network.last - network.first < 3n;
  const lowest = small ? network.first : network.first + 1n;
  const highest = small || family === 6 ? network.last : network.last - 1n;
  const start = from > lowest ? from : lowest;
  for (let value = start; value <= highest && value - start < 70_000n; value++) {
    const text = addressText(family, value);
    if (!taken(text)) return { value, text };
  }
  return undefined;
}

/** How many leading bits two addresses of one family share. */
export function sharedBits(a: bigint, b: bigint, family: 4 | 6): number {
  const differing = a ^ b;
  return bitsOf(family) - (differing === 0n ? 0 : differing.toString(2).length);
}
