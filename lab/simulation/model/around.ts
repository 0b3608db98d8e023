/** What happens around the jobs: time, the object's memory, agents that come and go, the fleet's budget, the site's caps. */
import fc from "fast-check";
import { siteOf, type World } from "../../../workers/site/core/test-world.ts";
import { ACTOR, act, MAX_AGENTS, pick, SERVERS, seldom, tell } from "./act.ts";
import { begunNow, revoke, tick } from "./rules.ts";
import { type Model, type ModelAgent, violated } from "./state.ts";

export function wait(m: Model, w: World, ms: number, alarm = true): void {
  m.real += ms;
  m.now += ms;
  w.now = m.now;
  if (!alarm) return;
  w.do("tick", {});
  tick(m);
}
export const waits = fc
  .record({
    ms: fc.constantFrom(31_000, 61_000, 1_000, 31_000, 61_000, 1_000, 121_000, 121_000, 1_200_000, 25_200_000),
    late: seldom,
  })
  .map(({ ms, late }) => act(`wait(${ms / 1000} s${late ? ", no alarm" : ""})`, (m, w) => wait(m, w, ms, !late)));
/** The coordinator's clock is set, while no time passes. */
function jump(m: Model, w: World, ms: number): void {
  m.now += ms;
  w.now = m.now;
  for (const agent of m.agents) agent.waitsSince = undefined;
}
export const aheads = fc.constantFrom(5_000, 100_000, 600_000, 7_200_000).map((ms) =>
  act(`set ahead(${ms / 1000} s)`, (m, w) => {
    jump(m, w, ms);
    wait(m, w, 0);
  }),
);
export const backs = fc.constantFrom(1_000, 45_000, 600_000).map((ms) =>
  act(`set back(${ms / 1000} s)`, (m, w) => {
    jump(m, w, -ms);
    begunNow(m);
    // C1: the alarm is due at once.
    wait(m, w, 0);
  }),
);
export const evicts = fc.constant(act("evict()", (_, w) => w.evict()));

export const revokes = fc.nat(MAX_AGENTS - 1).map((who) =>
  act(`revoke(${"abcd"[who]})`, (m, w) => {
    const agent = pick(m.agents, who);
    if (!agent) return;
    const code = tell(w, "agent.revoke", { agent: agent.id, actor: ACTOR });
    if (code !== undefined) violated("S2", `the revocation of ${agent.name} is refused: ${code}`);
    if (!agent.revoked) revoke(m, agent);
  }),
);
export const newAgent = (id: string, name: string): ModelAgent => ({
  id,
  name,
  revoked: false,
  hands: new Map(),
  late: [],
  sent: [],
  heardAt: Number.NEGATIVE_INFINITY,
  waitsSince: undefined,
  renewedUntil: 0,
});
export function enrol(m: Model, w: World): ModelAgent {
  const name = "abcdefgh"[m.agents.length] ?? "z";
  const agent = newAgent(w.enroll(name, name.repeat(43)), name);
  m.agents.push(agent);
  return agent;
}
export const enrols = fc.constant(
  act(
    "enrol()",
    (m, w) => void enrol(m, w),
    (m) => m.agents.length < MAX_AGENTS,
  ),
);

/** What the fleet's budget answers, as asked just now. */
export function permit(m: Model, w: World, ms: number): void {
  const granted = ms > 0;
  w.do("permit.set", { permit: { granted, frozen: false, expiresAt: m.now + ms, reason: "model" } });
  if (!m.open) m.openSince = m.now;
  m.permit = { heardAt: m.now, until: granted ? m.now + ms : 0 };
}
export function thaw(m: Model, w: World): void {
  w.do("fleet.poke", { frozen: false });
  if (m.frozen) m.permit.until = 0;
  m.frozen = false;
}
export const switches = fc.constantFrom(false, false, true).map((on) =>
  act(on ? "kill switch on" : "kill switch off", (m, w) => {
    if (!on) return thaw(m, w);
    w.do("fleet.poke", { frozen: true });
    m.frozen = true;
    m.permit.until = 0;
    // G6: an answer that was under way grants nothing.
    w.do("permit.set", {
      permit: { granted: true, frozen: false, expiresAt: m.now + 60_000, reason: "" },
      askedAt: m.now - 1,
    });
  }),
);
export const permits = fc.constantFrom(86_400_000, 86_400_000, 60_000, 5_000, 0).map((ms) =>
  act(
    `permit(${ms / 1000} s)`,
    (m, w) => permit(m, w, ms),
    (m) => !m.frozen,
  ),
);
export const caps = fc
  .record({ steps: fc.constantFrom(3, 3, 2, 1), identify: fc.constantFrom(2, 2, 1) })
  .map(({ steps, identify }) =>
    act(`caps(${steps} steps, ${identify} identify)`, (m, w) => {
      m.caps = { steps, actions: { "bmc.identify": identify } };
      w.do("site.import", { site: { ...siteOf(SERVERS), atOnce: m.caps }, actor: ACTOR });
    }),
  );
