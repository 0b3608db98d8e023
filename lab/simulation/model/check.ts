/** Runs the model beside the core: any commands in any order, then a calm in which all must come to its end (J10). */
import fc from "fast-check";
import { rack, relay, staggered } from "../../../workers/site/core/test-workflows.ts";
import { World } from "../../../workers/site/core/test-world.ts";
import { type Act, SERVERS } from "./act.ts";
import { enrol, newAgent, permit, thaw, wait } from "./around.ts";
import { commands } from "./commands.ts";
import { compare } from "./compare.ts";
import { resume } from "./rules.ts";
import { Model, type ModelStep, type ModelTarget, violated } from "./state.ts";
import { syncOf } from "./syncs.ts";

const MAX_COMMANDS = 40;
/** Rounds of the calm: no list of commands leaves more to do. */
const MAX_ROUNDS = 300;
const DAY = 86_400_000;

function begin(w: World): Model {
  const m = new Model(w.now);
  m.agents.push(newAgent(w.agent, "a"));
  enrol(m, w);
  permit(m, w, 365 * DAY);
  return m;
}

/** Faults stop, and one agent is there: each job must end, or wait for a person. */
function calm(m: Model, w: World): void {
  thaw(m, w);
  permit(m, w, 365 * DAY);
  for (const job of m.jobs) {
    if (job.pausedAt === undefined) continue;
    w.do("job.resume", { job: job.id, actor: "token:model" });
    resume(m, job);
  }
  const agent = m.agents.find((a) => !a.revoked) ?? enrol(m, w);
  // What needs a step of a machine that waits for a person waits for that person too.
  const rests = (t: ModelTarget) => t.job.targets.some((o) => o.state === "waiting") && !t.steps.some(isMoving);
  const unfinished = () => m.openTargets().filter((t) => !rests(t));
  for (let round = 0; unfinished().length > 0; round++) {
    if (round === MAX_ROUNDS) {
      const [stuck] = unfinished();
      violated("J10", `${stuck?.name} is still ${stuck?.state}: ${stuck?.steps.map((s) => `${s.name} ${s.state}`)}`);
    }
    const before = agent.hands.size;
    syncOf(m, w, agent, ["ok"]);
    compare(m, w);
    if (before + agent.hands.size > 0) continue;
    wait(m, w, 31_000);
    compare(m, w);
  }
}

const isMoving = ({ state }: ModelStep): boolean => state === "ready" || state === "work" || state === "unknown";

export interface Found {
  /** The shortest list of commands that shows it, in words; the calm follows. */
  commands: string[];
  what: string;
}

/** Looks for a list of commands after which a rule does not hold; undefined when there is none among so many. A violation is shrunk. */
export function look(seed: number, runs: number): Found | undefined {
  const w = new World(SERVERS, { workflows: [rack, relay, staggered] });
  const lists = fc.commands<Model, World>(commands, { maxCommands: MAX_COMMANDS, size: "max", disableReplayLog: true });
  const property = fc.property(lists, (list) =>
    w.undone(() => {
      const m = begin(w);
      fc.modelRun(() => ({ model: m, real: w }), list);
      calm(m, w);
    }),
  );
  const out = fc.check(property, { seed, numRuns: runs });
  if (!out.failed) return undefined;
  const [list] = out.counterexample ?? [];
  const error = out.errorInstance;
  return {
    commands: [...((list ?? []) as Iterable<Act>)].map(String),
    what: error instanceof Error ? error.message : String(error),
  };
}
