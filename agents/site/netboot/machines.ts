/**
 * The machines that are in their RAM environment now: what each last said, and its poll that is held open. Truth about
 * commands is in the journal; this may be lost at any time and costs only time.
 */
import type { Clock } from "../../../shared/deps.ts";
import { type CommandState, POLL_HOLD_MS, type RamdiskCommand } from "../../../shared/protocol/ramdisk.ts";
import type { Timers } from "../deps.ts";
import type { Journal } from "../journal/journal.ts";
import type { Signals } from "../signals.ts";

export interface Machines {
  /** Answers a poll: with a command that the machine does not have, at once when its states changed, else after the hold. */
  poll(boot: string, states: readonly CommandState[]): Promise<RamdiskCommand | undefined>;
  command(boot: string, command: RamdiskCommand): void;
  /**
   * Has the command given as long as `holds` says that the attempt behind it has a live lease (L2, L3): without an offer
   * a machine that comes late, or comes back, is given nothing. Returns how to withdraw it.
   */
  offer(boot: string, command: string, holds: () => boolean): () => void;
  /** The newest state of a command, running ones included. */
  state(boot: string, command: string): CommandState | undefined;
  heard(boot: string): void;
  /** Ms since the machine was last heard of; 0 while a poll is held. */
  silentMs(boot: string): number;
  forget(boot: string): void;
}

interface Live {
  heardAt: number;
  states: Map<string, CommandState>;
  release: (() => void) | undefined;
  /** By the command's id. */
  offers: Map<string, () => boolean>;
}

export const bootKey = (boot: string): string => `boot:${boot}`;

export function ramdiskMachines(
  { boots, durable }: Pick<Journal, "boots" | "durable">,
  clock: Clock,
  timers: Timers,
  signals: Signals,
): Machines {
  const live = new Map<string, Live>();
  // After a restart of the agent every machine counts as just heard of: the silence was ours.
  const startedAt = clock.monotonic();
  const of = (boot: string): Live => {
    const known = live.get(boot);
    if (known) return known;
    const fresh: Live = { heardAt: startedAt, states: new Map(), release: undefined, offers: new Map() };
    live.set(boot, fresh);
    return fresh;
  };
  const next = (boot: string, states: readonly CommandState[]): RamdiskCommand | undefined => {
    const given = ({ id }: RamdiskCommand) => states.some((s) => s.id === id);
    const offered = ({ id }: RamdiskCommand) => live.get(boot)?.offers.get(id)?.() ?? false;
    return boots.commands(boot).find((c) => c.state === null && !given(c.command) && offered(c.command))?.command;
  };
  /** A2: what a machine is told is on disk before. Then the lease is asked again, right before the answer. */
  const give = async (boot: string, states: readonly CommandState[]): Promise<RamdiskCommand | undefined> => {
    if (!next(boot, states)) return undefined;
    await durable();
    return next(boot, states);
  };

  return {
    async poll(boot, states) {
      const machine = of(boot);
      machine.heardAt = clock.monotonic();
      // A machine has one poll open: an older one is answered, its connection may be dead.
      machine.release?.();
      let changed = false;
      for (const state of states) {
        const before = machine.states.get(state.id);
        if (before && before.state === state.state && before.percent === state.percent) continue;
        changed = true;
        machine.states.set(state.id, state);
        if (state.state !== "running") boots.endCommand(boot, state);
      }
      if (changed) signals.notify(bootKey(boot));
      const command = await give(boot, states);
      if (command || changed) return command;
      await new Promise<void>((resolve) => {
        const end = () => {
          cancel();
          if (machine.release === end) machine.release = undefined;
          machine.heardAt = clock.monotonic();
          resolve();
        };
        const cancel = timers.after(POLL_HOLD_MS, end);
        machine.release = end;
      });
      return give(boot, states);
    },
    command: boots.addCommand,
    offer(boot, command, holds) {
      const { offers } = of(boot);
      offers.set(command, holds);
      live.get(boot)?.release?.();
      return () => {
        if (offers.get(command) === holds) offers.delete(command);
      };
    },
    state: (boot, command) => live.get(boot)?.states.get(command),
    heard(boot) {
      of(boot).heardAt = clock.monotonic();
    },
    silentMs(boot) {
      const machine = of(boot);
      return machine.release ? 0 : clock.monotonic() - machine.heardAt;
    },
    forget(boot) {
      live.get(boot)?.release?.();
      live.delete(boot);
    },
  };
}
