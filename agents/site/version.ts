/** Told to the control plane with each sync. */
export const AGENT_VERSION = "0.1.0";
