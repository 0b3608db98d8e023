import type { BmcAddress } from "../../../shared/model/site.ts";
import { type BmcOwner, bmcOwner, type Fence, type OwnerOptions } from "./owner.ts";
import type { Bmc } from "./redfish.ts";

/** Every BMC of the site, each with its one owner (A3). */
export interface BmcPool {
  bmc(address: BmcAddress, fence: Fence): Bmc;
  /** Logs out everywhere. */
  close(): Promise<void>;
}

export function bmcPool(options: OwnerOptions): BmcPool {
  const owners = new Map<string, BmcOwner>();
  return {
    bmc(address, fence) {
      const key = `${address.scheme}://${address.address}:${address.port} ${address.secret}`;
      let owner = owners.get(key);
      if (!owner) {
        owner = bmcOwner(address, options);
        owners.set(key, owner);
      }
      return { owner, fence, name: `${address.address} port ${address.port}` };
    },
    async close() {
      await Promise.all([...owners.values()].map((owner) => owner.close()));
    },
  };
}
