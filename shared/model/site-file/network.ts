import {
  type Address,
  freeAddress,
  isIn,
  type Network,
  networkOf,
  notAHost,
  parseAddress,
  parseCidr,
  sharedBits,
} from "./address.ts";
import type { Draft } from "./draft.ts";
import type { Faults } from "./faults.ts";
import { checkNames } from "./names.ts";
import { instead } from "./nearest.ts";

interface Claim {
  owner: string;
  pointer: string;
  address: Address;
  /** The length written with the address; undefined where none is wanted. */
  length: number | undefined;
  machine: boolean;
}

/** The networks of the file and every address given out of them. */
export class Networks {
  readonly list: Network[] = [];
  readonly #faults: Faults;
  readonly #gateways = new Map<string, string>();
  readonly #claims: Claim[] = [];
  readonly #taken = new Set<string>();

  constructor(faults: Faults) {
    this.#faults = faults;
  }

  addGateway(address: Address, prefix: string): void {
    this.#gateways.set(address.text, prefix);
    this.#taken.add(address.text);
  }

  /** Keeps an address from being proposed to a device. */
  reserve(text: string): string {
    this.#taken.add(text);
    return text;
  }

  /** Notes a device's address, to be judged when all are known; a malformed one is a fault at once. */
  claim(text: string, pointer: string, claim: { owner: string; machine: boolean; cidr: boolean }): void {
    if (this.#faults.broken(pointer)) return;
    const cidr = claim.cidr ? parseCidr(text) : undefined;
    const address = claim.cidr ? cidr?.address : parseAddress(text);
    if (!address) {
      this.#faults.add(
        "address_malformed",
        pointer,
        `"${text}" is no address here`,
        this.#wellFormed(text, claim.cidr),
      );
      return;
    }
    this.#taken.add(address.text);
    this.#claims.push({ owner: claim.owner, pointer, address, length: cidr?.length, machine: claim.machine });
  }

  #wellFormed(text: string, cidr: boolean): string {
    const bare = parseAddress(text);
    const network = bare && this.find(bare);
    if (cidr && bare) return network ? `${bare.text}/${network.length}` : `${bare.text}/ and the prefix length`;
    const long = parseCidr(text);
    if (!cidr && long) return long.address.text;
    return cidr ? "an address with its prefix length, as 10.20.20.11/24" : "an address, as 10.20.0.11 or fd00:20:6::11";
  }

  /** The smallest network that holds the address. */
  find(address: Address): Network | undefined {
    let best: Network | undefined;
    for (const network of this.list) {
      if (isIn(address, network) && (!best || network.length > best.length)) best = network;
    }
    return best;
  }

  /** Judges every address noted: in a prefix, a host of it, with its length, and given once. */
  judge(): void {
    const owners = new Map<string, string>();
    for (const claim of this.#claims) {
      const { address, pointer, owner } = claim;
      const network = this.find(address);
      if (!network) {
        const text = `${address.text} lies in no prefix of the site`;
        this.#faults.add("address_outside_prefix", pointer, text, this.#elsewhere(claim));
        continue;
      }
      const earlier = owners.get(address.text);
      owners.set(address.text, earlier ?? owner);
      const unfit = notAHost(address, network);
      const gateway = claim.machine ? this.#gateways.get(address.text) : undefined;
      const free = () => this.#free(network, claim);
      if (unfit)
        this.#faults.add("address_not_host", pointer, `${address.text} is ${unfit} of ${network.text}`, free());
      else if (gateway)
        this.#faults.add("address_is_gateway", pointer, `${address.text} is the gateway of ${gateway}`, free());
      else if (earlier)
        this.#faults.add("address_duplicate", pointer, `${address.text} is given to ${earlier} already`, free());
      else if (claim.length !== undefined && claim.length !== network.length) {
        const text = `${address.text} lies in ${network.text}, and /${claim.length} is not its length`;
        this.#faults.add("address_prefix_length", pointer, text, `${address.text}/${network.length}`);
      }
    }
  }

  /** A free address of the network nearest to the one written. */
  #elsewhere(claim: Claim): string {
    const { address } = claim;
    const shared = (network: Network) => sharedBits(address.value, network.first, address.family);
    const nearest = this.list
      .filter((network) => network.family === address.family)
      .reduce<Network | undefined>((best, one) => (!best || shared(one) > shared(best) ? one : best), undefined);
    if (nearest) return this.#free(nearest, claim);
    return `an address of a prefix, or list its network: prefixes: [{ prefix: ${address.family === 4 ? "10.0.0.0/24" : "fd00::/64"} }]`;
  }

  readonly #searched = new Map<Network, bigint>();
  /** Each proposal is taken, so that two never name the same address; the search goes on where the last one ended. */
  #free(network: Network, { length }: Claim): string {
    const from = this.#searched.get(network) ?? network.first;
    const found = freeAddress(network, from, (text) => this.#taken.has(text));
    if (!found) return `an address of another prefix: ${network.text} is full`;
    this.#searched.set(network, found.value);
    this.#taken.add(found.text);
    return length === undefined ? `${found.text} (in ${network.text})` : `${found.text}/${network.length}`;
  }
}

/** Judges VLANs and prefixes with their gateways. */
export function checkNetworks({ file, faults }: Draft): Networks {
  const vlans = file.vlans ?? [];
  const names = [...checkNames(vlans, "/vlans", faults).keys()];
  const vids = new Map<number, string>();
  vlans.forEach(({ name, vid }, i) => {
    const at = `/vlans/${i}/vid`;
    if (faults.broken(at)) return;
    const first = vids.get(vid);
    if (first === undefined) vids.set(vid, name);
    else faults.add("vlan_id_duplicate", at, `the VLAN id ${vid} is ${first}'s already`, `vid: ${freeVid(vid, vlans)}`);
  });
  const networks = new Networks(faults);
  file.prefixes?.forEach((entry, i) => {
    const at = `/prefixes/${i}`;
    if (entry.vlan !== undefined && !faults.broken(`${at}/vlan`) && !names.includes(entry.vlan)) {
      faults.add("vlan_unknown", `${at}/vlan`, `there is no VLAN "${entry.vlan}"`, instead(entry.vlan, names));
    }
    const network = checkPrefix(entry.prefix, `${at}/prefix`, networks, faults);
    if (network && entry.gateway !== undefined) checkGateway(entry.gateway, `${at}/gateway`, network, networks, faults);
  });
  return networks;
}

function freeVid(vid: number, vlans: readonly { vid: number }[]): number {
  const used = new Set(vlans.map((vlan) => vlan.vid));
  for (let step = 1; step < 4094; step++) {
    const candidate = ((vid - 1 + step) % 4094) + 1;
    if (!used.has(candidate)) return candidate;
  }
  return vid;
}

function checkPrefix(text: string, pointer: string, networks: Networks, faults: Faults): Network | undefined {
  if (faults.broken(pointer)) return undefined;
  const cidr = parseCidr(text);
  if (!cidr) {
    faults.add(
      "prefix_malformed",
      pointer,
      `"${text}" is no prefix`,
      "a network with its length, as 10.20.0.0/24 or fd00:20:6::/64",
    );
    return undefined;
  }
  const { address, length } = cidr;
  const network = networkOf(address, length);
  if (address.value !== network.first) {
    faults.add("prefix_host_bits", pointer, `${text} names a host, not a network`, network.text);
  }
  if (networks.list.some((other) => other.text === network.text)) {
    faults.add("prefix_duplicate", pointer, `${network.text} is listed already`, "each prefix once");
  } else networks.list.push(network);
  return network;
}

function checkGateway(text: string, pointer: string, network: Network, networks: Networks, faults: Faults): void {
  if (faults.broken(pointer)) return;
  const address = parseAddress(text);
  // Kept free of devices, or mending this fault as told would make the next one.
  const write = () => networks.reserve(freeAddress(network, network.first, () => false)?.text ?? network.text);
  if (!address) faults.add("gateway_malformed", pointer, `"${text}" is no address`, write());
  else if (!isIn(address, network)) {
    faults.add("gateway_outside_prefix", pointer, `${text} is no address of ${network.text}`, write());
  } else {
    const unfit = notAHost(address, network);
    if (unfit) faults.add("gateway_not_host", pointer, `${text} is ${unfit} of ${network.text}`, write());
    else networks.addGateway(address, network.text);
  }
}
