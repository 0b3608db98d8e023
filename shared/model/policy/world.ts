/** What of a site its policy is judged by. */
export interface PolicySite {
  name: string;
  racks: readonly string[];
  devices: readonly PolicyDevice[];
}

export interface PolicyDevice {
  name: string;
  role: string;
  rack: string;
  /** Turnup installs it, so it knows whether it is in service. Of other gear, as switches, it does not. */
  machine: boolean;
}

/** What else is known where a policy is judged. */
export interface PolicyContext {
  site: PolicySite;
  /** Names of the workflows there are. */
  workflows: readonly string[];
}
