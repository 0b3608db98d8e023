import type { Clock } from "../../../shared/deps.ts";
import type { TurnupError } from "../../../shared/errors.ts";
import { LEASE_RENEW_MS, LEASE_TTL_MS, type Lease } from "../../../shared/protocol/agent.ts";
import type { Fence } from "../bmc/owner.ts";
import type { Signals } from "../signals.ts";
import { failing, type Stopped } from "./step.ts";

/** A lease in hand. Its time counts on the monotonic clock from when its sync was sent (L3). */
export interface HeldLease {
  lease: Lease;
  fence: Fence;
  /** Whether it lives now and is still the device's newest. */
  holds: () => boolean;
  signal: AbortSignal;
  renew(sentAt: number): void;
  stop(reason: Stopped | TurnupError): void;
  /** Ms until it should be renewed; never below a second, as asking too early changes nothing (C4). */
  renewalInMs(): number;
}

/** Just past half the time to live as the coordinator counts it, which began a little later than ours. */
const RENEW_MARGIN_MS = 500;

interface HoldOptions {
  clock: Clock;
  signals: Signals;
  /** L2: whether the epoch is still the highest that this agent has seen for the device. */
  current(device: string, epoch: number): boolean;
  askRenewal(): void;
}

export function holdLease(lease: Lease, sentAt: number, o: HoldOptions): HeldLease {
  const controller = new AbortController();
  const { signal } = controller;
  const key = `lease:${lease.id}`;
  let from = sentAt;
  let ttl = lease.ttlMs;
  const leftMs = () => from + ttl - o.clock.monotonic();

  return {
    lease,
    signal,
    holds: () => !signal.aborted && o.current(lease.target.device, lease.epoch) && leftMs() > 0,
    fence: {
      async admit(timeoutMs) {
        // A1: without a renewal it holds. It never starts a call on a lease that may run out before the call ends.
        const mayStart = () => {
          signal.throwIfAborted();
          if (!o.current(lease.target.device, lease.epoch))
            throw failing("stale_epoch", `A newer lease than epoch ${lease.epoch} was seen for this device.`);
          return leftMs() >= timeoutMs ? true : undefined;
        };
        if (mayStart()) return;
        if (timeoutMs > LEASE_TTL_MS) throw failing("lease_expired", "A call's time-out is longer than any lease.");
        o.askRenewal();
        const renewed = await o.signals.until(key, mayStart, lease.deadlineMs, signal);
        if (!renewed) throw failing("lease_expired", "The lease was not renewed before the attempt's deadline.");
      },
    },
    renew(at) {
      from = at;
      ttl = LEASE_TTL_MS;
      o.signals.notify(key);
    },
    stop(reason) {
      controller.abort(reason);
      o.signals.notify(key);
    },
    renewalInMs: () =>
      Math.max(1000, from + Math.min(ttl, LEASE_TTL_MS) - LEASE_RENEW_MS + RENEW_MARGIN_MS - o.clock.monotonic()),
  };
}
