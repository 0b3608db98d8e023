/** How far a run is: one line that is written over on a terminal, a line every ten seconds elsewhere. */
import { plural } from "../../cli/output/words.ts";
import type { Progress } from "./pool.ts";

const TERMINAL_MS = 500;
const ELSEWHERE_MS = 10_000;

export function progressLine(seeds: number | undefined): { told(state: Progress): void; end(): void } {
  const { stderr } = process;
  const began = performance.now();
  let shownAt = began;
  let shown = false;
  return {
    told(state) {
      const now = performance.now();
      if (now - shownAt < (stderr.isTTY ? TERMINAL_MS : ELSEWHERE_MS)) return;
      shownAt = now;
      const seconds = (now - began) / 1000;
      const faults = Object.values(state.coverage.counts.faults).reduce((sum, n) => sum + n, 0);
      const of = seeds === undefined ? "" : ` of ${seeds}`;
      const line = `${state.seeds}${of} seeds, ${(state.seeds / seconds).toFixed(1)} seeds/s, ${Math.round(state.events / seconds)} events/s, ${faults} faults, ${plural(state.failed.length, "violation")}`;
      stderr.write(stderr.isTTY ? `\r${line}\u001b[K` : `${line}\n`);
      shown = true;
    },
    end() {
      if (shown && stderr.isTTY) stderr.write("\r\u001b[K");
    },
  };
}
